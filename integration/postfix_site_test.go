package integration

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"postdesk/integration/lab"
)

// The busy site: a domain that it relays for a partner, one with mailboxes, and the
// machine's own, each with what sites have around them.
const (
	partner = "partner.example"
	boxes   = "mailbox.example"
)

const busyMain = `relay_domains = ` + partner + `
transport_maps = texthash:DIR/etc/transports
virtual_mailbox_domains = ` + boxes + `
virtual_mailbox_maps = texthash:DIR/etc/boxes
virtual_transport = lmtp:unix:DIR/dovecot/run/lmtp.sock
virtual_alias_maps = texthash:DIR/etc/virtual
recipient_delimiter = +
smtpd_sender_restrictions = check_sender_access texthash:DIR/etc/blocked
policy_timeout = 5s
`

func busyFiles(l *lab.Lab) map[string]string {
	return map[string]string{
		"transports": fmt.Sprintf("%s smtp:[127.0.0.1]:%d\n", partner, l.SinkPort),
		"boxes":      "jane@" + boxes + " jane\nsam@" + boxes + " sam\nblocked@" + boxes + " blocked\n",
		"virtual": "sales@" + boxes + " jane@" + boxes + "\nall@" + boxes + " jane@" + boxes + ", sam@" + boxes + "\nfriend@" + boxes + " friend@elsewhere.example\n" +
			"support@" + boxes + " jane@" + boxes + "\n",
		"blocked": "spammer.example REJECT we do not want your mail\n",
		"aliases": "root jane@" + boxes + "\n",
	}
}

// busy is the site with its desk.
type busy struct {
	*site
	dovecot *lab.Dovecot
}

// newBusy starts the site before the desk comes.
func newBusy(t *testing.T) *busy {
	dns, err := lab.NewDNS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dns.Stop() })
	filter, err := lab.NewRspamd(t.TempDir(), dns.Addr())
	if err != nil {
		t.Fatal(err)
	}
	d := stoppedDesk(t, 2*time.Minute, lab.Options{WithoutDesk: true, ExtraMain: filter.MilterMain()}, lab.AgentOptions{
		Queues: []lab.Queue{
			{Key: "SUPPORT", Name: "Support", Addresses: []string{"new@" + lab.Domain}, FirstNumber: 7102},
			{Key: "HELP", Name: "Help", Addresses: []string{"support@" + boxes}, Domain: boxes, FirstNumber: 1},
		},
		Extra:     fmt.Sprintf("shared_domains = [%q]\ntrust.authserv_id = %q\ntrust.authserv_place = \"below\"\n", boxes, "mx."+lab.Domain),
		WithStaff: true,
	})
	b := &busy{site: &site{d}}
	t.Cleanup(func() { _ = filter.Stop() })
	b.must(filter.Start(b.ctx))
	b.dovecot, err = b.StartDovecot(b.ctx)
	b.must(err)
	t.Cleanup(func() { _ = b.dovecot.Stop() })
	for name, text := range busyFiles(b.Lab) {
		b.must(os.WriteFile(filepath.Join(b.ConfigDir(), name), []byte(text), 0o644))
	}
	main := filepath.Join(b.ConfigDir(), "main.cf")
	text, err := os.ReadFile(main)
	b.must(err)
	more := strings.ReplaceAll(busyMain, "DIR", b.Dir)
	old := []string{"mydestination =\n", "mydestination = $myhostname\n", "alias_maps =\n", "alias_maps = texthash:" + b.ConfigDir() + "/aliases\n", "local_recipient_maps =\n", "local_recipient_maps = $alias_maps\n",
		"smtpd_recipient_restrictions = reject_unlisted_recipient,", fmt.Sprintf("smtpd_recipient_restrictions = reject_unlisted_recipient, check_policy_service inet:127.0.0.1:%d,", policy(t))}
	b.must(os.WriteFile(main, []byte(strings.NewReplacer(old...).Replace(string(text))+more), 0o644))
	b.age()
	b.reload()
	return b
}

