package submission

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"postdesk/ticketing"
)

// Transaction is a mail (RFC 5321 section 3.3) whose sender and recipient the server has taken:
// it waits for the text. Send or Abandon must end it.
type Transaction struct {
	client *Client
	s      *session
	raw    []byte
}

// Outcome is a mail that the server has taken.
type Outcome struct {
	QueueID string // Postfix's, empty when the answer does not tell it
	Reply   string
}

// Submit hands one mail over. The error is a *Failure, or that of ctx.
func (c *Client) Submit(ctx context.Context, o ticketing.Outgoing, raw []byte) (Outcome, error) {
	t, err := c.Begin(ctx, o, raw)
	if err != nil {
		return Outcome{}, err
	}
	return t.Send(ctx)
}

// Begin comes as far with a mail as is possible without handing it over. The error is a
// *Failure, or that of ctx.
func (c *Client) Begin(ctx context.Context, o ticketing.Outgoing, raw []byte) (*Transaction, error) {
	for {
		s, fresh, err := c.get(ctx)
		if err != nil {
			return nil, err
		}
		err = s.envelope(ctx, o, raw)
		if err == nil {
			return &Transaction{c, s, raw}, nil
		}
		var f *Failure
		if !errors.As(err, &f) || f.Code != 0 {
			c.put(s, err)
			return nil, err
		}
		s.Close()
		// A connection that the server closed while it was idle says nothing about the mail.
		if fresh || f.Stage != "MAIL" || ctx.Err() != nil {
			return nil, err
		}
	}
}

// Send hands the mail over. The error is a *Failure, or that of ctx.
func (t *Transaction) Send(ctx context.Context) (Outcome, error) {
	stop := context.AfterFunc(ctx, func() { t.s.Close() })
	reply, err := t.s.send(t.raw)
	stop()
	var f *Failure
	if errors.As(err, &f) && f.Code == 0 {
		t.s.Close()
		return Outcome{}, err
	}
	t.client.put(t.s, err)
	return Outcome{QueueID: queueID(reply), Reply: reply}, err
}

// Abandon takes the mail back: with the connection the server forgets it (RFC 5321 section 4.1.1.10).
func (t *Transaction) Abandon() { t.s.Close() }

// envelope says who sends to whom, up to the reply to DATA.
func (s *session) envelope(ctx context.Context, o ticketing.Outgoing, raw []byte) error {
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	addresses := o.Recipient + o.ReversePath
	needs := strings.ContainsFunc(addresses, func(r rune) bool { return r > 127 }) || headerIsUTF8(raw)
	if needs && !s.has("SMTPUTF8") {
		return &Failure{Kind: Recipient, Stage: "MAIL", Code: 550, Err: errors.New("the address needs SMTPUTF8, which the server does not offer")}
	}
	if strings.ContainsAny(addresses, "\r\n") { // it would be commands
		return &Failure{Kind: Recipient, Stage: "MAIL", Code: 550, Err: errors.New("the address has an end of line in it")}
	}
	return s.run([]step{
		{"MAIL", s.mail(o.ReversePath, o.EnvelopeID, len(raw), needs), 250},
		{"RCPT", s.rcpt(o), 25},
		{"DATA", "DATA", 354},
	})
}

func (s *session) mail(from, envelope string, size int, utf8 bool) string {
	command := "MAIL FROM:<" + from + ">"
	if s.has("8BITMIME") {
		command += " BODY=8BITMIME"
	}
	if s.has("SIZE") && size > 0 {
		command += fmt.Sprintf(" SIZE=%d", size)
	}
	if utf8 {
		command += " SMTPUTF8"
	}
	// RET=HDRS and ENVID: a report is tied to this mail, and is small (RFC 3461).
	if s.has("DSN") {
		command += " RET=HDRS"
		if envelope != "" {
			command += " ENVID=" + xtext(envelope)
		}
	}
	return command
}

func (s *session) rcpt(o ticketing.Outgoing) string {
	command := "RCPT TO:<" + o.Recipient + ">"
	switch {
	case !s.has("DSN"):
	case o.ReversePath == "": // there is nobody to report to (RFC 5321 section 6.1)
		command += " NOTIFY=NEVER"
	default:
		command += " NOTIFY=FAILURE,DELAY"
	}
	return command
}

func headerIsUTF8(raw []byte) bool {
	header, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	return bytes.ContainsFunc(header, func(r rune) bool { return r > 127 })
}

// queueID reads Postfix's "2.0.0 Ok: queued as 4Z1…".
func queueID(reply string) string {
	_, id, ok := strings.Cut(reply, "queued as ")
	if !ok {
		return ""
	}
	if f := strings.Fields(id); len(f) > 0 {
		return f[0]
	}
	return ""
}
