package integration

import (
	"net/mail"
	"strings"
	"testing"
	"time"

	"postdesk/integration/lab"
)

// The whole story: a signed mail becomes a ticket, the reply comes in the customer's
// own thread, and her answer lands on the same ticket.
func TestStory(t *testing.T) {
	t.Parallel()
	d := newDesk(t, time.Minute, lab.Options{SinkDSN: true}, lab.AgentOptions{})
	d.write(lab.Letter{From: jane, Name: "Jane Doe", To: "new@" + lab.Domain, Subject: "I can't login!", MessageID: "first@" + lab.SignedDomain, Body: "The page says 403.\n"})
	ticket := d.waitTickets(1)[0]
	if ticket.Name != "SUPPORT-7102" || ticket.Subject != "I can't login!" || ticket.Requester != jane || ticket.Unverified || ticket.Status != "new" {
		t.Fatalf("the ticket is %+v", ticket)
	}
	first := d.waitMessages(ticket.Name, 1)[0]
	if first.Authentication.Author != jane || first.Authentication.Method != "dkim" || first.Text != "The page says 403.\n" && first.Text != "The page says 403." {
		t.Errorf("the first message is %+v", first)
	}

	d.reply(ticket.Name, "k1", "Please try again.")
	out, err := d.Sink.Wait(d.ctx, "the reply", lab.To(jane))
	d.must(err)
	checkReply(t, out)
	if got, err := d.api.Ticket(d.ctx, ticket.Name); err != nil || got.Status != "waiting" {
		t.Errorf("after the reply: %+v, %v", got, err)
	}

	answerTo, err := mail.ParseAddress(out.Header("Reply-To"))
	d.must(err)
	d.write(lab.Letter{From: jane, Name: "Jane Doe", To: answerTo.Address, Subject: out.Header("Subject"), MessageID: "second@" + lab.SignedDomain,
		InReplyTo: strings.Trim(out.Header("Message-ID"), "<>"), Body: "It works now, thank you.\n"})
	messages := d.waitMessages(ticket.Name, 3)
	answer := messages[2]
	if answer.Authentication.Author != jane || answer.Row != "1" || answer.Visibility != "shown" || !strings.HasPrefix(answer.NewText, "It works now, thank you.") {
		t.Errorf("the answer is %+v", answer)
	}
	if got, err := d.api.Ticket(d.ctx, ticket.Name); err != nil || got.Status != "open" || got.Held != 0 {
		t.Errorf("after the answer: %+v, %v", got, err)
	}
	if n := len(d.waitTickets(1)); n != 1 {
		t.Errorf("%d tickets", n)
	}
	checkFeed(d)
}

// checkReply looks at the mail as the customer's server got it.
func checkReply(t *testing.T, m lab.Mail) {
	t.Helper()
	from, err := mail.ParseAddress(m.Header("From"))
	if err != nil || from.Address != "SUPPORT-7102@"+lab.Domain {
		t.Errorf("From: %s", m.Header("From"))
	}
	replyTo, err := mail.ParseAddress(m.Header("Reply-To"))
	if err != nil || !strings.HasPrefix(replyTo.Address, "SUPPORT-7102+") || !strings.HasSuffix(replyTo.Address, "@"+lab.Domain) || len(replyTo.Address) < len("SUPPORT-7102+@"+lab.Domain)+16 {
		t.Errorf("Reply-To: %s", m.Header("Reply-To"))
	}
	for name, want := range map[string]string{
		"Subject":     "RE: I can't login!",
		"In-Reply-To": "<first@" + lab.SignedDomain + ">",
		"References":  "<first@" + lab.SignedDomain + ">",
	} {
		if got := m.Header(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if id := m.Header("Message-ID"); !strings.HasPrefix(id, "<SUPPORT-7102.") || !strings.HasSuffix(id, "@"+lab.Domain+">") {
		t.Errorf("Message-ID: %s is not one of ours", id)
	}
	if to, err := mail.ParseAddress(m.Header("To")); err != nil || to.Address != jane {
		t.Errorf("To: %s", m.Header("To"))
	}
	if !strings.HasPrefix(m.From, "support-bounces+") || m.EnvelopeID == "" {
		t.Errorf("envelope: from %q, ENVID %q", m.From, m.EnvelopeID)
	}
	if !strings.Contains(string(m.Data), "Please try again.") {
		t.Errorf("the text is missing: %s", m.Data)
	}
}

// checkFeed wants the story's events in one sequence without gaps, in the order in
// which things happened.
func checkFeed(d *desk) {
	d.t.Helper()
	want := []string{"ticket.created", "message.received", "reply.added", "message.queued", "message.submitted", "message.received"}
	d.until("the events of the story", func() (bool, error) {
		events, err := d.api.AllEvents(d.ctx)
		next := 0
		for i, e := range events {
			if e.Seq != int64(i+1) {
				d.t.Fatalf("event %d has the number %d", i+1, e.Seq)
			}
			if next < len(want) && e.Type == want[next] && e.Ticket == "SUPPORT-7102" {
				next++
			}
		}
		return next == len(want), err
	})
}
