package integration

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"postdesk/integration/lab"
)

// Machines that answer machines: each of these went on for days somewhere. At the end
// nobody has had more than one mail by machine in ten minutes, and nothing has gone to
// the null reverse-path (RFC 3834 section 2, RFC 5321 section 4.5.5).

// acknowledging is the usual queue, which acknowledges.
func acknowledging(domain string) lab.AgentOptions {
	return lab.AgentOptions{Queues: []lab.Queue{{Key: "SUPPORT", Name: "Support", Addresses: []string{"new@" + domain, "support@" + domain}, FirstNumber: 7102, Acknowledge: true}}}
}

// byMachine counts the mails that went out by themselves, by recipient.
func (d *desk) byMachine() map[string]int {
	count := map[string]int{}
	for _, m := range d.Sink.Mails() {
		if m.Header("Auto-Submitted") == "" {
			continue // staff wrote it
		}
		for _, to := range m.To {
			count[to]++
		}
	}
	return count
}

func (d *desk) atMostOne() {
	d.t.Helper()
	for to, n := range d.byMachine() {
		if n > 1 || to == "" {
			d.t.Errorf("%d mails by machine went to %q", n, to)
		}
	}
}

// silent waits until all that came is decided, and all that is to go out has gone.
func (d *desk) silent() {
	d.t.Helper()
	d.arrived()
	d.until("all mail to be submitted", func() (bool, error) {
		tickets, err := d.api.Tickets(d.ctx)
		if err != nil {
			return false, err
		}
		for _, ticket := range tickets {
			messages, err := d.api.Messages(d.ctx, ticket.Name)
			if err != nil {
				return false, err
			}
			for _, m := range messages {
				if (m.Kind == "reply" || m.Kind == "acknowledgement") && (len(m.Outgoing) == 0 || m.Outgoing[0].State == "queued") {
					return false, fmt.Errorf("message %d of %s waits", m.ID, ticket.Name)
				}
			}
		}
		return true, d.caughtUp()
	})
	d.arrived()
}

// caughtUp says whether each ticket that asks for an acknowledgement has had it, or the
// word why not.
func (d *desk) caughtUp() error {
	events, err := d.api.AllEvents(d.ctx)
	if err != nil {
		return err
	}
	due := map[string]bool{}
	for _, e := range events {
		switch {
		case e.Facts["acknowledge"] == "due":
			due[e.Ticket] = true
		case e.Type == "message.queued" || e.Type == "message.suppressed":
			delete(due, e.Ticket)
		}
	}
	if len(due) > 0 {
		return fmt.Errorf("%d tickets wait for their acknowledgement", len(due))
	}
	return nil
}

// pump carries what a desk has sent to where it goes, until both are silent.
type pump struct {
	from, to *desk
	change   func([]byte) []byte // on the way; nil changes nothing
	next     int
	carried  int
}

func (p *pump) run(ctx context.Context) error {
	all := p.from.Sink.Mails()
	for _, m := range all[p.next:] {
		p.next++
		for _, to := range m.To {
			if !strings.HasSuffix(to, "@"+p.to.Domain) {
				continue
			}
			raw := m.Data
			if p.change != nil {
				raw = p.change(raw)
			}
			raw, err := p.from.Keys.Sign(raw, p.from.Domain)
			if err != nil {
				return err
			}
			reverse := m.From
			if p.change != nil { // nor does the gateway keep the null reverse-path
				from, err := mail.ParseAddress(m.Header("From"))
				if err != nil {
					return err
				}
				reverse = from.Address
			}
			if err := p.to.Send(ctx, reverse, []string{to}, raw); err != nil {
				return err
			}
			p.carried++
		}
	}
	return nil
}

// silence pumps until nothing moves any more. A loop would not end, and so fails by its
// count.
func silence(d *desk, pumps ...*pump) {
	d.t.Helper()
	for round, quiet := 0, 0; quiet < 2; round++ {
		before := 0
		for _, p := range pumps {
			before += p.carried
			d.must(p.run(d.ctx))
		}
		after := 0
		for _, p := range pumps {
			p.to.silent()
			p.from.silent()
			after += p.carried
		}
		if quiet++; after != before {
			quiet = 0
		}
		if round > 30 {
			d.t.Fatalf("%d mails have gone round, and it does not end", after)
		}
	}
}

// introduce publishes the key of one desk's domain where the other one asks.
func introduce(t *testing.T, from, to *desk) {
	t.Helper()
	der, err := from.Keys.Export(from.Domain)
	from.must(err)
	key, err := x509.ParsePKCS8PrivateKey(der)
	from.must(err)
	public, err := x509.MarshalPKIXPublicKey(&key.(*rsa.PrivateKey).PublicKey)
	from.must(err)
	to.DNS.TXT(lab.Selector+"._domainkey."+from.Domain, "v=DKIM1; k=rsa; p="+base64.StdEncoding.EncodeToString(public))
}

// machineMarks are the fields by which a machine says that it is one.
var machineMarks = regexp.MustCompile(`(?im)^(auto-submitted|precedence|x-auto-response-suppress|x-loop|list-[a-z]+):.*\r?\n(?:[ \t].*\r?\n)*`)

