package integration

import (
	"bytes"
	"fmt"
	"net/mail"
	"strings"
	"testing"
	"time"

	"postdesk/integration/lab"
	"postdesk/integration/outside"
)

// What was done to other desks, through the real Postfix. Each attack has a ticket of
// Jane's with a secret in it, and an attacker who knows its number and her address.

const (
	mallory = "mallory@attacker.example"
	secret  = "The code is canary-4711."
)

// victim is a desk with Jane's ticket, which staff have answered.
type victim struct {
	*desk
	ticket lab.Ticket
	answer lab.Mail // the desk's, to Jane
}

func newVictim(t *testing.T) *victim {
	t.Helper()
	v := &victim{desk: newDesk(t, time.Minute, lab.Options{}, acknowledging(lab.Domain))}
	v.must(v.Keys.Publish("attacker.example"))
	v.write(lab.Letter{From: jane, To: "new@" + lab.Domain, Subject: "My account", MessageID: "secret@" + lab.SignedDomain, Body: secret + "\n"})
	v.ticket = v.waitTickets(1)[0]
	v.reply(v.ticket.Name, "first", "Noted. "+secret)
	var err error
	v.answer, err = v.Sink.Wait(v.ctx, "the answer to Jane", func(m lab.Mail) bool {
		return lab.To(jane)(m) && strings.Contains(m.Header("From"), v.ticket.Name) && m.Header("Auto-Submitted") == ""
	})
	v.must(err)
	return v
}

// bare is the ticket's address, which anybody can guess.
func (v *victim) bare() string { return v.ticket.Name + "@" + lab.Domain }

// attack sends a letter as Mallory's own server does, signed by her domain when by is set.
func (v *victim) attack(m lab.Letter, by string) {
	v.t.Helper()
	raw := m.Raw()
	if by != "" {
		var err error
		raw, err = v.Keys.Sign(raw, by)
		v.must(err)
	}
	to := m.Recipients
	if to == nil {
		to = []string{m.To}
	}
	v.must(v.Send(v.ctx, mallory, to, raw))
	v.arrived()
}

// arrived waits until all mail that Postfix took is decided.
func (d *desk) arrived() {
	d.t.Helper()
	d.must(d.Empty(d.ctx))
	d.must(d.agent.Drained(d.ctx))
}

// find gives a message by its Message-ID, with its ticket.
func (v *victim) find(id string) (lab.Ticket, lab.Message) {
	v.t.Helper()
	tickets, err := v.api.Tickets(v.ctx)
	v.must(err)
	for _, ticket := range tickets {
		messages, err := v.api.Messages(v.ctx, ticket.Name)
		v.must(err)
		for _, m := range messages {
			if m.MessageID == id {
				return ticket, m
			}
		}
	}
	v.t.Fatalf("%s is on no ticket", id)
	return lab.Ticket{}, lab.Message{}
}

// heldBeside wants the message to wait for staff, and the ticket to stand as it was.
func (v *victim) heldBeside(id string) {
	v.t.Helper()
	ticket, m := v.find(id)
	if ticket.Name != v.ticket.Name || m.Visibility != "held" || m.Authentication.Author != "" && m.Authentication.Author != mallory {
		v.t.Errorf("%s is %s on %s by row %s, author %q", id, m.Visibility, ticket.Name, m.Row, m.Authentication.Author)
	}
	if ticket.Status != "waiting" || ticket.Requester != jane {
		v.t.Errorf("the ticket is %s of %s now", ticket.Status, ticket.Requester)
	}
}

// answered lets staff answer once more, and looks at all that went out since.
func (v *victim) answered() []lab.Mail {
	v.t.Helper()
	before := len(v.Sink.Mails())
	v.reply(v.ticket.Name, "second", "One more word.")
	_, err := v.Sink.Wait(v.ctx, "the second answer", func(m lab.Mail) bool { return bytes.Contains(m.Data, []byte("One more word.")) })
	v.must(err)
	v.must(v.Empty(v.ctx))
	return v.Sink.Mails()[before:]
}

// nothingLeaks wants all mail that ever went out to have gone to Jane, or to hold none of
// her words.
func (v *victim) nothingLeaks() {
	v.t.Helper()
	for _, m := range v.Sink.Mails() {
		if strings.Join(m.To, " ") != jane && bytes.Contains(m.Data, []byte("canary-4711")) {
			v.t.Errorf("Jane's words went to %v:\n%s", m.To, m.Data)
		}
	}
}

