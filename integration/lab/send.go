package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// Letter is a mail of a customer in the making.
type Letter struct {
	From, To   string // header and envelope
	Name       string // display name of From, ASCII
	Subject    string
	MessageID  string // without angle brackets; empty: none
	InReplyTo  string // without angle brackets; also in References
	Fields     string // more header lines, each with CRLF
	Body       string
	Recipients []string // the envelope, where it differs from To
}

// Raw is the letter as bytes, with CRLF line ends.
func (l Letter) Raw() []byte {
	var b strings.Builder
	from := "<" + l.From + ">"
	if l.Name != "" {
		from = fmt.Sprintf("%q %s", l.Name, from)
	}
	fmt.Fprintf(&b, "From: %s\r\nTo: <%s>\r\nSubject: %s\r\nDate: %s\r\n", from, l.To, l.Subject, time.Now().Format(time.RFC1123Z))
	if l.MessageID != "" {
		fmt.Fprintf(&b, "Message-ID: <%s>\r\n", l.MessageID)
	}
	if l.InReplyTo != "" {
		fmt.Fprintf(&b, "In-Reply-To: <%s>\r\nReferences: <%s>\r\n", l.InReplyTo, l.InReplyTo)
	}
	b.WriteString(l.Fields)
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
	body := strings.ReplaceAll(strings.ReplaceAll(l.Body, "\r\n", "\n"), "\n", "\r\n")
	b.WriteString(strings.TrimSuffix(body, "\r\n") + "\r\n")
	return []byte(b.String())
}

// Write sends a letter to the MX; signed when the sender's domain is one that signs.
func (l *Lab) Write(ctx context.Context, m Letter) error {
	raw := m.Raw()
	if domain := m.From[strings.LastIndexByte(m.From, '@')+1:]; domain == SignedDomain {
		var err error
		if raw, err = l.Keys.Sign(raw, domain); err != nil {
			return err
		}
	}
	to := m.Recipients
	if to == nil {
		to = []string{m.To}
	}
	return l.Send(ctx, m.From, to, raw)
}

// Send hands raw to the MX as the outside world does. A refusal is an *smtp.SMTPError.
func (l *Lab) Send(ctx context.Context, from string, to []string, raw []byte) error {
	c, err := l.Dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := Transmit(c, from, to, raw); err != nil {
		return err
	}
	return c.Quit()
}

// Dial opens a session with the MX, for tests that send many mails.
func (l *Lab) Dial(ctx context.Context) (*smtp.Client, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.MX())
	if err != nil {
		return nil, err
	}
	c := smtp.NewClient(conn)
	if err := c.Hello("outside.example"); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Transmit sends one mail in a session.
func Transmit(c *smtp.Client, from string, to []string, raw []byte) error {
	utf8 := strings.ContainsFunc(from+strings.Join(to, ""), func(r rune) bool { return r > 127 })
	if err := c.Mail(from, &smtp.MailOptions{Body: smtp.Body8BitMIME, UTF8: utf8}); err != nil {
		return err
	}
	for _, a := range to {
		if err := c.Rcpt(a, nil); err != nil {
			return errors.Join(err, c.Reset())
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(bytes.ReplaceAll(bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))); err != nil {
		return err
	}
	return w.Close()
}
