package ticketing

import (
	"errors"
	"slices"

	"postdesk/ticketing/mail"
)

// target is a ticket that the mail may belong to, and how well that is proven.
type target struct {
	ticket    Ticket
	addressed bool
	thread    bool
	foreign   bool // only a foreign Message-ID leads here
	holder    Participant
	people    []Participant // without those who were removed
	staff     string        // the name of the person of staff whose token this is
	seen      int64         // the event that the token names
	again     bool          // the ticket holds this Message-ID already
}

// add takes over what another address of the same ticket proves.
func (t *target) add(o target) {
	if !t.thread {
		t.holder, t.thread = o.holder, o.thread
	}
	if t.staff == "" {
		t.staff, t.seen, t.again = o.staff, o.seen, o.again
	}
}

// targets are the tickets that were addressed, else the one that the Message-IDs name.
func (d *Desk) targets(tx Tx, j *job, dests []Destination) ([]target, error) {
	proofs := d.threadProofs(j.msg)
	var out []target
	for _, dest := range dests {
		t, err := d.addressed(tx, dest)
		if errors.Is(err, ErrNotFound) {
			continue // as mail to its queue, which is row 6a for a ticket that does not exist
		}
		if err != nil {
			return nil, err
		}
		tg := target{ticket: t, addressed: true}
		if tg.people, err = present(tx, t.ID); err != nil {
			return nil, err
		}
		if err := d.tokenOfStaff(tx, j, dest, &tg); err != nil {
			return nil, err
		}
		if tg.holder, tg.thread = d.holder(dest.Token, t.ID, tg.people); !tg.thread {
			tg.holder, tg.thread, err = holderByMessage(tx, t.ID, tg.people, proofs)
		}
		if err != nil {
			return nil, err
		}
		// Some programs answer to the bare address and to the one with the token.
		if i := slices.IndexFunc(out, func(o target) bool { return o.ticket.ID == t.ID }); i >= 0 {
			out[i].add(tg)
			continue
		}
		out = append(out, tg)
	}
	if len(out) > 0 {
		return out, nil
	}
	return d.targetByMessageID(tx, j.msg, proofs)
}

// addressed is the ticket of an address. The reverse-path of a mail of ours stands for the
// ticket of that mail and proves nothing: RFC 3834 section 4 has machines answer there, and
// many of them refer to no Message-ID.
func (d *Desk) addressed(tx Tx, dest Destination) (Ticket, error) {
	if o, ok := d.bounceID(dest.Token); ok && dest.Bounce {
		m, err := tx.Message(o.message)
		if err != nil {
			return Ticket{}, err
		}
		return tx.Ticket(m.Ticket)
	}
	if n, ok := d.bouncedNotice(dest.Token); ok && dest.Bounce {
		o, err := tx.NoticeByEnvelope(n.String())
		if err != nil {
			return Ticket{}, err
		}
		return tx.Ticket(o.Ticket)
	}
	if dest.Number == 0 {
		return Ticket{}, ErrNotFound
	}
	return tx.TicketByName(dest.Key, dest.Number)
}

// present are the participants of a ticket who were not removed.
func present(tx Tx, ticket int64) ([]Participant, error) {
	all, err := tx.Participants(ticket)
	return slices.DeleteFunc(all, func(p Participant) bool { return p.Role == RoleRemoved }), err
}

// threadProofs are the mails of ours whose Message-IDs a message shows.
func (d *Desk) threadProofs(m *mail.Message) []outgoingID {
	var out []outgoingID
	for _, ids := range [][]string{m.InReplyTo, m.References} {
		for i := len(ids) - 1; i >= 0; i-- {
			if o, ok := d.ownMessageID(ids[i]); ok {
				out = append(out, o)
			}
		}
	}
	return out
}

func holderByMessage(tx Tx, ticket int64, people []Participant, proofs []outgoingID) (Participant, bool, error) {
	for _, o := range proofs {
		m, err := tx.Message(o.message)
		if errors.Is(err, ErrNotFound) || err == nil && m.Ticket != ticket {
			continue
		}
		if err != nil {
			return Participant{}, false, err
		}
		for _, p := range people {
			if p.ID == o.participant && p.Generation == o.generation {
				return p, true, nil
			}
		}
	}
	return Participant{}, false, nil
}

// targetByMessageID finds the ticket by a Message-ID of ours, else by a foreign one
// that a ticket holds.
func (d *Desk) targetByMessageID(tx Tx, m *mail.Message, proofs []outgoingID) ([]target, error) {
	var ticket int64
	for _, o := range proofs {
		own, err := tx.Message(o.message)
		if err == nil {
			ticket = own.Ticket
			break
		}
		if !errors.Is(err, ErrNotFound) {
			return nil, err
		}
	}
	foreign := ticket == 0
	if foreign {
		ids := append(append([]string{}, m.InReplyTo...), m.References...)
		if len(ids) == 0 {
			return nil, nil
		}
		found, err := tx.TicketsByMessageID(ids)
		// Ids on more than one ticket say nothing.
		if err != nil || len(found) != 1 {
			return nil, err
		}
		ticket = found[0]
	}
	tg := target{foreign: foreign}
	var err error
	if tg.ticket, err = tx.Ticket(ticket); err != nil {
		return nil, err
	}
	if tg.people, err = present(tx, ticket); err != nil {
		return nil, err
	}
	tg.holder, tg.thread, err = holderByMessage(tx, ticket, tg.people, proofs)
	return []target{tg}, err
}
