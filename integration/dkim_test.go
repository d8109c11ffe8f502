package integration

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"postdesk/integration/lab"
)

// Every body that a customer's server may sign verifies after the way through
// Postfix: smtpd, queue and lmtp(8) must leave each octet alone.
func TestDKIMThroughPostfix(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return strings.Repeat("0123456789", n/10+1)[:n] + "\r\n" }
	bodies := map[string]string{
		"utf-8":               "Grüße aus Köln, 日本語\r\n",
		"latin-1":             "Gr\xfc\xdfe\r\n",
		"line of 998":         long(998),
		"line of 999":         long(999),
		"line of 1,500":       long(1500),
		"line of 100,000":     "before\r\n" + long(100_000) + "after\r\n",
		"trailing space":      "a \r\nb\t\r\n   \r\nc\r\n",
		"trailing lines":      "a\r\n\r\n\r\n\r\n",
		"dots":                ".\r\n..\r\n.a\r\n \r\n.\r\n",
		"nul":                 "a\x00b\r\n\x00\r\n",
		"from":                "From the beginning\r\n>From\r\n",
		"no final line break": "the end",
		"empty":               "",
	}
	d := newDesk(t, time.Minute, lab.Options{}, lab.AgentOptions{})
	sent := map[string][]byte{}
	for name, body := range bodies {
		sent[name] = d.sendSigned(jane, name, body)
	}
	sent["utf-8 address"] = d.sendSigned("jané@"+lab.SignedDomain, "utf-8 address", "x\r\n")
	// The test would see a broken signature: this one is.
	altered := d.signed(jane, "altered", "pay 10\r\n")
	d.must(d.Send(d.ctx, jane, []string{"new@" + lab.Domain}, bytes.Replace(altered, []byte("pay 10"), []byte("pay 99"), 1)))

	for _, ticket := range d.waitTickets(len(sent) + 1) {
		m := d.waitMessages(ticket.Name, 1)[0]
		raw, ok := sent[ticket.Subject]
		if !ok {
			if m.Authentication.Author != "" || !ticket.Unverified {
				t.Errorf("%s: the author counts as proven: %+v", ticket.Subject, m.Authentication)
			}
			continue
		}
		if m.Authentication.Author != m.From.Address || m.Authentication.Method != "dkim" || ticket.Unverified {
			t.Errorf("%s: does not verify: %+v", ticket.Subject, m.Authentication)
		}
		got, err := d.api.Raw(d.ctx, m.ID)
		d.must(err)
		if !bytes.HasSuffix(got, lineEnd(raw)) {
			t.Errorf("%s: Postfix or the agent changed the bytes", ticket.Subject)
		}
	}
}

// lineEnd adds the line break that SMTP adds (RFC 5321 section 4.1.1.4).
func lineEnd(raw []byte) []byte {
	if bytes.HasSuffix(raw, []byte("\r\n")) {
		return raw
	}
	return append(bytes.Clone(raw), "\r\n"...)
}

func (d *desk) signed(from, subject, body string) []byte {
	d.t.Helper()
	raw := fmt.Sprintf("From: <%s>\r\nTo: <new@%s>\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%d@%s>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s",
		from, lab.Domain, subject, time.Now().Format(time.RFC1123Z), time.Now().UnixNano(), lab.SignedDomain, body)
	out, err := d.Keys.Sign([]byte(raw), lab.SignedDomain)
	d.must(err)
	return out
}

func (d *desk) sendSigned(from, subject, body string) []byte {
	d.t.Helper()
	raw := d.signed(from, subject, body)
	d.must(d.Send(d.ctx, from, []string{"new@" + lab.Domain}, raw))
	return raw
}
