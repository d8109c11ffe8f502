package store

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"postdesk/ticketing"
)

func (t *tx) NextNumber(queue string, first int64) (int64, error) {
	name := "ticket:" + queue
	n, err := t.counter(name)
	if errors.Is(err, ticketing.ErrNotFound) {
		_, err = t.exec("INSERT INTO counter (name, value) VALUES ($1, $2)", name, first)
		return first, err
	}
	if err == nil {
		t.count(name, n+1)
	}
	return n + 1, err
}

func (t *tx) AddTicket(k *ticketing.Ticket) error {
	k.Priority = cmp.Or(k.Priority, ticketing.PriorityNormal)
	tags, err := toJSON(k.Tags)
	if err != nil {
		return err
	}
	k.ID, err = t.insert(`INSERT INTO ticket (queue, number, subject, status, requester, requester_name, assignee,
		unverified, suspicious, held, linked, last_seq, created, updated, waiting, closed, priority, tags, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`,
		k.Queue, k.Number, k.Subject, string(k.Status), k.Requester, k.RequesterName, k.Assignee,
		k.Unverified, k.Suspicious, k.Held, ref(k.Linked), k.LastSeq, k.Created, k.Updated, k.Waiting, k.Closed,
		string(k.Priority), tags, k.Version)
	if err == nil && k.LastSeq != 0 {
		if t.foreseen == nil {
			t.foreseen = map[int64]moved{}
		}
		t.foreseen[k.ID] = moved{k.LastSeq, k.Version}
	}
	return err
}

func (t *tx) UpdateTicket(k ticketing.Ticket) error {
	delete(t.foreseen, k.ID)
	tags, err := toJSON(k.Tags)
	if err != nil {
		return err
	}
	return t.change(`UPDATE ticket SET queue = $1, number = $2, subject = $3, status = $4, requester = $5, requester_name = $6,
		assignee = $7, unverified = $8, suspicious = $9, held = $10, linked = $11, last_seq = $12, created = $13, updated = $14,
		waiting = $15, closed = $16, priority = $17, tags = $18 WHERE id = $19`,
		k.Queue, k.Number, k.Subject, string(k.Status), k.Requester, k.RequesterName, k.Assignee,
		k.Unverified, k.Suspicious, k.Held, ref(k.Linked), k.LastSeq, k.Created, k.Updated, k.Waiting, k.Closed,
		string(k.Priority), tags, k.ID)
}

const selectTicket = `SELECT id, queue, number, subject, status, requester, requester_name, assignee,
	unverified, suspicious, held, linked, last_seq, version, created, updated, waiting, closed, priority, tags FROM ticket`

// ticketColumns are where the columns of selectTicket go.
func ticketColumns(k *ticketing.Ticket) []any {
	return []any{&k.ID, &k.Queue, &k.Number, &k.Subject, &k.Status, &k.Requester, &k.RequesterName, &k.Assignee,
		&k.Unverified, &k.Suspicious, &k.Held, refCol{&k.Linked}, &k.LastSeq, &k.Version, timeCol{&k.Created}, timeCol{&k.Updated},
		timeCol{&k.Waiting}, timeCol{&k.Closed}, &k.Priority, jsonCol{&k.Tags}}
}

func scanTicket(r row, k *ticketing.Ticket) error {
	return r.Scan(ticketColumns(k)...)
}

func (t *tx) Ticket(id int64) (ticketing.Ticket, error) {
	if err := t.flushLastSeq(); err != nil {
		return ticketing.Ticket{}, err
	}
	return one(t, scanTicket, selectTicket+" WHERE id = $1", id)
}

func (t *tx) TicketByName(queue string, number int64) (ticketing.Ticket, error) {
	if err := t.flushLastSeq(); err != nil {
		return ticketing.Ticket{}, err
	}
	return one(t, scanTicket, selectTicket+" WHERE queue = $1 AND number = $2", queue, number)
}

func (t *tx) Tickets(q ticketing.TicketQuery) ([]ticketing.Ticket, error) {
	t.long()
	if err := t.flushLastSeq(); err != nil {
		return nil, err
	}
	if within, args := narrow(q); within != "" {
		return t.fewTickets(q, within, args)
	}
	statuses, err := t.statuses(q)
	if err != nil || len(statuses) == 0 && !q.Held {
		return nil, err
	}
	query, args := ticketQuery(q, statuses)
	return page(t, q.Limit, scanTicket, query, args...)
}

