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
	return list(t, func(r row) (name string, err error) {
		err = r.Scan(&name)
		return name, err
	}, "SELECT name FROM alias WHERE ticket = $1 ORDER BY name", ticket)
}

// ticketsByAlias is for the few tickets that share an old number: they are found first,
// and sorted then.
func (t *tx) ticketsByAlias(q ticketing.TicketQuery) ([]ticketing.Ticket, error) {
	before := int64(1) << 62
	if !q.BeforeUpdated.IsZero() {
		before = micros(q.BeforeUpdated)
	}
	args := []any{q.Alias, before, q.BeforeID, atMost(q.Limit)}
	where := "id IN (SELECT ticket FROM alias WHERE name = $1) AND (updated, id) < ($2, $3)"
	if q.Queue != "" {
		args = append(args, q.Queue)
		where += fmt.Sprintf(" AND queue = $%d", len(args))
	}
	if q.Held {
		where += " AND held > 0"
	}
	var statuses []string
	for _, s := range q.Statuses {
		args = append(args, string(s))
		statuses = append(statuses, fmt.Sprintf("$%d", len(args)))
	}
	if len(statuses) > 0 {
		where += " AND status IN (" + strings.Join(statuses, ", ") + ")"
	}
	return list(t, scanTicket, selectTicket+" WHERE "+where+" ORDER BY updated DESC, id DESC LIMIT $4", args...)
}

func (t *tx) AddImported(queue string, key ticketing.Hash, message int64) error {
	_, err := t.exec("INSERT INTO imported (queue, key, message) VALUES ($1, $2, $3) ON CONFLICT (queue, key) DO NOTHING", queue, key, message)
	return err
}

func (t *tx) Imported(queue string, key ticketing.Hash) (message int64, err error) {
	err = t.get("SELECT message FROM imported WHERE queue = $1 AND key = $2", []any{queue, key}, &message)
	return message, err
}
