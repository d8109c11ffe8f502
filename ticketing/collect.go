package ticketing

import (
	"crypto/sha256"
	"errors"
	"strings"
	"time"
	"unicode"
)

// collect gives the ticket for automatic mail at a queue (row 11a), or for mail that goes
// in a circle (row 14). What is gathered is folded into a ticket that is there, so that a
// thousand alarms are one line of the list. A mail that cannot be read is never gathered.
func (d *Desk) collect(tx Tx, a Arrival, j *job, queue string, dec Decision) (t Ticket, created bool, err error) {
	key := d.collectKey(a, j, queue, dec)
	scope := "collect:" + queue
	if key != "" {
		_, id, err := tx.Idempotent(scope, key)
		if err == nil {
			t, err = tx.Ticket(id)
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return t, false, err
		}
		// Where nobody looks any more nothing is gathered: who forges the first alarm of the
		// day and has it turned down would silence all the others.
		if err == nil && (!t.Status.over() && a.Received.Sub(t.Created) < groupSpan || dec.Row == "14") {
			return t, false, nil
		}
	}
	if t, err = d.openTicket(tx, a, j, queue, dec, 0); err != nil || key == "" {
		return t, true, err
	}
	return t, true, tx.PutIdempotent(scope, key, Hash{}, t.ID, d.now())
}

// groupSpan is how long an open ticket goes on gathering, so that each has an end. It is
// longer than a night: an alarm and the word that all is well again belong together.
const groupSpan = 7 * 24 * time.Hour

// collectKey names what is gathered in one ticket; empty for a ticket of its own. What is
// folded begins anew each day.
func (d *Desk) collectKey(a Arrival, j *job, queue string, dec Decision) string {
	day := a.Received.UTC().Format("2006-01-02")
	automatic := d.queueOf(queue).Automatic
	field, group := strings.CutPrefix(automatic, AutomaticGroup)
	switch {
	case dec.Row == "14":
		return day + " circle"
	case automatic == AutomaticFold:
		return day
	case !group:
		return ""
	}
	// A subject tells of times and counters; any other field says what the site chose to
	// gather by, and web1 is another host than web2.
	value := strings.TrimSpace(first(j.msg.Header(field)))
	if strings.EqualFold(field, "Subject") {
		value = withoutNumbers(j.msg.Subject)
	}
	if value == "" {
		return ""
	}
	// A digest: the value is as long as its sender likes.
	sum := sha256.Sum256([]byte(author(j.msg) + "\x00" + value))
	return Hash(sum).String()
}

// withoutNumbers makes one of what differs only in counters and times.
func withoutNumbers(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsDigit(r) }), " ")
}
