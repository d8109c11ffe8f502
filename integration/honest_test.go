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

// Most people who write to a desk prove nothing, and many write in ways that break what
// they could have proven: forwarders, second accounts, gateways that add a footer. The
// price of safety is what such people lose. Each case is one of them: a first mail, an
// answer of the desk, and their answer to it, all through the real Postfix.

// honest is one way to write to the desk and to answer it.
type honest struct {
	name   string
	from   string              // who writes first
	answer string              // who answers; empty: the same
	to     route               // where the answer goes
	ties   tie                 // what ties it to the desk's mail
	fields string              // more header lines of the answer, each with CRLF
	body   string              // of the answer; empty: a plain one
	way    func([]byte) []byte // what happens to the answer after it was signed
	first  func([]byte) []byte // the same for the first mail
	form   string              // the visitor whom a contact form names; from is the form
	want   outcome
}

// route is where a mail program sends an answer.
type route int

const (
	replyTo   route = iota // as the Reply-To says
	replyLow               // the same in lower case
	replyHigh              // the same in upper case
	readable               // the ticket's address, without the token
	queue                  // where the first mail went
)

// tie is what the answer says of the mail before.
type tie int

const (
	both      tie = iota // In-Reply-To and References
	inReplyTo            // no References
	loose                // neither: a mail program that has lost the thread
	own                  // the customer's own first mail
)

// outcome is what becomes of the answer.
type outcome int

const (
	appended outcome = iota // in the ticket, shown
	held                    // in the ticket, waiting for staff
	linked                  // a ticket of its own
	folded                  // in the ticket, out of the way
)

func (o outcome) String() string { return [...]string{"appended", "held", "linked", "folded"}[o] }

// heldAtMost is the price: of a hundred honest answers two may wait for staff.
const heldAtMost = 0.02

func TestHonestMailIsNotPunished(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 4*time.Minute, lab.Options{}, lab.AgentOptions{Env: []string{"POSTDESK_TRUST_BORDER=true", "POSTDESK_QUEUE_SUPPORT_FORMS=form@" + lab.SignedDomain}})
	d.publishPolicies()
	cases := honestCases()
	for i, c := range cases {
		d.first(i, c)
	}
	d.arrived()
	tickets := map[string]lab.Ticket{} // by subject
	for _, ticket := range d.waitTickets(len(cases)) {
		tickets[ticket.Subject] = ticket
	}
	for i, c := range cases {
		d.reply(tickets[subject(i, c)].Name, fmt.Sprint("honest", i), "Please try again.")
	}
	for i, c := range cases {
		d.answer(i, c, tickets[subject(i, c)])
	}
	d.arrived()
	holding := 0
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, why := d.outcome(i, c, tickets[subject(i, c)])
			if got == held {
				holding++
				if len(why) < 20 {
					t.Errorf("held, and the reason helps nobody: %q", why)
				}
			}
			if got != c.want {
				t.Errorf("the answer is %s, want %s: %s", got, c.want, why)
			}
		})
	}
	if share := float64(holding) / float64(len(cases)); share > heldAtMost {
		t.Errorf("%d of %d honest answers are held, %.1f %%; at most %.0f %% may be", holding, len(cases), 100*share, 100*heldAtMost)
	}
	t.Logf("%d honest ways to answer, %d held", len(cases), holding)
}

func subject(i int, c honest) string { return fmt.Sprintf("Case %d: %s", i, c.name) }

func firstID(i int, c honest) string { return fmt.Sprintf("first-%d@%s", i, domainOf(c.from)) }

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

// publishPolicies gives the domains of the cases what theirs have in DNS. Every mail of
// the lab comes from 127.0.0.1.
func (d *desk) publishPolicies() {
	d.t.Helper()
	for _, name := range []string{"signed.example", "signed-strict.example", "alias.example", "gateway.example"} {
		d.must(d.Keys.Publish(name))
	}
	d.must(d.Keys.Publish("mail.signed.example"))
	d.DNS.TXT("_dmarc.signed.example", "v=DMARC1; p=reject; rua=mailto:dmarc@signed.example")
	d.DNS.TXT("_dmarc.signed-strict.example", "v=DMARC1; p=reject; adkim=s; aspf=s")
	d.DNS.TXT("_dmarc.gateway.example", "v=DMARC1; p=none")
	d.DNS.TXT("spf.example", "v=spf1 ip4:127.0.0.1 -all")
	d.DNS.TXT("spf-enforced.example", "v=spf1 ip4:127.0.0.1 -all")
	d.DNS.TXT("_dmarc.spf-enforced.example", "v=DMARC1; p=reject")
	d.DNS.TXT("enforced.example", "v=spf1 ip4:192.0.2.1 -all")
	d.DNS.TXT("_dmarc.enforced.example", "v=DMARC1; p=reject")
}

