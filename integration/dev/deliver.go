package dev

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
)

// Delivery is a mail as Postfix would bring it.
type Delivery struct {
	ReversePath string // empty: the null reverse-path of bounces
	To          []string
	Raw         []byte // with LF or CRLF line ends
	Sign        bool   // with DKIM, as the domain of its author: so that the author is proven
}

// Outcome is what became of a mail.
type Outcome struct {
	Ticket     string `json:"ticket"`
	Message    int64  `json:"message"`
	Visibility string `json:"visibility"`       // shown, held, folded, staff-only
	Row        string `json:"row"`              // of the trust table
	Reason     string `json:"reason"`           // why it was decided so
	Author     string `json:"author,omitempty"` // who is proven to have written it
	New        bool   `json:"new"`              // it opened the ticket
}

// Deliver hands a mail to the agent's LMTP socket and waits until it is decided. It gives
// one outcome for each message that the mail became: none when the same mail was there
// already. An error that wraps an *smtp.SMTPError is the agent's refusal.
func (d *Desk) Deliver(ctx context.Context, m Delivery) ([]Outcome, error) {
	raw := bytes.ReplaceAll(bytes.ReplaceAll(m.Raw, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	if m.Sign {
		from := mail.Parse(raw).From
		if len(from) == 0 {
			return nil, errors.New("the mail cannot be signed: it has no From with an address, whose domain would sign")
		}
		var err error
		if raw, err = d.names.sign(raw, domainOf(from[0].Address)); err != nil {
			return nil, fmt.Errorf("the mail cannot be signed: %w", err)
		}
	}
	after, err := d.Ticketing().LastSeq(ctx)
	if err != nil {
		return nil, err
	}
	arrivals, err := d.transmit(ctx, m, append(d.received(m), raw...))
	if err != nil {
		return nil, err
	}
	return d.outcomes(ctx, after, arrivals)
}

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

// received is the field that Postfix puts on top (RFC 5321 section 4.4).
func (d *Desk) received(m Delivery) []byte {
	return fmt.Appendf(nil, "Received: from outside.example (outside.example [192.0.2.1])\r\n\tby mx.%s (Postfix) with ESMTPS id %s\r\n\tfor <%s>; %s\r\n",
		d.domain, rand.Text()[:12], strings.Join(m.To[:min(1, len(m.To))], ""), time.Now().Format(time.RFC1123Z))
}

// transmit speaks LMTP (RFC 2033) as Postfix does, and gives the arrivals that the
// agent's replies name.
func (d *Desk) transmit(ctx context.Context, m Delivery, raw []byte) (arrivals []int64, err error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", d.path("lmtp.sock"))
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	c := smtp.NewClientLMTP(conn)
	defer func() { _ = c.Close() }()
	utf8 := strings.ContainsFunc(m.ReversePath+strings.Join(m.To, ""), func(r rune) bool { return r > 127 })
	if err := c.Mail(m.ReversePath, &smtp.MailOptions{Body: smtp.Body8BitMIME, Size: int64(len(raw)), UTF8: utf8}); err != nil {
		return nil, err
	}
	for _, to := range m.To {
		if err := c.Rcpt(to, nil); err != nil {
			return nil, fmt.Errorf("%s is refused, as at port 25: %w", to, err)
		}
	}
	w, err := c.Data()
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(raw); err != nil {
		return nil, err
	}
	replies, err := w.CloseWithLMTPResponse()
	if err != nil {
		return nil, err
	}
	for _, r := range replies {
		words := strings.Fields(r.StatusText) // 2.0.0 <recipient> arrival 17
		n, err := strconv.ParseInt(words[len(words)-1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("the agent answered %q, which names no arrival", r.StatusText)
		}
		if !slices.Contains(arrivals, n) {
			arrivals = append(arrivals, n)
		}
	}
	return arrivals, nil
}

// outcomes waits for what arrivals become, and looks for it on the feed.
func (d *Desk) outcomes(ctx context.Context, after int64, arrivals []int64) (out []Outcome, err error) {
	for {
		// In this order: what is processed when the count is 0 is on the feed by then.
		waiting, err := d.Ticketing().Backlog(ctx)
		if err != nil {
			return nil, err
		}
		if out, after, err = d.collect(ctx, out, after, arrivals); err != nil || len(out) > 0 || waiting == 0 {
			return out, err
		}
		pause, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		_, err = d.Ticketing().WaitEvents(pause, after, 1)
		cancel()
		if err = errors.Join(err, ctx.Err()); err != nil {
			return nil, err
		}
	}
}

// collect adds what the events after one say of arrivals.
func (d *Desk) collect(ctx context.Context, out []Outcome, after int64, arrivals []int64) ([]Outcome, int64, error) {
	for {
		events, err := d.Ticketing().Events(ctx, after, 1000)
		if err != nil || len(events) == 0 {
			return out, after, err
		}
		for _, e := range events {
			after = e.Seq
			if e.Message == 0 {
				continue
			}
			m, t, err := d.Ticketing().Message(ctx, e.Message)
			if err != nil {
				return out, after, err
			}
			if !slices.Contains(arrivals, m.Arrival) {
				continue
			}
			i := slices.IndexFunc(out, func(o Outcome) bool { return o.Message == m.ID })
			if i < 0 {
				i = len(out)
				out = append(out, Outcome{t.Name(), m.ID, string(m.Visibility), m.Row, m.Reason, m.Authentication.Author, false})
			}
			out[i].New = out[i].New || e.Type == ticketing.TicketCreated
		}
	}
}
