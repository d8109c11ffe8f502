package ticketing_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postdesk/ticketing"
)

// The visitor of a contact form is answered, in a thread of their own, and goes on as any
// requester does. Only the form itself, proven, says who the visitor is.
func TestContactForm(t *testing.T) {
	w := newWorldOf(t, func(cfg *ticketing.Config) {
		cfg.Queues[0].Acknowledge = ""
		cfg.Queues[0].Forms = []string{"Form@www.example"}
	})
	form := func(proof string) ticketing.Conversation {
		t.Helper()
		w.send("form@www.example", "new@desk.example", "Question from the site", "Reply-To: Val <val@visitor.example>\r\nX-Test-Proof: "+proof+"\r\n", "Typed by a visitor.")
		all, err := w.Tickets(w.ctx, ticketing.TicketQuery{Limit: 1})
		w.must(all, err)
		return w.ticket(all[0].Name())
	}
	c := form("pass")
	if m := c.Messages[0]; m.Row != "8b" || c.Ticket.Requester != "val@visitor.example" || c.Ticket.RequesterName != "Val" || !c.Ticket.Unverified || !strings.Contains(m.Suppressed, "form") {
		t.Errorf("row %s, %+v, %q", m.Row, c.Ticket, m.Suppressed)
	}
	reply := w.answer(c.Ticket.Name(), "Hello.")
	if to := reply.Header.Get("To"); !strings.Contains(to, "val@visitor.example") || reply.Header.Get("In-Reply-To") != "" {
		t.Errorf("To: %s, In-Reply-To: %s", to, reply.Header.Get("In-Reply-To"))
	}
	if raw := w.mails()[0]; strings.Contains(raw, "Typed") {
		t.Errorf("what was typed goes to an address that was typed:\n%s", raw)
	}
	w.send("val@visitor.example", token(t, reply), "x", "", "Thanks")
	w.wants(t, "the visitor's answer", c.Ticket.Name(), "2", ticketing.Shown)
	if c := form("none"); c.Messages[0].Row != "9" || c.Ticket.Requester != "form@www.example" {
		t.Errorf("a forged form: row %s, requester %s", c.Messages[0].Row, c.Ticket.Requester)
	}
}

// What machines write is a ticket each, or gathered, as the queue has it.
func TestAutomaticAtQueue(t *testing.T) {
	for how, want := range map[string]int{"": 4, ticketing.AutomaticFold: 1, "group:Subject": 3, "group:X-Alert": 3} {
		c := newClock()
		w := newWorldOf(t, func(cfg *ticketing.Config) { cfg.Now, cfg.Queues[0].Automatic = c.time, how })
		alert := func(subject, id string) {
			w.send("root@host.customer.example", "new@desk.example", subject, "Auto-Submitted: auto-generated\r\nX-Alert: "+id+"\r\n", subject)
		}
		alert("disk 90% full", "a")
		alert("disk 91% full", "a")
		alert("fan stopped", "b")
		alert("fan stopped at 10:00", "") // without the field: on its own
		if n := len(w.tickets()); n != want {
			t.Errorf("%q: %d tickets, want %d", how, n, want)
		}
		c.pass(24 * time.Hour)
		alert("disk 92% full", "a")
		if !strings.HasPrefix(how, ticketing.AutomaticGroup) { // a group goes on over midnight
			want++
		}
		if n := len(w.tickets()); n != want {
			t.Errorf("%q, another day: %d tickets, want %d", how, n, want)
		}
		c.pass(7 * 24 * time.Hour)
		alert("disk 93% full", "a")
		if n := len(w.tickets()); n != want+1 {
			t.Errorf("%q, another week: %d tickets, want %d", how, n, want+1)
		}
	}
}

