package store

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"postdesk/ticketing"
)

// selectFound has what a list shows of a message, and the columns of selectTicket.
const selectFound = `SELECT m.id, m.kind, m.visibility, m.trust_row, m.reason, m.advice, m.from_name, m.from_address, m.actor, m.subject, m.received,
	k.id, k.queue, k.number, k.subject, k.status, k.requester, k.requester_name, k.assignee, k.unverified, k.suspicious, k.held, k.linked,
	k.last_seq, k.version, k.created, k.updated, k.waiting, k.closed, k.priority, k.tags FROM message m JOIN ticket k ON k.id = m.ticket`

func scanFound(r row, f *ticketing.Found) error {
	m := &f.Message
	err := r.Scan(append([]any{&m.ID, &m.Kind, &m.Visibility, &m.Row, packedCol{&m.Reason}, &m.Advice, &m.From.Name, &m.From.Address, &m.Actor, &m.Subject, timeCol{&m.Received}},
		ticketColumns(&f.Ticket)...)...)
	m.Ticket = f.Ticket.ID
	return err
}

// HeldMessages reads of queues no more than the index of what is held until it has found one.
func (t *tx) HeldMessages(queues []string, after int64, limit int) ([]ticketing.Found, error) {
	t.long()
	query, args := selectFound+" WHERE m.visibility = 'held' AND m.id > $1", []any{after, atMost(limit)}
	if queues != nil {
		var in string
		in, args = placeholders(args, queues)
		query += " AND m.ticket + 0 IN (SELECT id FROM ticket WHERE held > 0 AND queue IN (" + in + "))"
	}
	return page(t, limit, scanFound, query+" ORDER BY m.id LIMIT $2", args...)
}

// foundMax is how many messages one statement reads: SQLite looks for the name of each of its
// arguments among all of them.
const foundMax = 64

func (t *tx) Found(ids []int64, statuses []ticketing.Status) (found []ticketing.Found, err error) {
	for some := range slices.Chunk(ids, foundMax) {
		more, err := t.foundOf(some, statuses)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	slices.SortFunc(found, func(a, b ticketing.Found) int { return cmp.Compare(b.Message.ID, a.Message.ID) })
	return found, nil
}

func (t *tx) foundOf(ids []int64, statuses []ticketing.Status) ([]ticketing.Found, error) {
	// Few lengths, so that few statements are kept: the last one is asked for again.
	length := 16
	for length < len(ids) {
		length *= 2
	}
	var args []any
	var places []string
	for i := range length {
		args = append(args, ids[min(i, len(ids)-1)])
		places = append(places, fmt.Sprintf("$%d", i+1))
	}
	in := strings.Join(places, ", ")
	query := selectFound + " WHERE m.id IN (" + in + ")"
	rows := len(ids)
	if len(statuses) > 0 {
		rows = 0 // who knows
		in, args = placeholders(args, statuses)
		query += " AND k.status || '' IN (" + in + ")" // joined to nothing: not by the index of all that are so
	}
	return page(t, rows, scanFound, query, args...)
}
