package store

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
)

// at is i seconds after some moment, to the microsecond.
func at(i int) time.Time {
	return time.Date(2026, 5, 4, 3, 2, 1, 123456000, time.UTC).Add(time.Duration(i) * time.Second)
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// must gives the value of a verb that may not fail.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func missing[T any](t *testing.T, what string) func(T, error) {
	return func(v T, err error) {
		t.Helper()
		if !errors.Is(err, ticketing.ErrNotFound) {
			t.Errorf("%s that is not there: %+v, %v", what, v, err)
		}
	}
}

func none(t *testing.T, what string, err error) {
	t.Helper()
	missing[int](t, what)(0, err)
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// inTx runs a test's body in a Write. Fatal would end the writer's goroutine and not
// the test's, so the body reads its Tx here.
func inTx(t *testing.T, body func(t *testing.T, d *DB, tx ticketing.Tx)) *DB {
	t.Helper()
	d := open(t, t.TempDir())
	txs, over := make(chan ticketing.Tx), make(chan struct{})
	result := make(chan error, 1)
	go func() {
		result <- d.Write(t.Context(), func(tx ticketing.Tx) error { txs <- tx; <-over; return nil })
	}()
	func() {
		defer close(over)
		body(t, d, <-txs)
	}()
	ok(t, <-result)
	return d
}

func staged(t *testing.T, d *DB, body string) ticketing.Staged {
	t.Helper()
	return must[ticketing.Staged](t)(d.Stage(t.Context(), strings.NewReader(body)))
}

func TestArrivals(t *testing.T) {
	inTx(t, func(t *testing.T, d *DB, tx ticketing.Tx) {
		s := staged(t, d, "one")
		env := mail.Envelope{ReversePath: "jane@client.example", Recipients: []string{"b@x", "a@x", "b@x", "bad\xff\x00@x"}}
		ok(t, tx.PutRaw(s))
		ok(t, tx.PutRaw(s)) // known bytes are no error
		id, fresh, err := tx.Arrive(s.Hash, env, at(1))
		if err != nil || !fresh || id == 0 {
			t.Fatal(id, fresh, err)
		}
		want := ticketing.Arrival{ID: id, Raw: s.Hash, Size: 3, ReversePath: env.ReversePath, Recipients: []string{"b@x", "a@x", "bad\uFFFD\uFFFD@x"}, Received: at(1), Pending: true}
		got := must[ticketing.Arrival](t)(tx.Arrival(id))
		want.Row = got.Row // any
		same(t, "arrival", got, want)

		want.Pending, want.Attempts = false, 2
		ok(t, tx.UpdateArrival(want))
		same(t, "processed", must[ticketing.Arrival](t)(tx.Arrival(id)), want)
		if again, fresh, err := tx.Arrive(s.Hash, env, at(2)); err != nil || fresh || again != id {
			t.Error("the same recipients again:", again, fresh, err)
		}
		same(t, "nothing changed", must[ticketing.Arrival](t)(tx.Arrival(id)), want)

		env.Recipients = []string{"a@x", "c@x"}
		if again, fresh, err := tx.Arrive(s.Hash, env, at(3)); err != nil || !fresh || again != id {
			t.Error("a later recipient:", again, fresh, err)
		}
		want.Pending, want.Recipients = true, append(want.Recipients, "c@x")
		same(t, "pending again", must[ticketing.Arrival](t)(tx.Arrival(id)), want)

		// It is taken as it was read, and once.
		old := want
		old.Recipients = old.Recipients[:3]
		for _, c := range []struct {
			a     ticketing.Arrival
			taken bool
		}{{old, false}, {want, true}, {want, false}, {ticketing.Arrival{ID: 999}, false}} {
			if taken, err := tx.TakeArrival(c.a); err != nil || taken != c.taken {
				t.Errorf("taking %+v: %t, %v", c.a, taken, err)
			}
		}
		want.Pending = false
		same(t, "taken", must[ticketing.Arrival](t)(tx.Arrival(id)), want)

		missing[ticketing.Arrival](t, "arrival")(tx.Arrival(999))
		none(t, "arrival", tx.UpdateArrival(ticketing.Arrival{ID: 999}))
		_, _, err = tx.Arrive(ticketing.Hash{9}, env, at(1))
		none(t, "raw mail", err)
	})
}

func TestPendingArrivals(t *testing.T) {
	inTx(t, func(t *testing.T, d *DB, tx ticketing.Tx) {
		for _, body := range []string{"one", "two", "three"} {
			s := staged(t, d, body)
			ok(t, tx.PutRaw(s))
			_, _, err := tx.Arrive(s.Hash, mail.Envelope{Recipients: []string{"a@x"}}, at(4))
			ok(t, err)
		}
		all := must[[]ticketing.Arrival](t)(tx.PendingArrivals(0, 0))
		if len(all) != 3 || all[0].ID >= all[1].ID || all[1].ID >= all[2].ID {
			t.Errorf("pending: %+v", all)
		}
		same(t, "a page", must[[]ticketing.Arrival](t)(tx.PendingArrivals(all[0].ID, 1)), all[1:2])
		same(t, "count", must[int64](t)(tx.CountPending()), int64(3))
		same(t, "last", must[int64](t)(tx.LastPending()), all[2].ID)
		all[1].Pending = false
		ok(t, tx.UpdateArrival(all[1]))
		same(t, "without the second", must[[]ticketing.Arrival](t)(tx.PendingArrivals(0, 9)), []ticketing.Arrival{all[0], all[2]})
	})
}

func TestTickets(t *testing.T) {
	inTx(t, func(t *testing.T, _ *DB, tx ticketing.Tx) {
		for i, want := range []int64{7100, 7101, 7102} {
			same(t, "number", must[int64](t)(tx.NextNumber("SUPPORT", 7100)), want)
			same(t, "number", must[int64](t)(tx.NextNumber("SALES", 1)), int64(i)+1)
		}
		k := ticketing.Ticket{Queue: "SUPPORT", Number: 7102, Subject: "Drucker \u00e4\x00", Status: ticketing.StatusNew, Requester: "jane@client.example",
			RequesterName: "Jane", Assignee: "joe", Unverified: true, Suspicious: true, Held: 2, LastSeq: 3, Created: at(1), Updated: at(2)}
		ok(t, tx.AddTicket(&k))
		k.Subject = "Drucker \u00e4\uFFFD"
		same(t, "ticket", must[ticketing.Ticket](t)(tx.Ticket(k.ID)), k)
		same(t, "by name", must[ticketing.Ticket](t)(tx.TicketByName("SUPPORT", 7102)), k)
		u := ticketing.Ticket{ID: k.ID, Queue: "SALES", Number: 1, Subject: "x", Status: ticketing.StatusOpen, Linked: k.ID, Created: at(3)}
		ok(t, tx.UpdateTicket(u))
		same(t, "updated", must[ticketing.Ticket](t)(tx.Ticket(k.ID)), u)
		missing[ticketing.Ticket](t, "ticket")(tx.Ticket(999))
		missing[ticketing.Ticket](t, "ticket")(tx.TicketByName("SUPPORT", 7102))
		none(t, "ticket", tx.UpdateTicket(ticketing.Ticket{ID: 999}))

		p := ticketing.Participant{Ticket: k.ID, Address: "jane@client.example", Name: "Jane", Role: "requester"}
		ok(t, tx.AddParticipant(&p))
		again := ticketing.Participant{Ticket: k.ID, Address: p.Address, Name: "Other", Role: "cc"}
		ok(t, tx.AddParticipant(&again))
		same(t, "the same address again", again.ID, p.ID)
		cc := ticketing.Participant{Ticket: k.ID, Address: "cc@client.example", Role: "cc"}
		ok(t, tx.AddParticipant(&cc))
		same(t, "participant", must[ticketing.Participant](t)(tx.Participant(p.ID)), p)
		same(t, "participants", must[[]ticketing.Participant](t)(tx.Participants(k.ID)), []ticketing.Participant{p, cc})
		missing[ticketing.Participant](t, "participant")(tx.Participant(999))
	})
}

func TestMessages(t *testing.T) {
	inTx(t, func(t *testing.T, d *DB, tx ticketing.Tx) {
		s := staged(t, d, "one")
		ok(t, tx.PutRaw(s))
		arrival, _, err := tx.Arrive(s.Hash, mail.Envelope{Recipients: []string{"a@x"}}, at(0))
		ok(t, err)
		var tickets [2]ticketing.Ticket
		for i := range tickets {
			tickets[i] = ticketing.Ticket{Queue: "A", Number: int64(i)}
			ok(t, tx.AddTicket(&tickets[i]))
		}
		m := ticketing.Message{Ticket: tickets[0].ID, Kind: ticketing.KindInbound, Visibility: ticketing.Held, Row: "3", Reason: "why",
			From: mail.Address{Name: "Jane", Address: "jane@client.example"}, Subject: "s", MessageID: "1@client.example", Raw: s.Hash, Arrival: arrival,
			Actor: "mail", Body: "b", Automatic: true, Problems: []string{"<p>", "q"}, Fold: strings.Repeat("f0", 32), Seq: 5, Received: at(1),
			Authentication: mail.Authentication{DKIM: []mail.Signature{{Domain: "client.example", Selector: "s", Result: mail.AuthPass, Aligned: true}},
				Author: "jane@client.example", Method: "dkim", Policy: "reject", DMARC: mail.AuthPass, Temporary: true, Reason: "r"}}
		ok(t, tx.AddMessage(&m))
		same(t, "message", must[ticketing.Message](t)(tx.Message(m.ID)), m)
		note := ticketing.Message{Ticket: tickets[0].ID, Kind: ticketing.KindNote, Body: "n"}
		ok(t, tx.AddMessage(&note))
		same(t, "note", must[ticketing.Message](t)(tx.Message(note.ID)), note)
		other := m
		other.Ticket, other.ID = tickets[1].ID, 0
		ok(t, tx.AddMessage(&other))
		same(t, "of a ticket", must[[]ticketing.Message](t)(tx.Messages(tickets[0].ID)), []ticketing.Message{m, note})
		same(t, "of an arrival", must[[]ticketing.Message](t)(tx.MessagesByArrival(arrival)), []ticketing.Message{m, other})
		same(t, "of no arrival", len(must[[]ticketing.Message](t)(tx.MessagesByArrival(0))), 0)
		testFolds(t, tx, m, other)
		missing[ticketing.Message](t, "message")(tx.Message(999))
		u := ticketing.Message{ID: m.ID, Ticket: tickets[1].ID, Kind: ticketing.KindReport, Visibility: ticketing.Folded, Seq: 9, Received: at(2)}
		ok(t, tx.UpdateMessage(u))
		same(t, "updated", must[ticketing.Message](t)(tx.Message(m.ID)), u)
		none(t, "message", tx.UpdateMessage(ticketing.Message{ID: 999, Ticket: tickets[0].ID}))
		u.Suppressed = "not acknowledged"
		ok(t, tx.Suppress(u.ID, u.Suppressed))
		same(t, "suppressed", must[ticketing.Message](t)(tx.Message(u.ID)), u)
		none(t, "message", tx.Suppress(999, "x"))
		none(t, "raw mail", tx.AddMessage(&ticketing.Message{Ticket: tickets[0].ID, Raw: ticketing.Hash{9}}))
	})
}

func TestAttachments(t *testing.T) {
	inTx(t, func(t *testing.T, d *DB, tx ticketing.Tx) {
		k := ticketing.Ticket{Queue: "A", Number: 1}
		ok(t, tx.AddTicket(&k))
		var m [2]ticketing.Message
		for i := range m {
			m[i] = ticketing.Message{Ticket: k.ID, Kind: ticketing.KindReply}
			ok(t, tx.AddMessage(&m[i]))
		}
		s := staged(t, d, "content")
		ok(t, tx.PutRaw(s))
		a := ticketing.Attachment{Message: m[0].ID, Name: "Übersicht.pdf", Type: "application/pdf", ContentID: "c", Raw: s.Hash, Size: 7}
		b := ticketing.Attachment{Message: m[0].ID, Name: "b", Type: "text/plain", Raw: s.Hash, Size: 7}
		ok(t, tx.AddAttachment(&a))
		ok(t, tx.AddAttachment(&b))
		same(t, "attachments", must[[]ticketing.Attachment](t)(tx.Attachments(m[0].ID)), []ticketing.Attachment{a, b})
		same(t, "of a ticket", must[[]ticketing.Attachment](t)(tx.AttachmentsOfMessages(m[0].Ticket, 0, math.MaxInt64)), []ticketing.Attachment{a, b})
		same(t, "of another message", len(must[[]ticketing.Attachment](t)(tx.Attachments(m[1].ID))), 0)
		none(t, "raw mail", tx.AddAttachment(&ticketing.Attachment{Message: m[0].ID, Raw: ticketing.Hash{9}}))
	})
}

func TestMessageIDs(t *testing.T) {
	inTx(t, func(t *testing.T, _ *DB, tx ticketing.Tx) {
		var tickets [2]ticketing.Ticket
		var note, other ticketing.Message
		for i := range tickets {
			tickets[i] = ticketing.Ticket{Queue: "A", Number: int64(i)}
			ok(t, tx.AddTicket(&tickets[i]))
		}
		note.Ticket, other.Ticket = tickets[0].ID, tickets[1].ID
		ok(t, tx.AddMessage(&note))
		ok(t, tx.AddMessage(&other))
		long := strings.Repeat("x", 100_000) + "@y"
		for _, id := range []string{"a@y", long} {
			ok(t, tx.AddMessageID(id, tickets[1].ID, other.ID))
			ok(t, tx.AddMessageID(id, tickets[1].ID, other.ID))
		}
		ok(t, tx.AddMessageID("a@y", tickets[0].ID, note.ID))
		both := []int64{tickets[0].ID, tickets[1].ID}
		same(t, "tickets of two ids", must[[]int64](t)(tx.TicketsByMessageID([]string{long, "no@y", "a@y"})), both)
		same(t, "tickets of one id", must[[]int64](t)(tx.TicketsByMessageID([]string{long})), both[1:])
		same(t, "tickets of none", len(must[[]int64](t)(tx.TicketsByMessageID([]string{"no@y"}))), 0)
	})
}

func TestEvents(t *testing.T) {
	inTx(t, func(t *testing.T, _ *DB, tx ticketing.Tx) {
		same(t, "no event yet", must[int64](t)(tx.LastSeq()), int64(0))
		k := ticketing.Ticket{Queue: "SUPPORT", Number: 7102}
		ok(t, tx.AddTicket(&k))
		events := []ticketing.Event{
			{Time: at(1), Type: ticketing.TicketCreated, Ticket: k.ID, Message: 2, Outgoing: 3, Actor: "mail", Origin: "mail", Facts: map[string]string{"row": "1", "<": ">"}},
			{Time: at(2), Type: ticketing.ConsumerFailed, Actor: "system"},
			{Time: at(3), Type: ticketing.NoteAdded, Ticket: k.ID, Actor: "staff:joe"},
		}
		for i := range events {
			ok(t, tx.Append(&events[i]))
			same(t, "sequence number", events[i].Seq, int64(i)+1)
			if events[i].Ticket != 0 {
				events[i].Name, events[i].Queue = "SUPPORT-7102", "SUPPORT"
			}
		}
		same(t, "events", must[[]ticketing.Event](t)(tx.Events(0, 0)), events)
		same(t, "a page", must[[]ticketing.Event](t)(tx.Events(1, 1)), events[1:2])
		same(t, "of a ticket", must[[]ticketing.Event](t)(tx.EventsOf(k.ID, 0, 0)), []ticketing.Event{events[0], events[2]})
		same(t, "a page of it", must[[]ticketing.Event](t)(tx.EventsOf(k.ID, 1, 1)), events[2:])
		same(t, "last", must[int64](t)(tx.LastSeq()), int64(3))
		same(t, "the ticket's newest", must[ticketing.Ticket](t)(tx.Ticket(k.ID)).LastSeq, int64(3))

		same(t, "a new consumer", must[int64](t)(tx.Cursor("c")), int64(0))
		for _, seq := range []int64{2, 1} {
			ok(t, tx.SetCursor("c", seq))
			same(t, "cursor", must[int64](t)(tx.Cursor("c")), seq)
		}
	})
}

// A number that was given to a write that failed is given again: no gap.
func TestNoGaps(t *testing.T) {
	d := open(t, t.TempDir())
	add := func(tx ticketing.Tx) error {
		if _, err := tx.NextNumber("A", 1); err != nil {
			return err
		}
		return tx.Append(&ticketing.Event{Type: "x"})
	}
	fail := func(tx ticketing.Tx) error { return errors.Join(add(tx), errors.New("mine")) }
	gated(t, d, add, fail, add, fail, fail, add)
	write(t, d, func(tx ticketing.Tx) error {
		n, err := tx.NextNumber("A", 1)
		if n != 4 {
			t.Errorf("the next number is %d, want 4", n)
		}
		events, err2 := tx.Events(0, 0)
		for i, e := range events {
			if e.Seq != int64(i)+1 {
				t.Errorf("event %d has number %d", i, e.Seq)
			}
		}
		if len(events) != 3 {
			t.Errorf("%d events, want 3", len(events))
		}
		return errors.Join(err, err2)
	})
}

func TestOutgoing(t *testing.T) {
	inTx(t, func(t *testing.T, d *DB, tx ticketing.Tx) {
		s := staged(t, d, "reply")
		ok(t, tx.PutRaw(s))
		k := ticketing.Ticket{Queue: "A", Number: 1}
		ok(t, tx.AddTicket(&k))
		ack, reply := ticketing.Message{Ticket: k.ID, Kind: ticketing.KindAcknowledgement}, ticketing.Message{Ticket: k.ID, Kind: ticketing.KindReply}
		ok(t, tx.AddMessage(&ack))
		ok(t, tx.AddMessage(&reply))
		o := ticketing.Outgoing{Ticket: k.ID, Message: reply.ID, Recipient: "jane@client.example", ReversePath: "a-bounces+1@x", MessageID: "1@x", EnvelopeID: "e",
			Raw: s.Hash, State: ticketing.OutQueued, Attempts: 1, NextAttempt: at(5), Lease: at(6), LastReply: "451", QueueID: "Q", Created: at(1), Status: "4.2.2", Resubmitted: 2}
		ok(t, tx.AddOutgoing(&o))
		same(t, "outgoing", must[ticketing.Outgoing](t)(tx.Outgoing(o.ID)), o)
		o = ticketing.Outgoing{ID: o.ID, Ticket: k.ID, Message: ack.ID, Recipient: "joe@client.example", State: ticketing.OutFailed, Created: at(9), Permanent: true}
		ok(t, tx.UpdateOutgoing(o))
		same(t, "updated", must[ticketing.Outgoing](t)(tx.Outgoing(o.ID)), o)
		o.Attempts, o.Lease = 3, at(11)
		ok(t, tx.LeaseOutgoing(o))
		same(t, "leased", must[ticketing.Outgoing](t)(tx.Outgoing(o.ID)), o)
		o.State, o.Attempts, o.NextAttempt, o.Lease, o.LastReply, o.QueueID, o.Status, o.Permanent = ticketing.OutSubmitted, 4, at(12), time.Time{}, "250", "R", "2.0.0", false
		ok(t, tx.MoveOutgoing(o))
		same(t, "moved", must[ticketing.Outgoing](t)(tx.Outgoing(o.ID)), o)
		missing[ticketing.Outgoing](t, "outgoing")(tx.Outgoing(999))
		for _, change := range []func(ticketing.Outgoing) error{tx.UpdateOutgoing, tx.LeaseOutgoing, tx.MoveOutgoing} {
			none(t, "outgoing", change(ticketing.Outgoing{ID: 999}))
		}
	})
}

func TestOutgoingLists(t *testing.T) {
	inTx(t, func(t *testing.T, _ *DB, tx ticketing.Tx) {
		k := ticketing.Ticket{Queue: "A", Number: 1}
		ok(t, tx.AddTicket(&k))
		ack, reply := ticketing.Message{Ticket: k.ID, Kind: ticketing.KindAcknowledgement}, ticketing.Message{Ticket: k.ID, Kind: ticketing.KindReply}
		ok(t, tx.AddMessage(&ack))
		ok(t, tx.AddMessage(&reply))
		o := ticketing.Outgoing{Message: ack.ID, Recipient: "joe@client.example", State: ticketing.OutFailed, Created: at(9)}
		ok(t, tx.AddOutgoing(&o))
		all := []ticketing.Outgoing{o}
		for i, add := range []ticketing.Outgoing{
			{State: ticketing.OutQueued, NextAttempt: at(3), Message: reply.ID, Recipient: "a@x", Created: at(1)},
			{State: ticketing.OutQueued, NextAttempt: at(2), Message: reply.ID, Recipient: "b@x", Created: at(2)},
			{State: ticketing.OutQueued, NextAttempt: at(2), Lease: at(11), Message: ack.ID, Recipient: "a@x", Created: at(3)},
			{State: ticketing.OutQueued, NextAttempt: at(2), Lease: at(10), Message: reply.ID, Recipient: "a@x", Created: at(4)},
			{State: ticketing.OutQueued, NextAttempt: at(11)},
			{State: ticketing.OutSubmitted, NextAttempt: at(1)},
			{State: ticketing.OutQueued}, // at once
		} {
			ok(t, tx.AddOutgoing(&add))
			all = append(all, add)
			same(t, "id", add.ID, o.ID+int64(i)+1)
		}
		due := []ticketing.Outgoing{all[7], all[2], all[4], all[1]}
		same(t, "due", must[[]ticketing.Outgoing](t)(tx.DueOutgoing(at(10), 0)), due)
		same(t, "first due", must[[]ticketing.Outgoing](t)(tx.DueOutgoing(at(10), 2)), due[:2])
		same(t, "of a message", must[[]ticketing.Outgoing](t)(tx.OutgoingOf(ack.ID)), []ticketing.Outgoing{all[0], all[3]})
		list := must[[]ticketing.Outgoing](t)
		same(t, "all", list(tx.OutgoingList(nil, nil, 0, 0)), all)
		same(t, "a page", list(tx.OutgoingList(nil, nil, all[1].ID, 2)), all[2:4])
		same(t, "by state", list(tx.OutgoingList([]ticketing.OutgoingState{"submitted", "failed", "failed"}, nil, 0, 9)), []ticketing.Outgoing{all[0], all[6]})
		same(t, "by state, a page", list(tx.OutgoingList([]ticketing.OutgoingState{"submitted", "queued"}, nil, all[4].ID, 2)), all[5:7])
		count := must[int64](t)
		same(t, "replies", count(tx.CountOutgoing(ticketing.KindReply, "", at(0))), int64(3))
		same(t, "replies since", count(tx.CountOutgoing(ticketing.KindReply, "", at(2))), int64(2))
		same(t, "replies to one", count(tx.CountOutgoing(ticketing.KindReply, "a@x", at(0))), int64(2))
		same(t, "acknowledgements to one", count(tx.CountOutgoing(ticketing.KindAcknowledgement, "a@x", at(4))), int64(0))
	})
}

func TestAccess(t *testing.T) {
	inTx(t, func(t *testing.T, _ *DB, tx ticketing.Tx) {
		_, _, err := tx.Idempotent("s", "k")
		none(t, "request", err)
		ok(t, tx.PutIdempotent("s", "k", ticketing.Hash{1}, 5, at(1)))
		ok(t, tx.PutIdempotent("s2", "k", ticketing.Hash{2}, 6, at(1)))
		if h, n, err := tx.Idempotent("s", "k"); h != (ticketing.Hash{1}) || n != 5 || err != nil {
			t.Error(h, n, err)
		}

		a := ticketing.Token{Name: "a", Hash: ticketing.Hash{1}, Program: true, Scope: "write", Created: at(1)}
		b := ticketing.Token{Name: "b", Hash: ticketing.Hash{2}, Scope: "read", Created: at(2)}
		ok(t, tx.AddToken(&a))
		ok(t, tx.AddToken(&b))
		same(t, "tokens", must[[]ticketing.Token](t)(tx.Tokens()), []ticketing.Token{a, b})
		same(t, "by hash", must[ticketing.Token](t)(tx.TokenByHash(b.Hash)), b)
		ok(t, tx.RemoveToken(b.ID))
		none(t, "token", tx.RemoveToken(b.ID))
		missing[ticketing.Token](t, "token")(tx.TokenByHash(b.Hash))

		old := ticketing.Key{ID: 5, Secret: bytes.Repeat([]byte{1, 0}, 16), Created: at(1)}
		young := ticketing.Key{ID: 0, Secret: []byte{2}, Created: at(2)}
		ok(t, tx.AddKey(old))
		ok(t, tx.AddKey(young))
		same(t, "keys", must[[]ticketing.Key](t)(tx.Keys()), []ticketing.Key{young, old})
	})
}

func TestStaff(t *testing.T) {
	d := open(t, t.TempDir())
	write(t, d, func(tx ticketing.Tx) error {
		k := ticketing.Ticket{Queue: "A", Number: 1, Status: "new", Tags: []string{"login", "vip"}}
		ok(t, tx.AddTicket(&k))
		same(t, "priority", k.Priority, ticketing.PriorityNormal)
		k.Priority, k.Tags = ticketing.PriorityHigh, nil
		ok(t, tx.UpdateTicket(k))
		got := must[ticketing.Ticket](t)(tx.Ticket(k.ID))
		same(t, "priority and tags", []any{got.Priority, len(got.Tags)}, []any{ticketing.PriorityHigh, 0})

		jane, bob := ticketing.Member{Name: "jane", Since: 3}, ticketing.Member{Name: "bob", Since: 3}
		ok(t, tx.AddMember(&jane))
		ok(t, tx.AddMember(&bob))
		again := ticketing.Member{Name: "jane", Since: 9}
		ok(t, tx.AddMember(&again))
		same(t, "known", again, jane)
		same(t, "members", must[[]ticketing.Member](t)(tx.Members()), []ticketing.Member{jane, bob})

		ok(t, tx.SetMute(bob.ID, k.ID, true))
		ok(t, tx.SetMute(bob.ID, k.ID, true))
		same(t, "muted", must[[]int64](t)(tx.Muted(k.ID)), []int64{bob.ID})
		ok(t, tx.SetMute(bob.ID, k.ID, false))
		same(t, "heard again", len(must[[]int64](t)(tx.Muted(k.ID))), 0)

		o := ticketing.Outgoing{Ticket: k.ID, Recipient: "jane@staff.example", EnvelopeID: "s1-1", State: ticketing.OutQueued, Created: at(5), NextAttempt: at(5)}
		ok(t, tx.AddOutgoing(&o))
		same(t, "notice", must[ticketing.Outgoing](t)(tx.NoticeByEnvelope("s1-1")).ID, o.ID)
		missing[ticketing.Outgoing](t, "notice")(tx.NoticeByEnvelope("s1-2"))
		same(t, "notices", must[int64](t)(tx.CountNotices("jane@staff.example", at(5))), int64(1))
		same(t, "notices later", must[int64](t)(tx.CountNotices("jane@staff.example", at(6))), int64(0))
		return nil
	})
}

// Broken references are errors at once, whatever statement makes them.
func TestForeignKeys(t *testing.T) {
	for name, fn := range map[string]func(ticketing.Tx) error{
		"message":     func(tx ticketing.Tx) error { return tx.AddMessage(&ticketing.Message{Ticket: 99}) },
		"participant": func(tx ticketing.Tx) error { return tx.AddParticipant(&ticketing.Participant{Ticket: 99}) },
		"outgoing":    func(tx ticketing.Tx) error { return tx.AddOutgoing(&ticketing.Outgoing{Message: 99}) },
		"event":       func(tx ticketing.Tx) error { return tx.Append(&ticketing.Event{Ticket: 99}) },
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, open(t, t.TempDir()).Write(t.Context(), fn), "FOREIGN KEY")
		})
	}
}
