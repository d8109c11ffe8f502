package store

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postdesk/ticketing"
)

// outgoingValues are the columns of an outgoing mail in the order of its statements.
func (t *tx) outgoingValues(o ticketing.Outgoing) ([]any, error) {
	raw, err := t.rawID(o.Raw)
	if err != nil {
		return nil, err
	}
	return []any{ref(o.Ticket), ref(o.Message), o.Recipient, o.ReversePath, o.MessageID, o.EnvelopeID, raw, string(o.State),
		o.Attempts, o.NextAttempt, o.Lease, o.LastReply, o.QueueID, o.Created, o.Status, o.Permanent, o.Resubmitted}, nil
}

func (t *tx) AddOutgoing(o *ticketing.Outgoing) error {
	args, err := t.outgoingValues(*o)
	if err != nil {
		return err
	}
	o.ID, err = t.insert(`INSERT INTO outgoing (ticket, message, recipient, reverse_path, message_id, envelope_id, raw, state,
		attempts, next_attempt, lease, last_reply, queue_id, created, status, permanent, resubmitted)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`, args...)
	return err
}

func (t *tx) UpdateOutgoing(o ticketing.Outgoing) error {
	args, err := t.outgoingValues(o)
	if err != nil {
		return err
	}
	return t.change(`UPDATE outgoing SET ticket = $1, message = $2, recipient = $3, reverse_path = $4, message_id = $5, envelope_id = $6,
		raw = $7, state = $8, attempts = $9, next_attempt = $10, lease = $11, last_reply = $12, queue_id = $13, created = $14,
		status = $15, permanent = $16, resubmitted = $17 WHERE id = $18`, append(args, o.ID)...)
}

func (t *tx) LeaseOutgoing(o ticketing.Outgoing) error {
	return t.change("UPDATE outgoing SET attempts = $1, lease = $2 WHERE id = $3", o.Attempts, o.Lease, o.ID)
}

func (t *tx) MoveOutgoing(o ticketing.Outgoing) error {
	return t.change(`UPDATE outgoing SET state = $1, attempts = $2, next_attempt = $3, lease = $4, last_reply = $5, queue_id = $6,
		status = $7, permanent = $8 WHERE id = $9`, string(o.State), o.Attempts, o.NextAttempt, o.Lease, o.LastReply, o.QueueID, o.Status, o.Permanent, o.ID)
}

const selectOutgoing = `SELECT o.id AS id, o.ticket, o.message, o.recipient, o.reverse_path, o.message_id, o.envelope_id, r.hash, o.state,
	o.attempts, o.next_attempt, o.lease, o.last_reply, o.queue_id, o.created,
	o.status, o.permanent, o.resubmitted
	FROM outgoing o LEFT JOIN raw r ON r.id = o.raw`

func scanOutgoing(r row, o *ticketing.Outgoing) error {
	return r.Scan(&o.ID, refCol{&o.Ticket}, refCol{&o.Message}, &o.Recipient, &o.ReversePath, &o.MessageID, &o.EnvelopeID, hashCol{&o.Raw},
		&o.State, &o.Attempts, timeCol{&o.NextAttempt}, timeCol{&o.Lease}, &o.LastReply, &o.QueueID, timeCol{&o.Created},
		&o.Status, &o.Permanent, &o.Resubmitted)
}

func (t *tx) Outgoing(id int64) (ticketing.Outgoing, error) {
	return one(t, scanOutgoing, selectOutgoing+" WHERE o.id = $1", id)
}

func (t *tx) DueOutgoing(now time.Time, limit int) ([]ticketing.Outgoing, error) {
	return list(t, scanOutgoing, selectOutgoing+` WHERE o.state = 'queued' AND o.next_attempt <= $1 AND o.lease <= $1
		ORDER BY o.next_attempt, o.id LIMIT $2`, now, atMost(limit))
}

func (t *tx) OutgoingOf(message int64) ([]ticketing.Outgoing, error) {
	return list(t, scanOutgoing, selectOutgoing+" WHERE o.message = $1 ORDER BY o.id", message)
}

func (t *tx) OutgoingOfMessages(ticket, first, last int64) ([]ticketing.Outgoing, error) {
	found, err := list(t, scanOutgoing, selectOutgoing+" WHERE o.message IN (SELECT id FROM message WHERE ticket = $1 AND id BETWEEN $2 AND $3)", ticket, first, last)
	slices.SortFunc(found, func(a, b ticketing.Outgoing) int { return cmp.Compare(a.ID, b.ID) })
	return found, err
}

func (t *tx) OutgoingList(states []ticketing.OutgoingState, queues []string, after int64, limit int) ([]ticketing.Outgoing, error) {
	args, within := []any{after, atMost(limit)}, ""
	if queues != nil {
		t.long() // there may be little of a queue
		var in string
		in, args = placeholders(args, queues)
		within = " AND EXISTS (SELECT 1 FROM ticket k WHERE k.id = o.ticket AND k.queue || '' IN (" + in + "))"
	}
	if len(states) == 0 {
		return list(t, scanOutgoing, selectOutgoing+" WHERE o.id > $1"+within+" ORDER BY o.id LIMIT $2", args...)
	}
	// One SELECT for each state, merged: the index gives the order within one state.
	states = slices.Clone(states)
	slices.Sort(states)
	var selects []string
	for _, s := range slices.Compact(states) {
		args = append(args, string(s))
		selects = append(selects, fmt.Sprintf("%s WHERE o.state = $%d AND o.id > $1%s", selectOutgoing, len(args), within))
	}
	return list(t, scanOutgoing, strings.Join(selects, " UNION ALL ")+" ORDER BY id LIMIT $2", args...)
}

// holdCounter is 1 while outgoing mail is held.
const holdCounter = "hold"

func (t *tx) Hold() (bool, error) {
	n, err := t.counter(holdCounter)
	if errors.Is(err, ticketing.ErrNotFound) {
		return false, nil
	}
	return n != 0, err
}

func (t *tx) SetHold(on bool) error {
	err := t.change("UPDATE counter SET value = $1 WHERE name = $2", on, holdCounter)
	if errors.Is(err, ticketing.ErrNotFound) {
		_, err = t.exec("INSERT INTO counter (name, value) VALUES ($1, $2)", holdCounter, on)
	}
	return err
}

// CountAutomatic counts mail that went out by machine since then: to a recipient, and about
// a ticket.
func (t *tx) CountAutomatic(recipient string, ticket int64, since time.Time) (to, about ticketing.Share, err error) {
	err = t.get(`SELECT count(*), COALESCE(min(o.created), 0) FROM outgoing o JOIN message m ON m.id = o.message
		WHERE m.automatic = 1 AND o.recipient = $1 AND o.created >= $2`, []any{recipient, since}, &to.Mails, timeCol{&to.Oldest})
	if err != nil {
		return to, about, err
	}
	err = t.get(`SELECT count(*), COALESCE(min(o.created), 0) FROM message m JOIN outgoing o ON o.message = m.id
		WHERE m.ticket = $1 AND m.automatic = 1 AND o.created >= $2`, []any{ticket, since}, &about.Mails, timeCol{&about.Oldest})
	return to, about, err
}

func (t *tx) CountOutgoing(kind ticketing.Kind, recipient string, since time.Time) (n int64, err error) {
	query := "SELECT count(*) FROM outgoing o JOIN message m ON m.id = o.message WHERE m.kind = $1 AND o.created >= $2"
	args := []any{string(kind), since}
	if recipient != "" {
		query, args = query+" AND o.recipient = $3", append(args, recipient)
	}
	err = t.get(query, args, &n)
	return n, err
}
