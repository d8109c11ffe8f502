package integration

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"postdesk/integration/lab"
	"postdesk/ticketing"
)

// table is Postfix's table of recipients, from the very patterns of the desk.
func table(t *testing.T, q ticketing.Queue, shared bool) string {
	t.Helper()
	dir, err := ticketing.NewDirectory([]ticketing.Queue{q})
	if err != nil {
		t.Fatal(err)
	}
	if !shared {
		dir.AddRole(q.Domain, q.Key)
	}
	var b strings.Builder
	for _, p := range dir.Patterns() {
		fmt.Fprintf(&b, "/%s/ OK\n", p)
	}
	return b.String()
}

var support = ticketing.Queue{Key: "SUPPORT", Domain: lab.Domain, Addresses: []string{"new@" + lab.Domain, "support@" + lab.Domain}}

// Port 25 takes what can be ours and refuses the rest, whether the agent runs or not;
// what came meanwhile arrives after the start, and nothing bounces.
func TestRecipients(t *testing.T) {
	t.Parallel()
	d := stoppedDesk(t, time.Minute, lab.Options{Recipients: table(t, support, false)}, lab.AgentOptions{})
	accepted := []string{"new@", "NEW@", "support@", "support+anything@", "SUPPORT-88@", "support-999999@", "support-1+0123456789abcdefg@", "postmaster@", "abuse@"}
	refused := []string{"nobody@", "root@", "other-1@", "support-x@", "support-@", "xsupport@", "new.x@"}
	try := func(run string) {
		for _, local := range accepted {
			if err := d.Write(d.ctx, lab.Letter{From: jane, To: local + lab.Domain, Subject: run + " " + local, MessageID: run + local + lab.SignedDomain, Body: "x"}); err != nil {
				t.Errorf("%s%s is refused: %v", local, run, err)
			}
		}
		for _, local := range refused {
			wantRefused(d, local+lab.Domain)
		}
	}
	try("stopped")
	d.waitDeferred(len(accepted))
	d.must(d.agent.Start(d.ctx))
	d.connect()
	d.must(d.Empty(d.ctx))
	d.waitTickets(len(accepted))
	try("running")
	d.must(d.Empty(d.ctx))
	d.waitTickets(2 * len(accepted))
	if log := d.Log(); strings.Contains(log, "status=bounced") || strings.Contains(log, "sender non-delivery") {
		t.Error("something bounced")
	}
	if n := len(d.Sink.Mails()); n != 0 {
		t.Errorf("%d mails went out", n)
	}
}

func wantRefused(d *desk, to string) {
	d.t.Helper()
	err := d.Write(d.ctx, lab.Letter{From: jane, To: to, Subject: "x", Body: "x"})
	var reply *smtp.SMTPError
	if !errors.As(err, &reply) || reply.Code != 550 {
		d.t.Errorf("%s: want 550, got %v", to, err)
	}
}

// Single addresses of the desk stand in a domain that has mailboxes and aliases of
// its own; Postfix's own tables go on saying what happens to those.
func TestSingleAddressesInASharedDomain(t *testing.T) {
	t.Parallel()
	const boss, info = "boss@" + lab.Domain, "info@" + lab.Domain
	d := newDesk(t, time.Minute, lab.Options{
		Recipients: table(t, support, true), Mailboxes: []string{boss},
		ExtraMain: "virtual_alias_maps = inline:{ " + info + "=owner@" + lab.UnsignedDomain + " }",
	}, lab.AgentOptions{Extra: `shared_domains = ["` + lab.Domain + `"]`})
	for _, to := range []string{"support@" + lab.Domain, "SUPPORT-88+x@" + lab.Domain, boss, info} {
		d.write(lab.Letter{From: jane, To: to, Subject: "to " + to, MessageID: to, Body: "x"})
	}
	for _, to := range []string{"nobody@" + lab.Domain, "postmaster2@" + lab.Domain} {
		wantRefused(d, to)
	}
	d.waitTickets(2)
	for _, to := range []string{boss, "owner@" + lab.UnsignedDomain} {
		_, err := d.Sink.Wait(d.ctx, "the mail that is not the desk's", lab.To(to))
		d.must(err)
	}
	d.must(d.Empty(d.ctx))
	if n := len(d.Sink.Mails()); n != 2 {
		t.Errorf("%d mails went past the desk, want 2", n)
	}
}
