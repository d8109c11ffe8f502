package integration

import (
	"testing"
	"time"

	"postdesk/integration/lab"
)

// The acknowledgement passes the real submission port with the null reverse-path, says of
// itself that a machine wrote it, and an answer to it lands on its ticket. A second mail
// of the same sender gets none.
func TestAcknowledgement(t *testing.T) {
	t.Parallel()
	queues := []lab.Queue{{Key: "SUPPORT", Name: "Support", Addresses: []string{"new@" + lab.Domain}, FirstNumber: 7102, Acknowledge: true}}
	d := newDesk(t, time.Minute, lab.Options{SinkDSN: true}, lab.AgentOptions{Queues: queues})
	d.write(lab.Letter{From: jane, Name: "Jane Doe", To: "new@" + lab.Domain, Subject: "First", MessageID: "first@" + lab.SignedDomain, Body: "Help.\n"})
	ack, err := d.Sink.Wait(d.ctx, "the acknowledgement", lab.To(jane))
	d.must(err)
	if ack.From != "" {
		t.Errorf("reverse-path <%s>, want the null one", ack.From)
	}
	for field, want := range map[string]string{
		"Auto-Submitted": "auto-replied", "X-Auto-Response-Suppress": "All", "Subject": "Auto: First", "In-Reply-To": "<first@" + lab.SignedDomain + ">",
	} {
		if got := ack.Header(field); got != want {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
	d.write(lab.Letter{From: jane, To: "new@" + lab.Domain, Subject: "Second", MessageID: "second@" + lab.SignedDomain, Body: "More.\n"})
	d.waitTickets(2)
	d.reply("SUPPORT-7103", "k1", "The fence.")
	_, err = d.Sink.Wait(d.ctx, "the reply", func(m lab.Mail) bool { return m.Header("Subject") == "RE: Second" })
	d.must(err)
	if n := len(d.Sink.Mails()); n != 2 {
		t.Errorf("%d mails went out, want the acknowledgement and the reply", n)
	}
}
