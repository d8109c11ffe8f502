package ticketing

import (
	"context"
	"fmt"
	"strings"

	"postdesk/ticketing/mail"
)

// Opening is a conversation that we begin.
type Opening struct {
	Queue   string // key
	To      mail.Address
	Subject string
	Text    string // Markdown
	Status  Status // after it; empty: waiting for an answer
	Cc      []string
	Refs    []string // references to other systems
	Files   []File
	Key     string // as ReplyRequest has it
}

// subjectMax is how long the subject of an opening may be, in characters.
const subjectMax = 500

// Open makes a ticket whose requester is whom we write to, and the reply that goes out to
// them. again says that this key was used before.
func (d *Desk) Open(ctx context.Context, by Actor, o Opening) (t Ticket, m Message, again bool, err error) {
	if err := d.checkOpening(by, &o); err != nil {
		return t, m, false, err
	}
	files, err := d.stageFiles(ctx, by, o.Files)
	if err != nil {
		return t, m, false, err
	}
	r := ReplyRequest{Text: o.Text, Status: o.Status, Cc: o.Cc}
	request := requested("open", o.Queue, o.To, o.Subject, o.Refs, requestHash(r, files))
	m, again, err = d.onceMessage(ctx, by, o.Key, request, func(tx Tx) (Message, error) {
		t, err := d.openFor(tx, by, o)
		if err != nil {
			return Message{}, err
		}
		r.Ticket = t.Name()
		return d.addReply(tx, by, r, files)
	})
	if err != nil {
		return t, m, again, err
	}
	_, t, err = d.Message(ctx, m.ID)
	if err == nil && !again {
		d.log.Info("conversation begun", "ticket", t.Name(), "message", m.ID, "actor", by.String())
	}
	return t, m, again, err
}

// checkOpening completes an opening, and refuses what can never be carried out.
func (d *Desk) checkOpening(by Actor, o *Opening) error {
	q, known := d.addresses.Load().queues[strings.ToUpper(o.Queue)]
	if !known || !by.Sees(q.Key) {
		return fmt.Errorf("queue %s: %w", o.Queue, ErrNotFound)
	}
	o.Queue = q.Key
	o.To.Address = strings.ToLower(strings.TrimSpace(o.To.Address))
	if err := d.checkParticipant(o.To.Address); err != nil {
		return err
	}
	o.Subject = strings.Join(strings.Fields(o.Subject), " ")
	if o.Subject == "" || len([]rune(o.Subject)) > subjectMax {
		return fmt.Errorf("%w: want a subject of at most %d characters", ErrInvalid, subjectMax)
	}
	if strings.TrimSpace(o.Text) == "" {
		return fmt.Errorf("%w: the text is empty", ErrInvalid)
	}
	if o.Status != "" {
		if err := checkStatus(o.Status); err != nil {
			return err
		}
	}
	for i, ref := range o.Refs {
		var err error
		if o.Refs[i], err = cleanReference(ref); err != nil {
			return err
		}
	}
	return nil
}

// openFor makes the ticket. Its first event names no message: what we write comes next.
func (d *Desk) openFor(tx Tx, by Actor, o Opening) (Ticket, error) {
	n, err := tx.NextNumber(o.Queue, d.queueOf(o.Queue).FirstNumber)
	if err != nil {
		return Ticket{}, err
	}
	now := d.now()
	t := Ticket{Queue: o.Queue, Number: n, Subject: o.Subject, Status: StatusNew, Requester: o.To.Address, RequesterName: o.To.Name, Created: now, Updated: now}
	if err := tx.AddTicket(&t); err != nil {
		return t, err
	}
	if err := tx.AddParticipant(&Participant{Ticket: t.ID, Address: t.Requester, Name: t.RequesterName, Role: RoleRequester}); err != nil {
		return t, err
	}
	if err := tx.Append(&Event{Time: now, Type: TicketCreated, Ticket: t.ID, Actor: by.String(), Origin: by.Origin,
		Facts: map[string]string{"status": string(t.Status)}}); err != nil {
		return t, err
	}
	for _, ref := range o.Refs {
		if err := d.addReference(tx, by, t, ref); err != nil {
			return t, err
		}
	}
	return t, nil
}
