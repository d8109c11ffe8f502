package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"net/url"
	"sync/atomic"

	"modernc.org/sqlite"
)

// Settings of a connection are in its DSN: a PRAGMA by Exec would be gone with the
// connection that it reached. The driver runs _pragma before _journal_mode, and
// page_size must come before the log does, or it is ignored.

// busyTimeout is how long SQLite waits for a lock that somebody else holds, in ms.
const busyTimeout = "5000"

func writerDSN(path, synchronous string, create bool) string {
	q := url.Values{}
	q.Set("mode", "rw") // never an empty database in the place of one that vanished
	if create {
		q.Set("mode", "rwc")
	}
	q.Set("_busy_timeout", busyTimeout)
	q.Set("_journal_mode", "WAL")
	q.Set("_synchronous", synchronous)
	q.Set("_txlock", "immediate")
	q["_pragma"] = []string{
		"page_size(8192)",    // raw mail is written 1.3 times as fast as with 4096
		"foreign_keys(1)",    // off by default
		"secure_delete(1)",   // what is deleted is overwritten
		"temp_store(MEMORY)", // what a statement may have to undo: in a file it is written at each page
		"cache_size(-6000)",  // pages take 2.6 times their size in this allocator; more made nothing faster, also among a million tickets
		"wal_autocheckpoint(4000)",
		"journal_size_limit(67108864)", // a log that a long read let grow shrinks again
	}
	return fileDSN(path, q)
}

func readerDSN(path string) string {
	q := url.Values{}
	q.Set("mode", "rw") // a reader of a log writes its index of readers
	q.Set("_busy_timeout", busyTimeout)
	q.Set("_query_only", "1")
	q["_pragma"] = []string{"cache_size(-500)"}
	return fileDSN(path, q)
}

// indexReaderDSN is of a connection that searches. It has tables of its own, in memory.
func indexReaderDSN(path string) string {
	q := url.Values{}
	q.Set("mode", "rw")
	q.Set("_busy_timeout", busyTimeout)
	q["_pragma"] = []string{"cache_size(-1000)", "temp_store(MEMORY)"}
	return fileDSN(path, q)
}

// copyDSN is of a connection that reads all of a database, for a copy of it.
func copyDSN(path string) string {
	q := url.Values{}
	q.Set("mode", "rw")
	q.Set("_busy_timeout", busyTimeout)
	return fileDSN(path, q)
}

// anchorDSN is of the connection that stays open. It waits for readers less long than mail does.
func anchorDSN(path, synchronous string) string {
	q := url.Values{}
	q.Set("mode", "rw")
	q.Set("_busy_timeout", "1000")
	q.Set("_synchronous", synchronous)
	q["_pragma"] = []string{"cache_size(-200)"}
	return fileDSN(path, q)
}

// fileDSN uses the file: form: in a plain path the driver drops what follows "?".
func fileDSN(path string, q url.Values) string {
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// conn is one connection with its prepared statements. It opens itself when it is
// used, also after it was closed. One goroutine uses it at a time.
//
// It speaks to the driver itself: in database/sql a statement takes three times as long, for
// pools, locks and conversions that one connection of one goroutine does not need.
type conn struct {
	dsn   string
	guard func() error // what forbids to open it; may be nil
	work  *work        // counts what it is asked for; may be nil
	c     driver.Conn
	stmts map[string]statement
}

// work is what many connections do.
type work struct{ statements, rows atomic.Int64 }

// statement is what the driver's statements can do.
type statement interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

func (c *conn) open(ctx context.Context) error {
	if c.guard != nil {
		if err := c.guard(); err != nil { // one with another log than the rest has would spoil both
			return err
		}
	}
	connector, err := sqlite.NewConnector(c.dsn)
	if err != nil {
		return err
	}
	opened, err := connector.Connect(ctx)
	if err != nil {
		return err
	}
	c.c, c.stmts = opened, map[string]statement{}
	return nil
}

// stmt gives the prepared statement of a query. Queries are constants and a few
// composed ones, so none is ever dropped.
func (c *conn) stmt(ctx context.Context, query string) (statement, error) {
	if c.work != nil {
		c.work.statements.Add(1)
	}
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	if c.c == nil {
		if err := c.open(ctx); err != nil {
			return nil, err
		}
	}
	prepared, err := c.c.Prepare(query)
	if err != nil {
		return nil, err
	}
	s, ok := prepared.(statement)
	if !ok {
		return nil, errors.Join(errors.New("the driver's statements take no context"), prepared.Close())
	}
	c.stmts[query] = s
	return s, nil
}

func (c *conn) exec(ctx context.Context, query string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s, err := c.stmt(ctx, query)
	if err != nil {
		return err
	}
	_, err = s.ExecContext(unwatched(), nil)
	return err
}

// unwatched is what a short statement runs under: the driver starts a goroutine for each one
// whose context may end, which takes longer than most statements do.
func unwatched() context.Context { return context.Background() }

// close ends the connection and what it had begun.
func (c *conn) close() error {
	if c.c == nil {
		return nil
	}
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	errs = append(errs, c.c.Close())
	c.c, c.stmts = nil, nil
	return errors.Join(errs...)
}
