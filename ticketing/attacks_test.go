package ticketing_test

import (
	"fmt"
	"strings"
	"testing"

	"postdesk/ticketing"
	desk "postdesk/ticketing/mail"
)

// Attacks that were carried out against other desks. Each is played against the whole desk.

const eve = "eve@evil.example"

// conversation is a ticket of jo with one answer; it gives that answer. Nothing proves
// elsewhere.example, as with most of the world's mail.
func (w *world) conversation(from string) (name string, m *desk.Message) {
	w.t.Helper()
	w.send(from, "new@desk.example", "x", "Message-ID: <first."+from+">\r\n", "The secret is SESAME.")
	all, err := w.Tickets(w.ctx, ticketing.TicketQuery{Queue: "SUPPORT", Limit: 1})
	w.must(all, err)
	name = all[0].Name()
	w.answer(name, "We know.")
	mails := w.to(from)
	return name, mails[len(mails)-1]
}

// nothingTo fails when any mail ever went to the address.
func (w *world) nothingTo(t *testing.T, address string) {
	t.Helper()
	all, err := w.Outgoing(w.ctx, nil, 0, 10000)
	w.must(all, err)
	for _, o := range all {
		raw, err := w.Raw(w.ctx, o.Raw)
		w.must(raw, err)
		header, _, _ := strings.Cut(string(raw), "\r\n\r\n")
		if strings.EqualFold(o.Recipient, address) || strings.Contains(header, address) {
			t.Errorf("mail to, or naming, %s:\n%s", address, header)
		}
	}
}

// A forged mail of the requester with the attacker in Cc: on other desks the attacker then
// got the whole thread.
func TestAttackThreadHijack(t *testing.T) {
	w := newWorld(t)
	name, answer := w.conversation("jo@elsewhere.example")
	ours := "In-Reply-To: " + strings.Join(answer.Header("Message-ID"), "") + "\r\n"
	w.send("jo@elsewhere.example", name+"@desk.example", "x", "Cc: "+eve+"\r\n", "Please keep my colleague in the loop.")
	w.wants(t, "forged, at the bare address", name, "6", ticketing.Held)
	// Even held by staff's mistake, and even with a thread proof that leaked, Cc says nothing.
	w.must(w.Judge(w.ctx, jane, w.last(name).ID, true))
	if quoted := w.answer(name, "To whom?"); quoted != nil {
		for _, m := range w.to("jo@elsewhere.example") {
			if strings.Contains(m.Text, "my colleague") {
				t.Errorf("the forger's words are quoted to the requester as their own:\n%s", m.Text)
			}
		}
	}
	w.send("jo@elsewhere.example", "new@desk.example", "x", ours+"Cc: "+eve+"\r\nReply-To: "+eve+"\r\n", "And again.")
	w.wants(t, "forged, with a Message-ID that leaked", name, "2", ticketing.Shown)
	w.answer(name, "To whom, please?")
	if cc, err := w.SuggestedCc(w.ctx, w.ticket(name)); err != nil || len(cc) > 0 {
		t.Errorf("suggested to staff: %v %v", cc, err)
	}
	w.nothingTo(t, eve)
}

// Reply-To says where to answer, and must not lead an answer into another ticket.
func TestAttackReplyToDesk(t *testing.T) {
	w := newWorld(t)
	victim, answer := w.conversation("jo@customer.example")
	for _, to := range []string{victim + "@desk.example", answer.ReplyTo[0].Address, "sales@desk.example"} {
		w.send(eve, "new@desk.example", "x", "Reply-To: "+to+"\r\nX-Test-Proof: pass\r\n", "answer there")
		all, err := w.Tickets(w.ctx, ticketing.TicketQuery{Queue: "SUPPORT", Limit: 1})
		w.must(all, err)
		before := len(w.to(eve))
		w.answer(all[0].Name(), "Here.")
		if len(w.to(eve)) != before+1 || len(w.to(to)) != 0 {
			t.Errorf("Reply-To %s: the answer went elsewhere than to its author", to)
		}
	}
}

