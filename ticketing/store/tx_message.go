package store

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"postdesk/ticketing"
)

// fromAuthor is a proven author who is the one in From, as most are.
const fromAuthor = "="

// messageValues are the columns of a message in the order of its statements.
func (t *tx) messageValues(m ticketing.Message) ([]any, error) {
	raw, err := t.rawID(m.Raw)
	if err != nil {
		return nil, err
	}
	if m.Arrival != 0 { // which has the number of its raw mail
		if raw != any(m.Arrival) {
			return nil, fmt.Errorf("a message of arrival %d has another raw mail", m.Arrival)
		}
		raw = nil
	}
	if m.Authentication.Author == m.From.Address && m.From.Address != "" {
		m.Authentication.Author = fromAuthor
	}
	authentication, err := toJSON(m.Authentication)
	if err != nil {
		return nil, err
	}
	problems, err := toJSON(m.Problems)
	if err != nil {
		return nil, err
	}
	return []any{m.Ticket, string(m.Kind), string(m.Visibility), m.Row, pack(m.Reason), m.From.Name, m.From.Address, m.Subject, m.MessageID,
		raw, ref(m.Arrival), m.Actor, m.Body, pack(authentication), m.Automatic, problems, foldValue(m.Fold), m.Seq, m.Received,
		m.Advice, m.Suppressed}, nil
}

func (t *tx) AddMessage(m *ticketing.Message) error {
	args, err := t.messageValues(*m)
	if err != nil {
		return err
	}
	m.ID, err = t.insert(`INSERT INTO message (ticket, kind, visibility, trust_row, reason, from_name, from_address, subject, message_id,
		raw, arrival, actor, body, authentication, automatic, problems, fold, seq, received, advice, suppressed)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`, args...)
	return err
}

func (t *tx) UpdateMessage(m ticketing.Message) error {
	args, err := t.messageValues(m)
	if err != nil {
		return err
	}
	return t.change(`UPDATE message SET ticket = $1, kind = $2, visibility = $3, trust_row = $4, reason = $5, from_name = $6,
		from_address = $7, subject = $8, message_id = $9, raw = $10, arrival = $11, actor = $12, body = $13, authentication = $14,
		automatic = $15, problems = $16, fold = $17, seq = $18, received = $19,
		advice = $20, suppressed = $21 WHERE id = $22`, append(args, m.ID)...)
}

func (t *tx) Suppress(message int64, why string) error {
	return t.change("UPDATE message SET suppressed = $1 WHERE id = $2", why, message)
}

const selectMessage = `SELECT m.id, m.ticket, m.kind, m.visibility, m.trust_row, m.reason, m.from_name, m.from_address, m.subject,
	m.message_id, r.hash, m.arrival, m.actor, m.body, m.authentication, m.automatic, m.problems, m.fold, m.seq, m.received,
	m.advice, m.suppressed FROM message m LEFT JOIN raw r ON r.id = coalesce(m.raw, m.arrival)`

func scanMessage(r row, m *ticketing.Message) error {
	err := r.Scan(&m.ID, &m.Ticket, &m.Kind, &m.Visibility, &m.Row, packedCol{&m.Reason}, &m.From.Name, &m.From.Address, &m.Subject,
		&m.MessageID, hashCol{&m.Raw}, refCol{&m.Arrival}, &m.Actor, &m.Body, jsonCol{&m.Authentication}, &m.Automatic,
		jsonCol{&m.Problems}, foldCol{&m.Fold}, &m.Seq, timeCol{&m.Received}, &m.Advice, &m.Suppressed)
	if m.Authentication.Author == fromAuthor {
		m.Authentication.Author = m.From.Address
	}
	return err
}

func (t *tx) Message(id int64) (ticketing.Message, error) {
	return one(t, scanMessage, selectMessage+" WHERE m.id = $1", id)
}

func (t *tx) Messages(ticket int64) ([]ticketing.Message, error) {
	return list(t, scanMessage, selectMessage+" WHERE m.ticket = $1 ORDER BY m.id", ticket)
}

// MessageIDs reads no more than the index by ticket.
func (t *tx) MessageIDs(ticket int64) ([]int64, error) {
	return list(t, scanInt, "SELECT id FROM message WHERE ticket = $1 ORDER BY id", ticket)
}

func (t *tx) MessagesOf(ticket, after int64, limit int) ([]ticketing.Message, error) {
	return page(t, limit, scanMessage, selectMessage+" WHERE m.ticket = $1 AND m.id > $2 ORDER BY m.id LIMIT $3 + 0", ticket, after, atMost(limit))
}

func (t *tx) MessagesBefore(ticket, before int64, limit int) ([]ticketing.Message, error) {
	last, err := page(t, limit, scanMessage, selectMessage+" WHERE m.ticket = $1 AND m.id < $2 ORDER BY m.id DESC LIMIT $3 + 0", ticket, before, atMost(limit))
	slices.Reverse(last)
	return last, err
}

