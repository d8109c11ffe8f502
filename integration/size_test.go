package integration

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"postdesk/integration/lab"
)

// A mail of 1 GB is refused before a byte of it is sent, at port 25 and, should it come by
// another way, at our own door: nobody gets a bounce, and nothing is stored.
func TestOneGigabyteIsRefusedAtMAIL(t *testing.T) {
	t.Parallel()
	const gigabyte, postfix = 1 << 30, 52428800 // message_size_limit of the lab
	const agent = postfix + 64<<10              // what "postdesk check" asks for at least
	d := newDesk(t, time.Minute, lab.Options{}, lab.AgentOptions{Env: []string{fmt.Sprintf("POSTDESK_LMTP_MAX_MESSAGE_BYTES=%d", agent)}})

	c, err := d.Dial(d.ctx)
	d.must(err)
	if ok, size := c.Extension("SIZE"); !ok || size != fmt.Sprint(postfix) {
		t.Errorf("port 25 announces SIZE %q", size)
	}
	var refused *smtp.SMTPError
	if err := c.Mail(jane, &smtp.MailOptions{Size: gigabyte}); !errors.As(err, &refused) || refused.Code != 552 || refused.EnhancedCode != (smtp.EnhancedCode{5, 3, 4}) {
		t.Errorf("port 25 said %v", err)
	}
	d.must(c.Reset())
	d.must(lab.Transmit(c, jane, []string{"new@" + lab.Domain}, lab.Letter{From: jane, To: "new@" + lab.Domain, Subject: "small", Body: "x"}.Raw()))
	d.must(c.Quit())

	// Past Postfix, as Postfix would: with the size that it knows.
	own, err := net.Dial("unix", d.Socket)
	d.must(err)
	defer func() { _ = own.Close() }()
	l := smtp.NewClientLMTP(own)
	d.must(l.Hello("mx." + lab.Domain))
	if err := l.Mail(jane, &smtp.MailOptions{Size: gigabyte}); !errors.As(err, &refused) || refused.Code != 552 || refused.EnhancedCode != (smtp.EnhancedCode{5, 3, 4}) {
		t.Errorf("the agent said %v", err)
	}
	// What Postfix takes, the agent takes too.
	d.must(l.Mail(jane, &smtp.MailOptions{Size: postfix}))
	d.must(l.Quit())

	if all := d.waitTickets(1); all[0].Subject != "small" {
		t.Errorf("tickets: %+v", all)
	}
	d.noBounce()
}

// Limits that disagree are found before a mail is.
func TestCheckComparesTheLimits(t *testing.T) {
	t.Parallel()
	d := newDesk(t, time.Minute, lab.Options{}, lab.AgentOptions{Env: []string{"POSTDESK_LMTP_MAX_MESSAGE_BYTES=10240000"}})
	out, _ := d.agent.Command(d.ctx, "check", "--no-network", "--config-dir", d.ConfigDir())
	if !strings.Contains(out, "Postfix takes mail of 52428800 octets (message_size_limit), the agent 10240000") || !strings.Contains(out, "Raise the agent's limit to 52494336") {
		t.Errorf("check said:\n%s", out)
	}
}
