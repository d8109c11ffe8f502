package ticketing_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postdesk/ticketing"
)

// fateOf is a report about recipients, each written as "address action status".
func fateOf(recipients ...string) string {
	var b strings.Builder
	b.WriteString("From: MAILER-DAEMON@mx.example\r\nSubject: Delivery Status Notification\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n" +
		"--b\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n")
	for _, r := range recipients {
		f := strings.Fields(r)
		fmt.Fprintf(&b, "Final-Recipient: rfc822; %s\r\nAction: %s\r\nStatus: %s\r\nDiagnostic-Code: smtp; said of %s\r\n\r\n", f[0], f[1], f[2], f[0])
	}
	return b.String() + "--b--\r\n"
}

// answered is a world whose ticket has one answer that Postfix took.
func answered(t *testing.T, change func(*ticketing.Config)) (*world, ticketing.Outgoing) {
	t.Helper()
	w := newWorldOf(t, change)
	w.send("jo@customer.example", "new@desk.example", "x", "Message-ID: <a@customer.example>\r\n", "Help")
	w.answer("SUPPORT-7102", "Fix")
	out := w.fate()
	if err := w.SettleOutgoing(w.ctx, ticketing.Settlement{Outgoing: out.ID, State: ticketing.OutSubmitted, QueueID: "Q"}); err != nil {
		t.Fatal(err)
	}
	return w, out
}

// fate is the one mail that carries the answer.
func (w *world) fate() ticketing.Outgoing {
	w.t.Helper()
	c := w.ticket("SUPPORT-7102")
	return c.Outgoing[c.Messages[1].ID][0]
}

// What a report says decides what the ticket shows, and whether somebody must look.
func TestReportFates(t *testing.T) {
	for name, c := range map[string]struct {
		recipients []string
		state      ticketing.OutgoingState
		status     string
		permanent  bool
		reopened   bool
	}{
		"hard":                    {[]string{"jo@customer.example failed 5.1.1"}, ticketing.OutFailed, "5.1.1", true, true},
		"soft":                    {[]string{"jo@customer.example failed 4.4.7"}, ticketing.OutQueued, "4.4.7", false, false},
		"delayed":                 {[]string{"jo@customer.example delayed 4.4.1"}, ticketing.OutDelayed, "4.4.1", false, false},
		"delivered":               {[]string{"jo@customer.example delivered 2.1.5"}, ticketing.OutDelivered, "2.1.5", false, false},
		"relayed":                 {[]string{"jo@customer.example relayed 2.0.0"}, ticketing.OutRelayed, "2.0.0", false, false},
		"a word of its own":       {[]string{"jo@customer.example expired 5.4.7"}, ticketing.OutFailed, "5.4.7", true, true},
		"sent on elsewhere":       {[]string{"jo@elsewhere.example failed 5.2.2"}, ticketing.OutFailed, "5.2.2", true, true},
		"ours is one of several":  {[]string{"ann@customer.example failed 5.1.1", "Jo@Customer.example delayed 4.2.2"}, ticketing.OutDelayed, "4.2.2", false, false},
		"ours is none of several": {[]string{"ann@customer.example failed 5.1.1", "bob@customer.example failed 5.1.1"}, ticketing.OutSubmitted, "", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			w, out := answered(t, nil)
			w.sendAs("", []string{out.ReversePath}, fateOf(c.recipients...))
			if o := w.fate(); o.State != c.state || o.Status != c.status || o.Permanent != c.permanent || c.status != "" && !strings.HasPrefix(o.LastReply, "said of") {
				t.Errorf("the mail is %s %q %q, permanent %v", o.State, o.Status, o.LastReply, o.Permanent)
			}
			k := w.ticket("SUPPORT-7102")
			if got := k.Ticket.Status == ticketing.StatusOpen; got != c.reopened {
				t.Errorf("the ticket is %s", k.Ticket.Status)
			}
			if last := k.Messages[len(k.Messages)-1]; last.Kind != ticketing.KindReport || last.Visibility != ticketing.Folded {
				t.Errorf("the report: %+v", last)
			}
		})
	}
}

// A soft failure goes out again twice within a day, later each time, and then is for people.
func TestSoftFailureGoesOutAgain(t *testing.T) {
	w, out := answered(t, nil)
	for try := 1; try <= 3; try++ {
		w.sendAs("", []string{out.ReversePath}, strings.Replace(fateOf("jo@customer.example failed 4.2.2"), "Sorry.", fmt.Sprintf("Sorry %d.", try), 1))
		o := w.fate()
		if try == 3 {
			if o.State != ticketing.OutFailed || o.Permanent || o.Resubmitted != 2 {
				t.Errorf("at last it is %+v", o)
			}
			break
		}
		wait := time.Until(o.NextAttempt).Round(time.Hour)
		if o.State != ticketing.OutQueued || o.Resubmitted != try || wait != time.Duration(try)*time.Hour || o.Attempts != 0 {
			t.Fatalf("after failure %d: %+v, in %v", try, o, wait)
		}
		// A late word of delay takes it out of the queue as little as the same failure again does.
		w.sendAs("", []string{out.ReversePath}, strings.Replace(fateOf("jo@customer.example delayed 4.2.2"), "Sorry.", fmt.Sprintf("Late %d.", try), 1))
		w.sendAs("", []string{out.ReversePath}, strings.Replace(fateOf("jo@customer.example failed 4.2.2"), "Sorry.", fmt.Sprintf("Twice %d.", try), 1))
		if again := w.fate(); again.State != ticketing.OutQueued || again.Resubmitted != try {
			t.Errorf("after a late report: %+v", again)
		}
		if err := w.SettleOutgoing(w.ctx, ticketing.Settlement{Outgoing: o.ID, State: ticketing.OutSubmitted, QueueID: "Q"}); err != nil {
			t.Fatal(err)
		}
	}
	if c := w.ticket("SUPPORT-7102"); c.Ticket.Status != ticketing.StatusOpen {
		t.Errorf("the ticket is %s", c.Ticket.Status)
	}
}

// What failed after days in a queue is not sent for days again: people decide.
func TestOldSoftFailureIsForPeople(t *testing.T) {
	var later atomic.Int64
	w, out := answered(t, func(c *ticketing.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	})
	later.Store(int64(25 * time.Hour))
	w.sendAs("", []string{out.ReversePath}, fateOf("jo@customer.example failed 4.4.7"))
	if o, c := w.fate(), w.ticket("SUPPORT-7102"); o.State != ticketing.OutFailed || o.Permanent || c.Ticket.Status != ticketing.StatusOpen {
		t.Errorf("the mail is %s, the ticket %s", o.State, c.Ticket.Status)
	}
	if err := w.RetryOutgoing(w.ctx, jane, out.ID); err != nil {
		t.Fatal(err)
	}
	if o := w.fate(); o.State != ticketing.OutQueued || o.Status != "4.4.7" {
		t.Errorf("sent again by hand it is %+v", o)
	}
}

// A refusal at the submission port is a hard failure like one that comes back later.
func TestRefusedSubmission(t *testing.T) {
	w := newWorld(t)
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	w.answer("SUPPORT-7102", "Fix")
	out := w.fate()
	err := w.SettleOutgoing(w.ctx, ticketing.Settlement{Outgoing: out.ID, State: ticketing.OutFailed, Reply: "rcpt: 550 5.1.2 no such domain"})
	if o := w.fate(); err != nil || !o.Permanent || o.Status != "5.1.2" {
		t.Errorf("it is %+v, %v", o, err)
	}
}
