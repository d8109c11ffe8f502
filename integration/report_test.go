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
	t.Parallel()
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
				if o := m.Outgoing[0]; !strings.Contains(o.LastReply, "no such user here") || o.Status != "5.1.1" || !o.Permanent {
					t.Errorf("staff read %+v", o)
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

// A reply that the customer's server puts off is shown as delayed, by the report that
// Postfix makes, and nobody is called. When Postfix gives it up, it is a failure for now:
// it waits to go out again, and still nobody is called.
func TestSoftReports(t *testing.T) {
	t.Parallel()
	slow := "delay_warning_time = 1s\nbounce_queue_lifetime = 10s\nmaximal_queue_lifetime = 10s\n"
	d := newDesk(t, 90*time.Second, lab.Options{SinkDSN: true, ExtraMain: slow}, lab.AgentOptions{})
	d.write(lab.Letter{From: jane, To: "new@" + lab.Domain, Subject: "Full soon", MessageID: "full@" + lab.SignedDomain, Body: "x"})
	ticket := d.waitTickets(1)[0]
	d.Sink.Refuse(jane, 452, "the mailbox is full")
	reply := d.reply(ticket.Name, "k", "An answer that waits.")
	fate := func(what string, fits func(lab.Outgoing) bool) {
		d.t.Helper()
		d.until(what, func() (bool, error) {
			messages, err := d.api.Messages(d.ctx, ticket.Name)
			for _, m := range messages {
				if m.ID == reply.ID && len(m.Outgoing) == 1 && fits(m.Outgoing[0]) {
					return true, err
				}
			}
			return false, fmt.Errorf("messages: %+v, %w", messages, err)
		})
		if got, err := d.api.Ticket(d.ctx, ticket.Name); err != nil || got.Status != "waiting" {
			t.Errorf("%s: the ticket is %+v, %v", what, got, err)
		}
	}
	fate("the delayed reply", func(o lab.Outgoing) bool {
		return o.State == "delayed" && strings.HasPrefix(o.Status, "4.") && !o.Permanent && strings.Contains(o.LastReply, "mailbox is full")
	})
	fate("the reply that waits to go out again", func(o lab.Outgoing) bool {
		return o.State == "queued" && o.Resubmitted == 1 && strings.HasPrefix(o.Status, "4.") && !o.Permanent
	})
	d.until("Postfix's queue is empty", func() (bool, error) { err := d.Empty(d.ctx); return err == nil, err })
}