// Help desks added whoever stood in Cc of a mail that only claimed to be the requester's,
// and sent them the conversation (2024).
func TestAttackThreadHijackBySpoofedRequester(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.attack(lab.Letter{From: jane, To: v.bare(), Subject: "Re: My account", MessageID: "hijack@attacker.example", Fields: "Cc: <" + mallory + ">\r\n",
		Body: "Please keep my colleague in copy.\n", Recipients: []string{v.bare()}}, "")
	v.heldBeside("hijack@attacker.example")
	for _, m := range v.answered() {
		if strings.Join(m.To, " ") != jane || strings.Contains(m.Header("Cc"), "mallory") {
			t.Errorf("an answer went to %v, Cc %q", m.To, m.Header("Cc"))
		}
	}
	v.nothingLeaks()
}

// The same by the known Message-IDs of the thread: they are in every copy of it.
func TestAttackThreadHijackByForgedReferences(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	ours := strings.Trim(v.answer.Header("Message-ID"), "<>")
	mac := ours[:strings.IndexByte(ours, '@')]
	forged := []string{
		"secret@" + lab.SignedDomain,
		mac[:len(mac)-1] + other(mac[len(mac)-1:]) + "@" + lab.Domain,
		strings.Replace(ours, v.ticket.Name, "SUPPORT-7103", 1),
		v.ticket.Name + "." + "1-1" + ".00000000000000000@" + lab.Domain,
	}
	for i, id := range forged {
		answer := fmt.Sprintf("forged-%d@attacker.example", i)
		v.attack(lab.Letter{From: mallory, To: v.bare(), Subject: "Re: My account", MessageID: answer, InReplyTo: id, Body: "Send me all.\n"}, "attacker.example")
		v.heldBeside(answer)
	}
	v.answered()
	v.nothingLeaks()
}

func other(c string) string {
	if c == "0" {
		return "1"
	}
	return "0"
}

// A service's mail to a ticket's address was shown to whoever had the ticket: so people
// proved that they were somebody at the desk's domain (2017).
func TestAttackTicketTrick(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	// Mallory has a ticket, and gives its address with her token to a service.
	v.attack(lab.Letter{From: mallory, To: "new@" + lab.Domain, Subject: "Hello", MessageID: "mine@attacker.example", Body: "Hello.\n"}, "attacker.example")
	own, _ := v.find("mine@attacker.example")
	v.reply(own.Name, "mallory", "Hello to you.")
	out, err := v.Sink.Wait(v.ctx, "the answer to Mallory", func(m lab.Mail) bool { return lab.To(mallory)(m) && bytes.Contains(m.Data, []byte("Hello to you.")) })
	v.must(err)
	to, err := mail.ParseAddress(out.Header("Reply-To"))
	v.must(err)
	for i, address := range []string{to.Address, own.Name + "@" + lab.Domain} {
		id := fmt.Sprintf("verify-%d@service.example", i)
		v.must(v.Send(v.ctx, "noreply@service.example", []string{address}, lab.Letter{From: "noreply@service.example", To: address, Subject: "Your code",
			MessageID: id, Body: "Your code is canary-4711.\n"}.Raw()))
		v.arrived()
		v.find(id) // kept, and shown to staff
	}
	v.reply(own.Name, "mallory again", "One more word.")
	_, err = v.Sink.Wait(v.ctx, "the next answer to Mallory", func(m lab.Mail) bool { return lab.To(mallory)(m) && bytes.Contains(m.Data, []byte("One more word.")) })
	v.must(err)
	v.must(v.Empty(v.ctx))
	v.nothingLeaks()
}

// Desks sent their acknowledgement, with the attacker's words in it, to any address that
// stood in From (2025/26).
func TestAttackRelaySpamByAcknowledgement(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.silent()
	before := len(v.Sink.Mails())
	for i := range 20 {
		for _, from := range []string{fmt.Sprintf("person%d@elsewhere.example", i), fmt.Sprintf("person%d@%s", i, lab.SignedDomain)} {
			v.attack(lab.Letter{From: from, To: "new@" + lab.Domain, Subject: "Buy at http://spam.example", MessageID: "spam-" + from, Body: "Buy.\n"}, "")
		}
		// Signed by a domain that is not the author's.
		v.attack(lab.Letter{From: "boss@elsewhere.example", To: "new@" + lab.Domain, Subject: "Buy", MessageID: fmt.Sprintf("signed-%d@elsewhere.example", i), Body: "Buy.\n"}, "attacker.example")
	}
	v.silent()
	if out := v.Sink.Mails()[before:]; len(out) != 0 {
		t.Errorf("%d mails went out, the first to %v", len(out), out[0].To)
	}
}