// A foreign service mails its secret to the address of a ticket that the attacker has
// opened, who then reads it in an answer, as "the ticket trick" did.
func TestAttackTicketTrick(t *testing.T) {
	w := newWorld(t)
	name, answer := w.conversation(eve)
	own := token(t, w.answer(name, "Once more."))
	_ = answer
	for _, to := range []string{name + "@desk.example", own} {
		w.send("no-reply@service.example", to, "Confirm your account", "X-Test-Proof: pass\r\n", "Your code is 424242.")
		w.send("no-reply@service.example", to, "Confirm your account", "X-Test-Proof: pass\r\nAuto-Submitted: auto-generated\r\n", "Your code is 424242.")
		w.answer(name, "And?")
	}
	w.send(eve, own, "x", "", "Please quote everything.")
	w.answer(name, "No.")
	for _, raw := range w.mails() {
		if strings.Contains(raw, "424242") {
			t.Errorf("the code went out:\n%s", raw)
		}
	}
	w.nothingTo(t, "no-reply@service.example")
}

// Acknowledgements as a relay: to a forged From, to Reply-To, to the reverse-path.
func TestAttackAcknowledgementRelay(t *testing.T) {
	w, _ := acknowledging(t)
	const victim = "victim@bank.example"
	w.sendAs(victim, []string{"new@desk.example"}, "From: "+victim+"\r\nSubject: BUY PILLS\r\n\r\nx\r\n")
	w.sendAs(victim, []string{"new@desk.example"}, "From: eve@customer.example\r\nReply-To: "+victim+"\r\nSubject: BUY PILLS\r\nX-Test-Proof: pass\r\n\r\nx\r\n")
	w.sendAs("x@y.example", []string{"new@desk.example"}, "From: eve@customer.example, "+victim+"\r\nSubject: BUY PILLS\r\nX-Test-Proof: pass\r\n\r\nx\r\n")
	w.settled()
	w.nothingTo(t, victim)
}

// A MAC that is written but not checked on one path (CVE-2026-47123): on each path by which
// a mail of ours is known again, each character of it matters.
func TestAttackForgedMAC(t *testing.T) {
	w := newWorld(t)
	name, answer := w.conversation("jo@elsewhere.example")
	id := strings.Trim(strings.Join(answer.Header("Message-ID"), ""), "<>")
	reply := answer.ReplyTo[0].Address
	c := w.ticket(name)
	reverse := c.Outgoing[c.Messages[1].ID][0].ReversePath
	w.must(nil, w.Recipient(w.ctx, reverse))
	forge := func(s string, at int) string {
		b := []byte(s)
		b[at] = map[bool]byte{true: '1', false: '0'}[b[at] == '0']
		return string(b)
	}
	local := func(s string) int { return strings.IndexByte(s, '@') }
	report := func(id string) string {
		return "From: MAILER-DAEMON@mx.example\r\nSubject: Undelivered\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n" +
			"--b\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n" +
			"Final-Recipient: rfc822; jo@elsewhere.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n" +
			"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <" + id + ">\r\n\r\n--b--\r\n"
	}
	for i := range 17 {
		w.send("jo@elsewhere.example", forge(reply, local(reply)-1-i), "x", "", fmt.Sprint("token ", i))
		w.wants(t, fmt.Sprint("token, character ", i), name, "6", ticketing.Held)
		bad := forge(id, local(id)-1-i)
		for _, field := range []string{"In-Reply-To", "References"} {
			before := len(w.ticket(name).Messages)
			w.send("jo@elsewhere.example", "new@desk.example", "x", field+": <"+bad+">\r\n", fmt.Sprint("id ", i))
			if n := len(w.ticket(name).Messages); n != before {
				t.Errorf("%s with a forged MAC (character %d) continues the ticket", field, i)
			}
		}
		if w.Recipient(w.ctx, forge(reverse, local(reverse)-1-i)) == nil {
			t.Errorf("a reverse-path with a forged MAC (character %d) is accepted", i)
		}
		w.sendAs("", []string{"new@desk.example"}, report(bad))
	}
	c = w.ticket(name)
	if o := c.Outgoing[c.Messages[1].ID][0]; o.State != ticketing.OutQueued {
		t.Errorf("a report with a forged MAC settled the mail: %s", o.State)
	}
	w.sendAs("", []string{"new@desk.example"}, report(id))
	c = w.ticket(name)
	if o := c.Outgoing[c.Messages[1].ID][0]; o.State != ticketing.OutFailed {
		t.Errorf("a true report did nothing: %s", o.State)
	}
}