// policy is a policy service (SMTPD_POLICY_README) that refuses one recipient.
func policy(t *testing.T) (port int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				for buffer := make([]byte, 8192); ; {
					n, err := c.Read(buffer) // Postfix sends a request in one write
					if errors.Is(err, io.EOF) || err != nil {
						return
					}
					answer := "action=DUNNO\n\n"
					if strings.Contains(string(buffer[:n]), "recipient=blocked@") {
						answer = "action=REJECT by policy\n\n"
					}
					_, _ = io.WriteString(c, answer)
				}
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

// trial is one mail that others send through the site.
type trial struct {
	name, from string
	to         []string
	login      bool // through the submission port
}

func trials(l *lab.Lab) []trial {
	const out = "ann@" + lab.UnsignedDomain
	return []trial{
		{name: "relayed", from: out, to: []string{"ann@" + partner}},
		{name: "relayed to anybody", from: out, to: []string{"whoever.it.is@" + partner}},
		{name: "a mailbox", from: out, to: []string{"jane@" + boxes}},
		{name: "two mailboxes", from: out, to: []string{"jane@" + boxes, "sam@" + boxes}},
		{name: "with an extension", from: out, to: []string{"jane+list@" + boxes}},
		{name: "an alias", from: out, to: []string{"sales@" + boxes}},
		{name: "an alias of two", from: out, to: []string{"all@" + boxes}},
		{name: "an alias to elsewhere", from: out, to: []string{"friend@" + boxes}},
		{name: "a report", from: "", to: []string{"jane@" + boxes}},
		{name: "a local alias", from: out, to: []string{"root@" + l.Host}},
		{name: "mixed", from: out, to: []string{"sam@" + boxes, "nobody@" + boxes, "ann@" + partner}},
		{name: "unknown", from: out, to: []string{"nobody@" + boxes}},
		{name: "unknown, like a ticket", from: out, to: []string{"sales-1@" + boxes}},
		{name: "unknown, local", from: out, to: []string{"nobody@" + l.Host}},
		{name: "a blocked sender", from: "x@spammer.example", to: []string{"jane@" + boxes}},
		{name: "by policy", from: out, to: []string{"blocked@" + boxes}},
		{name: "relaying", from: out, to: []string{"somebody@elsewhere.example"}},
		{name: "from staff", from: l.StaffAddress, to: []string{"customer@elsewhere.example"}, login: true},
		{name: "from staff by another address", from: "jane@" + boxes, to: []string{"customer@elsewhere.example"}, login: true},
	}
}

// outcome is what became of all trials: what the sender was told, what the log says of each
// delivery and refusal, and what lies in the mailboxes and at the sink.
func (b *busy) outcome(round string) []string {
	b.t.Helper()
	log, sunk := len(b.Log()), len(b.Sink.Mails())
	var out []string
	for _, tr := range trials(b.Lab) {
		raw := fmt.Sprintf("From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\nDate: Fri, 27 Nov 2026 10:00:00 +0000\r\nMessage-ID: <%d.%s@%s>\r\n\r\nGrüße, %s\r\n%s\r\n",
			tr.from, tr.to[0], tr.name, len(out), round, lab.UnsignedDomain, tr.name, strings.Repeat("long ", 500))
		out = append(out, fmt.Sprintf("%s: told %v", tr.name, b.try(tr, []byte(raw))))
	}
	b.must(b.Empty(b.ctx))
	var lines []string
	for line := range strings.SplitSeq(b.Log()[log:], "\n") {
		if strings.Contains(line, " status=") || strings.Contains(line, " reject: ") || strings.Contains(line, "warning: ") {
			lines = append(lines, "log: "+normal(line))
		}
	}
	for _, user := range []string{"jane", "sam", "blocked"} {
		mails, err := b.dovecot.Mailbox(user + "@" + boxes)
		b.must(err)
		for _, m := range mails {
			if strings.Contains(m, "."+round+"@") {
				lines = append(lines, user+" has "+content(m))
			}
		}
	}
	for _, m := range b.Sink.Mails()[sunk:] {
		lines = append(lines, fmt.Sprintf("sink has %s %s %s", m.From, m.To, content(string(m.Data))))
	}
	slices.Sort(lines)
	return append(out, lines...)
}

// content is what the author wrote, and what filters wrote above it.
func content(m string) string {
	m = strings.ReplaceAll(m, "\r\n", "\n")
	header, body, _ := strings.Cut(m, "\n\n")
	var keep []string
	for line := range strings.SplitSeq(header, "\n") {
		if name, _, _ := strings.Cut(line, ":"); slices.Contains([]string{"From", "To", "Subject", "Delivered-To", "Return-Path", "Content-Transfer-Encoding"}, name) {
			keep = append(keep, line)
		}
	}
	return strings.Join(keep, " | ") + " | " + body
}

var variable = []*regexp.Regexp{
	regexp.MustCompile(`^\w+ +\d+ [\d:]+ \S+ `), // time and host
	regexp.MustCompile(`\[\d+\]`),               // process
	regexp.MustCompile(`: [0-9A-Za-z]{8,20}: `), // queue id
	regexp.MustCompile(`queued as \w+`),
	regexp.MustCompile(`delays?=[\d./]+`),
	regexp.MustCompile(`> \S+ Saved`), // Dovecot's session
	regexp.MustCompile(`forwarded as \w+`),
	regexp.MustCompile(` conn_use=\d+,`), // a connection that was open still
}

func normal(line string) string {
	for _, re := range variable {
		line = re.ReplaceAllString(line, " ")
	}
	return strings.Join(strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == ',' }), " ")
}

