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
	const few, many = 10, 600
	sent, asked := 0, int64(0) // asked are rows that this test has asked for itself
	send := func(n int, from func(i int) string) {
		for range n {
			raw := fmt.Sprintf("From: %s\r\nSubject: bomb %d\r\nMessage-ID: <%[2]d@machine.example>\r\nAuto-Submitted: auto-generated\r\n\r\nmail %[2]d\r\n", from(sent), sent)
			w.must(nil, w.Deliver(w.ctx, desk.Envelope{ReversePath: from(sent), Recipients: []string{"new@desk.example"}}, strings.NewReader(raw))[0].Err)
			sent++
		}
		w.until("all was taken", func() bool { asked += 2; n, err := w.Backlog(w.ctx); return err == nil && n == 0 })
		last, err := w.LastSeq(w.ctx)
		w.must(nil, err)
		w.until("all was looked at", func() bool { return w.SeenByOwn(last) })
	}
	ticket := func(i int) ticketing.Ticket { return w.threaded(fmt.Sprintf("%d@machine.example", i)) }
	one := func(int) string { return "cron@machine.example" }
	each := func(i int) string { return fmt.Sprintf("cron%d@machine.example", i) }
	// rows are those that the next mails have the desk read.
	rows := func(from func(int) string) int64 {
		asked = 0
		before := w.store.Stats().Rows
		send(few, from)
		took := w.store.Stats().Rows - before - asked
		if ticket(sent-1).ID != ticket(0).ID {
			t.Fatal("they are not in one ticket")
		}
		return took
	}
	send(few, one)
	atFirst := rows(one)
	send(many, one)
	for i, what := range []string{"one sender", "a sender each"} {
		if later := rows([]func(int) string{one, each}[i]); later > atFirst+few*many/2 {
			t.Errorf("%d mails of %s had the desk read %d rows in a ticket of %d, and %d in one of %d", few, what, later, sent-few, atFirst, few)
		}
	}
	c := w.ticket(ticket(0).Name())
	for back, most := range map[int]int64{1: 150, len(c.Messages): 50} { // the last, of a sender who is new; the first
		before := w.store.Stats().Rows
		m, err := w.Single(w.ctx, c.Messages[len(c.Messages)-back].ID)
		w.must(nil, err)
		if got := w.store.Stats().Rows - before; m.Before.ID != 0 || got > most {
			t.Errorf("message %d of %d took %d rows, want at most %d; before it %d", len(c.Messages)-back+1, len(c.Messages), got, most, m.Before.ID)
		}
	}
}
