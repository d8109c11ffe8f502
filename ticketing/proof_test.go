package ticketing

import (
	"strings"
	"testing"
	"time"
)

func TestProofsAreNotInterchangeable(t *testing.T) {
	now := func() time.Time { return time.Unix(1_800_000_000, 0) }
	ring, err := NewKeyring([]Key{NewKey(0, now())}, now)
	if err != nil {
		t.Fatal(err)
	}
	d := &Desk{keys: ring}
	q := Queue{Key: "SUPPORT", Domain: "desk.example"}
	ticket, id := Ticket{ID: 5, Queue: "SUPPORT", Number: 7102}, outgoingID{12, 3, 0}
	msgID, reverse := d.messageID(ticket, id, q.Domain), d.reversePath(q, id)
	if got, ok := d.ownMessageID(msgID); !ok || got != id {
		t.Fatalf("%s: %v %v", msgID, got, ok)
	}
	for _, forged := range []string{
		strings.Replace(msgID, "12-3", "12-4", 1), strings.Replace(msgID, "7102", "7103", 1), "x" + msgID, "a@b", "",
	} {
		if _, ok := d.ownMessageID(forged); ok {
			t.Errorf("a forged Message-ID passes: %s", forged)
		}
	}
	token := strings.TrimSuffix(strings.TrimPrefix(reverse, "support-bounces+"), "@desk.example")
	if got, ok := d.bounceID(token); !ok || got != id {
		t.Fatalf("%s: %v %v", reverse, got, ok)
	}
	macOfMsgID := strings.Split(strings.Split(msgID, "@")[0], ".")[2]
	if _, ok := d.bounceID("12-3." + macOfMsgID); ok {
		t.Error("the MAC of a Message-ID passes as that of a reverse-path")
	}
	people := []Participant{{ID: 3, Ticket: 5}, {ID: 4, Ticket: 5}}
	reply := d.replyToken(people[1])
	if p, ok := d.holder(strings.ToUpper(reply), 5, people); !ok || p.ID != 4 {
		t.Errorf("a token in capitals: %v %v", p, ok)
	}
	for name, token := range map[string]string{"another ticket's": d.replyToken(Participant{ID: 4, Ticket: 6}), "none": "", "a MAC of a Message-ID": macOfMsgID} {
		if _, ok := d.holder(token, 5, people); ok {
			t.Errorf("a token that is wrong passes: %s", name)
		}
	}
}
