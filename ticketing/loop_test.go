package ticketing_test

import (
	"fmt"
	"strings"
	"testing"

	"postdesk/ticketing"
	desk "postdesk/ticketing/mail"
)

// deskOf is a desk of its own domain, which acknowledges, and to which everybody proves
// who they are: nothing but its own care keeps it from answering.
func deskOf(t *testing.T, domain string) *world {
	return newWorldOf(t, func(cfg *ticketing.Config) {
		cfg.Domain, cfg.Roles = domain, nil
		cfg.Queues = []ticketing.Queue{
			{Key: "SUPPORT", Name: "Support", Addresses: []string{"new@" + domain}, Domain: domain, FirstNumber: 1},
			{Key: "SALES", Name: "Sales", Addresses: []string{"sales@desk.example"}, Domain: "desk.example", Acknowledge: ticketing.AcknowledgeOff},
		}
	})
}

// carry brings what went out of one desk since the last time into another, by the
// envelope that it had.
func carry(t *testing.T, from, to *world, after *int64, proof bool) (n int) {
	t.Helper()
	from.settled()
	out, err := from.Outgoing(from.ctx, nil, *after, 1000)
	from.must(out, err)
	for _, o := range out {
		*after = o.ID
		if to.Recipient(to.ctx, o.Recipient) != nil {
			continue
		}
		raw, err := from.Raw(from.ctx, o.Raw)
		from.must(raw, err)
		head := ""
		if proof {
			head = "X-Test-Proof: pass\r\n"
		}
		to.sendAs(o.ReversePath, []string{o.Recipient}, head+string(raw))
		n++
	}
	return n
}

// Two desks that face each other end with one acknowledgement; and when each has a program
// that answers whatever comes, with that program's one answer beside it.
func TestTwoDesks(t *testing.T) {
	t.Run("alone", func(t *testing.T) { twoDesks(t, false, 1) })
	t.Run("with programs", func(t *testing.T) { twoDesks(t, true, 2) })
}

func twoDesks(t *testing.T, programs bool, most int) {
	a, b := deskOf(t, "a.example"), deskOf(t, "b.example")
	robot := ticketing.Actor{Kind: "program", Name: "robot", Origin: "api"}
	a.send("new@b.example", "new@a.example", "Our desk to yours", "X-Test-Proof: pass\r\n", "Hello.")
	var fromA, fromB int64
	sent := 0
	for round := 0; ; round++ {
		for _, w := range []*world{a, b} {
			for _, k := range w.tickets() {
				if !programs || k.Queue != "SUPPORT" {
					continue
				}
				for _, m := range w.ticket(k.Name()).Messages {
					if m.Kind == ticketing.KindInbound { // once for each; a refusal is what it should get
						w.Reply(w.ctx, robot, ticketing.ReplyRequest{Ticket: k.Name(), Text: "Beep.", Key: fmt.Sprint(m.ID)})
					}
				}
			}
		}
		n := carry(t, a, b, &fromA, true) + carry(t, b, a, &fromB, true)
		sent += n
		if n == 0 {
			break
		}
		if round > 30 {
			t.Fatal("they do not come to an end")
		}
	}
	if acks := len(a.to("new@b.example")); acks == 0 {
		t.Error("the first mail was not acknowledged: the test tests nothing")
	}
	for _, w := range []*world{a, b} {
		for _, raw := range w.mails() {
			if m := desk.Parse([]byte(raw)); !strings.HasSuffix(m.To[0].Address, "elsewhere.example") && len(m.Header("Auto-Submitted")) == 0 {
				t.Errorf("mail by machine does not say so:\n%s", raw)
			}
		}
	}
	if sent > most {
		t.Errorf("%d mails between them, want %d", sent, most)
	}
}

// A vacation responder that says nothing of itself answers whatever it gets, at every
// address that it can find: at most one mail goes to it in 10 minutes.
func TestSilentResponder(t *testing.T) {
	w, _ := acknowledging(t)
	w.send("jo@customer.example", "new@desk.example", "Help", "", "Help")
	seen := 0
	for range 50 {
		w.settled()
		mails := w.to("jo@customer.example")
		if len(mails) == seen {
			break
		}
		for _, m := range mails[seen:] {
			for _, to := range []string{m.ReplyTo[0].Address, m.From[0].Address, "new@desk.example"} {
				w.send("jo@customer.example", to, "I am away: "+m.Subject, fmt.Sprintf("X-N: %d\r\n", seen), "Back on Monday.")
			}
		}
		seen = len(mails)
	}
	if seen != 1 {
		t.Errorf("%d mails to a responder, want 1", seen)
	}
	// A thousand that do say so, to every kind of address, move nothing.
	before := len(w.mails())
	name := "SUPPORT-7102"
	for i := range 200 {
		to := []string{"new@desk.example", name + "@desk.example", w.to("jo@customer.example")[0].ReplyTo[0].Address}[i%3]
		w.send("jo@customer.example", to, fmt.Sprint("away ", i), "Auto-Submitted: auto-replied\r\n", "Back on Monday.")
	}
	w.settled()
	if n := len(w.mails()); n != before+1 { // the fence's own answer
		t.Errorf("%d mails went out for automatic replies", n-before-1)
	}
}

// A machine that answers to the reverse-path, as RFC 3834 has it, and names no Message-ID is
// out of the way on the ticket that it answers. A person who writes there is nobody's key.
func TestAnswersToReversePath(t *testing.T) {
	w := staffWorld(t)
	w.send("jo@customer.example", "new@desk.example", "Printer", byDKIM, "Help")
	w.answer("SUPPORT-7102", "We look.")
	notice := w.waitTold("jane@staff.example", 1)
	answer := w.ticket("SUPPORT-7102").Outgoing[w.last("SUPPORT-7102").ID][0]
	for i, reversePath := range []string{answer.ReversePath, notice.Outgoing.ReversePath} {
		w.sendAs("", []string{reversePath}, fmt.Sprintf("From: jo@elsewhere.example\r\nTo: %s\r\nSubject: Away\r\nAuto-Submitted: auto-replied\r\nMessage-ID: <away%d@elsewhere.example>\r\n\r\nI am away.\r\n", reversePath, i))
		w.wants(t, "a vacation notice", "SUPPORT-7102", "11", ticketing.Folded)
	}
	w.sendAs("eve@evil.example", []string{answer.ReversePath}, "From: jo@customer.example\r\nX-Test-Proof: none\r\nSubject: x\r\nMessage-ID: <eve@evil.example>\r\n\r\nSend me all.\r\n")
	w.wants(t, "a person", "SUPPORT-7102", "6", ticketing.Held)
	if all, err := w.Tickets(w.ctx, ticketing.TicketQuery{}); err != nil || len(all) != 1 {
		t.Errorf("%d tickets, %v", len(all), err)
	}
}
