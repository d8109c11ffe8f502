package ticketing

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"postdesk/ticketing/mail"
)

// redactedText stands where words or a file were that nobody is to read.
const redactedText = "[redacted]"

const digestRedaction = "redaction"

// Redaction says what of a message nobody is to read any more.
type Redaction struct {
	Message int64
	Part    int    // place of the attachment from 1; 0 is the text and all files
	Subject bool   // the subject too, and that of the ticket where this message opened it
	Why     string // for the record, in which the words themselves must not be
}

// whyMax bounds what is said about a redaction, in octets.
const whyMax = 500

// Redact takes the words of a message away for good, or one file: from the mail, from what
// quotes it in its ticket, and from what waits to go out. The feed says who did it and why.
func (d *Desk) Redact(ctx context.Context, by Actor, r Redaction) (c Certificate, err error) {
	r.Why = strings.Join(strings.Fields(r.Why), " ")
	if r.Why == "" || len(r.Why) > whyMax {
		return c, fmt.Errorf("%w: say why in at most %d octets; the record keeps it", ErrInvalid, whyMax)
	}
	e := Erasure{ID: d.erasureID(by, "redact"), Kind: RedactMessage, At: d.now(), Message: r.Message, Part: r.Part, Subject: r.Subject, By: by.String(), Origin: by.Origin, Why: r.Why}
	again, err := d.noted(e.ID)
	if err != nil {
		return c, err
	}
	if again.Done {
		if again.Message != e.Message || again.Part != e.Part {
			return c, fmt.Errorf("%w: this Idempotency-Key was used for another request", ErrConflict)
		}
		return d.eraser().certificate(ctx, again)
	}
	err = d.store.Read(ctx, func(tx Tx) error {
		m, err := tx.Message(r.Message)
		if err != nil {
			return err
		}
		e.Digest = d.eraser().digestOf(m)
		return checkRedaction(tx, m, r)
	})
	if err == nil && r.Part > 0 {
		err = d.checkPart(ctx, r)
	}
	if err != nil {
		return c, err
	}
	return d.erase(ctx, e)
}

func checkRedaction(tx Tx, m Message, r Redaction) error {
	if m.Reason == ReasonErased || m.Raw.IsZero() && m.Body == redactedText {
		return fmt.Errorf("%w: nothing is left of message %d", ErrConflict, m.ID)
	}
	if m.Raw.IsZero() && r.Part > 0 {
		files, err := tx.Attachments(m.ID)
		if err == nil && r.Part > len(files) {
			err = fmt.Errorf("%w: message %d has %d attachments", ErrInvalid, m.ID, len(files))
		}
		return err
	}
	return nil
}

// checkPart is checkRedaction for mail, whose files are found by reading it.
func (d *Desk) checkPart(ctx context.Context, r Redaction) error {
	m, _, err := d.Message(ctx, r.Message)
	if err != nil || m.Raw.IsZero() {
		return err
	}
	c, err := d.Content(ctx, m)
	if err == nil && r.Part > len(c.Attachments) {
		err = fmt.Errorf("%w: message %d has %d attachments", ErrInvalid, m.ID, len(c.Attachments))
	}
	return err
}

// digestOf knows a message again as it is now: after a restore its number may be another's.
func (x eraser) digestOf(m Message) Hash {
	what := m.Raw
	if what.IsZero() {
		what = sha256.Sum256([]byte(m.Body))
	}
	return x.store.KeyedDigest(digestRedaction, fmt.Sprint(m.ID, what))
}

// redaction carries one out. What quotes the message comes first, while its words are there.
func (x eraser) redaction(ctx context.Context, e Erasure) error {
	var m Message
	err := x.store.Read(ctx, func(tx Tx) (err error) {
		m, err = tx.Message(e.Message)
		return err
	})
	if errors.Is(err, ErrNotFound) || err == nil && x.digestOf(m) != e.Digest {
		return nil // done already, or never here
	}
	if err != nil {
		return err
	}
	p, err := x.readPlan(ctx, wanted{at: e.At}, m.Ticket)
	if err != nil {
		return err
	}
	for i, o := range p.others {
		if o.ID == m.ID {
			p.others, p.theirs = append(p.others[:i:i], p.others[i+1:]...), []Message{m}
			break
		}
	}
	r := mail.Reduction{Traces: p.traces, Instead: redactedText, Whole: e.Part == 0, File: e.Part}
	files, err := x.learnRedacted(ctx, p, m, e)
	if err != nil {
		return err
	}
	quotes := mail.Reduction{Traces: p.traces, Instead: redactedText}
	for _, o := range p.others {
		if err := x.changeOther(ctx, e, p, quotes, o); err != nil {
			return err
		}
	}
	for _, o := range p.outgoing {
		if err := x.redactOutgoing(ctx, e, quotes, m, o); err != nil {
			return err
		}
	}
	return x.redactMessage(ctx, e, p, r, m, files)
}

