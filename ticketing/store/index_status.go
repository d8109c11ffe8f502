package store

import (
	"errors"
	"maps"
	"slices"

	"postdesk/ticketing"
)

// Each message has an octet in the index for the status of its ticket, so that few of those that
// have the words of a search must be read where a status is rare. What is shown is still proven
// by the store: a row here may be a moment old.

// statusSpan is how many messages have their octets in one row. A page of the file has seven.
const statusSpan = 1 << 10

// statusNumber is what stands for a status; 0 is for none.
func statusNumber(s ticketing.Status) byte { return byte(slices.Index(ticketing.Statuses(), s) + 1) }

func (t *tx) putStatuses(c ticketing.IndexChange) error {
	rows := map[int64][]byte{}
	set := func(message int64, s ticketing.Status) error {
		id := message / statusSpan
		octets, read := rows[id]
		if !read {
			var err error
			if octets, err = t.statusOctets(id); errors.Is(err, ticketing.ErrNotFound) {
				octets, err = make([]byte, statusSpan), nil
			}
			if err != nil {
				return err
			}
			rows[id] = octets
		}
		octets[message%statusSpan] = statusNumber(s)
		return nil
	}
	for _, id := range c.Remove {
		if err := set(id, ""); err != nil {
			return err
		}
	}
	for _, doc := range c.Put {
		if err := set(doc.Message, doc.Status); err != nil {
			return err
		}
	}
	for id, s := range c.Statuses {
		if err := set(id, s); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(rows)) { // by lot, pages would split half full
		octets, has := rows[id], 0
		for _, n := range octets {
			has |= 1 << n
		}
		if _, err := t.exec("INSERT INTO status (id, has, octets) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET has = excluded.has, octets = excluded.octets", id, has, octets); err != nil {
			return err
		}
	}
	return nil
}

// statusOctets gives a row of them.
func (t *tx) statusOctets(id int64) (octets []byte, err error) {
	err = t.get("SELECT octets FROM status WHERE id = $1", []any{id}, &octets)
	if err == nil && len(octets) != statusSpan {
		err = t.failed(errSpoiled)
	}
	return octets, err
}

// findWith goes through what a query finds in a volume and takes the messages whose tickets have one
// of the statuses. Where the volume has none of those it reads no word, and of the octets those alone
// that words lead to.
func (t *tx) findWith(v int64, statuses []ticketing.Status, before int64, limit int, query, match string) (ids []int64, err error) {
	var wanted [256]bool
	has := 0
	for _, s := range statuses {
		n := statusNumber(s)
		wanted[n] = true
		has |= 1 << n
	}
	const spans = volumeSize / statusSpan
	rows, err := list(t, scanInt, "SELECT id FROM status INDEXED BY status_has WHERE id >= $1 AND id < $2 AND id * $3 < $4 AND has & $5 <> 0 ORDER BY id",
		v*spans, (v+1)*spans, statusSpan, before, has)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	var octets []byte // of the row that was read last
	read, first, last := int64(-1), rows[0], rows[len(rows)-1]
	err = t.each(query+" AND rowid >= $3 ORDER BY rowid DESC", []any{match, min(before, (last+1)*statusSpan), first * statusSpan}, func(r row) error {
		var id int64
		if err := r.Scan(&id); err != nil {
			return err
		}
		span := id / statusSpan
		if span != read {
			if _, some := slices.BinarySearch(rows, span); !some {
				return nil
			}
			var err error
			if octets, err = t.statusOctets(span); err != nil {
				return err
			}
			read = span
		}
		if wanted[octets[id%statusSpan]] {
			ids = append(ids, id)
		}
		if len(ids) == limit {
			return errEnough
		}
		return nil
	})
	return ids, err
}
