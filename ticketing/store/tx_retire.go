package store

import (
	"errors"
	"time"

	"postdesk/ticketing"
)

// Who is held waits for somebody, and so does mail that is to go out.
const expired = ` FROM ticket k WHERE queue = $1 AND closed > 0 AND closed < $2 AND held = 0
	AND NOT EXISTS (SELECT 1 FROM outgoing WHERE ticket = k.id AND state = 'queued')`

func (t *tx) ClosedBefore(queue string, before time.Time, limit int) ([]ticketing.Ticket, error) {
	t.long()
	return list(t, scanTicket, selectTicket+" WHERE id IN (SELECT id"+expired+" ORDER BY closed, id LIMIT $3) ORDER BY id", queue, before, atMost(limit))
}

func (t *tx) CountClosed(queue string, before time.Time) (e ticketing.Expired, err error) {
	t.long()
	err = t.get("SELECT count(*), COALESCE(min(closed), 0), COALESCE(sum((SELECT count(*) FROM message WHERE ticket = k.id)), 0)"+expired,
		[]any{queue, before}, &e.Tickets, timeCol{&e.Oldest}, &e.Messages)
	return e, err
}

func (t *tx) ForgetEventsOf(ticket, message int64) error {
	const of = " WHERE ticket = $2 AND message = $3"
	if _, err := t.exec("UPDATE dead_letter SET reason = $1 WHERE seq IN (SELECT seq FROM event"+of+")", "", ticket, message); err != nil {
		return err
	}
	_, err := t.exec(eraseEvents+", message = NULL, outgoing = NULL"+of, ticketing.EventErased, ticket, message)
	return err
}

// oldestCounter is the number of the first event that is kept; none is 1.
const oldestCounter = "oldest event"

func (t *tx) TruncateEvents(until int64) error {
	if err := t.run(until, "DELETE FROM dead_letter WHERE seq <= $1", "DELETE FROM event WHERE seq <= $1"); err != nil {
		return err
	}
	err := t.change("UPDATE counter SET value = $1 WHERE name = $2", until+1, oldestCounter)
	if errors.Is(err, ticketing.ErrNotFound) {
		_, err = t.exec("INSERT INTO counter (name, value) VALUES ($1, $2)", oldestCounter, until+1)
	}
	return err
}