func (t *tx) NewestShown(ticket int64, limit int) ([]ticketing.Message, error) {
	t.long() // what is folded or held stands between
	last, err := page(t, limit, scanMessage, selectMessage+" WHERE m.ticket = $1 AND m.visibility = $2 AND m.kind IN ($3, $4) ORDER BY m.id DESC LIMIT $5 + 0",
		ticket, string(ticketing.Shown), string(ticketing.KindInbound), string(ticketing.KindReply), atMost(limit))
	slices.Reverse(last)
	return last, err
}

func (t *tx) FirstMessage(ticket int64) (id int64, err error) {
	id, err = one(t, scanInt, "SELECT id FROM message WHERE ticket = $1 ORDER BY id LIMIT 1", ticket)
	if errors.Is(err, ticketing.ErrNotFound) {
		return 0, nil
	}
	return id, err
}

func (t *tx) MessagesAfter(after int64, limit int) ([]ticketing.Message, error) {
	return list(t, scanMessage, selectMessage+" WHERE m.id > $1 ORDER BY m.id LIMIT $2", after, atMost(limit))
}

func (t *tx) LastMessage() (id int64, err error) {
	err = t.get("SELECT COALESCE(max(id), 0) FROM message", nil, &id)
	return id, err
}

func (t *tx) MessagesByArrival(arrival int64) ([]ticketing.Message, error) {
	return list(t, scanMessage, selectMessage+" WHERE m.arrival = $1 ORDER BY m.id", arrival)
}

// A Message-ID that much mail has, as that of a broken program, is looked for in so many of the
// newest tickets, and there among so many of the newest messages.
const (
	namedTickets  = 20
	namedMessages = 100
)

// MessagesByFold gives those that are the same mail, the first of them first; none for none.
// They have one Message-ID, which leads to them: an index of all digests would write to a page
// of its own for each mail.
func (t *tx) MessagesByFold(msgID, fold string) ([]ticketing.Message, error) {
	if fold == "" {
		return nil, nil
	}
	type place struct{ ticket, message int64 }
	places, err := list(t, func(r row, p *place) error {
		return r.Scan(&p.ticket, &p.message)
	}, `SELECT ticket, message FROM (SELECT ticket, message FROM message_id WHERE digest = $1 ORDER BY ticket DESC LIMIT $2) AS named UNION ALL
		SELECT ticket, id FROM (SELECT ticket, id FROM message WHERE kind = 'report' AND substr(fold, 1, 8) = substr($3, 1, 8) AND fold = $3 LIMIT $2) AS reports`,
		digest(msgID), namedTickets, foldValue(fold))
	if err != nil {
		return nil, err
	}
	var same []ticketing.Message
	for _, p := range places {
		found, err := list(t, scanMessage, selectMessage+` WHERE m.fold = $1
			AND (m.id = $2 OR m.id IN (SELECT id FROM message WHERE ticket = $3 ORDER BY id DESC LIMIT $4))`, foldValue(fold), p.message, p.ticket, namedMessages)
		if err != nil {
			return nil, err
		}
		same = append(same, found...)
	}
	slices.SortFunc(same, func(a, b ticketing.Message) int { return cmp.Compare(a.ID, b.ID) })
	return slices.CompactFunc(same, func(a, b ticketing.Message) bool { return a.ID == b.ID }), nil
}

// Undecided gives messages of row 7: DNS could not say who wrote them.
func (t *tx) Undecided(after int64, limit int) ([]ticketing.Message, error) {
	return list(t, scanMessage, selectMessage+" WHERE m.trust_row = '7' AND m.id > $1 ORDER BY m.id LIMIT $2", after, atMost(limit))
}

func (t *tx) CountHeld() (n int64, err error) {
	t.long()
	err = t.get("SELECT count(*) FROM message WHERE visibility = 'held'", nil, &n)
	return n, err
}

// foldValue is how the digest of a mail is kept: as its octets; NULL for none.
func foldValue(fold string) any {
	if fold == "" {
		return nil
	}
	if octets, err := hex.DecodeString(fold); err == nil {
		return octets
	}
	return []byte(fold)
}

// foldCol scans what foldValue gave.
type foldCol struct{ to *string }

func (c foldCol) Scan(v any) error {
	octets, _ := v.([]byte)
	*c.to = hex.EncodeToString(octets)
	return nil
}

// digest is the key of a msg-id, as its column would have it. Half of a SHA-256 is more than
// anybody can meet.
func digest(msgID string) []byte {
	h := sha256.Sum256([]byte(clean(msgID)))
	return h[:16]
}

func (t *tx) AddMessageID(msgID string, ticket, message int64) error {
	_, err := t.exec("INSERT INTO message_id (digest, ticket, message) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", digest(msgID), ticket, message)
	return err
}

func (t *tx) TicketsByMessageID(msgIDs []string) ([]int64, error) {
	var found []int64
	for _, id := range msgIDs {
		err := t.each("SELECT ticket FROM message_id WHERE digest = $1", []any{digest(id)}, func(r row) error {
			var ticket int64
			err := r.Scan(&ticket)
			found = append(found, ticket)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}
