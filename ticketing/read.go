package ticketing

import (
	"bytes"
	"context"

	"postdesk/ticketing/mail"
)

// Conversation is a ticket with all that is in it, or with some of its messages.
type Conversation struct {
	Ticket       Ticket
	Linked       string // name of the ticket that it follows; empty for none
	Participants []Participant
	Messages     []Message
	Outgoing     map[int64][]Outgoing   // by message
	Files        map[int64][]Attachment // of replies and notes, by message
	Before       []Message              // of a page: the last before it, as far as an author's mail is compared
	Aliases      []string               // numbers that it had in other desks
	References   []string               // what it is called in other systems
}

// Ticket gives a ticket by name with all that is in it, as of one moment.
func (d *Desk) Ticket(ctx context.Context, name string) (c Conversation, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		if c, err = d.head(tx, name); err == nil {
			c.Messages, err = tx.Messages(c.Ticket.ID)
		}
		if err == nil {
			err = c.readParts(tx)
		}
		return err
	})
	return c, err
}

// headMessages is how many messages TicketHead has: a ticket may have tens of thousands.
const headMessages = 100

// TicketHead gives a ticket by name with its newest mails and replies that are shown, and nothing of
// what belongs to those.
func (d *Desk) TicketHead(ctx context.Context, name string) (c Conversation, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		if c, err = d.head(tx, name); err == nil {
			c.Messages, err = tx.NewestShown(c.Ticket.ID, headMessages)
		}
		return err
	})
	return c, err
}

// TicketPage gives a ticket by name with at most limit of its messages, those with an ID above after.
func (d *Desk) TicketPage(ctx context.Context, name string, after int64, limit int) (c Conversation, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		if c, err = d.head(tx, name); err == nil {
			c.Messages, err = tx.MessagesOf(c.Ticket.ID, after, limit)
		}
		if err == nil {
			err = c.readParts(tx)
		}
		if err == nil && after > 0 {
			c.Before, err = tx.MessagesBefore(c.Ticket.ID, after+1, compared)
		}
		return err
	})
	return c, err
}

// head reads all of a ticket but its messages.
func (d *Desk) head(tx Tx, name string) (c Conversation, err error) {
	if c.Ticket, err = d.ticketByName(tx, name); err != nil {
		return c, err
	}
	if c.Ticket.Linked != 0 {
		before, err := tx.Ticket(c.Ticket.Linked)
		if err != nil {
			return c, err
		}
		c.Linked = before.Name()
	}
	if c.Participants, err = present(tx, c.Ticket.ID); err != nil {
		return c, err
	}
	if c.Aliases, err = tx.AliasesOf(c.Ticket.ID); err != nil {
		return c, err
	}
	c.References, err = tx.ReferencesOf(c.Ticket.ID)
	return c, err
}

// readParts reads what belongs to the messages.
func (c *Conversation) readParts(tx Tx) error {
	c.Outgoing, c.Files = map[int64][]Outgoing{}, map[int64][]Attachment{}
	if len(c.Messages) == 0 {
		return nil
	}
	first, last := c.Messages[0].ID, c.Messages[len(c.Messages)-1].ID
	files, err := tx.AttachmentsOfMessages(c.Ticket.ID, first, last)
	if err != nil {
		return err
	}
	for _, f := range files {
		c.Files[f.Message] = append(c.Files[f.Message], f)
	}
	out, err := tx.OutgoingOfMessages(c.Ticket.ID, first, last)
	for _, o := range out {
		c.Outgoing[o.Message] = append(c.Outgoing[o.Message], o)
	}
	return err
}

// Tickets lists tickets, newest update first.
func (d *Desk) Tickets(ctx context.Context, q TicketQuery) (tickets []Ticket, err error) {
	if q.Queues != nil && len(q.Queues) == 0 {
		return nil, nil
	}
	if q.Ref != "" {
		if q.Ref, err = cleanReference(q.Ref); err != nil {
			return nil, err
		}
	}
	err = d.store.Read(ctx, func(tx Tx) (err error) {
		tickets, err = tx.Tickets(q)
		return err
	})
	return tickets, err
}

// Held lists messages that wait for staff and that an actor sees, the oldest first, with
// their tickets.
func (d *Desk) Held(ctx context.Context, by Actor, after int64, limit int) (held []Found, err error) {
	if by.Queues != nil && len(by.Queues) == 0 {
		return nil, nil
	}
	err = d.store.Read(ctx, func(tx Tx) (err error) {
		held, err = tx.HeldMessages(by.Queues, after, limit)
		return err
	})
	return held, err
}

// HeldCount counts messages that wait for staff.
func (d *Desk) HeldCount(ctx context.Context) (n int64, err error) {
	err = d.store.Read(ctx, func(tx Tx) (err error) {
		n, err = tx.CountHeld()
		return err
	})
	return n, err
}