// A desk wrote a MAC into every address and forgot to check it on one of the ways in
// (CVE-2026-47123). Here are all of them.
func TestAttackMACOnEveryPath(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	to, err := mail.ParseAddress(v.answer.Header("Reply-To"))
	v.must(err)
	local, _, _ := strings.Cut(to.Address, "@")
	name, token, _ := strings.Cut(local, "+")
	wrong := []string{
		name + "+" + token[:len(token)-1] + other(token[len(token)-1:]),
		name + "+" + token[:1] + strings.Repeat("0", len(token)-1),
		name + "+", name + "+x", name + "+" + token + token, name + "+" + token[:len(token)-1],
	}
	for i, address := range wrong {
		id := fmt.Sprintf("mac-%d@attacker.example", i)
		v.attack(lab.Letter{From: jane, To: address + "@" + lab.Domain, Subject: "Re: My account", MessageID: id, Body: "It is me.\n"}, "")
		v.heldBeside(id)
	}
	// A token of one ticket proves nothing at another one.
	v.attack(lab.Letter{From: mallory, To: "new@" + lab.Domain, Subject: "Hello", MessageID: "mine@attacker.example", Body: "Hello.\n"}, "attacker.example")
	own, _ := v.find("mine@attacker.example")
	v.reply(own.Name, "mallory", "Hello to you.")
	out, err := v.Sink.Wait(v.ctx, "the answer to Mallory", func(m lab.Mail) bool { return lab.To(mallory)(m) && bytes.Contains(m.Data, []byte("Hello to you.")) })
	v.must(err)
	hers, err := mail.ParseAddress(out.Header("Reply-To"))
	v.must(err)
	_, herToken, _ := strings.Cut(hers.Address, "+")
	v.attack(lab.Letter{From: jane, To: v.ticket.Name + "+" + herToken, Subject: "Re: My account", MessageID: "cross@attacker.example", Body: "It is me.\n"}, "")
	v.heldBeside("cross@attacker.example")
	// A reverse-path with a MAC of another kind is no address of ours at all: so nobody can
	// declare a reply undelivered.
	path, _, _ := strings.Cut(v.answer.From, "@")
	last := path[:len(path)-1] + other(path[len(path)-1:])
	if err := v.Send(v.ctx, "", []string{last + "@" + lab.Domain}, []byte("Subject: Undelivered\r\n\r\nNo.\r\n")); err == nil {
		v.must(v.Empty(v.ctx)) // Postfix takes the shape; the agent refuses it
	}
	messages, err := v.api.Messages(v.ctx, v.ticket.Name)
	v.must(err)
	for _, m := range messages {
		for _, o := range m.Outgoing {
			if o.State == "failed" {
				t.Errorf("a forged report has failed mail %d", o.ID)
			}
		}
	}
	v.answered()
	v.nothingLeaks()
}

// Reply-To was taken for who wrote (2022).
func TestAttackReplyToAsIdentity(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	v.attack(lab.Letter{From: mallory, To: v.bare(), Subject: "Re: My account", MessageID: "replyto@attacker.example", Fields: "Reply-To: <" + jane + ">\r\nSender: <" + jane + ">\r\n", Body: "It is me.\n"}, "attacker.example")
	v.heldBeside("replyto@attacker.example")
	// The other way round: an answer must not follow a Reply-To that nobody proved.
	v.attack(lab.Letter{From: jane, To: v.bare(), Subject: "Re: My account", MessageID: "follow@attacker.example", Fields: "Reply-To: <" + mallory + ">\r\n", Body: "It is me.\n"}, "")
	v.heldBeside("follow@attacker.example")
	for _, m := range v.answered() {
		if strings.Join(m.To, " ") != jane {
			t.Errorf("an answer went to %v", m.To)
		}
	}
	v.nothingLeaks()
}

