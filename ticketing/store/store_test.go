package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postdesk/ticketing"
)

// open opens a store in dir that syncs less than production does.
func open(t *testing.T, dir string) *DB {
	t.Helper()
	d, err := Open(t.Context(), dir, Options{Synchronous: "NORMAL"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// write runs fn, which must succeed.
func write(t *testing.T, d *DB, fn func(ticketing.Tx) error) {
	t.Helper()
	if err := d.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came: %s", what)
		}
	}
}

func wantError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want one with %q", err, text)
	}
}

func TestSettings(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c%20#d") // every character that a URI could stumble over
	d, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := os.Stat(filepath.Join(dir, databaseName)); err != nil {
		t.Error(err)
	}
	pragmas := func(tx ticketing.Tx, want map[string]string) error {
		for name, value := range want {
			var kept any
			if err := tx.(interface {
				get(string, []any, ...any) error
			}).get("PRAGMA "+name, nil, &kept); err != nil {
				return err
			}
			if got := fmt.Sprint(kept); got != value {
				t.Errorf("%s is %s, want %s", name, got, value)
			}
		}
		return nil
	}
	write(t, d, func(tx ticketing.Tx) error {
		return pragmas(tx, map[string]string{"page_size": "8192", "journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": busyTimeout})
	})
	if err := d.Read(t.Context(), func(tx ticketing.Tx) error {
		return pragmas(tx, map[string]string{"query_only": "1", "busy_timeout": busyTimeout})
	}); err != nil {
		t.Error(err)
	}
	if err := d.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	id, fresh, err := deliver(d, sampleMail(1, 2048), "a@x.example")
	if err != nil || !fresh {
		t.Fatal(fresh, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Write(t.Context(), func(ticketing.Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
	if err := d.Read(t.Context(), func(ticketing.Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
	if _, err := d.Stage(t.Context(), strings.NewReader("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("Stage after Close: %v", err)
	}
	d = open(t, dir)
	again, fresh, err := deliver(d, sampleMail(1, 2048), "a@x.example")
	if err != nil || fresh || again != id {
		t.Errorf("the redelivery is arrival %d (fresh %v, %v), want %d", again, fresh, err, id)
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	_, err := Open(t.Context(), dir, Options{})
	wantError(t, err, "in use by another postdesk")
}

func TestNeverAnEmptyDesk(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(path string) error
		want  string
	}{
		"missing": {os.Remove, "is missing but was here before"},
		"empty":   {func(p string) error { return os.Truncate(p, 0) }, "is empty but was not before"},
		"no tables": {func(p string) error {
			db, err := sql.Open("sqlite", writerDSN(p, "FULL", true))
			if err != nil {
				return err
			}
			if err := os.Remove(p); err != nil {
				return err
			}
			_, err = db.Exec("CREATE TABLE other (id INTEGER)")
			return errors.Join(err, db.Close())
		}, "has no tables but had before"},
		"not a database": {func(p string) error { return os.WriteFile(p, bytes.Repeat([]byte("x"), 20000), 0o600) }, "not a database"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := open(t, dir).Close(); err != nil {
				t.Fatal(err)
			}
			if err := c.spoil(filepath.Join(dir, databaseName)); err != nil {
				t.Fatal(err)
			}
			_, err := Open(t.Context(), dir, Options{})
			wantError(t, err, c.want)
			// A refusal lets go of the lock.
			_, err = Open(t.Context(), dir, Options{})
			wantError(t, err, c.want)
		})
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	write(t, d, func(x ticketing.Tx) error {
		_, err := x.(*tx).exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, $2)", 9999, true)
		return err
	})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), dir, Options{})
	wantError(t, err, "schema 9999, and this postdesk knows")
}

func TestReadIsASnapshot(t *testing.T) {
	d := open(t, t.TempDir())
	count := func(tx ticketing.Tx) int64 {
		n, err := tx.CountPending()
		if err != nil {
			t.Error(err)
		}
		return n
	}
	err := d.Read(t.Context(), func(tx ticketing.Tx) error {
		before := count(tx)
		if _, _, err := deliver(d, sampleMail(1, 100), "a@x.example"); err != nil {
			return err
		}
		if after := count(tx); after != before {
			t.Errorf("pending went from %d to %d inside a Read", before, after)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := d.Read(t.Context(), func(tx ticketing.Tx) error {
		if count(tx) != 1 {
			t.Error("a Read does not see what was committed before it")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

func TestReadFaults(t *testing.T) {
	d := open(t, t.TempDir())
	sentinel := errors.New("mine")
	var kept ticketing.Tx
	for range 2 * ReaderCount { // more than there are connections: each must come back
		err := d.Read(t.Context(), func(tx ticketing.Tx) error { kept = tx; return sentinel })
		if !errors.Is(err, sentinel) {
			t.Fatal(err)
		}
		err = d.Read(t.Context(), func(tx ticketing.Tx) error { return tx.SetCursor("x", 1) })
		wantError(t, err, "readonly")
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a panic in a Read vanished")
				}
			}()
			_ = d.Read(t.Context(), func(ticketing.Tx) error { panic("oops") })
		}()
		ctx, cancel := context.WithCancel(t.Context())
		err = d.Read(ctx, func(tx ticketing.Tx) error {
			cancel()
			_, err := tx.LastSeq()
			return err
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("a Read with a dead context: %v", err)
		}
	}
	if _, err := kept.LastSeq(); !errors.Is(err, errFinished) {
		t.Errorf("a Tx after its Read: %v", err)
	}
}

// cut gives an error in the place of the rest.
type cut struct {
	rest []byte
	err  error
}

func (c *cut) Read(p []byte) (int, error) {
	n := copy(p, c.rest)
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		return n, c.err
	}
	return n, nil
}

func TestRaw(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	noise := make([]byte, 3<<20)
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		noise[i] = byte(x)
	}
	for name, c := range map[string]struct {
		body     []byte
		encoding string
	}{
		"empty": {nil, "none"}, "one octet": {[]byte("x"), "none"}, "text": {sampleMail(1, 2048), "zstd"},
		"noise": {noise[:5000], "none"}, "64 KB": {sampleMail(2, inlineLimit), "zstd"}, "64 KB of noise": {noise[:inlineLimit], "none"},
		"64 KB + 1": {sampleMail(3, inlineLimit+1), "file"}, "3 MB": {sampleMail(4, 3<<20), "file"}, "3 MB of noise": {noise, "file"},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // the second time as a redelivery
				s, err := d.Stage(t.Context(), &cut{c.body, io.EOF})
				if err != nil {
					t.Fatal(err)
				}
				if s.Encoding != c.encoding || s.Size != int64(len(c.body)) || c.encoding != "file" && len(s.Encoded) > len(c.body) {
					t.Errorf("staged %d octets as %d, %s; want %s", s.Size, len(s.Encoded), s.Encoding, c.encoding)
				}
				write(t, d, func(tx ticketing.Tx) error { return tx.PutRaw(s) })
				got, err := d.Raw(t.Context(), s.Hash)
				if err != nil || !bytes.Equal(got, c.body) {
					t.Errorf("came back as %d octets, %v", len(got), err)
				}
			}
		})
	}
	if _, err := d.Raw(t.Context(), ticketing.Hash{1}); !errors.Is(err, ticketing.ErrNotFound) {
		t.Errorf("unknown bytes: %v", err)
	}
	left, err := os.ReadDir(filepath.Join(dir, "raw", "tmp"))
	if err != nil || len(left) != 0 {
		t.Errorf("%d temporary files left, %v", len(left), err)
	}
}

// A message that was cut off must not pass for a whole one, wherever it was cut.
func TestStageOfACutMessage(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	for _, n := range []int{0, 1, 2048, inlineLimit, inlineLimit + 1, inlineLimit + 2, 3*inlineLimit + 3} {
		for _, fault := range []error{io.ErrUnexpectedEOF, errors.New("reset")} {
			if _, err := d.Stage(t.Context(), &cut{sampleMail(1, n), fault}); !errors.Is(err, fault) {
				t.Errorf("cut with %v after %d octets: %v", fault, n, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := d.Stage(ctx, bytes.NewReader(sampleMail(1, n+1))); !errors.Is(err, context.Canceled) {
			t.Errorf("a dead context after %d octets: %v", n, err)
		}
	}
	left, err := os.ReadDir(filepath.Join(dir, "raw", "tmp"))
	if err != nil || len(left) != 0 {
		t.Errorf("%d temporary files left, %v", len(left), err)
	}
}

func TestSpoiledRaw(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	body := sampleMail(1, 100_000)
	if _, _, err := deliver(d, body, "a@x.example"); err != nil {
		t.Fatal(err)
	}
	s, err := d.Stage(t.Context(), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	path := d.rawPath(s.Hash)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(whole); i += 1 + len(whole)/50 {
		spoiled := bytes.Clone(whole)
		spoiled[i] ^= 0x10
		if err := os.WriteFile(path, spoiled, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := d.Raw(t.Context(), s.Hash); err == nil && !bytes.Equal(got, body) {
			t.Errorf("a flipped bit at %d went unseen", i)
		}
	}
	if err := os.WriteFile(path, whole[:len(whole)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Raw(t.Context(), s.Hash); err == nil {
		t.Error("half a file went unseen")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Raw(t.Context(), s.Hash); err == nil || errors.Is(err, ticketing.ErrNotFound) {
		t.Errorf("a lost file: %v", err)
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	orphan := filepath.Join(dir, "raw", "tmp", "123")
	if err := os.WriteFile(orphan, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if _, err := os.Stat(orphan); !os.IsNotExist(err) {
		t.Errorf("what a crash left is still there: %v", err)
	}
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	d := open(t, dir)
	if _, _, err := deliver(d, sampleMail(1, 100_000), "a@x.example"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory is %v, %v", fmt.Sprint(info.Mode()), err)
	}
}
