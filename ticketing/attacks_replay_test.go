package ticketing_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postdesk/ticketing"
	desk "postdesk/ticketing/mail"
)

// newest is the name of the ticket that was touched last.
func (w *world) newest() string {
	w.t.Helper()
	all, err := w.Tickets(w.ctx, ticketing.TicketQuery{Limit: 1})
	w.must(all, err)
	return all[0].Name()
}

// Whoever was once sent a signed mail can send it to a queue, with a Reply-To of their own
// above it. The author is proven, the Reply-To is not: the answer goes to the author.
func TestAttackReplayedOpening(t *testing.T) {
	w := newWorld(t)
	for unsigned, want := range map[string]string{"reply-to": "jo@customer.example", "": "jo@home.example"} {
		reply := map[string]string{"reply-to": eve, "": "jo@home.example"}[unsigned]
		w.send("jo@customer.example", "new@desk.example", "invoice", "Reply-To: "+reply+"\r\nX-Test-Unsigned: "+unsigned+"\r\n", "Send me my invoice.")
		name := w.newest()
		w.wants(t, "signed", name, "8", ticketing.Shown)
		if to := w.answer(name, "Here it is.").Header.Get("To"); to != want {
			t.Errorf("unsigned %q: the answer goes to %s, want %s", unsigned, to, want)
		}
	}
	w.nothingTo(t, eve)
	// Nobody proves who opens a ticket by mail that is not signed: it is marked as such.
	w.send("jo@elsewhere.example", "new@desk.example", "x", "Reply-To: jo@other.example\r\n", "Help")
	if to := w.answer(w.newest(), "How?").Header.Get("To"); to != "jo@other.example" || !w.ticket(w.newest()).Ticket.Unverified {
		t.Errorf("the answer goes to %s", to)
	}
	// But where the author's domain says that the mail is forged, the answer is for its owner.
	w.send("jo@elsewhere.example", "new@desk.example", "x", "X-Test-Proof: none policy=reject\r\nReply-To: "+eve+"\r\n", "Send me my invoice.")
	w.wants(t, "forged", w.newest(), "10", ticketing.Shown)
	if to := w.answer(w.newest(), "Was it you?").Header.Get("To"); to != "jo@elsewhere.example" {
		t.Errorf("the answer to a forged mail goes to %s", to)
	}
	w.nothingTo(t, eve)
}

// Who shares a cloud with the customer can pass SPF in their name. Such mail must not have
// what was said before sent to a Reply-To of its own.
func TestAttackSharedCloud(t *testing.T) {
	w := newWorld(t)
	w.setQueue(func(q *ticketing.Queue) { q.Quote = ticketing.QuoteFull })
	name, _ := w.conversation("jo@elsewhere.example")
	for _, o := range w.ticket(name).Outgoing[w.ticket(name).Messages[1].ID] {
		w.must(nil, w.SettleOutgoing(w.ctx, ticketing.Settlement{Outgoing: o.ID, State: ticketing.OutSubmitted}))
	}
	w.send("jo@elsewhere.example", name+"@desk.example", "x", "X-Test-Proof: spf\r\nReply-To: "+eve+"\r\n", "Tell me all once more.")
	w.wants(t, "by SPF", name, "5", ticketing.Shown)
	if m := w.answer(name, "Gladly."); m.Header.Get("To") != "jo@elsewhere.example" {
		t.Errorf("the answer goes to %s", m.Header.Get("To"))
	}
	w.nothingTo(t, eve)
}

