package store

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/zstd"

	"postdesk/ticketing"
)

// filled is a store with mail in rows and in files, an event and an outgoing mail.
func filled(t *testing.T, dir string) *DB {
	t.Helper()
	d := open(t, dir)
	for i := range int64(6) {
		_, _, err := deliver(d, sampleMail(i, killSize(i*5)), "a@x.example")
		ok(t, err)
	}
	write(t, d, func(x ticketing.Tx) error {
		n, err := x.NextNumber("SUPPORT", 7102)
		if err != nil {
			return err
		}
		k := ticketing.Ticket{Queue: "SUPPORT", Number: n, Status: ticketing.StatusOpen, Created: at(1), Updated: at(1)}
		if err := x.AddTicket(&k); err != nil {
			return err
		}
		if err := x.Append(&ticketing.Event{Time: at(1), Type: ticketing.TicketCreated, Ticket: k.ID}); err != nil {
			return err
		}
		if err := x.AddKey(ticketing.NewKey(0, at(1))); err != nil {
			return err
		}
		return x.AddOutgoing(&ticketing.Outgoing{Ticket: k.ID, Recipient: "a@b.example", State: ticketing.OutQueued, Created: at(1)})
	})
	return d
}

// A backup under load is one moment: each file of raw mail that its database knows is in
// it, and a restored desk has all that was acknowledged before it began.
func TestBackupUnderLoad(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "desk.tar.zst")
	d := filled(t, dir)
	keys := must[[]ticketing.Key](t)(readKeys(d))
	for round := range int64(2) {
		var before int64
		ok(t, d.read(t.Context(), func(x *tx) (err error) { before, err = one(x, scanInt, "SELECT count(*) FROM raw"); return err }))
		stop := underLoad(t, d, 100_000*(round+1))
		m, err := Backup(t.Context(), dir, file, "test", nil)
		stop()
		ok(t, err)
		if m.Counts["raw"] < before || m.RawFiles == 0 {
			t.Errorf("round %d: %d raw mails and %d files, and there were %d when it began", round, m.Counts["raw"], m.RawFiles, before)
		}
		to := filepath.Join(t.TempDir(), "desk")
		r, err := Restore(t.Context(), file, to, RestoreOptions{SkipNumbers: 1000, NoErasures: true}, nil)
		ok(t, err)
		same(t, "manifest", r.Manifest, m)
		same(t, "waiting, newest event", [2]int64{r.Waiting, r.LastSeq}, [2]int64{1, 1})
		back := open(t, to)
		same(t, "keys", must[[]ticketing.Key](t)(readKeys(back)), keys)
		write(t, back, func(x ticketing.Tx) error {
			hold, err := x.Hold()
			if n, _ := x.NextNumber("SUPPORT", 1); !hold || n != 8103 {
				t.Errorf("held: %v, next number %d, want 8103", hold, n)
			}
			return err
		})
	}
	if left := must[[]string](t)(filepath.Glob(file + ".*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others can read the backup: %v %v", info, err)
	}
	if a, err := Verify(t.Context(), dir, nil); err != nil || len(a.Problems) > 0 {
		t.Errorf("verify: %+v %v", a, err)
	}
}

// underLoad delivers mail until stop is called; some of it is under way when it returns.
func underLoad(t *testing.T, d *DB, first int64) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	var n atomic.Int64
	for w := range int64(4) {
		load.Go(func() {
			for i := int64(0); ctx.Err() == nil; i++ {
				if _, _, err := deliver(d, sampleMail(first+1000*w+i, killSize(i*5)), "a@x.example"); err != nil {
					t.Error(err)
				}
				n.Add(1)
			}
		})
	}
	until(t, "load", func() bool { return n.Load() > 8 })
	return func() { cancel(); load.Wait() }
}

func readKeys(d *DB) (keys []ticketing.Key, err error) {
	err = d.Read(context.Background(), func(x ticketing.Tx) (err error) {
		keys, err = x.Keys()
		return err
	})
	return keys, err
}

