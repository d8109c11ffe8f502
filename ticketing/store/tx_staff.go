package store

import (
	"time"

	"postdesk/ticketing"
)

func (t *tx) AddMember(m *ticketing.Member) error {
	// The update changes nothing; it makes RETURNING give the row that is there.
	return t.get(`INSERT INTO member (name, since) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id, since`, []any{m.Name, m.Since}, &m.ID, &m.Since)
}

func (t *tx) Members() ([]ticketing.Member, error) {
	return list(t, func(r row, m *ticketing.Member) error {
		return r.Scan(&m.ID, &m.Name, &m.Since)
	}, "SELECT id, name, since FROM member ORDER BY id")
}

func (t *tx) SetMute(member, ticket int64, mute bool) error {
	query := "DELETE FROM mute WHERE member = $1 AND ticket = $2"
	if mute {
		query = "INSERT INTO mute (member, ticket) VALUES ($1, $2) ON CONFLICT (ticket, member) DO NOTHING"
	}
	_, err := t.exec(query, member, ticket)
	return err
}

func (t *tx) Muted(ticket int64) ([]int64, error) {
	return list(t, scanInt, "SELECT member FROM mute WHERE ticket = $1 ORDER BY member", ticket)
}

// Mail to staff carries no message of the ticket: it tells of one.
func (t *tx) NoticeByEnvelope(envelopeID string) (ticketing.Outgoing, error) {
	return one(t, scanOutgoing, selectOutgoing+" WHERE o.envelope_id = $1 AND o.message IS NULL AND o.envelope_id <> ''", envelopeID)
}

func (t *tx) CountNotices(recipient string, since time.Time) (n int64, err error) {
	err = t.get("SELECT count(*) FROM outgoing WHERE recipient = $1 AND created >= $2 AND message IS NULL", []any{recipient, since}, &n)
	return n, err
}