// HeldAge is for how many seconds the oldest of them has waited, 0 when nothing is held.
func (d *Desk) HeldAge(ctx context.Context) (seconds int64, err error) {
	oldest, err := d.Held(ctx, Actor{}, 0, 1)
	if err != nil || len(oldest) == 0 {
		return 0, err
	}
	return int64(d.now().Sub(oldest[0].Message.Received).Seconds()), nil
}

// Message gives one message and the ticket it is in.
func (d *Desk) Message(ctx context.Context, id int64) (m Message, t Ticket, err error) {
	err = d.store.Read(ctx, func(tx Tx) (err error) {
		if m, err = tx.Message(id); err != nil {
			return err
		}
		t, err = tx.Ticket(m.Ticket)
		return err
	})
	return m, t, err
}

// TicketOf gives the ticket of an event, and nothing of what is in it.
func (d *Desk) TicketOf(ctx context.Context, e Event) (t Ticket, err error) {
	err = d.store.Read(ctx, func(tx Tx) (err error) {
		t, err = tx.Ticket(e.Ticket)
		return err
	})
	return t, err
}

// Single is a message with its ticket and what belongs to it, without the rest of the ticket, which
// may have tens of thousands.
type Single struct {
	Ticket   Ticket
	Message  Message
	Outgoing []Outgoing
	Files    []Attachment // of a reply or note
	Before   Message      // the author's mail before this one in the ticket; ID 0 for none
}

// compared is among how many messages before one its author's last mail is looked for.
const compared = 100

// Single gives one message, as of one moment.
func (d *Desk) Single(ctx context.Context, id int64) (s Single, err error) {
	err = d.store.Read(ctx, func(tx Tx) (err error) {
		s = Single{}
		if s.Message, err = tx.Message(id); err != nil {
			return err
		}
		if s.Ticket, err = tx.Ticket(s.Message.Ticket); err != nil {
			return err
		}
		if s.Outgoing, err = tx.OutgoingOf(id); err != nil {
			return err
		}
		if s.Files, err = tx.Attachments(id); err != nil || s.Message.Kind != KindInbound {
			return err
		}
		before, err := tx.MessagesBefore(s.Ticket.ID, id, compared)
		for _, b := range before {
			if b.Kind == KindInbound && b.From.Address == s.Message.From.Address {
				s.Before = b
			}
		}
		return err
	})
	return s, err
}

// Content parses a mail from its raw bytes, by the code that a delivery takes.
func (d *Desk) Content(ctx context.Context, m Message) (*mail.Message, error) {
	r, size, err := d.store.OpenRaw(ctx, m.Raw)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	leave, err := d.reading.enter(ctx, size)
	if err != nil {
		return nil, err
	}
	defer leave()
	// size is believed only so far: a flipped bit in it must not take all memory.
	raw := bytes.NewBuffer(make([]byte, 0, min(size, readingRoom)+bytes.MinRead))
	if _, err := raw.ReadFrom(r); err != nil {
		return nil, err
	}
	return mail.Parse(raw.Bytes()), nil
}

// Attachments gives the files of a reply or a note.
func (d *Desk) Attachments(ctx context.Context, message int64) (files []Attachment, err error) {
	err = d.store.Read(ctx, func(tx Tx) (err error) {
		files, err = tx.Attachments(message)
		return err
	})
	return files, err
}

// EventsOf gives the events of one ticket.
func (d *Desk) EventsOf(ctx context.Context, ticket string, after int64, limit int) (events []Event, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		t, err := d.ticketByName(tx, ticket)
		if err != nil {
			return err
		}
		events, err = tx.EventsOf(t.ID, after, limit)
		return err
	})
	return events, err
}

// Outgoing lists outgoing mail in these states (all when none) with an ID above after.
func (d *Desk) Outgoing(ctx context.Context, states []OutgoingState, after int64, limit int) (out []Outgoing, err error) {
	return d.OutgoingFor(ctx, Actor{}, states, after, limit)
}

// OutgoingFor is Outgoing without what an actor does not see.
func (d *Desk) OutgoingFor(ctx context.Context, by Actor, states []OutgoingState, after int64, limit int) (out []Outgoing, err error) {
	if by.Queues != nil && len(by.Queues) == 0 {
		return nil, nil
	}
	err = d.store.Read(ctx, func(tx Tx) (err error) {
		out, err = tx.OutgoingList(states, by.Queues, after, limit)
		return err
	})
	return out, err
}

// Backlog counts accepted mail that is not processed yet.
func (d *Desk) Backlog(ctx context.Context) (n int64, err error) {
	err = d.store.Read(ctx, func(tx Tx) (err error) {
		n, err = tx.CountPending()
		return err
	})
	return n, err
}

// OldBacklog counts the mail that had waited for long when that was noticed, and still does:
// new mail is processed beside it.
func (d *Desk) OldBacklog(context.Context) (int64, error) { return d.behind.Load(), nil }
