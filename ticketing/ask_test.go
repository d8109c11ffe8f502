package ticketing_test

import (
	"strings"
	"testing"

	"postdesk/ticketing"
	desk "postdesk/ticketing/mail"
)

// A supplier is asked from a ticket, with a token of its own: it sees the question alone,
// its answers reach staff alone, and the requester learns of neither.
func TestAskThirdParty(t *testing.T) {
	w := newWorld(t)
	w.send("jo@customer.example", "new@desk.example", "PRIVATE-subject", "", "PRIVATE-words")
	w.answer("SUPPORT-7102", "PRIVATE-answer")
	m, _, err := w.Ask(w.ctx, jane, ticketing.Question{Ticket: "SUPPORT-7102", To: desk.Address{Name: "Acme", Address: "Help@acme.example"}, Subject: "part 17", Text: "Is part 17 SUPPLY-question?", Key: "k"})
	w.must(m, err)
	again, known, err := w.Ask(w.ctx, jane, ticketing.Question{Ticket: "SUPPORT-7102", To: desk.Address{Name: "Acme", Address: "Help@acme.example"}, Subject: "part 17", Text: "Is part 17 SUPPLY-question?", Key: "k"})
	if err != nil || !known || again.ID != m.ID {
		t.Errorf("asked again: %v %v", known, err)
	}
	w.until("the question is out", func() bool { return len(w.to("help@acme.example")) == 1 })
	question := w.to("help@acme.example")[0]
	if question.Subject != "[SUPPORT-7102] part 17" || len(question.Cc) > 0 || strings.Contains(question.Text+question.HTML, "PRIVATE") {
		t.Errorf("to the supplier: %q, cc %v\n%s", question.Subject, question.Cc, question.Text)
	}
	w.must(w.SetStatus(w.ctx, jane, "SUPPORT-7102", ticketing.StatusWaiting))
	for _, c := range []struct{ from, to, extra, row string }{
		{"help@acme.example", question.ReplyTo[0].Address, "X-Test-Proof: pass\r\n", "1"},
		{"help@acme.example", question.ReplyTo[0].Address, "", "2"},
		{"boss@acme.example", question.ReplyTo[0].Address, "X-Test-Proof: pass\r\n", "4"},
		{"help@acme.example", "SUPPORT-7102@desk.example", "X-Test-Proof: pass\r\n", "5"},
		{"help@acme.example", "new@desk.example", "X-Test-Proof: pass\r\nIn-Reply-To: " + question.Header("Message-ID")[0] + "\r\n", "1"},
	} {
		w.send(c.from, c.to, "PRIVATE-price", c.extra+"Cc: jo@customer.example\r\n", "SUPPLY-secret, it costs us 3")
		w.wants(t, c.from+" to "+c.to, "SUPPORT-7102", c.row, ticketing.StaffOnly)
	}
	if k := w.ticket("SUPPORT-7102").Ticket; k.Status != ticketing.StatusOpen || k.Waiting.IsZero() {
		t.Errorf("nobody looks at the supplier's answer: %+v", k)
	}
	// Held and then accepted, it is for staff alone as well.
	w.send("help@acme.example", "SUPPORT-7102@desk.example", "x", "X-Test-Proof: none\r\n", "SUPPLY-secret")
	w.must(w.Judge(w.ctx, jane, w.last("SUPPORT-7102").ID, true))
	w.wants(t, "accepted", "SUPPORT-7102", "6", ticketing.StaffOnly)
	w.answer("SUPPORT-7102", "It will take a week.")
	for _, m := range w.to("jo@customer.example") {
		if strings.Contains(m.Text+m.HTML, "SUPPLY") || len(m.Cc) > 0 {
			t.Errorf("to the requester, cc %v:\n%s", m.Cc, m.Text)
		}
	}
	if n := len(w.to("help@acme.example")); n != 1 {
		t.Errorf("%d mails to the supplier, want the question alone", n)
	}
	// One who takes part is answered, not asked, and one who is asked does not slip into Cc.
	if _, _, err := w.Ask(w.ctx, jane, ticketing.Question{Ticket: "SUPPORT-7102", To: desk.Address{Address: "jo@customer.example"}, Text: "You?"}); err == nil {
		t.Error("the requester is a third party")
	}
	if _, _, err := w.Reply(w.ctx, jane, ticketing.ReplyRequest{Ticket: "SUPPORT-7102", Text: "x", Cc: []string{"help@acme.example"}}); err == nil {
		t.Error("a third party is in Cc")
	}
	// The next question continues the supplier's own thread.
	_, _, err = w.Ask(w.ctx, jane, ticketing.Question{Ticket: "SUPPORT-7102", To: desk.Address{Address: "help@acme.example"}, Text: "And part 18?"})
	w.must(nil, err)
	w.until("the second question is out", func() bool { return len(w.to("help@acme.example")) == 2 })
	w.must(w.RemoveParticipant(w.ctx, jane, "SUPPORT-7102", "help@acme.example"))
	w.send("help@acme.example", question.ReplyTo[0].Address, "x", "X-Test-Proof: pass\r\n", "too late")
	w.wants(t, "a third party that was removed", "SUPPORT-7102", "6", ticketing.Held)
}