// signs are the domains whose mail is signed, and by whom.
var signs = map[string]string{
	lab.SignedDomain: lab.SignedDomain, "signed.example": "mail.signed.example", "signed-strict.example": "signed-strict.example",
	"alias.example": "alias.example", "gateway.example": "gateway.example",
}

// post sends a letter as its domain does, and as the way there leaves it.
func (d *desk) post(m lab.Letter, way func([]byte) []byte) {
	d.t.Helper()
	raw := m.Raw()
	if by := signs[domainOf(strings.ToLower(m.From))]; by != "" {
		var err error
		raw, err = d.Keys.Sign(raw, by)
		d.must(err)
	}
	reverse := m.From
	if way != nil {
		raw = way(raw)
	}
	if v := bytes.Index(raw, []byte("X-Envelope-From: ")); v >= 0 {
		line, rest, _ := bytes.Cut(raw[v:], []byte("\r\n"))
		reverse, raw = string(line[len("X-Envelope-From: "):]), append(raw[:v:v], rest...)
	}
	d.must(d.Send(d.ctx, reverse, []string{m.To}, raw))
}

func (d *desk) first(i int, c honest) {
	d.t.Helper()
	m := lab.Letter{From: c.from, Name: "Pat Person", To: "new@" + lab.Domain, Subject: subject(i, c), MessageID: firstID(i, c), Body: "It does not work.\n"}
	if c.form != "" {
		m.Fields = "Reply-To: <" + c.form + ">\r\n"
	}
	d.post(m, c.first)
}

// answer sends what the mail program of the case makes of an answer.
func (d *desk) answer(i int, c honest, ticket lab.Ticket) {
	d.t.Helper()
	out, err := d.Sink.Wait(d.ctx, "the reply of "+c.name, func(m lab.Mail) bool {
		return strings.Contains(m.Header("From"), ticket.Name+"@") && m.Header("Auto-Submitted") == ""
	})
	d.must(err)
	m, err := outside.AnswerTo(out, c.body)
	d.must(err)
	if m.Body == "" {
		m.Body = "Now it works, thank you.\n"
	}
	m.From, m.Fields = c.from, c.fields
	if c.answer != "" {
		m.From = c.answer
	}
	if c.form != "" && out.To[0] != c.form {
		d.t.Errorf("%s: the reply went to %v", c.name, out.To)
	}
	m.MessageID = fmt.Sprintf("answer-%d@%s", i, domainOf(m.From))
	switch c.to {
	case replyLow:
		m.To = strings.ToLower(m.To)
	case replyHigh:
		m.To = strings.ToUpper(m.To)
	case readable:
		from, err := mail.ParseAddress(out.Header("From"))
		d.must(err)
		m.To = from.Address
	case queue:
		m.To = "new@" + lab.Domain
	}
	ours := m.InReplyTo
	switch c.ties {
	case inReplyTo:
		m.InReplyTo, m.Fields = "", m.Fields+"In-Reply-To: <"+ours+">\r\n"
	case loose:
		m.InReplyTo = ""
	case own:
		m.InReplyTo = firstID(i, c)
	}
	d.post(m, c.way)
}

// outcome finds the answer, on its ticket or on another one.
func (d *desk) outcome(i int, c honest, ticket lab.Ticket) (outcome, string) {
	d.t.Helper()
	from := c.from
	if c.answer != "" {
		from = c.answer
	}
	id := fmt.Sprintf("answer-%d@%s", i, domainOf(from))
	all, err := d.api.Tickets(d.ctx)
	d.must(err)
	for _, candidate := range all {
		if candidate.Name != ticket.Name && !strings.Contains(candidate.Subject, subject(i, c)) {
			continue
		}
		messages, err := d.api.Messages(d.ctx, candidate.Name)
		d.must(err)
		for _, m := range messages {
			if m.MessageID != id {
				continue
			}
			why := fmt.Sprintf("row %s: %s", m.Row, m.Reason)
			switch {
			case candidate.Name != ticket.Name:
				return linked, why
			case m.Visibility == "held":
				return held, why
			case m.Visibility == "folded":
				return folded, why
			case m.Visibility != "shown":
				d.t.Errorf("%s: the answer is %s", c.name, m.Visibility)
			}
			return appended, why
		}
	}
	d.t.Fatalf("%s: the answer is on no ticket", c.name)
	return held, ""
}
