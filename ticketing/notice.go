package ticketing

import (
	"fmt"
	"strconv"
	"strings"
)

// A notice is a mail to a member of staff: it tells of an event, or how the person's own
// mail was carried out. Its ids and tokens have MACs of their own purposes, so that none
// of them can ever serve as a participant's.

const (
	macStaff  macPurpose = "staff-token"
	macNotice macPurpose = "notice-id"
)

// noticeID names one notice: the event that it is about and the member that it goes to.
type noticeID struct{ event, member int64 }

// String begins with a letter, so that it is never the id of an answer.
func (n noticeID) String() string { return fmt.Sprintf("s%d-%d", n.event, n.member) }

func parseNoticeID(s string) (n noticeID, ok bool) {
	event, member, cut := strings.Cut(strings.TrimPrefix(s, "s"), "-")
	var err1, err2 error
	n.event, err1 = strconv.ParseInt(event, 10, 64)
	n.member, err2 = strconv.ParseInt(member, 10, 64)
	return n, cut && err1 == nil && err2 == nil && n.String() == s
}

// noticeMessageID gives the Message-ID of a notice. That of event 0 is of no mail: all
// notices of a ticket to one person refer to it, so that a mail program shows one thread.
func (d *Desk) noticeMessageID(t Ticket, n noticeID, domain string) string {
	return fmt.Sprintf("%s.%s.%s@%s", t.Name(), n, d.keys.sign(macNotice, t.Name(), n.String()), domain)
}

var ourNoticeID = pattern(`^([A-Z][A-Z0-9]{0,31}-[0-9]{1,18})\.(s[0-9]{1,18}-[0-9]{1,18})\.([0-9A-Za-z]{17})@`)

// ownNoticeID says which notice, about which ticket, a msg-id belongs to; ok only when its
// MAC verifies.
func (d *Desk) ownNoticeID(msgID string) (n noticeID, ticket string, ok bool) {
	m := ourNoticeID().FindStringSubmatch(msgID)
	if m == nil || !d.keys.verify(m[3], macNotice, m[1], m[2]) {
		return noticeID{}, "", false
	}
	n, ok = parseNoticeID(m[2])
	return n, m[1], ok
}

// noticeReversePath is unguessable and of one notice alone.
func (d *Desk) noticeReversePath(q Queue, n noticeID) string {
	return fmt.Sprintf("%s-bounces+%s.%s@%s", strings.ToLower(q.Key), n, d.keys.sign(macReverse, n.String()), q.Domain)
}

// bouncedNotice reads what stands after "-bounces+".
func (d *Desk) bouncedNotice(token string) (noticeID, bool) {
	id, mac, ok := strings.Cut(token, ".")
	if !ok || !d.keys.verify(mac, macReverse, id) {
		return noticeID{}, false
	}
	return parseNoticeID(id)
}

// staffToken is a person's proof of having been told of a ticket. It says up to which
// event, so that an answer to what is not the newest any more is noticed.
func (d *Desk) staffToken(ticket int64, name string, seen int64) string {
	return fmt.Sprintf("%d.%s", seen, d.keys.sign(macStaff, staffTokenFacts(ticket, name, seen)...))
}

func staffTokenFacts(ticket int64, name string, seen int64) []string {
	return []string{strconv.FormatInt(ticket, 10), name, strconv.FormatInt(seen, 10)}
}

// staffSeen verifies a token of that person and gives the event that it names.
func (d *Desk) staffSeen(token string, ticket int64, name string) (seen int64, ok bool) {
	number, mac, cut := strings.Cut(token, ".")
	seen, err := strconv.ParseInt(number, 10, 64)
	if !cut || err != nil || seen < 1 || !d.keys.verify(mac, macStaff, staffTokenFacts(ticket, name, seen)...) {
		return 0, false
	}
	return seen, true
}

// anyStaffToken finds what looks like a token of staff in a text that is to leave for a
// customer: whether it would still verify does not matter.
var anyStaffToken = pattern(`(?i)[A-Z][A-Z0-9]{0,31}-[0-9]{1,18}\+[0-9]{1,18}\.[0-9a-z]{17}`)
