package ticketing

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// FuzzProofs gives arbitrary text to all that reads a proof of ours. What is believed must
// be, but for its case, what was given out: one of the seeds, and none other.
func FuzzProofs(f *testing.F) {
	now := func() time.Time { return time.Unix(1_800_000_000, 0) }
	ring, err := NewKeyring([]Key{{Secret: bytes.Repeat([]byte{7}, 32), Created: now()}}, now) // of one value: inputs are kept between runs
	if err != nil {
		f.Fatal(err)
	}
	d := &Desk{keys: ring}
	q := Queue{Key: "SUPPORT", Domain: "desk.example"}
	ticket, people := Ticket{ID: 5, Queue: "SUPPORT", Number: 7102}, []Participant{{ID: 3, Ticket: 5}, {ID: 4, Ticket: 5, Generation: 2}}
	token := func(path string) string {
		_, after, _ := strings.Cut(path, "+")
		t, _, _ := strings.Cut(after, "@")
		return t
	}
	given := []string{d.replyToken(people[0]), d.replyToken(people[1]), d.staffToken(5, "jane", 9)}
	for _, id := range []outgoingID{{12, 3, 0}, {12, 3, 4}} {
		given = append(given, d.messageID(ticket, id, q.Domain), token(d.reversePath(q, id)))
	}
	given = append(given, d.noticeMessageID(ticket, noticeID{9, 1}, q.Domain), token(d.noticeReversePath(q, noticeID{9, 1})))
	for _, g := range given {
		f.Add(g)
		f.Add(strings.ToUpper(g))
	}
	f.Add("12-3.")
	f.Add("-9223372036854775808-1.0")
	f.Fuzz(func(t *testing.T, text string) {
		believed := []string{}
		if p, ok := d.holder(text, 5, people); ok {
			believed = append(believed, d.replyToken(p))
		}
		if seen, ok := d.staffSeen(text, 5, "jane"); ok {
			believed = append(believed, d.staffToken(5, "jane", seen))
		}
		if o, ok := d.bounceID(text); ok {
			believed = append(believed, token(d.reversePath(q, o)))
		}
		if n, ok := d.bouncedNotice(text); ok {
			believed = append(believed, token(d.noticeReversePath(q, n)))
		}
		for _, b := range believed {
			if !strings.EqualFold(b, text) {
				t.Errorf("%q is believed, and what was given out is %q", text, b)
			}
		}
		// A domain may be any: a mail server on the way rewrites it.
		before, _, _ := strings.Cut(text, "@")
		if o, ok := d.ownMessageID(text); ok {
			if ours, _, _ := strings.Cut(d.messageID(ticket, o, ""), "@"); !strings.EqualFold(ours, before) {
				t.Errorf("%q is believed, and what was given out is %q", text, ours)
			}
		}
		if n, _, ok := d.ownNoticeID(text); ok {
			if ours, _, _ := strings.Cut(d.noticeMessageID(ticket, n, ""), "@"); !strings.EqualFold(ours, before) {
				t.Errorf("%q is believed, and what was given out is %q", text, ours)
			}
		}
	})
}
