package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"postdesk/ticketing"
)

// gated lets writes pile up behind one that holds the writer, then lets go, and
// gives what each of them got. They are in one batch, in this order.
func gated(t *testing.T, d *DB, fns ...func(ticketing.Tx) error) []error {
	t.Helper()
	entered, gate := make(chan struct{}), make(chan struct{})
	out := make([]error, len(fns)+1)
	var wg sync.WaitGroup
	enter := sync.OnceFunc(func() { close(entered) }) // it runs again when one behind it fails
	wg.Go(func() {
		out[0] = d.Write(t.Context(), func(ticketing.Tx) error { enter(); <-gate; return nil })
	})
	<-entered
	for i, fn := range fns {
		wg.Go(func() { out[i+1] = d.Write(t.Context(), fn) })
		until(t, "the write waits", func() bool { return d.Stats().Waiting == i+1 })
	}
	close(gate)
	wg.Wait()
	return out
}

func cursor(t *testing.T, d *DB, name string) (seq int64) {
	t.Helper()
	if err := d.Read(t.Context(), func(tx ticketing.Tx) (err error) {
		seq, err = tx.Cursor(name)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return seq
}

func set(name string) func(ticketing.Tx) error {
	return func(tx ticketing.Tx) error { return tx.SetCursor(name, 7) }
}

func TestManyWritesShareOneCommit(t *testing.T) {
	d := open(t, t.TempDir())
	write(t, d, set("warm"))
	before := d.Stats()
	var fns []func(ticketing.Tx) error
	for i := range 100 {
		fns = append(fns, set(fmt.Sprint(i)))
	}
	for i, err := range gated(t, d, fns...) {
		if err != nil {
			t.Errorf("write %d: %v", i, err)
		}
	}
	after := d.Stats()
	if n := after.Commits - before.Commits; n != 1 {
		t.Errorf("%d commits, want 1", n)
	}
	if n := after.Writes - before.Writes; n != 101 {
		t.Errorf("%d writes, want 101", n)
	}
	for i := range 100 {
		if cursor(t, d, fmt.Sprint(i)) != 7 {
			t.Errorf("write %d is not there", i)
		}
	}
}

// Who can run when the writer has nothing more to do asks before the commit.
func TestWhoCanRunSharesTheCommit(t *testing.T) {
	d := open(t, t.TempDir())
	write(t, d, set("warm"))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // else another processor may take the second at once
	before := d.Stats().Commits
	const tries = 20
	for range tries {
		second := make(chan error, 1)
		write(t, d, func(tx ticketing.Tx) error {
			go func() { second <- d.Write(t.Context(), set("second")) }()
			return tx.SetCursor("first", 7)
		})
		if err := <-second; err != nil {
			t.Fatal(err)
		}
	}
	// Now and then Go lets the writer go on first: one time in sixty it looks there for whom to run.
	if n := d.Stats().Commits - before; n > tries*3/2 {
		t.Errorf("%d commits for %d pairs", n, tries)
	}
}

func TestBatchIsBounded(t *testing.T) {
	d := open(t, t.TempDir())
	write(t, d, set("warm"))
	run := func(n int, fn func(ticketing.Tx) error) int64 {
		before := d.Stats().Commits
		fns := make([]func(ticketing.Tx) error, n)
		for i := range fns {
			fns[i] = fn
		}
		for _, err := range gated(t, d, fns...) {
			if err != nil {
				t.Error(err)
			}
		}
		return d.Stats().Commits - before
	}
	if n := run(batchWrites, set("x")); n != 2 {
		t.Errorf("%d writes took %d commits, want 2", batchWrites+1, n)
	}
	big := make([]byte, batchBytes/4)
	var i atomic.Int64
	if n := run(8, func(tx ticketing.Tx) error {
		return tx.PutRaw(ticketing.Staged{Hash: ticketing.Hash{1, byte(i.Add(1))}, Size: 1, Encoded: big, Encoding: "none"})
	}); n != 2 && n != 3 {
		t.Errorf("%d octets took %d commits, want 2 or 3", 8*len(big), n)
	}
}

func TestOneMemberFails(t *testing.T) {
	mine := errors.New("mine")
	for name, c := range map[string]struct {
		fail func(ticketing.Tx) error
		want string
	}{
		"error": {func(tx ticketing.Tx) error { return errors.Join(tx.SetCursor("bad", 7), mine) }, "mine"},
		"panic": {func(tx ticketing.Tx) error {
			if err := tx.SetCursor("bad", 7); err != nil {
				return err
			}
			panic("oops")
		}, "panic in a write: oops"},
		"constraint": {func(tx ticketing.Tx) error {
			return errors.Join(tx.SetCursor("bad", 7), tx.AddTicket(&ticketing.Ticket{Linked: 999}))
		}, "FOREIGN KEY"},
		"constraint, ignored": {func(tx ticketing.Tx) error {
			_ = tx.SetCursor("bad", 7)
			_ = tx.AddKey(ticketing.Key{Secret: []byte("x")})
			_ = tx.AddKey(ticketing.Key{Secret: []byte("x")})
			_ = tx.SetCursor("bad", 8)
			return nil
		}, "UNIQUE"},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, t.TempDir())
			write(t, d, set("warm"))
			before := d.Stats().Commits
			got := gated(t, d, set("before"), c.fail, set("after"))
			wantError(t, got[2], c.want)
			if got[0] != nil || got[1] != nil || got[3] != nil {
				t.Errorf("the others got %v", got)
			}
			if n := d.Stats().Commits - before; n != 1 {
				t.Errorf("%d commits, want 1", n)
			}
			if cursor(t, d, "before") != 7 || cursor(t, d, "after") != 7 || cursor(t, d, "bad") != 0 {
				t.Error("not the failing one alone was undone")
			}
			if err := d.Check(t.Context()); err != nil {
				t.Errorf("one request's error is taken for the store's: %v", err)
			}
		})
	}
}

