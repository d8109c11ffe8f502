package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"postdesk/ticketing"
)

// A batch is bounded so that the first in it is not kept waiting by the last.
const (
	batchWrites = 256
	batchBytes  = 8 << 20
	batchYields = 2 * time.Millisecond // in which it lets others run: each may keep a processor for 10
)

// restAfter is how long nobody writes before the log is emptied.
const restAfter = time.Second

// The states of a request. Only the waiting one can be withdrawn.
const (
	waiting int32 = iota
	taken
	withdrawn
)

// request is one Write on its way.
type request struct {
	fn    func(ticketing.Tx) error
	state atomic.Int32
	err   error // what fn gave
	done  chan error
}

func (r *request) take() bool     { return r.state.CompareAndSwap(waiting, taken) }
func (r *request) withdraw() bool { return r.state.CompareAndSwap(waiting, withdrawn) }

// writer owns the one connection that writes. It takes all requests that wait,
// commits them together, and answers them after that (group commit).
type writer struct {
	conn     *conn
	dir      string // of the store
	place    *place
	hashes   *hashes
	log      *slog.Logger
	queue    chan *request
	alone    chan func() // run between transactions
	finished chan struct{}
	repeat   bool // Options.Repeat
	batched  int  // Options.Batch

	waiting                   atomic.Int64
	commits, writes, failures atomic.Int64
	last                      atomic.Pointer[error] // fault of the last commit, nil when it succeeded
}

func newWriter(dir, dsn string, place *place, hashes *hashes, o Options) *writer {
	if o.Batch == 0 {
		o.Batch = batchWrites
	}
	return &writer{conn: &conn{dsn: dsn, guard: place.check, work: &work{}}, dir: dir, place: place, hashes: hashes, log: o.Log, repeat: o.Repeat, batched: o.Batch, alone: make(chan func()), queue: make(chan *request, 4*batchWrites), finished: make(chan struct{})}
}

// Write runs fn in the writer and returns after its COMMIT. Once fn's turn has come
// its outcome is waited for, whatever becomes of ctx.
func (d *DB) Write(ctx context.Context, fn func(ticketing.Tx) error) error {
	if err := d.enter(); err != nil {
		return err
	}
	defer d.using.Done()
	if err := ctx.Err(); err != nil {
		return err
	}
	timer := time.NewTimer(d.wait)
	defer timer.Stop()
	r := &request{fn: fn, done: make(chan error, 1)}
	w := d.writer
	w.waiting.Add(1)
	select {
	case w.queue <- r:
	case <-ctx.Done():
		w.waiting.Add(-1)
		return ctx.Err()
	case <-timer.C:
		w.waiting.Add(-1)
		return ErrBusy
	}
	give := func(err error) error {
		if r.withdraw() {
			return err
		}
		return <-r.done
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return give(ctx.Err())
	case <-timer.C:
		return give(ErrBusy)
	}
}

func (w *writer) run() {
	defer close(w.finished)
	rest := time.NewTimer(restAfter)
	for {
		select {
		case do := <-w.alone:
			do()
		case r, open := <-w.queue:
			if !open {
				w.settleHashes(hashesFew)
				return
			}
			w.waiting.Add(-1)
			w.batch(r)
			w.settleHashes(hashesMost)
			rest.Reset(restAfter)
		case <-rest.C:
			w.settleHashes(hashesFew)
			w.emptyLog()
		}
	}
}

// emptyLog brings the log into the database while nobody writes: a log that a disk loses then
// takes the last moments with it, and not all since the start, and a commit seldom has to do
// it. The log stays as it is where somebody reads an old moment.
func (w *writer) emptyLog() {
	if w.conn.c == nil {
		return
	}
	if err := w.conn.exec(context.Background(), "PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
		w.log.Warn("the log of the database stays as it is", "error", err)
	}
}

// settleHashes brings the hashes of new raw mail to where they stay, when there are so many.
func (w *writer) settleHashes(many int) {
	if w.hashes.len() < many {
		return
	}
	if err := w.hashes.settle(w.conn); err != nil {
		w.log.Warn("the hashes of new mail stay in memory, and are found again at a start", "error", err)
	}
}

// close ends the writer; nobody may be in Write any more.
func (w *writer) close() error {
	close(w.queue)
	<-w.finished
	return w.conn.close()
}

// fault is the error of the last commit, nil when it succeeded.
func (w *writer) fault() error {
	if p := w.last.Load(); p != nil {
		return *p
	}
	return nil
}

// next gives a request that waits, nil when there is none.
func (w *writer) next() *request {
	select {
	case r, ok := <-w.queue:
		if ok {
			w.waiting.Add(-1)
			return r
		}
	default:
	}
	return nil
}

// more gives a request that waits. When there is none and the batch is young, those who can
// run come first: what they ask for shares the commit, and where nobody can, nothing is waited
// for. By 32 connections 11.5 mails and not 9.7 shared one, and 8 to 18 in a hundred more were
// taken.
func (w *writer) more(begun time.Time) *request {
	r := w.next()
	if r == nil && time.Since(begun) < batchYields {
		runtime.Gosched()
		r = w.next()
	}
	return r
}

