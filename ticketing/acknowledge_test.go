package ticketing_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postdesk/ticketing"
	desk "postdesk/ticketing/mail"
)

// acknowledging is a world whose first queue acknowledges, with a clock.
func acknowledging(t *testing.T) (*world, *clock) {
	c := newClock()
	return newWorldOf(t, func(cfg *ticketing.Config) {
		cfg.Now = c.time
		cfg.Queues[0].Acknowledge = ""
	}), c
}

// settled waits until every event is answered, by an answer that comes after them.
func (w *world) settled() {
	w.t.Helper()
	w.send("fence@elsewhere.example", "sales@desk.example", "fence", "", "fence")
	all, err := w.Tickets(w.ctx, ticketing.TicketQuery{Queue: "SALES", Limit: 1})
	w.must(all, err)
	w.answer(all[0].Name(), "fence")
}

// to are the mails that went to an address.
func (w *world) to(address string) (out []*desk.Message) {
	for _, raw := range w.mails() {
		if m := desk.Parse([]byte(raw)); len(m.To) == 1 && m.To[0].Address == address {
			out = append(out, m)
		}
	}
	return out
}

// The acknowledgement says of itself all that keeps machines from answering it.
func TestAcknowledgement(t *testing.T) {
	w, _ := acknowledging(t)
	w.sendAs("bounces@customer.example", []string{"new@desk.example"},
		"From: Jo <jo@customer.example>\r\nReply-To: victim@elsewhere.example\r\nTo: new@desk.example\r\nSubject: Buy now\r\nMessage-ID: <a@customer.example>\r\nReferences: <z@customer.example>\r\n\r\nCheap pills.\r\n")
	w.settled()
	got := w.to("jo@customer.example")
	if len(got) != 1 || len(w.to("victim@elsewhere.example")) != 0 {
		t.Fatalf("%d to the author, %d to Reply-To", len(got), len(w.to("victim@elsewhere.example")))
	}
	m := got[0]
	for field, want := range map[string]string{
		"Auto-Submitted": "auto-replied", "X-Auto-Response-Suppress": "All", "In-Reply-To": "<a@customer.example>",
		"References": "<z@customer.example> <a@customer.example>", "Subject": "Auto: Buy now", "X-Loop": "desk.example",
	} {
		if v := strings.Join(m.Header(field), "|"); v != want {
			t.Errorf("%s: %q, want %q", field, v, want)
		}
	}
	if strings.Contains(m.Text+m.HTML, "pills") || !strings.Contains(m.Text, "SUPPORT-7102") {
		t.Errorf("it carries the sender's words, or not the ticket's name:\n%s", m.Text)
	}
	c := w.ticket("SUPPORT-7102")
	ack := c.Messages[1]
	if out := c.Outgoing[ack.ID]; ack.Kind != ticketing.KindAcknowledgement || len(out) != 1 || out[0].ReversePath != "" {
		t.Errorf("on the ticket: %+v %+v", ack, out)
	}
	if c.Ticket.Status != ticketing.StatusNew || c.Ticket.Waiting.IsZero() {
		t.Errorf("it counts as an answer: %+v", c.Ticket)
	}
	// Its token is the author's.
	w.send("jo@customer.example", m.ReplyTo[0].Address, "x", "", "more")
	w.wants(t, "an answer to it", "SUPPORT-7102", "1", ticketing.Shown)
}

