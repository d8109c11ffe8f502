package store

import (
	"errors"

	"postdesk/ticketing"
)

func (t *tx) Append(e *ticketing.Event) error {
	facts, err := toJSON(e.Facts)
	if err != nil {
		return err
	}
	seq, err := t.NextSeq()
	if err != nil {
		return err
	}
	t.count(eventCounter, seq)
	if _, err := t.exec(`INSERT INTO event (seq, time, type, ticket, message, outgoing, actor, origin, facts)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		seq, e.Time, pack(e.Type), ref(e.Ticket), ref(e.Message), ref(e.Outgoing), e.Actor, e.Origin, pack(facts)); err != nil {
		return err
	}
	e.Seq = seq
	if e.Ticket != 0 {
		if t.moved == nil {
			t.moved = map[int64]moved{}
		}
		m := t.moved[e.Ticket]
		if m.lastSeq = seq; e.Tells() {
			m.version = seq
		}
		t.moved[e.Ticket] = m
	}
	return nil
}

// eventCounter is the row that holds the number of the newest event.
const eventCounter = "event"

func (t *tx) NextSeq() (int64, error) {
	seq, err := t.LastSeq()
	return seq + 1, err
}

const selectEvent = `SELECT e.seq, e.time, e.type, e.ticket, e.message, e.outgoing, e.actor, e.origin, e.facts,
	COALESCE(t.queue, ''), COALESCE(t.number, 0) FROM event e LEFT JOIN ticket t ON t.id = e.ticket`

func scanEvent(r row, e *ticketing.Event) error {
	var k ticketing.Ticket
	err := r.Scan(&e.Seq, timeCol{&e.Time}, packedCol{&e.Type}, refCol{&e.Ticket}, refCol{&e.Message}, refCol{&e.Outgoing}, &e.Actor, &e.Origin,
		jsonCol{&e.Facts}, &k.Queue, &k.Number)
	if e.Ticket != 0 {
		e.Name, e.Queue = k.Name(), k.Queue
	} else if e.Type == ticketing.TicketRemoved { // so that it reaches who followed the queue
		e.Name, e.Queue = e.Facts["name"], e.Facts["queue"]
	}
	return err
}

// The limit is an expression: for a bare parameter SQLite makes the statement anew whenever another
// number is bound, which costs more than to read a few events.
func (t *tx) Events(after int64, limit int) ([]ticketing.Event, error) {
	return list(t, scanEvent, selectEvent+" WHERE e.seq > $1 ORDER BY e.seq LIMIT $2 + 0", after, atMost(limit))
}

func (t *tx) EventsOf(ticket int64, after int64, limit int) ([]ticketing.Event, error) {
	return list(t, scanEvent, selectEvent+" WHERE e.ticket = $1 AND e.seq > $2 ORDER BY e.seq LIMIT $3 + 0", ticket, after, atMost(limit))
}

func (t *tx) LastSeq() (int64, error) { return t.counter(eventCounter) }

func (t *tx) Cursor(consumer string) (seq int64, err error) {
	err = t.get("SELECT seq FROM consumer WHERE name = $1", []any{consumer}, &seq)
	if errors.Is(err, ticketing.ErrNotFound) {
		return 0, nil
	}
	return seq, err
}

func (t *tx) SetCursor(consumer string, seq int64) error {
	_, err := t.exec("INSERT INTO consumer (name, seq) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET seq = excluded.seq", consumer, seq)
	return err
}