// try sends a mail, all recipients one by one, and gives what was refused.
func (b *busy) try(tr trial, raw []byte) (refused []string) {
	b.t.Helper()
	c := b.session(tr.login)
	defer func() { _ = c.Close() }()
	say := func(err error) bool {
		if err != nil {
			refused = append(refused, err.Error())
		}
		return err == nil
	}
	if !say(c.Mail(tr.from, &smtp.MailOptions{Body: smtp.Body8BitMIME})) {
		return refused
	}
	taken := 0
	for _, to := range tr.to {
		if say(c.Rcpt(to, nil)) {
			taken++
		}
	}
	if taken > 0 {
		w, err := c.Data()
		b.must(err)
		_, err = w.Write(raw)
		b.must(err)
		say(w.Close())
	}
	_ = c.Quit()
	return refused
}

func (b *busy) session(login bool) *smtp.Client {
	b.t.Helper()
	if !login {
		c, err := b.Dial(b.ctx)
		b.must(err)
		return c
	}
	conn, err := (&net.Dialer{}).DialContext(b.ctx, "tcp", b.Submission())
	b.must(err)
	c, err := smtp.NewClientStartTLS(conn, &tls.Config{InsecureSkipVerify: true}) // the name is not what is tested
	b.must(err)
	b.must(c.Auth(sasl.NewPlainClient("", b.StaffLogin, lab.Password)))
	return c
}

// A Postfix that serves others is given a desk by "postdesk postfix print", to the letter,
// and goes on to serve them exactly as before.
func TestPostfixSite(t *testing.T) {
	t.Parallel()
	b := newBusy(t)
	before := b.outcome("before")
	if all := strings.Join(before, "\n"); strings.Count(all, "jane has ") != 7 || strings.Count(all, "sink has ") != 5 || strings.Count(all, " reject: ") != 8 {
		t.Fatalf("the site does not work before the desk comes:\n%s", all)
	}
	b.must(b.agent.Start(b.ctx))
	b.connect()
	commands, err := b.agent.Command(b.ctx, "postfix", "print", "commands", "-c", b.ConfigDir())
	b.must(err)
	b.sh(commands)
	b.reload()
	b.clean("after print")
	after := b.outcome("after")
	for _, line := range difference(before, after) {
		t.Errorf("only before: %s", line)
	}
	for _, line := range difference(after, before) {
		t.Errorf("only after: %s", line)
	}
	b.converse()
}

func difference(a, b []string) (out []string) {
	left := slices.Clone(b)
	for _, line := range a {
		if i := slices.Index(left, line); i >= 0 {
			left = slices.Delete(left, i, i+1)
		} else {
			out = append(out, line)
		}
	}
	return out
}

// converse plays a conversation in each of the desk's domains.
func (b *busy) converse() {
	b.t.Helper()
	for i, to := range []string{"new@" + lab.Domain, "support@" + boxes} {
		b.write(lab.Letter{From: jane, To: to, Subject: "The printer", Body: "It burns.", MessageID: fmt.Sprintf("first%d@%s", i, lab.SignedDomain)})
		ticket := b.waitTickets(i + 1)[0]
		b.reply(ticket.Name, ticket.Name, "Put it out.")
		domain := to[strings.IndexByte(to, '@')+1:]
		answer, err := b.Sink.Wait(b.ctx, "an answer from "+domain, func(m lab.Mail) bool {
			return slices.Contains(m.To, jane) && strings.Contains(m.Header("From"), domain)
		})
		b.must(err)
		if want := strings.ToLower(ticket.Name) + "@" + domain; !strings.Contains(strings.ToLower(answer.Header("From")), want) {
			b.t.Errorf("the answer is from %s, not from %s", answer.Header("From"), want)
		}
		b.write(lab.Letter{From: jane, To: ticket.Name + "@" + domain, Subject: "Re: The printer", Body: "It does not.", InReplyTo: strings.Trim(answer.Header("Message-ID"), "<>")})
		b.waitMessages(ticket.Name, 3)
		var refusal *smtp.SMTPError
		if err := b.Send(b.ctx, jane, []string{"nobody@" + domain}, []byte("Subject: x\r\n\r\nx\r\n")); !errors.As(err, &refusal) || refusal.Code != 550 {
			b.t.Errorf("an unknown address of %s: %v", domain, err)
		}
	}
	mails, err := b.dovecot.Mailbox("jane@" + boxes)
	b.must(err)
	if all := strings.Join(mails, ""); strings.Contains(all, "The printer") {
		b.t.Error("mail of the desk is in a mailbox, by an alias that support@ had before")
	}
}
