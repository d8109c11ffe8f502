// Package store is the ticketing.Store on SQLite. One process holds the directory:
//
//	postdesk.db  the database, with its log beside it
//	raw/ab/…     messages over 64 KB, compressed, named by their SHA-256
//	raw/tmp      messages on their way in
//	search.db    the index of words, which can be made again
//	lock         held while the store is open
//	marker       says that a database was here
//	erasures     what was to be taken away for good: a restored backup has it done again
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"postdesk/ticketing"
)

// ErrBusy is for a write that waited too long for its turn.
var ErrBusy = errors.New("the store is behind with its writes")

// ErrClosed is for a call after Close.
var ErrClosed = errors.New("the store is closed")

// Options are the settings of a store. The zero value is right for production.
type Options struct {
	Log         *slog.Logger  // nil: nothing is logged
	Synchronous string        // of SQLite; empty is FULL. Only tests may say NORMAL: it loses commits at a power failure
	Batch       int           // how many Writes one commit has at most; 0 is 256. Only a comparison says less
	Repeat      bool          // run the first Write of each batch twice, as after a fault of one: for tests of what is written
	QueueWait   time.Duration // how long a Write waits for its turn; 0 is 30 s
	// Starting is told what Open does that may take long; may be nil.
	Starting func(what string)
}

// DB is an open store.
type DB struct {
	dir     string
	log     *slog.Logger
	wait    time.Duration
	lock    *os.File
	place   *place
	writer  *writer
	readers chan *conn // a pool: take one, put it back
	codec   codec
	recent  *recent
	hashes  *hashes
	journal *journal

	publishing sync.RWMutex // held while a file of raw mail gets its name, or loses it
	folders    sync.Mutex   // held while a folder of raw mail gets its name

	mu     sync.RWMutex
	closed bool
	using  sync.WaitGroup // calls that Close waits for

	work work // of readers
}

var _ ticketing.Store = (*DB)(nil)

// ReaderCount is how many reads may go on at the same time.
const ReaderCount = 8

// minFree is the space under which Check complains, before writes begin to fail.
const minFree = 16 << 20

// Open opens the store in dir and makes it when there is none yet.
func Open(ctx context.Context, dir string, o Options) (*DB, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.QueueWait == 0 {
		o.QueueWait = 30 * time.Second
	}
	if o.Synchronous == "" {
		o.Synchronous = "FULL"
	}
	if o.Starting == nil {
		o.Starting = func(string) {}
	}
	// SQLite as Linux distributions build it commits with fdatasync; this driver has to
	// be told. What is durable is the same, a commit is up to twice as fast. Where the
	// system has no such call, fsync stays.
	if _, err := sqlite.Fdatasync(true); err != nil && !errors.Is(err, sqlite.ErrFdatasyncUnavailable) {
		return nil, err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	d := &DB{dir: dir, log: o.Log, wait: o.QueueWait, lock: lock, readers: make(chan *conn, ReaderCount), codec: newCodec(), recent: newRecent(), hashes: &hashes{}}
	if err := d.start(ctx, o); err != nil {
		lock.Close()
		return nil, fmt.Errorf("store in %s: %w", dir, err)
	}
	return d, nil
}

func (d *DB) start(ctx context.Context, o Options) error {
	path := filepath.Join(d.dir, databaseName)
	known, err := checkMarker(d.dir)
	if err != nil {
		return err
	}
	if err := prepareRaw(d.dir); err != nil {
		return err
	}
	if d.journal, err = openJournal(d.dir); err != nil {
		return err
	}
	files, err := schemas()
	if err != nil {
		return err
	}
	m := migration{path, writerDSN(path, o.Synchronous, !known), known, files, o.Log, o.Starting}
	if err := m.run(ctx); err != nil {
		return err
	}
	if err := writeMarker(d.dir); err != nil {
		return err
	}
	if d.place, err = openPlace(ctx, d.dir, o.Synchronous, o.Log); err != nil {
		return err
	}
	d.writer = newWriter(d.dir, writerDSN(path, o.Synchronous, false), d.place, d.hashes, o)
	for range ReaderCount {
		d.readers <- &conn{dsn: readerDSN(path), guard: d.place.check, work: &d.work}
	}
	if err := d.read(ctx, d.hashes.load); err != nil {
		return errors.Join(err, d.place.anchor.close())
	}
	go d.writer.run()
	return nil
}

// enter counts a call that Close has to wait for.
func (d *DB) enter() error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.closed {
		return ErrClosed
	}
	d.using.Add(1)
	return nil
}

