package store

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
)

func (t *tx) PutRaw(s ticketing.Staged) error {
	var body any
	if s.Encoding == encodingFile {
		// The same bytes may have been erased since they were staged: then the file is gone.
		if _, err := os.Stat(rawPath(t.dir, s.Hash)); err != nil {
			return err
		}
	} else {
		body = s.Encoded
		if s.Encoded == nil {
			body = []byte{}
		}
	}
	id, err := t.insertRaw(s, body)
	if err != nil || id == 0 {
		return err
	}
	t.staged += int64(len(s.Encoded))
	t.known, t.knownID = s.Hash, id
	return t.hashes.add(t, s.Hash, id)
}

// insertRaw gives 0 where the bytes are known. Nearly always they are new, and no hash begins
// as theirs: then it is one statement.
func (t *tx) insertRaw(s ticketing.Staged, body any) (id int64, err error) {
	if t.hashes.row(s.Hash) == 0 {
		id, err = t.insert(`INSERT INTO raw (hash, size, encoding, body) SELECT $1, $2, $3, $4
			WHERE NOT EXISTS (SELECT 1 FROM raw_hash WHERE start = $5)`, s.Hash, s.Size, s.Encoding, body, s.Hash[:hashStart])
		if !errors.Is(err, ticketing.ErrNotFound) {
			return id, err
		}
	}
	if _, err = t.rawID(s.Hash); !errors.Is(err, ticketing.ErrNotFound) {
		return 0, err
	}
	return t.insert("INSERT INTO raw (hash, size, encoding, body) VALUES ($1, $2, $3, $4)", s.Hash, s.Size, s.Encoding, body)
}

// rawID gives the row of a hash: NULL for none, ErrNotFound for bytes never put.
func (t *tx) rawID(h ticketing.Hash) (any, error) {
	if h.IsZero() {
		return nil, nil
	}
	if t.known != h {
		var id int64
		if err := t.rawByHash("r.id", h, &id); err != nil {
			return nil, fmt.Errorf("raw mail %s: %w", h, err)
		}
		t.known, t.knownID = h, id
	}
	return t.knownID, nil
}

func (t *tx) Arrive(h ticketing.Hash, env mail.Envelope, at time.Time) (id int64, fresh bool, err error) {
	raw, err := t.rawID(h)
	if err != nil {
		return 0, false, err
	}
	recipients, _ := join(nil, env.Recipients)
	text, err := toJSON(recipients)
	if err != nil {
		return 0, false, err
	}
	id, err = t.insert(`INSERT INTO arrival (id, reverse_path, recipients, received, pending, attempts) VALUES ($1, $2, $3, $4, $5, 0)
		ON CONFLICT (id) DO NOTHING`, raw, env.ReversePath, text, at, true)
	if !errors.Is(err, ticketing.ErrNotFound) {
		return id, err == nil, err
	}
	return t.arriveAgain(raw, env.Recipients)
}

// arriveAgain is for bytes that came before: Postfix resends what it does not know to
// be delivered, and splits what has many recipients.
func (t *tx) arriveAgain(raw any, recipients []string) (id int64, fresh bool, err error) {
	a, err := one(t, scanArrival, selectArrival+" WHERE a.id = $1", raw)
	if err != nil {
		return 0, false, err
	}
	all, fresh := join(a.Recipients, recipients)
	if !fresh {
		return a.ID, false, nil
	}
	text, err := toJSON(all)
	if err != nil {
		return 0, false, err
	}
	return a.ID, true, t.change("UPDATE arrival SET recipients = $1, pending = $2 WHERE id = $3", text, true, a.ID)
}

// join adds what is new to a list of recipients.
func join(have, more []string) (all []string, fresh bool) {
	all = slices.Clone(have)
	for _, r := range more {
		// Cleaned as in the database: else an address that JSON cannot hold is new for ever.
		if r = clean(r); !slices.Contains(all, r) {
			all, fresh = append(all, r), true
		}
	}
	return all, fresh
}

const selectArrival = `SELECT a.id, r.hash, r.size, a.reverse_path, a.recipients, a.received, a.pending, a.attempts
	FROM arrival a JOIN raw r ON r.id = a.id`

func scanArrival(r row, a *ticketing.Arrival) error {
	err := r.Scan(&a.ID, hashCol{&a.Raw}, &a.Size, &a.ReversePath, jsonCol{&a.Recipients}, timeCol{&a.Received}, &a.Pending, &a.Attempts)
	a.Row = a.ID // an arrival has the number of its raw mail
	return err
}

func (t *tx) Arrival(id int64) (ticketing.Arrival, error) {
	a, err := one(t, scanArrival, selectArrival+" WHERE a.id = $1", id)
	if err == nil {
		t.known, t.knownID = a.Raw, a.Row // the message that is made of it refers to the same row
	}
	return a, err
}

func (t *tx) PendingArrivals(after int64, limit int) ([]ticketing.Arrival, error) {
	return list(t, scanArrival, selectArrival+" WHERE a.pending = 1 AND a.id > $1 ORDER BY a.id LIMIT $2", after, atMost(limit))
}

func (t *tx) TakeArrival(a ticketing.Arrival) (bool, error) {
	recipients, err := toJSON(a.Recipients)
	if err != nil {
		return false, err
	}
	n, err := t.exec("UPDATE arrival SET pending = 0 WHERE id = $1 AND pending = 1 AND recipients = $2", a.ID, recipients)
	if n == 1 && a.Row != 0 {
		t.known, t.knownID = a.Raw, a.Row
	}
	return n == 1, err
}

func (t *tx) UpdateArrival(a ticketing.Arrival) error {
	return t.change("UPDATE arrival SET pending = $1, attempts = $2 WHERE id = $3", a.Pending, a.Attempts, a.ID)
}

func (t *tx) LastPending() (id int64, err error) {
	err = t.get("SELECT coalesce(max(id), 0) FROM arrival WHERE pending = 1", nil, &id)
	return id, err
}

func (t *tx) CountPending() (n int64, err error) {
	t.long()
	err = t.get("SELECT count(*) FROM arrival WHERE pending = 1", nil, &n)
	return n, err
}