// Reply-To, Sender and their like identify nobody (GitLab, 2022), and no header is a command
// (CVE-2023-41259).
func TestAttackHeaders(t *testing.T) {
	w := newWorld(t)
	name, _ := w.conversation("jo@customer.example")
	w.must(w.SetStatus(w.ctx, jane, name, ticketing.StatusResolved))
	for _, extra := range []string{
		"Reply-To: jo@customer.example\r\n", "Sender: jo@customer.example\r\n", "Resent-From: jo@customer.example\r\n",
		"X-Original-From: jo@customer.example\r\n", "Return-Path: <jo@customer.example>\r\n",
		"X-Postdesk-Ticket: " + name + "\r\nX-Postdesk-Actor: Jane\r\nPostdesk-Actor: Jane\r\n",
		"X-RT-Loop-Prevention: x\r\nX-OTRS-State: closed\r\nX-OTRS-Owner: eve\r\nX-Zammad-Ticket-Owner: eve\r\nX-Priority: 1\r\n",
		"Content-Type: text/plain\r\nX-Staff: yes\r\n",
	} {
		w.send(eve, name+"@desk.example", "x", extra+"X-Test-Proof: pass\r\n", "!status closed\r\n!assign eve\r\n\r\nhello")
		w.wants(t, extra, name, "6", ticketing.Held)
		w.send(eve, "new@desk.example", "["+name+"] x", extra+"References: <first.jo@customer.example>\r\nX-Test-Proof: pass\r\n", "!status closed")
	}
	c := w.ticket(name)
	if c.Ticket.Status != ticketing.StatusResolved || c.Ticket.Assignee != "" || len(c.Participants) != 1 {
		t.Errorf("a header moved the ticket: %+v, %d participants", c.Ticket, len(c.Participants))
	}
	w.nothingTo(t, eve)
}

// A second From above a signed one, and a From that only looks like the requester.
func TestAttackFrom(t *testing.T) {
	w := newWorld(t)
	name, answer := w.conversation("jo@customer.example")
	for _, from := range []string{
		"From: jo@customer.example\r\nFrom: " + eve, "From: " + eve + "\r\nFrom: jo@customer.example", "From: jo@customer.example, " + eve,
		"From: \"jo@customer.example\" <" + eve + ">", "From: jo@customer.example <" + eve + ">", "From: Friends: jo@customer.example;",
		"From: <jo@customer.example>," + eve, "From: j\u043e@customer.example", "From: jo@customer.example.evil.example", "From: jo@customer.example\x00.evil.example",
	} {
		w.sendAs(eve, []string{name + "@desk.example"}, from+"\r\nSubject: x\r\nX-Test-Proof: pass\r\n\r\nhello\r\n")
		w.wants(t, from, name, "6", ticketing.Held)
	}
	// With a thread proof that leaked, somebody else is somebody else.
	w.sendAs(eve, []string{answer.ReplyTo[0].Address}, "From: "+eve+"\r\nFrom: jo@customer.example\r\nSubject: x\r\nX-Test-Proof: pass\r\n\r\nhello again\r\n")
	w.wants(t, "two From and a token", name, "4", ticketing.Shown)
	w.answer(name, "Who are you?")
	w.nothingTo(t, eve)
}

// An id that an attacker puts into many tickets, or takes from a conversation, ties nothing.
func TestAttackMessageIDs(t *testing.T) {
	w := newWorld(t)
	name, _ := w.conversation("jo@customer.example")
	// The attacker knows the customer's own Message-ID, from a list say.
	w.send(eve, "new@desk.example", "x", "In-Reply-To: <first.jo@customer.example>\r\nX-Test-Proof: pass\r\n", "I am in this conversation, too.")
	if c := w.ticket(name); len(c.Messages) != 2 {
		t.Errorf("it is in the ticket: %+v", c.Messages[2])
	}
	// The attacker's mail bears that same Message-ID: now the id is on two tickets.
	w.send(eve, "new@desk.example", "x", "Message-ID: <first.jo@customer.example>\r\nX-Test-Proof: pass\r\n", "mine")
	w.send("jo@customer.example", "new@desk.example", "x", "In-Reply-To: <first.jo@customer.example>\r\n", "one more thing: SESAME")
	for _, k := range w.tickets() {
		c := w.ticket(k.Name())
		if m := c.Messages[len(c.Messages)-1]; c.Ticket.Requester == eve && m.From.Address == "jo@customer.example" {
			t.Errorf("the customer's mail went into the attacker's ticket %s", k.Name())
		}
	}
	w.nothingTo(t, eve)
}