// Close waits for the calls that are under way, the waiting writes among them, and
// releases the directory.
func (d *DB) Close() error {
	d.mu.Lock()
	again := d.closed
	d.closed = true
	d.mu.Unlock()
	if again {
		return nil
	}
	d.using.Wait()
	var errs []error
	for range ReaderCount {
		errs = append(errs, (<-d.readers).close())
	}
	// Closing the last connection brings the log into the database.
	errs = append(errs, d.writer.close(), d.place.anchor.close(), d.lock.Close())
	return errors.Join(errs...)
}

// Read runs fn on a snapshot.
func (d *DB) Read(ctx context.Context, fn func(ticketing.Tx) error) error {
	return d.read(ctx, func(t *tx) error { return fn(t) })
}

func (d *DB) read(ctx context.Context, fn func(*tx) error) (err error) {
	if err := d.enter(); err != nil {
		return err
	}
	defer d.using.Done()
	var c *conn
	select {
	case c = <-d.readers:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { d.readers <- c }()
	// A deferred transaction takes its snapshot at the first query and keeps it.
	if err := c.exec(ctx, "BEGIN DEFERRED"); err != nil {
		return errors.Join(err, c.close())
	}
	t := &tx{ctx: ctx, conn: c, hashes: d.hashes}
	// Also after a panic of fn: the connection goes back without a transaction.
	defer func() {
		t.err = errFinished
		if c.exec(context.Background(), "ROLLBACK") != nil {
			err = errors.Join(err, c.close())
		}
	}()
	if err := fn(t); err != nil {
		return err
	}
	return t.err
}

// Check says whether the store can be relied on now: it can be read, the last commit
// did not fail, and there is room for more.
func (d *DB) Check(ctx context.Context) error {
	if err := d.writer.fault(); err != nil {
		return fmt.Errorf("the last write failed: %w", err)
	}
	if err := d.place.check(); err != nil {
		return err
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(d.dir, &fs); err != nil {
		return fmt.Errorf("free space of %s: %w", d.dir, err)
	}
	if free := fs.Bavail * uint64(fs.Bsize); free < minFree {
		return fmt.Errorf("%s has %d bytes left", d.dir, free)
	}
	return d.read(ctx, func(t *tx) error {
		t.watched = true // somebody else may hold the database
		_, err := t.LastSeq()
		return err
	})
}

// Alive says whether the writer and the readers answer, and waits for that until ctx
// ends, or longer when a write hangs in mid-air. A fault is an answer too; and that
// somebody else holds the database is no fault of this process.
func (d *DB) Alive(ctx context.Context) error {
	err := d.Write(ctx, func(ticketing.Tx) error { return nil })
	if late := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrBusy); late && code(d.writer.fault()) != sqlite3.SQLITE_BUSY {
		return fmt.Errorf("the writer does not answer: %w", err)
	}
	err = d.read(ctx, func(t *tx) error {
		t.watched = true // somebody else may hold the database
		_, err := t.LastSeq()
		return err
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the readers do not answer: %w", err)
	}
	return nil
}

// Stats are counts since Open, and sizes.
type Stats struct {
	Commits  int64 // transactions committed
	Writes   int64 // Writes that were committed in them
	Failures int64 // transactions that failed as a whole
	Waiting  int   // Writes that wait for their turn
	Read     int64 // statements that Reads have run, those that begin and end one among them
	Rows     int64 // rows that Reads and Writes were given
	Database int64 // octets of the database file
	Log      int64 // octets of its write-ahead log
}

// Stats gives the numbers that an operator watches.
func (d *DB) Stats() Stats {
	w := d.writer
	s := Stats{Commits: w.commits.Load(), Writes: w.writes.Load(), Failures: w.failures.Load(), Waiting: int(w.waiting.Load()), Read: d.work.statements.Load(), Rows: d.work.rows.Load() + w.conn.work.rows.Load()}
	s.Database = fileSize(filepath.Join(d.dir, databaseName))
	s.Log = fileSize(filepath.Join(d.dir, databaseName+"-wal"))
	return s
}

func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
