package store

import (
	"errors"
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
			err := t.get("SELECT octets FROM status WHERE id = $1", []any{id}, &octets)
			if errors.Is(err, ticketing.ErrNotFound) {
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
	for id, octets := range rows {
		has := 0
		for _, n := range octets {
			has |= 1 << n
		}
		if _, err := t.exec("INSERT INTO status (id, has, octets) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET has = excluded.has, octets = excluded.octets", id, has, octets); err != nil {
			return err
		}
	}
	return nil
}

// spanOfStatuses is a row of them.
type spanOfStatuses struct {
	id     int64
	octets []byte
}

// findWith goes through what a query finds in a volume and takes the messages whose tickets have one
// of the statuses. Where the volume has none of those it reads no word.
func (t *tx) findWith(v int64, statuses []ticketing.Status, before int64, limit int, query, match string) (ids []int64, err error) {
	var wanted [256]bool
	has := 0
	for _, s := range statuses {
		n := statusNumber(s)
		wanted[n] = true
		has |= 1 << n
	}
	const spans = volumeSize / statusSpan
	rows, err := list(t, func(r row, s *spanOfStatuses) error { return r.Scan(&s.id, &s.octets) },
		"SELECT id, octets FROM status WHERE id >= $1 AND id < $2 AND id * $3 < $4 AND has & $5 <> 0 ORDER BY id", v*spans, (v+1)*spans, statusSpan, before, has)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	octets := make([][]byte, spans)
	for _, s := range rows {
		octets[s.id%spans] = s.octets
	}
	before, from := min(before, (rows[len(rows)-1].id+1)*statusSpan), rows[0].id*statusSpan
	err = t.each(query+" AND rowid >= $3 ORDER BY rowid DESC", []any{match, before, from}, func(r row) error {
		var id int64
		if err := r.Scan(&id); err != nil {
			return err
		}
		if span := octets[id/statusSpan%spans]; span != nil && wanted[span[id%statusSpan]] {
			ids = append(ids, id)
		}
		if len(ids) == limit {
			return errEnough
		}
		return nil
	})
	return ids, err
}