// Headers of a mail were taken for orders (CVE-2023-41259).
func TestAttackControlHeaders(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	fields := ""
	for _, f := range []string{"X-Postdesk-Status: resolved", "X-Postdesk-Ticket: " + v.ticket.Name, "X-Ticket: " + v.ticket.Name, "RT-Ticket: " + v.ticket.Name, "RT-Attach: /etc/passwd",
		"X-RT-Interface: API", "X-OTRS-State: closed", "X-OTRS-Queue: Raw", "X-Zammad-Ticket-State: closed", "X-GitLab-Reply-Key: 1", "X-Assign: mallory", "Status: resolved", "Owner: mallory"} {
		fields += f + "\r\n"
	}
	v.attack(lab.Letter{From: mallory, To: "new@" + lab.Domain, Subject: "[" + v.ticket.Name + "] Re: My account", MessageID: "control@attacker.example", Fields: fields,
		Body: "!status resolved\n!assign me\nstatus: resolved\n#close\n"}, "attacker.example")
	ticket, m := v.find("control@attacker.example")
	if ticket.Name == v.ticket.Name || ticket.Status != "new" || m.Visibility != "shown" {
		t.Errorf("the mail is %s on %s, which is %s", m.Visibility, ticket.Name, ticket.Status)
	}
	v.answered()
	v.nothingLeaks()
}

// A second author above the signed one: some verify one, and show the other.
func TestAttackSecondFrom(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	raw, err := v.Keys.Sign(lab.Letter{From: mallory, To: v.bare(), Subject: "Re: My account", MessageID: "two@attacker.example", Body: "It is me.\n"}.Raw(), "attacker.example")
	v.must(err)
	for i, above := range []string{"From: <" + jane + ">\r\n", "FROM: \"Jane\" <" + jane + ">,\r\n\t<" + mallory + ">\r\n", "From : <" + jane + ">\r\n"} {
		id := fmt.Sprintf("two-%d@attacker.example", i)
		v.must(v.Send(v.ctx, mallory, []string{v.bare()}, append([]byte(above), bytes.Replace(raw, []byte("two@attacker.example"), []byte(id), 1)...)))
		v.arrived()
		_, m := v.find(id)
		if m.Visibility != "held" || m.Authentication.Author != "" {
			t.Errorf("two authors (%q): %s by row %s, author %q", above, m.Visibility, m.Row, m.Authentication.Author)
		}
	}
	v.answered()
	v.nothingLeaks()
}

// A claim of another server's in Authentication-Results is nobody's proof, least of all
// one inside a quoted string.
func TestAttackForgedAuthenticationResults(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	for i, claim := range []string{
		lab.Domain + "; dkim=pass header.d=customer.example; dmarc=pass header.from=customer.example",
		"mx." + lab.Domain + "; dmarc=pass header.from=customer.example; spf=pass smtp.mailfrom=" + jane,
		"mx." + lab.Domain + "; spf=fail smtp.mailfrom=\"x; dmarc=pass header.from=customer.example\"@attacker.example",
		"mx." + lab.Domain + " 1; auth=pass smtp.auth=jane",
	} {
		id := fmt.Sprintf("claim-%d@attacker.example", i)
		v.attack(lab.Letter{From: jane, To: v.bare(), Subject: "Re: My account", MessageID: id, Fields: "Authentication-Results: " + claim + "\r\n", Body: "It is me.\n"}, "")
		v.heldBeside(id)
	}
	v.nothingLeaks()
}

// An answer of Jane's with her token is hers; the same by somebody who has seen it is
// shown, and gets nothing.
func TestAttackStolenTokenGetsNothing(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	m, err := outside.AnswerTo(v.answer, "I have her mail.\n")
	v.must(err)
	m.From, m.MessageID = mallory, "stolen@attacker.example"
	v.attack(m, "attacker.example")
	if ticket, got := v.find(m.MessageID); ticket.Name != v.ticket.Name || got.Visibility != "shown" || got.Row != "4" {
		t.Errorf("the mail is %s on %s by row %s", got.Visibility, ticket.Name, got.Row)
	}
	for _, out := range v.answered() {
		if strings.Join(out.To, " ") != jane || strings.Contains(out.Header("Cc"), "mallory") {
			t.Errorf("an answer went to %v, Cc %q", out.To, out.Header("Cc"))
		}
	}
	v.nothingLeaks()
}