// full makes the writer's connection believe that the disk ends n pages from here.
func full(t *testing.T, d *DB, n int) {
	t.Helper()
	write(t, d, func(x ticketing.Tx) error {
		var pages, limit int
		if err := x.(*tx).get("PRAGMA page_count", nil, &pages); err != nil {
			return err
		}
		return x.(*tx).get(fmt.Sprintf("PRAGMA max_page_count = %d", pages+n), nil, &limit)
	})
}

func TestFullDisk(t *testing.T) {
	for _, ignored := range []bool{false, true} {
		d := open(t, t.TempDir())
		full(t, d, 2)
		got := gated(t, d, set("before"), func(tx ticketing.Tx) error {
			err := tx.PutRaw(ticketing.Staged{Hash: ticketing.Hash{1}, Size: 1, Encoded: make([]byte, 50_000), Encoding: "none"})
			if ignored {
				_ = tx.SetCursor("bad", 7) // would be committed alone: the transaction is gone
				return nil
			}
			return err
		}, set("after"))
		for i, err := range got[:3] {
			wantError(t, err, "full")
			if err == nil {
				t.Errorf("write %d of the batch was acknowledged", i)
			}
		}
		if got[3] != nil {
			t.Errorf("the next batch: %v", got[3])
		}
		for name, want := range map[string]int64{"before": 0, "bad": 0, "after": 7} {
			if n := cursor(t, d, name); n != want {
				t.Errorf("ignored %v: %s is %d, want %d", ignored, name, n, want)
			}
		}
		if err := d.Check(t.Context()); err != nil {
			t.Errorf("after a write succeeded: %v", err)
		}
		if s := d.Stats(); s.Failures != 1 {
			t.Errorf("%d failures, want 1", s.Failures)
		}
	}
}

