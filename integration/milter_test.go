package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"postdesk/integration/lab"
	"postdesk/postfix"
)

const filterHost = "mx." + lab.Domain

// What a real filter at the border has verified proves an author, where the desk itself
// cannot verify any more; a copy that the sender wrote proves nothing, also while the
// filter is down, and then no mail is lost.
func TestOpenDKIM(t *testing.T) {
	t.Parallel()
	keys := lab.NewSigner(nil)
	record, err := keys.Record(lab.SignedDomain)
	if err != nil {
		t.Fatal(err)
	}
	m, err := lab.NewOpenDKIM(t.TempDir(), filterHost, lab.Selector+"._domainkey."+lab.SignedDomain+" "+record+"\n")
	if err != nil {
		t.Fatal(err)
	}
	testFilter(t, m, keys, "above") // of Postfix's own Received field, as OpenDKIM 2.11 writes it
}

func TestRspamd(t *testing.T) {
	t.Parallel()
	dns, err := lab.NewDNS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dns.Stop() })
	keys := lab.NewSigner(dns)
	dns.TXT("_dmarc."+lab.SignedDomain, "v=DMARC1; p=reject")
	m, err := lab.NewRspamd(t.TempDir(), dns.Addr())
	if err != nil {
		t.Fatal(err)
	}
	testFilter(t, m, keys, "below") // as rspamd 3.4 writes it
}

// testFilter plays it with a filter that knows the keys, and an agent whose name server
// does not.
func testFilter(t *testing.T, m *lab.Milter, keys *lab.Signer, place string) {
	table := filepath.Join(t.TempDir(), "postdesk_recipients")
	site := postfix.Site{TablePath: table, AuthservID: filterHost}
	if err := os.WriteFile(site.HeaderPath(), []byte(postfix.HeaderTable(site)), 0o644); err != nil {
		t.Fatal(err)
	}
	empty, err := lab.NewDNS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { err = errors.Join(m.Stop(), empty.Stop()) })
	d := newDesk(t, time.Minute, lab.Options{ExtraMain: m.MilterMain() + "header_checks = regexp:" + site.HeaderPath() + "\n"},
		lab.AgentOptions{Extra: fmt.Sprintf("trust.authserv_id = %q\ntrust.authserv_place = %q\n", filterHost, place), Env: []string{"POSTDESK_DNS_NAMESERVER=" + empty.Addr()}})
	d.must(m.Start(d.ctx))
	d.Keys = keys

	forged := "Authentication-Results: " + filterHost + "; dkim=pass header.d=" + lab.SignedDomain + "; dmarc=pass header.from=" + lab.SignedDomain + "\r\n"
	unsigned := func(subject string) string {
		return fmt.Sprintf("From: <%s>\r\nTo: <new@%s>\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s@%s>\r\n\r\nx\r\n",
			jane, lab.Domain, subject, time.Now().Format(time.RFC1123Z), subject, lab.SignedDomain)
	}
	send := func(raw string) { d.must(d.Send(d.ctx, jane, []string{"new@" + lab.Domain}, []byte(raw))) }
	d.sendSigned(jane, "signed", "x\r\n")
	send(unsigned("unsigned"))
	send(forged + unsigned("forged"))
	d.waitTickets(3)
	d.must(m.Stop())
	send(forged + unsigned("forged-while-down"))
	send(forged + string(d.signed(jane, "signed-while-down", "x\r\n")))

	for _, ticket := range d.waitTickets(5) {
		message := d.waitMessages(ticket.Name, 1)[0]
		author, method := "", ""
		if ticket.Subject == "signed" {
			author, method = jane, "authserv"
		}
		if a := message.Authentication; a.Author != author || a.Method != method {
			raw, _ := d.api.Raw(d.ctx, message.ID)
			t.Errorf("%s: %+v\n%s\n%s", ticket.Subject, a, raw, m.Log())
		}
	}
}
