package ticketing_test

import (
	"fmt"
	"strings"
	"testing"

	"postdesk/ticketing"
	desk "postdesk/ticketing/mail"
	"postdesk/ticketing/store"
)

// A mail that is folded into a ticket of many costs as much as one into a ticket of few: nobody
// who looks at it reads the others again. Else a bomb of tens of thousands would take the desk
// hours, beside everybody's mail.
func TestBombIsNotReadAgain(t *testing.T) {
	w := newWorldAt(t, t.TempDir(), store.Options{}, func(cfg *ticketing.Config) {
		cfg.Queues[0].Acknowledge, cfg.Queues[0].Automatic = ticketing.AcknowledgeProven, ticketing.AutomaticFold
		cfg.Staff = []ticketing.Person{{Name: "jane", Addresses: []string{"jane@staff.example"},
			Notify: map[string][]ticketing.Topic{ticketing.AllQueues: {ticketing.TopicAll, ticketing.TopicNew, ticketing.TopicHeld}}}}
	})
	sent := 0
	send := func(n int) {
		for range n {
			raw := fmt.Sprintf("From: cron@machine.example\r\nSubject: bomb %d\r\nMessage-ID: <%[1]d@machine.example>\r\nAuto-Submitted: auto-generated\r\n\r\nmail %[1]d\r\n", sent)
			w.must(nil, w.Deliver(w.ctx, desk.Envelope{ReversePath: "cron@machine.example", Recipients: []string{"new@desk.example"}}, strings.NewReader(raw))[0].Err)
			sent++
		}
		w.drained()
		w.until("all was looked at", func() bool { last, err := w.LastSeq(w.ctx); return err == nil && w.SeenByOwn(last) })
	}
	const few = 10
	rows := func() int64 {
		before := w.store.Stats().Rows
		send(few)
		took := w.store.Stats().Rows - before
		ticket := w.threaded(fmt.Sprintf("%d@machine.example", sent-1))
		if ticket.ID != w.threaded("0@machine.example").ID {
			t.Fatal("they are not in one ticket")
		}
		return took
	}
	send(few)
	atFirst := rows()
	send(300)
	if later := rows(); later > 2*atFirst {
		t.Errorf("%d mails had the desk read %d rows when the ticket had %d mails, and %d when it had %d", few, atFirst, few, later, sent-few)
	}
	newest := w.threaded(fmt.Sprintf("%d@machine.example", sent-1))
	c := w.ticket(newest.Name())
	before := w.store.Stats().Rows
	m, err := w.Single(w.ctx, c.Messages[len(c.Messages)-1].ID)
	w.must(nil, err)
	if got := w.store.Stats().Rows - before; m.Before.ID != c.Messages[len(c.Messages)-2].ID || got > 50 {
		t.Errorf("one message took %d rows; before it %d", got, m.Before.ID)
	}
}
