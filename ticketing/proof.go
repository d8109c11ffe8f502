package ticketing

import (
	"fmt"
	"strconv"
	"strings"
)

// Every mail of ours has an id of two numbers: the reply and the participant it
// went to. It is in the Message-ID and in the reverse-path, each time with a MAC
// of its own purpose, so that neither can be made up or stand in for the other.

// outgoingID names one mail of ours. The generation is that of the participant's tokens
// when it was made, so that it can be revoked as they are.
type outgoingID struct{ message, participant, generation int64 }

func (o outgoingID) String() string {
	if o.generation == 0 {
		return fmt.Sprintf("%d-%d", o.message, o.participant)
	}
	return fmt.Sprintf("%d-%d-%d", o.message, o.participant, o.generation)
}

func parseOutgoingID(s string) (o outgoingID, ok bool) {
	parts := strings.Split(s, "-")
	if len(parts) < 2 || len(parts) > 3 {
		return outgoingID{}, false
	}
	for i, to := range []*int64{&o.message, &o.participant, &o.generation}[:len(parts)] {
		n, err := strconv.ParseInt(parts[i], 10, 64)
		if err != nil {
			return outgoingID{}, false
		}
		*to = n
	}
	return o, true
}

// messageID gives the Message-ID of a mail of ours, without angle brackets.
func (d *Desk) messageID(t Ticket, o outgoingID, domain string) string {
	return fmt.Sprintf("%s.%s.%s@%s", t.Name(), o, d.keys.sign(macMsgID, t.Name(), o.String()), domain)
}

// ourMessageID reads the form above.
var ourMessageID = pattern(`^([A-Z][A-Z0-9]{0,31}-[0-9]{1,18})\.([0-9]{1,18}-[0-9]{1,18}(?:-[0-9]{1,18})?)\.([0-9A-Za-z]{17})@`)

// ownMessageID says which mail of ours a msg-id belongs to; ok only when its MAC verifies.
func (d *Desk) ownMessageID(msgID string) (o outgoingID, ok bool) {
	m := ourMessageID().FindStringSubmatch(msgID)
	if m == nil || !d.keys.verify(m[3], macMsgID, m[1], m[2]) {
		return outgoingID{}, false
	}
	return parseOutgoingID(m[2])
}

// replyToken proves that its holder got mail of ours as this participant.
func (d *Desk) replyToken(p Participant) string {
	return d.keys.sign(macReply, tokenFacts(p)...)
}

// tokenFacts are what a token is about; another generation makes it another token.
func tokenFacts(p Participant) []string {
	return []string{strconv.FormatInt(p.Ticket, 10), strconv.FormatInt(p.ID, 10), strconv.FormatInt(p.Generation, 10)}
}

// holder gives the participant whose reply token this is.
func (d *Desk) holder(token string, ticket int64, participants []Participant) (Participant, bool) {
	if token == "" {
		return Participant{}, false
	}
	for _, p := range participants {
		if p.Ticket == ticket && d.keys.verify(token, macReply, tokenFacts(p)...) {
			return p, true
		}
	}
	return Participant{}, false
}

// reversePath is unguessable and of one mail alone, so that a report that comes
// back to it needs no other proof (RFC 5321 section 4.4 gives MAIL FROM to us).
func (d *Desk) reversePath(q Queue, o outgoingID) string {
	return fmt.Sprintf("%s-bounces+%s.%s@%s", strings.ToLower(q.Key), o, d.keys.sign(macReverse, o.String()), q.Domain)
}

// bounceID reads what stands after "-bounces+".
func (d *Desk) bounceID(token string) (outgoingID, bool) {
	id, mac, ok := strings.Cut(token, ".")
	if !ok || !d.keys.verify(mac, macReverse, id) {
		return outgoingID{}, false
	}
	return parseOutgoingID(id)
}
