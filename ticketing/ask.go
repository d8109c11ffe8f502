package ticketing

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"postdesk/ticketing/mail"
)

// Question is mail to a third party about a ticket: a supplier, a bank. It goes to that
// party alone, with a token of its own, and what comes back is for staff alone. Nothing of
// the conversation with the requester is in it, but what staff write themselves.
type Question struct {
	Ticket  string // SUPPORT-7102
	To      mail.Address
	Subject string // empty: the ticket's name alone, since its subject is the requester's words
	Text    string // Markdown
	Key     string // as ReplyRequest has it
}

// questionFact is the participant to whom a question goes, in its event.
const questionFact = "participant"

// Ask adds a question and makes its addressee a third party of the ticket. again says that
// this key was used before.
func (d *Desk) Ask(ctx context.Context, by Actor, q Question) (m Message, again bool, err error) {
	if strings.TrimSpace(q.Text) == "" {
		return m, false, fmt.Errorf("%w: the text is empty", ErrInvalid)
	}
	request := requested("ask", q.Ticket, q.To, q.Subject, q.Text)
	return d.onceMessage(ctx, by, q.Key, request, func(tx Tx) (Message, error) { return d.addQuestion(tx, by, q) })
}

func (d *Desk) addQuestion(tx Tx, by Actor, q Question) (Message, error) {
	t, err := d.ticketByName(tx, q.Ticket)
	if err != nil {
		return Message{}, err
	}
	if by.Kind == "program" {
		if err := d.mayAnswer(tx, t); err != nil {
			return Message{}, err
		}
	}
	p, err := d.addParticipant(tx, by, t, q.To, RoleThird)
	if err != nil {
		return Message{}, err
	}
	subject := "[" + t.Name() + "]"
	if s := strings.TrimSpace(q.Subject); s != "" {
		subject += " " + s
	}
	m := Message{Ticket: t.ID, Kind: KindQuestion, Visibility: StaffOnly, Subject: subject, Actor: by.String(), Body: q.Text,
		Automatic: by.Kind == "program", Received: d.now()}
	if m.Seq, err = tx.NextSeq(); err != nil {
		return m, err
	}
	if err := tx.AddMessage(&m); err != nil {
		return m, err
	}
	e := Event{Time: m.Received, Type: QuestionAdded, Ticket: t.ID, Message: m.ID, Actor: by.String(), Origin: by.Origin,
		Facts: map[string]string{questionFact: strconv.FormatInt(p.ID, 10)}}
	if err := tx.Append(&e); err != nil {
		return m, err
	}
	if t, err = tx.Ticket(t.ID); err != nil {
		return m, err
	}
	t.Updated = m.Received
	return m, tx.UpdateTicket(t)
}

// readQuestion is readConversation for a question: its one reader is the third party, who
// sees neither the subject of the ticket nor who else takes part in it.
func readQuestion(tx Tx, e Event) (c conversation, err error) {
	if c, err = readConversation(tx, e.Message); err != nil {
		return c, err
	}
	c.ticket.Subject = c.reply.Subject
	people, err := present(tx, c.ticket.ID)
	c.people = slices.DeleteFunc(people, func(p Participant) bool {
		return p.Muted || p.Role != RoleThird || strconv.FormatInt(p.ID, 10) != e.Facts[questionFact]
	})
	return c, err
}