// statuses are those asked for, each once, or all that there are; none for held tickets of any.
func (t *tx) statuses(q ticketing.TicketQuery) (out []string, err error) {
	for _, s := range q.Statuses {
		out = append(out, string(s))
	}
	if len(out) > 0 || q.Held {
		slices.Sort(out)
		return slices.Compact(out), nil
	}
	// One seek in the index for each, where DISTINCT would read all of it.
	return list(t, scanText, `WITH RECURSIVE used (status) AS (SELECT min(status) FROM ticket UNION ALL
		SELECT (SELECT min(status) FROM ticket WHERE status > used.status) FROM used WHERE used.status IS NOT NULL)
		SELECT status FROM used WHERE status IS NOT NULL`)
}

// selectsMax is how many SELECTs are merged: more have no index of their own any more.
const selectsMax = 100

// ticketQuery joins one SELECT for each queue and status, since an index gives the order
// only within these: the database merges them and reads no more than it shows.
func ticketQuery(q ticketing.TicketQuery, statuses []string) (string, []any) {
	before, beforeID := int64(1)<<62, q.BeforeID
	if !q.BeforeUpdated.IsZero() {
		before = micros(q.BeforeUpdated)
	}
	args := []any{before, beforeID, atMost(q.Limit)}
	where, queue := "(updated, id) < ($1, $2)", "queue"
	if q.Held { // they are few and have indexes of their own; what is joined to nothing keeps the database from taking another one
		where += " AND held > 0"
		queue += " || ''"
		if len(statuses) > 0 {
			var in string
			in, args = placeholders(args, statuses)
			where += " AND status || '' IN (" + in + ")"
		}
	}
	wheres := []string{where}
	queues := queuesOf(q)
	switch {
	case queues == nil:
	case len(queues) > 0 && len(queues)*max(1, len(statuses)) <= selectsMax:
		wheres = eachOf(wheres, "queue", queues, &args)
	default:
		var in string
		in, args = placeholders(args, queues)
		wheres[0] += " AND " + queue + " IN (" + in + ")"
	}
	if !q.Held {
		wheres = eachOf(wheres, "status", statuses, &args)
	}
	for i, where := range wheres {
		wheres[i] = selectTicket + " WHERE " + where
	}
	return strings.Join(wheres, " UNION ALL ") + " ORDER BY updated DESC, id DESC LIMIT $3", args
}

// queuesOf are those of a query, each once: one that is named twice would give its tickets
// twice. nil is every one, and none is none.
func queuesOf(q ticketing.TicketQuery) []string {
	queues := q.Queues
	if q.Queue != "" {
		if queues = []string{q.Queue}; q.Queues != nil && !slices.Contains(q.Queues, q.Queue) {
			queues = []string{}
		}
	}
	if queues == nil {
		return nil
	}
	return append([]string{}, slices.Compact(slices.Sorted(slices.Values(queues)))...)
}

// eachOf makes of each condition one for each value of a column.
func eachOf(wheres []string, column string, values []string, args *[]any) (out []string) {
	for _, v := range values {
		*args = append(*args, v)
		for _, where := range wheres {
			out = append(out, fmt.Sprintf("%s AND %s = $%d", where, column, len(*args)))
		}
	}
	return out
}

func (t *tx) AddParticipant(p *ticketing.Participant) error {
	var err error
	p.ID, err = t.insert(`INSERT INTO participant (ticket, address, name, role, generation, muted) SELECT CAST($1 AS bigint), $2, $3, $4, CAST($5 AS bigint), CAST($6 AS bigint)
		WHERE NOT EXISTS (SELECT 1 FROM participant WHERE ticket = $1 AND address = $2)`, p.Ticket, p.Address, p.Name, p.Role, p.Generation, p.Muted)
	if errors.Is(err, ticketing.ErrNotFound) {
		err = t.get("SELECT id FROM participant WHERE ticket = $1 AND address = $2", []any{p.Ticket, p.Address}, &p.ID)
	}
	return err
}

func (t *tx) UpdateParticipant(p ticketing.Participant) error {
	return t.change("UPDATE participant SET name = $1, role = $2, generation = $3, muted = $4 WHERE id = $5",
		p.Name, p.Role, p.Generation, p.Muted, p.ID)
}

const selectParticipant = "SELECT id, ticket, address, name, role, generation, muted FROM participant"

func scanParticipant(r row, p *ticketing.Participant) error {
	return r.Scan(&p.ID, &p.Ticket, &p.Address, &p.Name, &p.Role, &p.Generation, &p.Muted)
}

func (t *tx) Participant(id int64) (ticketing.Participant, error) {
	return one(t, scanParticipant, selectParticipant+" WHERE id = $1", id)
}

func (t *tx) Participants(ticket int64) ([]ticketing.Participant, error) {
	return list(t, scanParticipant, selectParticipant+" WHERE ticket = $1 ORDER BY id", ticket)
}
