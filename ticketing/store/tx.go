package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"

	"postdesk/ticketing"
)

var errFinished = errors.New("the transaction is over")

// tx is one fn's view of a transaction. Its SQL uses $1 placeholders and nothing
// that PostgreSQL does not know.
type tx struct {
	ctx    context.Context
	conn   *conn
	dir    string // of the store; only the writer has it
	err    error  // the first fault of a statement; nothing runs after it
	staged int64  // octets given to PutRaw

	// watched statements end with ctx also before their first row, others at their next one.
	watched bool

	hashes  *hashes        // of new raw mail; nil where none is looked for by its hash
	known   ticketing.Hash // a hash whose row has been seen, and that row
	knownID int64

	// What many statements of one transaction would write again and again is kept here and
	// written once, by flush. Only the writer has these.
	counters map[string]int64
	moved    map[int64]moved // tickets
	foreseen map[int64]moved // what their rows have already, since AddTicket knew what would come
}

// moved is what events have done to a ticket; version is 0 when none of them tells.
type moved struct{ lastSeq, version int64 }

// failed remembers the first fault. After one, SQLite may have rolled back the whole
// transaction, and what ran then would be committed alone.
func (t *tx) failed(err error) error {
	err = damaged(err)
	if t.err == nil {
		t.err = err
	}
	return err
}

func (t *tx) stmt(query string) (statement, error) {
	if t.err != nil {
		return nil, t.err
	}
	if err := t.ctx.Err(); err != nil {
		return nil, t.failed(err)
	}
	s, err := t.conn.stmt(t.ctx, query)
	if err != nil {
		return nil, t.failed(err)
	}
	return s, nil
}

// flush writes what was kept back. Every reader of it in this transaction comes after.
func (t *tx) flush() error {
	for name, value := range t.counters {
		if err := t.change("UPDATE counter SET value = $1 WHERE name = $2", value, name); err != nil {
			return err
		}
	}
	clear(t.counters)
	return t.flushLastSeq()
}

func (t *tx) flushLastSeq() error {
	for ticket, m := range t.moved {
		if t.foreseen[ticket] == m {
			continue
		}
		var err error
		if m.version == 0 {
			err = t.change("UPDATE ticket SET last_seq = $1 WHERE id = $2", m.lastSeq, ticket)
		} else {
			err = t.change("UPDATE ticket SET last_seq = $1, version = $2 WHERE id = $3", m.lastSeq, m.version, ticket)
		}
		if err != nil {
			return err
		}
	}
	clear(t.moved)
	clear(t.foreseen)
	return nil
}

// counter gives the value of a counter, ErrNotFound when it was never set.
func (t *tx) counter(name string) (value int64, err error) {
	if value, ok := t.counters[name]; ok {
		return value, nil
	}
	err = t.get("SELECT value FROM counter WHERE name = $1", []any{name}, &value)
	return value, err
}

// count sets a counter that is there. flush writes it.
func (t *tx) count(name string, value int64) {
	if t.counters == nil {
		t.counters = map[string]int64{}
	}
	t.counters[name] = value
}

// exec gives how many rows the statement has changed.
func (t *tx) exec(query string, args ...any) (int64, error) {
	s, err := t.stmt(query)
	if err != nil {
		return 0, err
	}
	res, err := s.ExecContext(t.under(), values(args))
	if err != nil {
		return 0, t.failed(err)
	}
	return res.RowsAffected()
}

// insert gives the id of the row that the statement has made, ErrNotFound when ON CONFLICT
// let it make none. An INSERT … RETURNING would cost twice as much: SQLite keeps a journal
// of the statement for it and its row in a table of its own.
func (t *tx) insert(query string, args ...any) (id int64, err error) {
	s, err := t.stmt(query)
	if err != nil {
		return 0, err
	}
	res, err := s.ExecContext(t.under(), values(args))
	if err != nil {
		return 0, t.failed(err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return 0, errors.Join(err, ticketing.ErrNotFound)
	}
	return res.LastInsertId()
}

// change is exec for one row that must be there.
func (t *tx) change(query string, args ...any) error {
	n, err := t.exec(query, args...)
	if err == nil && n == 0 {
		return ticketing.ErrNotFound
	}
	return err
}

// errEnough of a scan ends a query that reads: no further row is wanted.
var errEnough = errors.New("it is enough")

// each calls scan for every row. It reads to the end: only there does SQLite report
// that an INSERT … RETURNING broke a foreign key.
func (t *tx) each(query string, args []any, scan func(row) error) error {
	s, err := t.stmt(query)
	if err != nil {
		return err
	}
	found, err := s.QueryContext(t.under(), values(args))
	if err != nil {
		return t.failed(err)
	}
	rows, n := &result{found, make([]driver.Value, len(found.Columns()))}, int64(0)
	for err == nil {
		if err = found.Next(rows.values); err == nil {
			n++
			err = scan(rows)
		}
		if err == nil {
			err = t.ctx.Err()
		}
	}
	if err == io.EOF || err == errEnough {
		err = nil
	}
	if t.conn.work != nil {
		t.conn.work.rows.Add(n)
	}
	if err := errors.Join(err, found.Close()); err != nil {
		return t.failed(err)
	}
	return nil
}

// long says that what a reader runs from here on may look through many rows before it gives one:
// it ends with the context meanwhile. The driver watches up to the first row, each looks between
// rows. A write is not interrupted: SQLite would undo all of its batch.
func (t *tx) long() { t.watched = t.watched || t.dir == "" }

// under is the context of a statement.
func (t *tx) under() context.Context {
	if t.watched {
		return t.ctx
	}
	return unwatched()
}

// get scans the one row of a query, ErrNotFound when there is none.
func (t *tx) get(query string, args []any, dest ...any) error {
	found := false
	err := t.each(query, args, func(r row) error {
		found = true
		return r.Scan(dest...)
	})
	if err == nil && !found {
		return ticketing.ErrNotFound
	}
	return err
}

// list gives all rows of a query.
func list[T any](t *tx, scan func(row, *T) error, query string, args ...any) ([]T, error) {
	return page(t, 0, scan, query, args...)
}

// pageMax is for how many rows room is made before they come.
const pageMax = 64

// page is list for a query that gives about so many rows.
func page[T any](t *tx, rows int, scan func(row, *T) error, query string, args ...any) ([]T, error) {
	var out []T
	err := t.each(query, args, func(r row) error {
		if out == nil {
			out = make([]T, 0, max(1, min(rows, pageMax)))
		}
		var none T
		out = append(out, none)
		return scan(r, &out[len(out)-1])
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// one gives the first row of a query, ErrNotFound when there is none.
func one[T any](t *tx, scan func(row, *T) error, query string, args ...any) (T, error) {
	var first T
	found := false
	err := t.each(query, args, func(r row) error {
		if found {
			return nil
		}
		found = true
		return scan(r, &first)
	})
	if err == nil && !found {
		err = ticketing.ErrNotFound
	}
	if err != nil {
		var none T
		return none, err
	}
	return first, nil
}