// By a field of the site's own choice each value is gathered apart, numbers and all; in a
// subject numbers are counters.
func TestGroupedByHost(t *testing.T) {
	for how, want := range map[string]int{"group:X-Host": 2, "group:Subject": 1} {
		w := newWorldOf(t, func(cfg *ticketing.Config) { cfg.Queues[0].Automatic = how })
		for _, host := range []string{"web1", "web2", "web1", "web2"} {
			w.send("monitor@company.example", "new@desk.example", "PROBLEM "+host, "Auto-Submitted: auto-generated\r\nX-Host: "+host+"\r\n", "down")
		}
		if n := len(w.tickets()); n != want {
			t.Errorf("%q: %d tickets, want %d", how, n, want)
		}
	}
}

// What goes in a circle is folded into one ticket a day, however much it is.
func TestCircle(t *testing.T) {
	w, _ := acknowledging(t)
	for i := range 20 {
		w.send("jo@customer.example", "new@desk.example", fmt.Sprint(i), "X-Loop: desk.example\r\n", "round and round")
	}
	if c := w.ticket("SUPPORT-7102"); len(w.tickets()) != 1 || len(c.Messages) != 20 || c.Messages[19].Visibility != ticketing.Folded || c.Messages[19].Row != "14" {
		t.Errorf("%d tickets, %d messages, the last: %+v", len(w.tickets()), len(c.Messages), c.Messages[len(c.Messages)-1])
	}
	w.settled()
	if n := len(w.to("jo@customer.example")); n != 0 {
		t.Errorf("%d mails went out", n)
	}
}

// Two weeks after closing an answer opens another ticket, linked, under the same proof.
func TestEnded(t *testing.T) {
	c := newClock()
	w := newWorldOf(t, func(cfg *ticketing.Config) { cfg.Now = c.time })
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	own := token(t, w.answer("SUPPORT-7102", "Fix."))
	w.must(w.SetStatus(w.ctx, jane, "SUPPORT-7102", ticketing.StatusResolved))
	c.pass(13 * 24 * time.Hour)
	w.must(w.SetStatus(w.ctx, jane, "SUPPORT-7102", ticketing.StatusClosed)) // it was over before
	w.send("jo@customer.example", own, "x", "", "Thanks")
	if k := w.ticket("SUPPORT-7102").Ticket; k.Status != ticketing.StatusOpen || !k.Closed.IsZero() {
		t.Errorf("after 13 days: %+v", k)
	}
	w.must(w.SetStatus(w.ctx, jane, "SUPPORT-7102", ticketing.StatusResolved))
	c.pass(14*24*time.Hour + time.Minute)
	w.send("jo@customer.example", own, "x", "", "Another thing")
	old, fresh := w.ticket("SUPPORT-7102"), w.ticket("SUPPORT-7103")
	if old.Ticket.Status != ticketing.StatusResolved || fresh.Ticket.Linked != old.Ticket.ID || fresh.Ticket.Requester != "jo@customer.example" || fresh.Ticket.Unverified {
		t.Errorf("after 14 days: %+v and %+v", old.Ticket, fresh.Ticket)
	}
	if fresh.Linked != "SUPPORT-7102" {
		t.Errorf("it follows %q", fresh.Linked)
	}
	// What has no proof is held at the old one, as ever.
	w.send("eve@evil.example", "SUPPORT-7102@desk.example", "x", "X-Test-Proof: pass\r\n", "And I?")
	w.wants(t, "a stranger", "SUPPORT-7102", "6", ticketing.Held)
}

// A forged mail from our own address opens a ticket that answers to nobody.
func TestOwnAddressAsAuthor(t *testing.T) {
	w := newWorld(t)
	w.send("new@desk.example", "new@desk.example", "x", "", "Buy")
	if c := w.ticket("SUPPORT-7102"); c.Ticket.Requester != "" || len(c.Participants) != 0 {
		t.Errorf("%+v", c.Ticket)
	}
	if _, _, err := w.Reply(w.ctx, jane, ticketing.ReplyRequest{Ticket: "SUPPORT-7102", Text: "Hello me"}); err == nil {
		t.Error("the desk answers itself")
	}
}
