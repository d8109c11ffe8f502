package integration

import (
	"net/mail"
	"strings"
	"testing"
	"time"

	"postdesk/integration/lab"
)

// plain writes from a domain that signs nothing and publishes no policy, so that the token
// alone decides what becomes of the mail.
const plain = "paul@" + lab.UnsignedDomain

// A key is rotated, by the command an operator would type, and mail that is out there goes
// on working, also after a restart. A token that is revoked is worth nothing at once, and
// the next answer brings one that works.
func TestKeysRotateAndTokensEnd(t *testing.T) {
	t.Parallel()
	d := newDesk(t, time.Minute, lab.Options{}, lab.AgentOptions{})
	d.write(lab.Letter{From: plain, To: "new@" + lab.Domain, Subject: "Printer", MessageID: "k1@" + lab.UnsignedDomain, Body: "It is on fire.\n"})
	ticket := d.waitTickets(1)[0].Name
	old := d.tokenOf(ticket, "Please wait.")

	d.command("key", "rotate")
	d.must(d.agent.Stop(d.ctx))
	d.must(d.agent.Start(d.ctx))
	d.connect()
	fresh := d.tokenOf(ticket, "Is it still?")
	if old == fresh {
		t.Fatalf("%s is the token before and after the rotation", old)
	}
	if list := d.command("key", "list"); strings.Count(list, "verifies until") != 1 {
		t.Errorf("keys:\n%s", list)
	}
	d.answers("k2", old, "2", "shown")
	d.answers("k3", fresh, "2", "shown")

	d.command("participant", "revoke", ticket, plain)
	d.answers("k4", old, "6", "held")
	d.answers("k5", fresh, "6", "held")
	d.answers("k6", d.tokenOf(ticket, "Thank you."), "2", "shown")
}

// command runs the program as an operator does.
func (d *desk) command(args ...string) string {
	d.t.Helper()
	out, err := d.agent.Command(d.ctx, args...)
	d.must(err)
	return out
}

// tokenOf answers a ticket and gives the Reply-To that Paul reads.
func (d *desk) tokenOf(ticket, text string) string {
	d.t.Helper()
	d.reply(ticket, text, text)
	out, err := d.Sink.Wait(d.ctx, text, func(m lab.Mail) bool { return lab.To(plain)(m) && strings.Contains(string(m.Data), text) })
	d.must(err)
	to, err := mail.ParseAddress(out.Header("Reply-To"))
	d.must(err)
	return to.Address
}

// answers writes as Paul and wants the row of the table, and where the mail stands.
func (d *desk) answers(id, to, row, visibility string) {
	d.t.Helper()
	d.write(lab.Letter{From: plain, To: to, Subject: "RE: Printer", MessageID: id + "@" + lab.UnsignedDomain, Body: "Yes, says " + id + ".\n"})
	d.arrived()
	tickets, err := d.api.Tickets(d.ctx)
	d.must(err)
	for _, ticket := range tickets {
		messages, err := d.api.Messages(d.ctx, ticket.Name)
		d.must(err)
		for _, m := range messages {
			if m.MessageID == id+"@"+lab.UnsignedDomain {
				if m.Row != row || m.Visibility != visibility {
					d.t.Errorf("%s: row %s, %s; want row %s, %s", id, m.Row, m.Visibility, row, visibility)
				}
				return
			}
		}
	}
	d.t.Errorf("%s is on no ticket", id)
}