// batch runs first and what waits behind it in one transaction. Nearly always all of them
// succeed, so that they run without savepoints, whose journal costs a sixth of all the
// work; when one does not, everything is undone and runs again, each in a savepoint.
func (w *writer) batch(first *request) {
	if !w.begin(first) {
		return
	}
	var members []*request
	var staged int64
	guarded := false
	begun := time.Now()
	for r := first; r != nil; r = w.more(begun) {
		if !r.take() {
			continue
		}
		members = append(members, r)
		n, err := w.member(r, guarded)
		if err == nil && !guarded && (r.err != nil || w.repeat) {
			guarded = true
			n, err = w.again(members)
			staged = 0
		}
		if err != nil {
			w.abandon(members, err)
			return
		}
		if staged += n; len(members) >= w.batched || staged >= batchBytes {
			break
		}
	}
	err := w.conn.exec(context.Background(), "COMMIT")
	if err == nil {
		err = w.place.whole() // nobody is told of what may be gone with the process
	}
	if err != nil {
		w.abandon(members, err)
		return
	}
	w.commits.Add(1)
	if w.last.Swap(nil) != nil {
		w.log.Info("writes succeed again")
	}
	for _, r := range members {
		if r.err == nil {
			w.writes.Add(1)
		}
		r.done <- r.err
	}
}

// begin takes the write lock, and only then are requests taken: while somebody else
// has it, those who wait can still give up. It says whether there is a transaction.
func (w *writer) begin(first *request) bool {
	if err := w.place.free(); err != nil {
		w.abandon(w.takeAll(first), err)
		return false
	}
	for first.state.Load() == waiting {
		// IMMEDIATE: a transaction that begins as a reader can fail to become a writer.
		err := w.conn.exec(context.Background(), "BEGIN IMMEDIATE")
		if err == nil {
			return true
		}
		if code(err) != sqlite3.SQLITE_BUSY {
			w.abandon(w.takeAll(first), err)
			return false
		}
		w.setFault(err)
	}
	return false
}

// takeAll takes first and all that wait.
func (w *writer) takeAll(first *request) []*request {
	var all []*request
	for r := first; r != nil; r = w.next() {
		if r.take() {
			all = append(all, r)
		}
	}
	return all
}

// again undoes the transaction and runs its members once more, each in a savepoint.
func (w *writer) again(members []*request) (staged int64, err error) {
	for _, query := range []string{"ROLLBACK", "BEGIN IMMEDIATE"} {
		if err := w.conn.exec(context.Background(), query); err != nil {
			return 0, err
		}
	}
	for _, r := range members {
		n, err := w.member(r, true)
		if err != nil {
			return 0, err
		}
		staged += n
	}
	return staged, nil
}

// member runs one request. An error that it gives is of the whole batch; what is wrong with
// the request alone is left in it, and is undone when it is guarded by a savepoint.
func (w *writer) member(r *request, guarded bool) (staged int64, err error) {
	ctx := context.Background() // never a caller's: its end would roll back everybody
	if guarded {
		if err := w.conn.exec(ctx, "SAVEPOINT member"); err != nil {
			return 0, err
		}
	}
	t := &tx{ctx: ctx, conn: w.conn, dir: w.dir, hashes: w.hashes}
	r.err = w.call(r.fn, t)
	if r.err == nil {
		r.err = t.flush()
	}
	fault := t.err
	t.err = errFinished
	if r.err == nil {
		r.err = fault // fn may not go on as if a statement had not failed
	}
	if ofBatch(fault) {
		return 0, fault
	}
	if !guarded {
		return t.staged, nil
	}
	if r.err != nil {
		// This fails when SQLite has rolled back the whole transaction by itself. Going on
		// would commit those that come after alone, and lose those that came before.
		if err := w.conn.exec(ctx, "ROLLBACK TO member"); err != nil {
			return 0, errors.Join(fault, err)
		}
	}
	return t.staged, w.conn.exec(ctx, "RELEASE member")
}

// call runs fn and turns its panic into an error.
func (w *writer) call(fn func(ticketing.Tx) error, t *tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			w.log.Error("panic in a write", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic in a write: %v", p)
		}
	}()
	return fn(t)
}

// abandon undoes the batch and tells all of it. The connection is closed, which rolls
// back; the next batch opens a new one, so that no state of a fault outlives it.
func (w *writer) abandon(members []*request, err error) {
	err = damaged(err)
	w.failures.Add(1)
	w.setFault(err)
	if e := w.conn.close(); e != nil {
		w.log.Warn("closing the database after a fault", "error", e)
	}
	for _, r := range members {
		r.done <- fmt.Errorf("the write was undone: %w", err)
	}
}

func (w *writer) setFault(err error) {
	if w.last.Swap(&err) == nil {
		w.log.Error("writes fail", "error", err)
	}
}

// code is SQLite's primary result code, 0 when the error is none of SQLite's.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// ofBatch says that an error is about the database and not about what fn asked.
func ofBatch(err error) bool {
	switch code(err) {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT:
		return true
	}
	return false
}
