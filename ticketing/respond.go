package ticketing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"postdesk/ticketing/mail"
)

// respond is the consumer that answers by mail: each reply.added becomes one mail to
// each participant, whose bytes are fixed here. A mail that is sent again after a crash
// is the same mail.
func (d *Desk) respond(ctx context.Context, e Event) (effect, error) {
	if e.Facts[acknowledgeFact] == acknowledgeDue {
		return d.acknowledge(ctx, e)
	}
	read := func(tx Tx) (conversation, error) { return readConversation(tx, e.Message) }
	switch e.Type {
	case ReplyAdded:
	case QuestionAdded:
		read = func(tx Tx) (conversation, error) { return readQuestion(tx, e) }
	default:
		return effect{}, nil
	}
	var c conversation
	err := d.store.Read(ctx, func(tx Tx) (err error) {
		c, err = read(tx)
		return err
	})
	if err != nil {
		return effect{}, err
	}
	leave, err := d.composing.enter(ctx, octets(c.files))
	if err != nil {
		return effect{}, err
	}
	defer leave()
	var staged []Staged
	var out []Outgoing
	for _, p := range c.people {
		raw, o, err := d.compose(ctx, c, p)
		if err != nil {
			return effect{}, fmt.Errorf("to participant %d: %w", p.ID, err)
		}
		s, err := d.store.Stage(ctx, bytes.NewReader(raw))
		if err != nil {
			return effect{}, err
		}
		o.Raw = s.Hash
		staged, out = append(staged, s), append(out, o)
	}
	return effect{write: func(tx Tx) error { return d.queue(tx, e, staged, out) }}, nil
}

// answeredBeside says that what goes out for an event does not depend on what will be written
// for others: an answer quotes and follows those before it in its ticket, and an
// acknowledgement is kept back because of what went out.
func answeredBeside(e Event, before []effect) bool {
	acknowledged := e.Facts[acknowledgeFact] == acknowledgeDue
	if !acknowledged && e.Type != ReplyAdded && e.Type != QuestionAdded {
		return true // nothing goes out
	}
	return !slices.ContainsFunc(before, func(b effect) bool {
		return b.event.Ticket == e.Ticket || acknowledged && !b.silent
	})
}

// queue writes the outgoing mails, with an event each.
func (d *Desk) queue(tx Tx, e Event, staged []Staged, out []Outgoing) error {
	for i, o := range out {
		if gone, err := erasedSince(tx, o); err != nil || gone {
			if err != nil {
				return err
			}
			continue
		}
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

// erasedSince says that a mail is to somebody, or brings something, that was erased while it
// was made.
func erasedSince(tx Tx, o Outgoing) (bool, error) {
	m, err := tx.Message(o.Message)
	if err != nil || m.Reason == ReasonErased || m.Body == redactedText {
		return true, err
	}
	id, ok := parseOutgoingID(o.EnvelopeID)
	if !ok {
		return false, nil
	}
	p, err := tx.Participant(id.participant)
	return p.Role == RoleRemoved, err
}

// conversation is what composing an answer needs of the store.
type conversation struct {
	ticket   Ticket
	reply    Message
	people   []Participant
	messages []Message            // of the ticket before the reply
	outgoing map[int64][]Outgoing // of the answers among them
	files    []Attachment         // of the reply
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
	if c.files, err = tx.Attachments(reply); err != nil {
		return c, err
	}
	return c, readBefore(tx, &c)
}

// readBefore reads what was in the ticket before the reply.
func readBefore(tx Tx, c *conversation) error {
	all, err := tx.Messages(c.ticket.ID)
	if err != nil {
		return err
	}
	answers := map[int64]bool{} // an acknowledgement is none: nobody follows or quotes it
	for _, m := range all {
		if m.ID < c.reply.ID {
			c.messages = append(c.messages, m)
			if m.Kind == KindReply || m.Kind == KindQuestion {
				answers[m.ID] = true
			}
		}
	}
	if len(answers) == 0 {
		return nil
	}
	sent, err := tx.OutgoingOfMessages(c.ticket.ID, all[0].ID, c.reply.ID)
	c.outgoing = map[int64][]Outgoing{}
	for _, o := range sent {
		if answers[o.Message] {
			c.outgoing[o.Message] = append(c.outgoing[o.Message], o)
		}
	}
	return err
}

// replySubject is that of the ticket, and of a question its own. What begins a conversation
// answers nothing (RFC 5322 section 3.6.5).
func replySubject(c conversation) string {
	if c.reply.Kind == KindQuestion {
		return c.reply.Subject
	}
	if len(c.messages) == 0 {
		return c.ticket.Subject
	}
	return mail.ReplySubject(c.ticket.Subject)
}

// readable says that a message of this participant was shown, or is between it and staff:
// only then an answer to them may quote it. What was held bears the participant's name and
// no proof: staff may have accepted it, but it may be somebody else's words.
func (p Participant) readable(m Message) bool {
	if m.Authentication.Author == "" && (m.Row == "3" || m.Row == "4" || m.Row == "6") {
		return false
	}
	return m.Kind == KindInbound && (m.Visibility == Shown || p.Role == RoleThird && m.Visibility == StaffOnly) &&
		mail.Lower(m.From.Address) == p.Address
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
		Headers:   []mail.HeaderField{{Name: loopField, Value: d.cfg.Domain}},
	}
	for _, other := range c.people {
		if other.ID != p.ID {
			draft.Cc = append(draft.Cc, mail.Address{Name: other.Name, Address: other.Address})
		}
	}
	if c.reply.Automatic { // a program wrote it (RFC 3834 section 5)
		draft.AutoSubmitted, draft.Suppress = "auto-replied", true
		if len(c.messages) == 0 && c.reply.Kind == KindReply {
			draft.AutoSubmitted = "auto-generated" // in response to nothing
		}
	}
	t := thread{desk: d, queue: q, conversation: c, to: p, fields: d.templateFields(c, q, p)}
	if err := errors.Join(t.write(&draft), t.join(ctx, &draft, &o), d.attach(ctx, &draft, c.files)); err != nil {
		return nil, o, err
	}
	raw, err := mail.Compose(draft)
	return raw, o, err
}

func octets(files []Attachment) (n int64) {
	for _, f := range files {
		n += f.Size
	}
	return n
}

// attach gives a mail the files of its reply.
func (d *Desk) attach(ctx context.Context, draft *mail.Draft, files []Attachment) error {
	for _, f := range files {
		content, err := d.store.Raw(ctx, f.Raw)
		if err != nil {
			return err
		}
		draft.Attachments = append(draft.Attachments, mail.Attachment{
			Name: f.Name, Type: f.Type, Size: f.Size, Inline: f.ContentID != "", ContentID: f.ContentID, Content: content,
		})
	}
	return nil
}

// senderName is "Jane at Support" for a person, the queue's name for a program and for
// the administrator, whose login means nothing to a customer.
func senderName(actor string, q Queue) string {
	name := q.Name
	if name == "" {
		name = q.Key
	}
	if who := personName(actor); who != "" {
		return who + " at " + name
	}
	return name
}

// personName is a person among those who answer, empty for others.
func personName(actor string) string {
	if who, staff := strings.CutPrefix(actor, "staff:"); staff && who != "root" && who != "admin" {
		return who
	}
	return ""
}
