package store

import (
	"context"
	"errors"
	"sync"

	"postdesk/ticketing"
)

// hashes says which rows of raw are too new to be in raw_hash. A hash has its place anywhere in
// that: a commit of many mails would write a page for each. They are put there together, when
// there are many or nobody writes; until then this knows them, and after a crash the rows
// themselves, behind the one that a counter names.
type hashes struct {
	mu   sync.RWMutex
	rows map[ticketing.Hash]int64 // also of some that were undone or removed: a row proves itself by its hash
	upTo int64                    // the last row that is in raw_hash; of the writer alone
}

const (
	hashesMost  = 8192 // in memory, about 1 MB; a commit that puts them into raw_hash takes about 30 ms
	hashesFew   = 256  // are not worth a commit while nobody writes
	hashCounter = "raw_hash"
	hashStart   = 6 // octets of a hash in raw_hash: rows that share them are told apart by the whole hash
)

// load finds the new rows.
func (h *hashes) load(t *tx) (err error) {
	if h.upTo, err = t.counter(hashCounter); err != nil {
		return err
	}
	h.rows = map[ticketing.Hash]int64{}
	return t.each("SELECT id, hash FROM raw WHERE id > $1", []any{h.upTo}, func(r row) error {
		var id int64
		var hash ticketing.Hash
		err := r.Scan(&id, hashCol{&hash})
		h.rows[hash] = id
		return err
	})
}

func (h *hashes) row(hash ticketing.Hash) int64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.rows[hash]
}

func (h *hashes) len() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.rows)
}

// add makes a row known by its hash, in the transaction that has made it.
func (h *hashes) add(t *tx, hash ticketing.Hash, id int64) error {
	if id <= h.upTo { // the number of a row that was removed
		_, err := t.exec("INSERT INTO raw_hash (start, raw) VALUES ($1, $2)", hash[:hashStart], id)
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rows[hash] = id
	return nil
}

// settle puts the new rows into raw_hash, in a transaction of its own. A reader looks here first:
// what is not here any more, is there for it.
func (h *hashes) settle(c *conn) error {
	t := &tx{ctx: context.Background(), conn: c}
	var last int64
	if err := t.get("SELECT coalesce(max(id), 0) FROM raw", nil, &last); err != nil || last <= h.upTo {
		return err
	}
	_, err := t.exec("BEGIN IMMEDIATE")
	if err == nil {
		_, err = t.exec("INSERT INTO raw_hash (start, raw) SELECT substr(hash, 1, 6), id FROM raw WHERE id > $1 AND id <= $2 ORDER BY 1, 2", h.upTo, last)
	}
	if err == nil {
		err = t.change("UPDATE counter SET value = $1 WHERE name = $2", last, hashCounter)
	}
	if err == nil {
		_, err = t.exec("COMMIT")
	}
	if err != nil {
		return errors.Join(err, c.close()) // which undoes it
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rows, h.upTo = map[ticketing.Hash]int64{}, last
	return nil
}

// rawByHash scans columns of r, the row of raw that a hash has, ErrNotFound when there is none.
func (t *tx) rawByHash(columns string, h ticketing.Hash, dest ...any) error {
	if id := t.hashes.row(h); id != 0 {
		err := t.get("SELECT "+columns+" FROM raw r WHERE r.id = $1 AND r.hash = $2", []any{id, h}, dest...)
		if !errors.Is(err, ticketing.ErrNotFound) {
			return err
		}
	}
	return t.get("SELECT "+columns+" FROM raw_hash k JOIN raw r ON r.id = k.raw WHERE k.start = $1 AND r.hash = $2", []any{h[:hashStart], h}, dest...)
}

// hasRaw says whether there is a row for a hash.
func (t *tx) hasRaw(h ticketing.Hash) (bool, error) {
	var one int64
	err := t.rawByHash("1", h, &one)
	if errors.Is(err, ticketing.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
