package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postdesk/integration/lab"
)

// A reply that the customer's server refuses is shown as failed on its ticket: the
// report comes back over LMTP, to the reverse-path of that one mail.
func TestFailedReport(t *testing.T) {
	d := newDesk(t, time.Minute, lab.Options{SinkDSN: true}, lab.AgentOptions{})
	d.write(lab.Letter{From: jane, To: "new@" + lab.Domain, Subject: "Gone soon", MessageID: "gone@" + lab.SignedDomain, Body: "x"})
	ticket := d.waitTickets(1)[0]
	d.Sink.Refuse(jane, 550, "no such user here")
	reply := d.reply(ticket.Name, "k", "An answer that nobody gets.")
	messages := d.waitMessages(ticket.Name, 3)
	d.until("the failed reply", func() (bool, error) {
		var err error
		messages, err = d.api.Messages(d.ctx, ticket.Name)
		for _, m := range messages {
			if m.ID == reply.ID && len(m.Outgoing) == 1 && m.Outgoing[0].State == "failed" {
				if !strings.Contains(m.Outgoing[0].LastReply, "no such user here") {
					t.Errorf("staff read %q", m.Outgoing[0].LastReply)
				}
				return true, err
			}
		}
		if err == nil {
			err = fmt.Errorf("messages: %+v", messages)
		}
		return false, err
	})
	if report := messages[2]; report.Kind != "report" || report.Visibility != "folded" {
		t.Errorf("the report is %+v", report)
	}
	if got, err := d.api.Ticket(d.ctx, ticket.Name); err != nil || got.Status != "open" {
		t.Errorf("somebody must look at the ticket again: %+v, %v", got, err)
	}
	if n := len(d.waitTickets(1)); n != 1 {
		t.Errorf("the report opened a ticket: %d", n)
	}
	d.must(d.Empty(d.ctx))
}