// A backup of an older postdesk is restored, and upgraded at the next start.
func TestRestoreOfAnOldSchema(t *testing.T) {
	dir, file, to := t.TempDir(), filepath.Join(t.TempDir(), "desk.tar.zst"), t.TempDir()
	oldSchema(t, dir, 1)
	c := &conn{dsn: copyDSN(filepath.Join(dir, databaseName))} // its only mail, with its right hash
	hash := sha256.Sum256([]byte("a"))
	ok(t, c.exec(t.Context(), fmt.Sprintf("UPDATE raw SET hash = x'%x'", hash)))
	ok(t, c.close())
	_, err := Backup(t.Context(), dir, file, "old", nil)
	ok(t, err)
	r, err := Restore(t.Context(), file, to, RestoreOptions{NoErasures: true}, nil)
	ok(t, err)
	same(t, "schema", r.Manifest.Schema, int64(1))
	d := open(t, to)
	same(t, "mail", string(must[[]byte](t)(d.Raw(t.Context(), hash))), "a")
	same(t, "problems", must[*Audit](t)(Verify(t.Context(), to, nil)).Problems, []string(nil))
}

// spoil writes a backup again with its files changed; change gives nil to leave one out.
func spoil(t *testing.T, file string, change func(name string, data []byte) (string, []byte)) string {
	t.Helper()
	in := must[*os.File](t)(os.Open(file))
	defer in.Close()
	z := must[*zstd.Decoder](t)(zstd.NewReader(in))
	var buf bytes.Buffer
	out := must[*zstd.Encoder](t)(zstd.NewWriter(&buf))
	w := tar.NewWriter(out)
	for r := tar.NewReader(z); ; {
		head, err := r.Next()
		if err == io.EOF {
			break
		}
		ok(t, err)
		name, data := change(head.Name, must[[]byte](t)(io.ReadAll(r)))
		if data == nil {
			continue
		}
		ok(t, w.WriteHeader(&tar.Header{Name: name, Size: int64(len(data)), Mode: 0o600}))
		must[int](t)(w.Write(data))
	}
	ok(t, w.Close())
	ok(t, out.Close())
	path := filepath.Join(t.TempDir(), "spoilt")
	ok(t, os.WriteFile(path, buf.Bytes(), 0o600))
	return path
}

type spoiltBackup struct {
	name, want string
	change     func(string, []byte) (string, []byte)
}

// spoilt are backups that are not what they say.
func spoilt(t *testing.T) []spoiltBackup {
	manifest := func(change func(*Manifest)) func(string, []byte) (string, []byte) {
		return func(name string, data []byte) (string, []byte) {
			if name == manifestName {
				var m Manifest
				ok(t, json.Unmarshal(data, &m))
				change(&m)
				data = must[[]byte](t)(json.Marshal(m))
			}
			return name, data
		}
	}
	raw := func(change func(string, []byte) (string, []byte)) func(string, []byte) (string, []byte) {
		return func(name string, data []byte) (string, []byte) {
			if strings.HasPrefix(name, "raw/") {
				return change(name, data)
			}
			return name, data
		}
	}
	return []spoiltBackup{
		{"newer schema", "use the postdesk that made it, test", manifest(func(m *Manifest) { m.Schema = 9999 })},
		{"other format", "format 2", manifest(func(m *Manifest) { m.Format = 2 })},
		{"other counts", "it has", manifest(func(m *Manifest) { m.Counts["raw"]++ })},
		{"no manifest", "no backup of postdesk", func(name string, data []byte) (string, []byte) {
			if name == manifestName {
				return "", nil
			}
			return name, data
		}},
		{"a file that leads out", "odd name", raw(func(string, []byte) (string, []byte) { return "../../x", []byte("x") })},
		{"a file is missing", "damaged: raw mail", raw(func(string, []byte) (string, []byte) { return "", nil })},
		{"a file was changed", "damaged: raw mail", raw(func(name string, data []byte) (string, []byte) {
			enc := must[*zstd.Encoder](t)(zstd.NewWriter(nil))
			return name, enc.EncodeAll([]byte("something else"), nil)
		})},
		{"a flipped bit", "damaged", func(name string, data []byte) (string, []byte) {
			if name == databaseName {
				data[len(data)/2] ^= 1
				for i := 8192; i < 8292; i++ { // the head of a page
					data[i] ^= 0xff
				}
			}
			return name, data
		}},
	}
}

