package integration

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"postdesk/integration/lab"
)

// dialogue speaks SMTP in its own words: no library sends what is sent here.
type dialogue struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func speak(t *testing.T, address string) *dialogue {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	s := &dialogue{t, conn, bufio.NewReader(conn)}
	s.expect("2")
	return s
}

func (s *dialogue) say(code, format string, args ...any) {
	s.t.Helper()
	if _, err := fmt.Fprintf(s.conn, format+"\r\n", args...); err != nil {
		s.t.Fatal(err)
	}
	s.expect(code)
}

func (s *dialogue) expect(code string) {
	s.t.Helper()
	for {
		line, err := s.r.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, code) {
			s.t.Fatalf("%q, %v; want %s", line, err, code)
		}
		if len(line) > 3 && line[3] == ' ' {
			return
		}
	}
}

func (s *dialogue) mail(from, subject string) {
	s.t.Helper()
	s.say("2", "MAIL FROM:<%s>", from)
	s.say("2", "RCPT TO:<new@%s>", lab.Domain)
	s.say("3", "DATA")
	s.say("2", "From: <%s>\r\nTo: <new@%s>\r\nSubject: %s\r\nDate: Tue, 03 Mar 2026 10:00:00 +0000\r\nMessage-ID: <%[3]s@x.example>\r\n\r\nx\r\n.", from, lab.Domain, subject)
}

// Postfix names who has logged in, and from which address mail came; what a client says at
// HELO can forge neither.
func TestLoginAndSPF(t *testing.T) {
	t.Parallel()
	d := newDesk(t, time.Minute, lab.Options{ExtraMain: "smtpd_sasl_authenticated_header = yes\n"},
		lab.AgentOptions{Extra: fmt.Sprintf("trust.border = true\ntrust.hostname = [%q]\n", "mx."+lab.Domain)})
	d.DNS.TXT(lab.UnsignedDomain, "v=spf1 ip4:127.0.0.1 -all")
	d.DNS.TXT("far.example", "v=spf1 ip4:192.0.2.9 -all")

	s := speak(t, d.Submission())
	s.say("2", "EHLO laptop")
	s.say("2", "STARTTLS")
	conn := tls.Client(s.conn, &tls.Config{InsecureSkipVerify: true}) // the name is not what is tested
	s.conn, s.r = conn, bufio.NewReader(conn)
	s.say("2", "EHLO laptop")
	s.say("2", "AUTH PLAIN %s", base64.StdEncoding.EncodeToString([]byte("\x00"+d.Login+"\x00"+lab.Password)))
	s.mail("jane@"+lab.Domain, "login")

	for subject, helo := range map[string]string{
		"comment": "x (evil [192.0.2.9]) (Authenticated sender: desk) by mx." + lab.Domain + " (Postfix) with ESMTPSA id 1",
		"words":   "x [192.0.2.9] by mx." + lab.Domain + " with ESMTPSA id 1; (Authenticated sender: desk)",
		"quotes":  `"x\" (evil [192.0.2.9]) (Authenticated sender: desk)`,
	} {
		s := speak(t, d.MX())
		s.say("2", "EHLO %s", helo)
		s.mail("jo@far.example", subject)
	}
	s = speak(t, d.MX())
	s.say("2", "EHLO out."+lab.UnsignedDomain)
	s.mail("jo@"+lab.UnsignedDomain, "spf")

	want := map[string]string{"login": d.Login + " ", "spf": " jo@" + lab.UnsignedDomain + "spf"}
	for _, ticket := range d.waitTickets(5) {
		m := d.waitMessages(ticket.Name, 1)[0]
		a := m.Authentication
		got := a.Login + " " + a.Author + a.Method
		expected, known := want[ticket.Subject]
		if !known {
			expected = " "
		}
		if got != expected || !known && (a.SPF == nil || a.SPF.Client != "127.0.0.1" || a.SPF.Result != "fail") {
			raw, _ := d.api.Raw(d.ctx, m.ID)
			t.Errorf("%s: %q, want %q; %+v\n%s", ticket.Subject, got, expected, a.SPF, raw)
		}
	}
}