// A real limit of the system makes writes of the log fail in the middle of a commit. It is
// one of the whole process, so that it is set in one of its own: what the test program
// itself writes would fail as well.
func TestWriteErrorAtCommit(t *testing.T) {
	const limited = "STORE_TEST_LIMITED"
	if os.Getenv(limited) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestWriteErrorAtCommit$", "-test.v")
		cmd.Env = append(os.Environ(), limited+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestWriteErrorAtCommit") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	dir := t.TempDir()
	d := open(t, dir)
	acknowledged := []int64{1, 2, 3}
	for _, i := range acknowledged {
		if _, _, err := deliver(d, sampleMail(i, 2048), "a@x.example"); err != nil {
			t.Fatal(err)
		}
	}
	fourth := must[ticketing.Staged](t)(d.Stage(t.Context(), bytes.NewReader(sampleMail(4, inlineLimit))))
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	limit := old
	limit.Cur = uint64(d.Stats().Log) + 10_000 // some of the pages fit
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	// More than the log has room for, wherever in it the commit begins: after a moment without a
	// write that is at its beginning.
	small := d.Write(t.Context(), func(x ticketing.Tx) error {
		large := ticketing.Staged{Hash: ticketing.Hash{1}, Size: 1, Encoded: make([]byte, limit.Cur+1<<20), Encoding: "none"}
		return errors.Join(x.PutRaw(fourth), x.PutRaw(large))
	})
	_, _, large := deliver(d, sampleMail(5, 3<<20), "a@x.example")
	checked := d.Check(t.Context())
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	wantError(t, small, "the write was undone")
	wantError(t, large, "file too large")
	wantError(t, checked, "the last write failed")
	for i := range int64(5) {
		_, fresh, err := deliver(d, sampleMail(i+1, []int{2048, 2048, 2048, inlineLimit, 3 << 20}[i]), "a@x.example")
		if err != nil || fresh == (i < 3) {
			t.Errorf("mail %d again: fresh %v, %v", i+1, fresh, err)
		}
	}
	if err := d.Check(t.Context()); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(filepath.Join(dir, "raw", "tmp"))
	if err != nil || len(left) != 0 {
		t.Errorf("%d temporary files left, %v", len(left), err)
	}
}

// hold takes the database's write lock as another program would.
func hold(t *testing.T, d *DB) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite", writerDSN(filepath.Join(d.dir, databaseName), "NORMAL", false))
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := errors.Join(tx.Rollback(), db.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestLockHeldByAnother(t *testing.T) {
	d := open(t, t.TempDir())
	release := hold(t, d)
	var wg sync.WaitGroup
	var failed atomic.Int64
	for i := range 10 {
		wg.Go(func() {
			if d.Write(context.Background(), set(fmt.Sprint(i))) != nil {
				failed.Add(1)
			}
		})
	}
	until(t, "the writes are queued behind the lock", func() bool { return d.Stats().Waiting == 9 })
	cursor(t, d, "0") // reads go on
	release()
	wg.Wait()
	if failed.Load() != 0 {
		t.Errorf("%d writes failed that only had to wait", failed.Load())
	}
	for i := range 10 {
		if cursor(t, d, fmt.Sprint(i)) != 7 {
			t.Errorf("write %d is not there", i)
		}
	}
}

// Those who give up are told at once, and what they wanted never happens.
func TestGivingUp(t *testing.T) {
	d, err := Open(t.Context(), t.TempDir(), Options{Synchronous: "NORMAL", QueueWait: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	release := hold(t, d)
	if err := d.Write(t.Context(), set("late")); !errors.Is(err, ErrBusy) {
		t.Errorf("behind a lock: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error)
	go func() { got <- d.Write(ctx, set("cancelled")) }()
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) && !errors.Is(err, ErrBusy) {
		t.Errorf("a cancelled write: %v", err)
	}
	release()
	until(t, "a write succeeds", func() bool { return d.Write(t.Context(), set("next")) == nil })
	if cursor(t, d, "late") != 0 || cursor(t, d, "cancelled") != 0 || cursor(t, d, "next") != 7 {
		t.Error("what was given up has happened, or what was not has not")
	}
}

// Once its turn has come, the outcome of a write is waited for: a caller that went
// away must not undo what shares its commit.
func TestContextEndsInsideWrite(t *testing.T) {
	d := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	err := d.Write(ctx, func(tx ticketing.Tx) error {
		cancel()
		return tx.SetCursor("x", 7)
	})
	if err != nil || cursor(t, d, "x") != 7 {
		t.Errorf("%v, cursor %d", err, cursor(t, d, "x"))
	}
	if err := d.Write(ctx, set("y")); !errors.Is(err, context.Canceled) {
		t.Errorf("a write with a dead context: %v", err)
	}
}

func TestTxAfterWrite(t *testing.T) {
	d := open(t, t.TempDir())
	var kept ticketing.Tx
	write(t, d, func(tx ticketing.Tx) error { kept = tx; return nil })
	if err := kept.SetCursor("x", 1); !errors.Is(err, errFinished) {
		t.Errorf("a Tx after its Write: %v", err)
	}
}

func TestCloseDrains(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	entered, gate := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := d.Write(context.Background(), func(ticketing.Tx) error { close(entered); <-gate; return nil }); err != nil {
			t.Error(err)
		}
	})
	<-entered
	for i := range 20 {
		wg.Go(func() {
			if err := d.Write(context.Background(), set(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
	}
	until(t, "the writes wait", func() bool { return d.Stats().Waiting == 20 })
	wg.Go(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	until(t, "no more is taken", func() bool {
		err := d.Read(context.Background(), func(ticketing.Tx) error { return nil })
		return errors.Is(err, ErrClosed)
	})
	close(gate)
	wg.Wait()
	d = open(t, dir)
	for i := range 20 {
		if cursor(t, d, fmt.Sprint(i)) != 7 {
			t.Errorf("write %d is not there", i)
		}
	}
}