// Who gets a copy of a mail to the desk can be quicker than a mail that is deferred for
// once, and send the very same octets to a ticket of their own, or as a machine. The mail
// itself must not be taken for one that is there already.
func TestAttackSwallowed(t *testing.T) {
	w := newWorld(t)
	w.send(eve, "new@desk.example", "mine", "X-Test-Proof: pass\r\n", "Help me.")
	own := token(t, w.answer("SUPPORT-7102", "We will."))
	raw := func(id string) string {
		return "Message-ID: <" + id + "@customer.example>\r\nFrom: jo@customer.example\r\nSubject: fire\r\n\r\nCome at once.\r\n"
	}
	by := func(n int) string {
		return fmt.Sprintf("Received: from x (x [192.0.2.1])\r\n\tby mx.desk.example (Postfix) with ESMTP id %d; Tue, 24 Nov 2026 10:00:00 +0000\r\n", n)
	}
	for i, first := range []struct{ reverse, to string }{
		{"jo@customer.example", own}, {"jo@customer.example", "SUPPORT-7102@desk.example"}, {"", "SUPPORT-7102@desk.example"}, {"", "new@desk.example"},
	} {
		id := fmt.Sprint("m", i)
		w.sendAs(first.reverse, []string{first.to}, by(2*i)+raw(id))
		w.sendAs("jo@customer.example", []string{"new@desk.example"}, by(2*i+1)+raw(id))
		c := w.ticket(w.newest())
		if m := c.Messages[0]; m.MessageID != id+"@customer.example" || m.Row != "8" || m.Visibility != ticketing.Shown || c.Ticket.Requester != "jo@customer.example" {
			t.Errorf("after a copy from <%s> to %s: the mail is in no ticket of its own; the newest begins with %s by row %s", first.reverse, first.to, m.MessageID, m.Row)
		}
		// What is requeued is the same mail still.
		before := len(w.tickets())
		w.sendAs("jo@customer.example", []string{"new@desk.example"}, by(100+i)+raw(id))
		w.sendAs(first.reverse, []string{first.to}, by(200+i)+raw(id))
		if len(w.tickets()) != before {
			t.Errorf("after a copy from <%s> to %s: requeued, it opens another ticket", first.reverse, first.to)
		}
	}
}

// The same at the ticket itself: a copy to its bare address is held, and the mail with the
// token must be taken up all the same.
func TestAttackSwallowedAtTicket(t *testing.T) {
	w := newWorld(t)
	name, answer := w.conversation("jo@elsewhere.example")
	const raw = "Message-ID: <later@elsewhere.example>\r\nFrom: jo@elsewhere.example\r\nSubject: fire\r\n\r\nCome at once.\r\n"
	w.sendAs(eve, []string{name + "@desk.example"}, "Received: from x\r\n\tby mx.desk.example id 1; now\r\n"+raw)
	w.wants(t, "the copy", name, "6", ticketing.Held)
	for i := range 2 { // and once more when Postfix has it requeued
		w.sendAs("jo@elsewhere.example", []string{answer.ReplyTo[0].Address}, fmt.Sprintf("Received: from x\r\n\tby mx.desk.example id %d; now\r\n", 2+i)+raw)
		w.wants(t, "the mail", name, "2", ticketing.Shown)
		if n := len(w.ticket(name).Messages); n != 4 {
			t.Errorf("%d messages, want 4", n)
		}
	}
}

// Mail of machines that is gathered in one ticket is not gathered where nobody looks any
// more: who forges one alarm that is taken for spam, or that staff turn down, would silence
// all the others of the day.
func TestAttackSilencedAlarms(t *testing.T) {
	for _, how := range []string{ticketing.AutomaticFold, "group:Subject"} {
		c := newClock()
		w := newWorldOf(t, func(cfg *ticketing.Config) { cfg.Now, cfg.Queues[0].Automatic = c.time, how })
		alarm := func() {
			c.pass(time.Minute)
			w.send("root@host.customer.example", "new@desk.example", "disk full", "Auto-Submitted: auto-generated\r\n", c.time().String())
		}
		alarm()
		alarm()
		if n := len(w.tickets()); n != 1 {
			t.Fatalf("%s: %d tickets", how, n)
		}
		for i, status := range []ticketing.Status{ticketing.StatusSpam, ticketing.StatusRejected, ticketing.StatusClosed, ticketing.StatusResolved} {
			w.must(w.SetStatus(w.ctx, jane, w.newest(), status))
			alarm()
			alarm()
			k := w.ticket(w.newest())
			if len(w.tickets()) != i+2 || k.Ticket.Status != ticketing.StatusNew || len(k.Messages) != 2 {
				t.Errorf("%s, after %s: %d tickets, the newest is %s with %d messages", how, status, len(w.tickets()), k.Ticket.Status, len(k.Messages))
			}
		}
	}
}

