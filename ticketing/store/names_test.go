package store

import (
	"fmt"
	"testing"

	"postdesk/ticketing"
)

// What a message is called goes with it, and with its mails, and takes nothing of another one.
func TestNamesGo(t *testing.T) {
	d := open(t, t.TempDir())
	left := func(x ticketing.Tx) int64 {
		return must[int64](t)(one(x.(*tx), scanInt, "SELECT count(*) FROM message_id"))
	}
	write(t, d, func(tx ticketing.Tx) error {
		k := ticketing.Ticket{Queue: "A", Number: 1, Status: "new"}
		ok(t, tx.AddTicket(&k))
		var messages [3]ticketing.Message
		for i, name := range []string{"a\x00@b", "a@b", "a@b"} {
			messages[i] = ticketing.Message{Ticket: k.ID, MessageID: name}
			ok(t, tx.AddMessage(&messages[i]))
			ok(t, tx.AddMessageID(name, k.ID, messages[i].ID))
		}
		for i, name := range []string{"o1@d", "o2@d"} {
			o := ticketing.Outgoing{Ticket: k.ID, Message: messages[1].ID, MessageID: name, State: ticketing.OutQueued}
			ok(t, tx.AddOutgoing(&o))
			ok(t, tx.AddMessageID(name, k.ID, messages[1].ID))
			same(t, fmt.Sprint("names with mail ", i), left(tx), int64(3))
			if i == 0 {
				ok(t, tx.RemoveOutgoing(o.ID))
				same(t, "names without it", left(tx), int64(2))
			}
		}
		for i, want := range []int64{2, 0, 0} {
			if i == 1 {
				ok(t, tx.StripMessage(messages[2].ID)) // "a@b" leads to the first of that name
				same(t, "names of another one", left(tx), int64(2))
			}
			ok(t, tx.StripMessage(messages[i].ID))
			same(t, fmt.Sprint("names after message ", i), left(tx), want)
		}
		return nil
	})
}
