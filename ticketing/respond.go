package ticketing

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"postdesk/ticketing/mail"
)

// respond is the consumer that answers by mail: each reply.added becomes one mail to
// each participant, whose bytes are fixed here. A mail that is sent again after a crash
// is the same mail.
func (d *Desk) respond(ctx context.Context, e Event) (func(Tx) error, error) {
	if e.Facts[acknowledgeFact] == acknowledgeDue {
		return d.acknowledge(ctx, e)
	}
	read := func(tx Tx) (conversation, error) { return readConversation(tx, e.Message) }
	switch e.Type {
	case ReplyAdded:
	case QuestionAdded:
		read = func(tx Tx) (conversation, error) { return readQuestion(tx, e) }
	default:
		return nil, nil
	}
	var c conversation
	err := d.store.Read(ctx, func(tx Tx) (err error) {
		c, err = read(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	var staged []Staged
	var out []Outgoing
	for _, p := range c.people {
		raw, o, err := d.compose(ctx, c, p)
		if err != nil {
			return nil, fmt.Errorf("to participant %d: %w", p.ID, err)
		}
		s, err := d.store.Stage(ctx, bytes.NewReader(raw))
		if err != nil {
			return nil, err
		}
		o.Raw = s.Hash
		staged, out = append(staged, s), append(out, o)
	}
	return func(tx Tx) error { return d.queue(tx, e, staged, out) }, nil
}

// queue writes the outgoing mails, with an event each.
func (d *Desk) queue(tx Tx, e Event, staged []Staged, out []Outgoing) error {
	for i, o := range out {
		if err := tx.PutRaw(staged[i]); err != nil {
			return err
		}
		if err := tx.AddOutgoing(&o); err != nil {
			return err
		}
		// So that an answer that shows only this id finds the ticket after the keys are gone.
		if err := tx.AddMessageID(o.MessageID, o.Ticket, o.Message); err != nil {
			return err
		}
		if err := tx.Append(&Event{Time: d.now(), Type: MessageQueued, Ticket: o.Ticket, Message: o.Message, Outgoing: o.ID,
			Actor: e.Actor, Origin: "system"}); err != nil {
			return err
		}
		d.log.Info("mail queued", "ticket", e.Name, "message", o.Message, "outgoing", o.ID, "message_id", o.MessageID)
	}
	return nil
}

// conversation is what composing an answer needs of the store.
type conversation struct {
	ticket   Ticket
	reply    Message
	people   []Participant
	messages []Message // of the ticket before the reply
}

func readConversation(tx Tx, reply int64) (c conversation, err error) {
	if c.reply, err = tx.Message(reply); err != nil {
		return c, err
	}
	if c.ticket, err = tx.Ticket(c.reply.Ticket); err != nil {
		return c, err
	}
	people, err := tx.Participants(c.ticket.ID)
	if err != nil {
		return c, err
	}
	for _, p := range people {
		if p.answered() {
			c.people = append(c.people, p)
		}
	}
	all, err := tx.Messages(c.ticket.ID)
	for _, m := range all {
		if m.ID < reply {
			c.messages = append(c.messages, m)
		}
	}
	return c, err
}

// replySubject is that of the ticket, and of a question its own.
func replySubject(c conversation) string {
	if c.reply.Kind == KindQuestion {
		return c.reply.Subject
	}
	return mail.ReplySubject(c.ticket.Subject)
}

// readable says that a message of this participant was shown, or is between it and staff:
// only then an answer to them may quote it.
func (p Participant) readable(m Message) bool {
	return m.Kind == KindInbound && (m.Visibility == Shown || p.Role == RoleThird && m.Visibility == StaffOnly) &&
		strings.EqualFold(m.From.Address, p.Address)
}

// answered says that a participant gets the answers. A third party gets what it is asked,
// and no more.
func (p Participant) answered() bool {
	return !p.Muted && (p.Role == RoleRequester || p.Role == RoleCc)
}

// compose makes the mail of a reply to one participant.
func (d *Desk) compose(ctx context.Context, c conversation, p Participant) ([]byte, Outgoing, error) {
	q, known := d.addresses.Load().queues[c.ticket.Queue]
	if !known {
		return nil, Outgoing{}, fmt.Errorf("queue %s is not configured any more: put it back, or its key into old_keys of another queue", c.ticket.Queue)
	}
	id := outgoingID{c.reply.ID, p.ID, p.Generation}
	o := Outgoing{
		Ticket: c.ticket.ID, Message: c.reply.ID, Recipient: p.Address, ReversePath: d.reversePath(q, id),
		MessageID: d.messageID(c.ticket, id, q.Domain), EnvelopeID: id.String(), State: OutQueued,
		NextAttempt: c.reply.Received, Created: c.reply.Received,
	}
	draft := mail.Draft{
		From:      mail.Address{Name: senderName(d.forCustomers(c.reply.Actor), q), Address: c.ticket.Name() + "@" + q.Domain},
		ReplyTo:   mail.Address{Name: q.Name, Address: c.ticket.Name() + "+" + d.replyToken(p) + "@" + q.Domain},
		To:        mail.Address{Name: p.Name, Address: p.Address},
		Subject:   replySubject(c),
		Date:      c.reply.Received,
		MessageID: o.MessageID,
		Body:      c.reply.Body,
		Headers:   []mail.HeaderField{{Name: loopField, Value: d.cfg.Domain}},
	}
	for _, other := range c.people {
		if other.ID != p.ID {
			draft.Cc = append(draft.Cc, mail.Address{Name: other.Name, Address: other.Address})
		}
	}
	if c.reply.Automatic { // a program wrote it (RFC 3834 section 5)
		draft.AutoSubmitted, draft.Suppress = "auto-replied", true
	}
	if err := d.continueThread(ctx, &draft, &o, c, p); err != nil {
		return nil, o, err
	}
	raw, err := mail.Compose(draft)
	return raw, o, err
}

// continueThread answers the newest mail of this participant that is shown: it is in
// their mail program, and it alone is quoted, so that nobody reads what was not
// theirs to see. Without one the answer begins a thread of its own.
func (d *Desk) continueThread(ctx context.Context, draft *mail.Draft, o *Outgoing, c conversation, p Participant) error {
	for i := len(c.messages) - 1; i >= 0; i-- {
		m := c.messages[i]
		if !p.readable(m) {
			continue
		}
		raw, err := d.store.Raw(ctx, m.Raw)
		if err != nil {
			return err
		}
		msg := mail.Parse(raw)
		draft.InReplyTo = msg.MessageID
		draft.References = append(append([]string{}, msg.References...), msg.InReplyTo...)
		if len(msg.References) > 0 {
			draft.References = append([]string{}, msg.References...)
		}
		if msg.MessageID != "" {
			draft.References = append(draft.References, msg.MessageID)
		}
		draft.ThreadTopic, draft.ThreadIndex = first(msg.Header("Thread-Topic")), first(msg.Header("Thread-Index"))
		draft.Quote = msg.NewText
		draft.QuoteHead = fmt.Sprintf("On %s, %s wrote:", m.Received.UTC().Format("2 January 2006 15:04 UTC"), displayed(m.From))
		// Reply-To says where to answer, and no more (RFC 5322 section 3.6.2). An author
		// who is not proven cannot send our answer elsewhere, except by opening the ticket.
		if len(msg.ReplyTo) == 1 && (m.Authentication.Author != "" || m.ID == c.messages[0].ID) {
			draft.To.Address, o.Recipient = msg.ReplyTo[0].Address, msg.ReplyTo[0].Address
		}
		return nil
	}
	return nil
}

func displayed(a mail.Address) string {
	if a.Name != "" {
		return a.Name
	}
	return a.Address
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return strings.TrimSpace(values[0])
}

// senderName is "Jane at Support" for a person, the queue's name for a program and for
// the administrator, whose login means nothing to a customer.
func senderName(actor string, q Queue) string {
	name := q.Name
	if name == "" {
		name = q.Key
	}
	if who, staff := strings.CutPrefix(actor, "staff:"); staff && who != "" && who != "root" && who != "admin" {
		return who + " at " + name
	}
	return name
}