// Capital letters of other scripts whose small letter is one of ASCII do not make one
// address of two: İ is that of i, and the Kelvin sign that of k.
func TestAttackCase(t *testing.T) {
	w := staffWorld(t)
	w.must(nil, w.SetStaff(w.ctx, []ticketing.Person{{Name: "kim", Addresses: []string{"kim@staff.example"}}}))
	name, answer := w.conversation("kim@bink.example")
	for _, from := range []string{"k\u0130m@bink.example", "\u212Aim@bink.example", "kim@b\u0130nk.example"} {
		w.send(from, answer.ReplyTo[0].Address, "x", byDKIM, "me")
		if m := w.last(name); m.Row != "4" {
			t.Errorf("%s is taken for kim: row %s", from, m.Row)
		}
	}
	to := w.StaffAddress(w.ticket(name).Ticket, "kim")
	for _, from := range []string{"k\u0130m@staff.example", "\u212Aim@staff.example", "kim@STAFF.example"} {
		w.send(from, to, "x", byDKIM, "!status closed")
		if m := w.last(name); (m.Row == "13") != strings.HasPrefix(from, "kim") {
			t.Errorf("%s: row %s", from, m.Row)
		}
	}
	if a := desk.ParseAddressList("jo@b\u0130nk.example"); a[0].Address == "jo@bink.example" {
		t.Error("another domain is read as bink.example")
	}
}

// Many signatures leave the Message-ID out. Whoever has a copy of what a member of staff has
// sent must not have it carried out again under another one, now or later.
func TestAttackReplayedStaff(t *testing.T) {
	for what, text := range map[string]string{"an answer": "Try again.", "a note": "!note\r\nHm.", "commands": "!status resolved"} {
		w := staffWorld(t)
		w.send("jo@customer.example", "new@desk.example", "Printer", "", "Help")
		n := w.waitTold("jane@staff.example", 1)
		dated := func(second int) string {
			return fmt.Sprintf("Date: Tue, 24 Nov 2026 10:00:%02d +0000\r\n", second) + byDKIM
		}
		w.act(n, "jane@staff.example", dated(1), text)
		w.must(w.SetStatus(w.ctx, jane, "SUPPORT-7102", ticketing.StatusOpen))
		before := len(w.ticket("SUPPORT-7102").Messages)
		for i := range 3 {
			w.act(n, "jane@staff.example", dated(1)+[]string{"X-Again: 1\r\n", "Content-Type: text/html\r\n", "Content-Transfer-Encoding: quoted-printable\r\n"}[i], text+strings.Repeat(" ", i))
		}
		w.heard("SUPPORT-7102")
		c := w.ticket("SUPPORT-7102")
		if len(c.Messages) != before+4 || c.Ticket.Status != ticketing.StatusOpen || len(w.to("jo@customer.example")) > 1 {
			t.Errorf("%s: %s, %s, %d answers went out", what, w.kinds("SUPPORT-7102"), c.Ticket.Status, len(w.to("jo@customer.example")))
		}
		// The same words once more, at another time, are meant.
		if what == "commands" {
			w.act(n, "jane@staff.example", dated(2), text)
			if k := w.ticket("SUPPORT-7102").Ticket; k.Status != ticketing.StatusResolved {
				t.Errorf("the same command at another time: %s", k.Status)
			}
		}
	}
}