// A backup that is not what it says is not restored, and leaves an empty directory.
func TestRestoreRefuses(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "desk.tar.zst")
	ok(t, filled(t, dir).Close())
	_, err := Backup(t.Context(), dir, file, "test", nil)
	ok(t, err)
	for _, tt := range spoilt(t) {
		to := t.TempDir()
		_, err := Restore(t.Context(), spoil(t, file, tt.change), to, RestoreOptions{NoErasures: true}, nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) && !strings.Contains(err.Error(), "malformed") {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
		if left := must[[]os.DirEntry](t)(os.ReadDir(to)); len(left) > 0 {
			t.Errorf("%s: left behind: %v", tt.name, left)
		}
	}
	text := must[[]byte](t)(os.ReadFile(file))
	short := filepath.Join(t.TempDir(), "short")
	ok(t, os.WriteFile(short, text[:len(text)*2/3], 0o600))
	_, err = Restore(t.Context(), short, t.TempDir(), RestoreOptions{NoErasures: true}, nil)
	wantError(t, err, "unexpected EOF")
	_, err = Restore(t.Context(), file, dir, RestoreOptions{NoErasures: true}, nil)
	wantError(t, err, "is not empty")
	same(t, "what was there", must[*Audit](t)(Verify(t.Context(), dir, nil)).Problems, []string(nil))
}

// Each fault that data can have is found and named.
func TestVerify(t *testing.T) {
	sound := t.TempDir()
	ok(t, filled(t, sound).Close())
	for _, tt := range []struct{ name, sql, want string }{
		{"gap", "INSERT INTO event VALUES (3, 5, 't', NULL, NULL, NULL, '', '', '')", "before event 3 one is missing"},
		{"counter", "UPDATE counter SET value = 9 WHERE name = 'event'", "the newest event is 1, and the counter says 9"},
		{"reference", "PRAGMA foreign_keys=0; INSERT INTO mute VALUES (99, 99)", "mute 0 refers to a member that is not there"},
		{"Message-ID", "INSERT INTO message_id VALUES (x'00', 1, 99)", "a Message-ID is of message 99, which is not in that ticket"},
		{"message of an event", "UPDATE event SET message = 77", "event 1 is about a message that is not there"},
		{"number", "UPDATE counter SET value = 1 WHERE name = 'ticket:SUPPORT'", "the number of ticket 1 will be given again"},
		{"newest event of a ticket", "UPDATE ticket SET last_seq = 0", "the newest event of ticket 1"},
		{"bytes", "UPDATE raw SET body = zeroblob(10), encoding = 'none' WHERE id = 2", "another size"},
		{"same size", "UPDATE raw SET body = zeroblob(size), encoding = 'none' WHERE id = 2", "changed on disk"},
		{"index", "PRAGMA writable_schema=1; DELETE FROM sqlite_master WHERE name = 'ticket_held'", "database:"},
	} {
		dir := t.TempDir()
		ok(t, os.CopyFS(dir, os.DirFS(sound)))
		c := &conn{dsn: copyDSN(filepath.Join(dir, databaseName))}
		for s := range strings.SplitSeq(tt.sql, ";") {
			ok(t, c.exec(t.Context(), s))
		}
		ok(t, c.close())
		a := must[*Audit](t)(Verify(t.Context(), dir, nil))
		if !strings.Contains(fmt.Sprint(a.Problems), tt.want) {
			t.Errorf("%s: problems %q, want %q", tt.name, a.Problems, tt.want)
		}
	}
	dir := t.TempDir()
	d := filled(t, dir)
	h := must[[]ticketing.Hash](t)(knownFiles(d))
	odd := d.rawPath(sha256.Sum256(nil))
	ok(t, d.rawFolder(odd))
	ok(t, os.Rename(d.rawPath(h[0]), odd))
	var steps []string
	a := must[*Audit](t)(Verify(t.Context(), dir, func(what string, _, _ int64) { steps = append(steps, what) }))
	if got := fmt.Sprint(a.Problems, a.Notes); !strings.Contains(got, h[0].String()) || !strings.Contains(got, "1 files of raw mail belong to nothing") {
		t.Errorf("a file that is missing, and one that is too many: %s", got)
	}
	if len(steps) < 5 || a.Counts["ticket"] != 1 {
		t.Errorf("steps %q, counts %v", steps, a.Counts)
	}
}