// learnRedacted takes up by what the words or the file are known again. It gives the files of
// a reply that go.
func (x eraser) learnRedacted(ctx context.Context, p ticketPlan, m Message, e Erasure) (files []Attachment, err error) {
	if m.Raw.IsZero() {
		for i, f := range p.files[m.ID] {
			if e.Part == 0 || e.Part == i+1 {
				files = append(files, f)
				p.traces.AddFile(f.Raw.String())
			}
		}
		if e.Part == 0 {
			p.traces.AddText(m.Body)
		}
		return files, nil
	}
	raw, err := x.store.Raw(ctx, m.Raw)
	if err != nil {
		return nil, err
	}
	msg := mail.Parse(raw)
	for i, a := range msg.Attachments {
		if e.Part == 0 || e.Part == i+1 {
			p.traces.AddFile(a.SHA256)
		}
	}
	if e.Part == 0 {
		p.traces.AddText(msg.NewText)
	}
	return nil, nil
}

// redactOutgoing takes the words out of a mail of ours. What brings the message itself and has
// not gone out does not go.
func (x eraser) redactOutgoing(ctx context.Context, e Erasure, r mail.Reduction, m Message, o Outgoing) error {
	own := o.Message == m.ID
	r.Whole = own && e.Part == 0
	staged, old, needs, err := x.reduced(ctx, r, o.Raw)
	if err != nil || !needs {
		return err
	}
	return x.write(ctx, func(tx Tx) error {
		now, err := tx.Outgoing(o.ID)
		if err != nil {
			return err
		}
		if own && now.State == OutQueued {
			now.State = OutCancelled
			if err := tx.UpdateOutgoing(now); err != nil {
				return err
			}
			if err := x.removed(tx, e, nil, func(r *Removed) { r.Cancelled++ }); err != nil {
				return err
			}
		}
		return x.changeOutgoing(tx, e, o.ID, staged, old)
	})
}

// redactMessage ends a redaction, in one commit with the event that tells of it.
func (x eraser) redactMessage(ctx context.Context, e Erasure, p ticketPlan, r mail.Reduction, m Message, files []Attachment) error {
	if e.Subject {
		r.Subject = mail.BaseSubject(m.Subject)
	}
	staged, _, mailed, err := x.reduced(ctx, r, m.Raw)
	if err != nil {
		return err
	}
	return x.write(ctx, func(tx Tx) error {
		now, err := tx.Message(m.ID)
		if err != nil {
			return err
		}
		old := make([]Hash, 0, len(files)+1)
		if e.Subject {
			now.Subject = redactedText
		}
		if mailed {
			if old, err = x.replaceRaw(tx, &now, staged); err != nil {
				return err
			}
		} else if e.Part == 0 {
			now.Body = redactedText
		}
		if err := tx.UpdateMessage(now); err != nil {
			return err
		}
		for _, f := range files {
			if err := tx.RemoveAttachment(f.ID); err != nil {
				return err
			}
			old = append(old, f.Raw)
		}
		if err := x.tellRedacted(tx, e, p, m); err != nil {
			return err
		}
		return x.removed(tx, e, old, func(r *Removed) {
			r.Tickets, r.Messages, r.Attachments = unique(r.Tickets, p.ticket.Name()), unique(r.Messages, m.ID), r.Attachments+len(files)
		})
	})
}

// tellRedacted writes who did it, when and why, and which messages are others than before.
func (x eraser) tellRedacted(tx Tx, e Erasure, p ticketPlan, m Message) error {
	r, _, err := tx.Removed(e.ID)
	if err != nil {
		return err
	}
	if e.Subject && p.opens == m.ID {
		t, err := tx.Ticket(m.Ticket)
		if err != nil {
			return err
		}
		t.Subject = redactedText
		if err := tx.UpdateTicket(t); err != nil {
			return err
		}
	}
	what := "message"
	if e.Part > 0 {
		what = "attachment"
	}
	return tx.Append(&Event{Time: x.now(), Type: MessageRedacted, Ticket: m.Ticket, Message: m.ID, Actor: e.actor(), Origin: e.origin(),
		Facts: map[string]string{"erasure": e.ID, "what": what, "why": e.Why, "messages": joinIDs(unique([]int64{m.ID}, r.Changed...))}})
}