func TestLoopTwoDesks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func([]byte) []byte
	}{
		{"as they are", nil},
		// A gateway between them takes off all that would tell.
		{"without the marks of a machine", func(raw []byte) []byte {
			head, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
			return slices.Concat(machineMarks.ReplaceAll(append(head, "\r\n"...), nil), []byte("\r\n"), body)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newDesk(t, 90*time.Second, lab.Options{}, acknowledging(lab.Domain))
			b := newDesk(t, 90*time.Second, lab.Options{Domain: "other-desk.example"}, acknowledging("other-desk.example"))
			introduce(t, a, b)
			introduce(t, b, a)
			// Somebody opens a ticket at one in the name of the other.
			raw, err := b.Keys.Sign(lab.Letter{From: "new@" + b.Domain, To: "new@" + a.Domain, Subject: "Hello", MessageID: "hello@" + b.Domain, Body: "Hello.\n"}.Raw(), b.Domain)
			a.must(err)
			a.must(a.Send(a.ctx, "new@"+b.Domain, []string{"new@" + a.Domain}, raw))
			a.waitTickets(1)
			there, back := &pump{from: a, to: b, change: c.change}, &pump{from: b, to: a, change: c.change}
			silence(a, there, back)
			if there.carried == 0 {
				t.Error("no mail has gone from one desk to the other: this shows nothing")
			}
			a.atMostOne()
			b.atMostOne()
		})
	}
}

func TestLoopVacationResponder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, fields, subject string
		anew                  bool // not an answer: a new mail to the queue each time
	}{
		{"one that says so", "Auto-Submitted: auto-replied\r\n", "Auto: ", false},
		{"one of a phone company", "X-Autoreply: yes\r\nPrecedence: junk\r\n", "Out of office: ", false},
		{"one that says nothing", "", "I am not here: ", false},
		// Each acknowledgement would bring another ticket with another one, for ever: here the
		// limit alone ends it.
		{"one that says nothing and begins anew", "", "I am not here: ", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t, time.Minute, lab.Options{}, acknowledging(lab.Domain))
			d.write(lab.Letter{From: jane, To: "new@" + lab.Domain, Subject: "Help", MessageID: "help@" + lab.SignedDomain, Body: "Help.\n"})
			name := d.waitTickets(1)[0].Name
			d.silent()
			d.reply(name, "r", "Here it is.")
			answered := 0
			for quiet, round := 0, 0; quiet < 2; round++ {
				all := d.Sink.Mails()
				if quiet++; len(all) > answered {
					quiet = 0
				}
				for _, m := range all[answered:] {
					answered++
					to, err := mail.ParseAddress(m.Header("Reply-To"))
					if err != nil {
						to, err = mail.ParseAddress(m.Header("From"))
					}
					d.must(err)
					away := lab.Letter{From: jane, To: to.Address, Subject: c.subject + m.Header("Subject"), MessageID: fmt.Sprintf("away%d@%s", answered, lab.SignedDomain),
						InReplyTo: strings.Trim(m.Header("Message-ID"), "<>"), Fields: c.fields, Body: "I am away.\n"}
					if c.anew {
						away.To, away.InReplyTo = "new@"+lab.Domain, ""
					}
					d.write(away)
				}
				d.silent()
				if round > 30 {
					t.Fatalf("%d mails, and it does not end", answered)
				}
			}
			if answered < 1 {
				t.Error("nothing went out: this shows nothing")
			}
			d.atMostOne()
		})
	}
}

// A list has the desk as a member, and a storm of bounces and automatic answers comes
// down on queue and ticket.
func TestLoopListAndBounceStorm(t *testing.T) {
	t.Parallel()
	const storm = 100
	d := newDesk(t, 2*time.Minute, lab.Options{}, acknowledging(lab.Domain))
	d.write(lab.Letter{From: jane, To: "new@" + lab.Domain, Subject: "Help", MessageID: "help@" + lab.SignedDomain, Body: "Help.\n"})
	ticket := d.waitTickets(1)[0]
	d.silent()
	before := len(d.Sink.Mails())
	send := func(reverse, to string, m lab.Letter) {
		m.To = to
		raw, err := d.Keys.Sign(m.Raw(), lab.SignedDomain)
		d.must(err)
		d.must(d.Send(d.ctx, reverse, []string{to}, raw))
	}
	for i := range storm {
		person := fmt.Sprintf("person%d@%s", i, lab.SignedDomain)
		id := func(kind string) string { return fmt.Sprintf("%s%d@%s", kind, i, lab.SignedDomain) }
		to := []string{"new@" + lab.Domain, ticket.Name + "@" + lab.Domain}[i%2]
		send("list-bounces@"+lab.SignedDomain, to, lab.Letter{From: person, Subject: "[team] Lunch", MessageID: id("list"), Fields: "List-Id: <team." + lab.SignedDomain + ">\r\nPrecedence: list\r\n", Body: "Lunch?\n"})
		// RFC 5321 section 4.5.5: to the null reverse-path nothing is ever answered, whoever From names.
		send("", to, lab.Letter{From: person, Subject: "Hello", MessageID: id("null"), Body: "Hello.\n"})
		send("", to, lab.Letter{From: "MAILER-DAEMON@" + lab.SignedDomain, Subject: "Undelivered Mail Returned to Sender", MessageID: id("bounce"), Body: "<x@y.example>: 550 5.1.1 no such user\n"})
		send(person, to, lab.Letter{From: person, Subject: "Automatic reply: Help", MessageID: id("auto"), Fields: "Auto-Submitted: auto-replied\r\n", Body: "I am away.\n"})
	}
	d.silent()
	if out := d.Sink.Mails()[before:]; len(out) != 0 {
		t.Errorf("%d mails went out, the first to %v:\n%s", len(out), out[0].To, out[0].Data)
	}
	if got, err := d.api.Ticket(d.ctx, ticket.Name); err != nil || got.Status != "new" {
		t.Errorf("the ticket is %+v, %v", got, err)
	}
}
