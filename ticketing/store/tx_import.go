package store

import (
	"fmt"
	"strings"

	"postdesk/ticketing"
)

func (t *tx) AddAlias(name string, ticket int64) error {
	_, err := t.exec("INSERT INTO alias (name, ticket) VALUES ($1, $2) ON CONFLICT (name, ticket) DO NOTHING", name, ticket)
	return err
}

func (t *tx) AliasesOf(ticket int64) ([]string, error) {
	return list(t, scanText, "SELECT name FROM alias WHERE ticket = $1 ORDER BY name", ticket)
}

// fewTickets is for the few tickets that have something of their own: they are
// found first, and sorted then.
func (t *tx) fewTickets(q ticketing.TicketQuery, within string, args []any) ([]ticketing.Ticket, error) {
	before := int64(1) << 62
	if !q.BeforeUpdated.IsZero() {
		before = micros(q.BeforeUpdated)
	}
	args = append(args, before, q.BeforeID)
	where := fmt.Sprintf("id IN (%s) AND (updated, id) < ($%d, $%d)", within, len(args)-1, len(args))
	if q.Queue != "" {
		args = append(args, q.Queue)
		where += fmt.Sprintf(" AND queue = $%d", len(args))
	}
	if q.Held {
		where += " AND held > 0"
	}
	var in string
	if q.Queues != nil {
		in, args = placeholders(args, q.Queues)
		where += " AND queue IN (" + in + ")"
	}
	if len(q.Statuses) > 0 {
		in, args = placeholders(args, q.Statuses)
		where += " AND status IN (" + in + ")"
	}
	args = append(args, atMost(q.Limit))
	return list(t, scanTicket, selectTicket+" WHERE "+where+fmt.Sprintf(" ORDER BY updated DESC, id DESC LIMIT $%d", len(args)), args...)
}

// narrow is how few tickets are found; empty is for queries that can give any number.
func narrow(q ticketing.TicketQuery) (within string, args []any) {
	var parts []string
	add := func(query string, arg any) {
		args = append(args, arg)
		parts = append(parts, fmt.Sprintf(query, len(args)))
	}
	if q.Alias != "" {
		add("SELECT ticket FROM alias WHERE name = $%d", q.Alias)
	}
	if q.Ref != "" {
		add("SELECT ticket FROM reference WHERE ref = $%d", q.Ref)
	}
	if q.MessageID != "" {
		add("SELECT ticket FROM message_id WHERE digest = $%d", digest(q.MessageID))
	}
	return strings.Join(parts, " INTERSECT "), args
}

// placeholders adds values to the arguments, and gives their places.
func placeholders[T ~string](args []any, values []T) (string, []any) {
	var places []string
	for _, v := range values {
		args = append(args, string(v))
		places = append(places, fmt.Sprintf("$%d", len(args)))
	}
	return strings.Join(places, ", "), args
}

func (t *tx) AddImported(queue string, key ticketing.Hash, message int64) error {
	_, err := t.exec("INSERT INTO imported (queue, key, message) VALUES ($1, $2, $3) ON CONFLICT (queue, key) DO NOTHING", queue, key, message)
	return err
}

func (t *tx) Imported(queue string, key ticketing.Hash) (message int64, err error) {
	err = t.get("SELECT message FROM imported WHERE queue = $1 AND key = $2", []any{queue, key}, &message)
	return message, err
}