// Whatever must not be acknowledged is not, and the ticket says why.
func TestNotAcknowledged(t *testing.T) {
	w, _ := acknowledging(t)
	for i, c := range []struct{ name, reverse, from, extra, says string }{
		{"nothing proves the author", "jo@elsewhere.example", "jo@elsewhere.example", "", "nothing proves the author"},
		{"proof fails", "jo@customer.example", "jo@customer.example", "X-Test-Proof: fail policy=reject\r\n", "nothing proves"},
		{"null reverse-path", "", "jo@customer.example", "", "automatic"},
		{"Auto-Submitted", "jo@customer.example", "jo@customer.example", "Auto-Submitted: auto-generated\r\n", "automatic"},
		{"list", "jo@customer.example", "jo@customer.example", "List-Id: <users.customer.example>\r\n", "list"},
		{"bulk", "jo@customer.example", "jo@customer.example", "Precedence: bulk\r\n", "no automatic answer"},
		{"Exchange asks", "jo@customer.example", "jo@customer.example", "X-Auto-Response-Suppress: OOF, AutoReply\r\n", "no automatic answer"},
		{"nobody reads it", "x@customer.example", "no-reply@customer.example", "", "nobody reads"},
		{"list owner", "x@customer.example", "users-request@customer.example", "", "nobody reads"},
		{"DNS is down", "jo@customer.example", "jo@customer.example", "X-Test-Proof: temperror\r\n", "DNS"},
		{"two From", "jo@customer.example", "jo@customer.example", "From: eve@customer.example\r\n", "nothing proves"},
		{"loop", "jo@customer.example", "jo@customer.example", "X-Loop: desk.example\r\n", "circle"},
		{"many hops", "jo@customer.example", "jo@customer.example", strings.Repeat("Received: from a by b; now\r\n", 51), ""},
	} {
		w.sendAs(c.reverse, []string{"new@desk.example"}, fmt.Sprintf("From: %s\r\nSubject: mail %d\r\n%s\r\nx\r\n", c.from, i, c.extra))
		all, err := w.Tickets(w.ctx, ticketing.TicketQuery{Queue: "SUPPORT", Limit: 1})
		w.must(all, err)
		if m := w.ticket(all[0].Name()).Messages[0]; c.says != "" && !strings.Contains(m.Suppressed, c.says) {
			t.Errorf("%s: the ticket says %q, want %q", c.name, m.Suppressed, c.says)
		}
	}
	w.settled()
	for _, raw := range w.mails() {
		if strings.Contains(raw, "Auto: ") {
			t.Errorf("acknowledged:\n%s", raw)
		}
	}
	events, err := w.Events(w.ctx, 0, 1000)
	w.must(events, err)
	var said int
	for _, e := range events {
		if e.Facts["not_acknowledged"] != "" {
			said++
		}
	}
	if said < 12 {
		t.Errorf("%d events say why nothing was sent", said)
	}
}

// At most one for a sender in 10 minutes, and 10 a day.
func TestAcknowledgementLimits(t *testing.T) {
	w, c := acknowledging(t)
	for i := range 3 {
		w.send("jo@customer.example", "new@desk.example", fmt.Sprint("mail ", i), "", "x")
	}
	w.settled()
	if n := len(w.to("jo@customer.example")); n != 1 {
		t.Errorf("%d acknowledgements at once, want 1", n)
	}
	if m := w.ticket("SUPPORT-7103").Messages[0]; !strings.Contains(m.Suppressed, "within 10 minutes") {
		t.Errorf("the ticket says %q", m.Suppressed)
	}
	for i := range 15 {
		c.pass(11 * time.Minute)
		w.send("jo@customer.example", "new@desk.example", fmt.Sprint("later ", i), "", "x")
		w.settled() // before the clock moves: the time that counts is that of the answer
	}
	if n := len(w.to("jo@customer.example")); n != 10 {
		t.Errorf("%d acknowledgements in a day, want 10", n)
	}
	w.send("ann@customer.example", "new@desk.example", "another sender", "", "x")
	w.settled()
	if n := len(w.to("ann@customer.example")); n != 1 {
		t.Errorf("%d acknowledgements to another sender, want 1", n)
	}
}

// A program never answers automatic mail, and not without end.
func TestProgramsAnswer(t *testing.T) {
	w, c := acknowledging(t)
	robot := ticketing.Actor{Kind: "program", Name: "robot", Origin: "api"}
	say := func(ticket string) error {
		_, _, err := w.Reply(w.ctx, robot, ticketing.ReplyRequest{Ticket: ticket, Text: "Beep."})
		return err
	}
	w.send("jo@elsewhere.example", "new@desk.example", "x", "", "Help")
	for range 10 {
		w.must(nil, say("SUPPORT-7102"))
	}
	if say("SUPPORT-7102") == nil {
		t.Error("a program answers without end")
	}
	w.settled()
	for _, m := range w.to("jo@elsewhere.example") {
		if strings.Join(m.Header("Auto-Submitted"), "") != "auto-replied" {
			t.Error("a program's mail does not say so")
		}
	}
	// Another ticket of the same address, and no acknowledgement either.
	w.send("jo@elsewhere.example", "new@desk.example", "y", "X-Test-Proof: pass\r\n", "Help")
	if say("SUPPORT-7103") == nil {
		t.Error("the share of an address is that of each ticket")
	}
	w.settled()
	if m := w.ticket("SUPPORT-7103").Messages[0]; !strings.Contains(m.Suppressed, "within an hour") {
		t.Errorf("the ticket says %q", m.Suppressed)
	}
	c.pass(2 * time.Hour)
	w.must(nil, say("SUPPORT-7102"))
	w.settled()
	mails := w.to("jo@elsewhere.example")
	w.send("jo@elsewhere.example", mails[len(mails)-1].ReplyTo[0].Address, "x", "Auto-Submitted: auto-replied\r\n", "I am away")
	w.wants(t, "a vacation notice", "SUPPORT-7102", "11", ticketing.Folded)
	if say("SUPPORT-7102") == nil {
		t.Error("a program answers a vacation notice")
	}
}
