package ticketing

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Every mail of ours has an id of two numbers: the reply and the participant it
// went to. It is in the Message-ID and in the reverse-path, each time with a MAC
// of its own purpose, so that neither can be made up or stand in for the other.

// outgoingID names one mail of ours.
type outgoingID struct{ message, participant int64 }

func (o outgoingID) String() string { return fmt.Sprintf("%d-%d", o.message, o.participant) }

func parseOutgoingID(s string) (outgoingID, bool) {
	m, p, ok := strings.Cut(s, "-")
	message, err1 := strconv.ParseInt(m, 10, 64)
	participant, err2 := strconv.ParseInt(p, 10, 64)
	return outgoingID{message, participant}, ok && err1 == nil && err2 == nil
}

// messageID gives the Message-ID of a mail of ours, without angle brackets.
func (d *Desk) messageID(t Ticket, o outgoingID, domain string) string {
	return fmt.Sprintf("%s.%s.%s@%s", t.Name(), o, d.keys.sign(macMsgID, t.Name(), o.String()), domain)
}

// ourMessageID reads the form above.
var ourMessageID = regexp.MustCompile(`^([A-Z][A-Z0-9]{0,31}-[0-9]{1,18})\.([0-9]{1,18}-[0-9]{1,18})\.([0-9A-Za-z]{17})@`)

// ownMessageID says which mail of ours a msg-id belongs to; ok only when its MAC verifies.
func (d *Desk) ownMessageID(msgID string) (o outgoingID, ok bool) {
	m := ourMessageID.FindStringSubmatch(msgID)
	if m == nil || !d.keys.verify(m[3], macMsgID, m[1], m[2]) {
		return outgoingID{}, false
	}
	return parseOutgoingID(m[2])
}

// replyToken proves that its holder got mail of ours as this participant.
func (d *Desk) replyToken(ticket, participant int64) string {
	return d.keys.sign(macReply, strconv.FormatInt(ticket, 10), strconv.FormatInt(participant, 10))
}

// holder gives the participant whose reply token this is.
func (d *Desk) holder(token string, ticket int64, participants []Participant) (Participant, bool) {
	if token == "" {
		return Participant{}, false
	}
	for _, p := range participants {
		if d.keys.verify(token, macReply, strconv.FormatInt(ticket, 10), strconv.FormatInt(p.ID, 10)) {
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
