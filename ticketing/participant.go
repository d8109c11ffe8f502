package ticketing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"postdesk/ticketing/mail"
)

// maxParticipants of one ticket: an answer to more would be a mailing.
const maxParticipants = 50

// AddParticipant confirms a person: from now on they get the answers, and their mail with
// author proof continues the ticket. Somebody who was removed comes back, with tokens of
// a new generation.
func (d *Desk) AddParticipant(ctx context.Context, by Actor, ticket string, who mail.Address) (p Participant, err error) {
	return d.onceParticipant(ctx, by, requested("add", ticket, who), func(tx Tx) (Participant, error) {
		t, err := d.ticketByName(tx, ticket)
		if err != nil {
			return p, err
		}
		return d.addParticipant(tx, by, t, who, RoleCc)
	})
}

// onceParticipant is once for what changes a participant, and gives it as it is then.
func (d *Desk) onceParticipant(ctx context.Context, by Actor, request Hash, do func(Tx) (Participant, error)) (p Participant, err error) {
	id, again, err := d.once(ctx, by, by.Key, request, func(tx Tx) (int64, error) {
		var err error
		p, err = do(tx)
		return p.ID, err
	})
	if err == nil && again {
		err = d.store.Read(ctx, func(tx Tx) (err error) {
			p, err = tx.Participant(id)
			return err
		})
	}
	return p, err
}

// addParticipant does nothing for one who is there already.
func (d *Desk) addParticipant(tx Tx, by Actor, t Ticket, who mail.Address, role string) (Participant, error) {
	p := Participant{Ticket: t.ID, Address: mail.Lower(strings.TrimSpace(who.Address)), Name: who.Name, Role: role}
	if err := d.checkParticipant(p.Address); err != nil {
		return p, err
	}
	people, err := tx.Participants(t.ID)
	if err != nil {
		return p, err
	}
	if i := slices.IndexFunc(people, func(o Participant) bool { return o.Address == p.Address }); i >= 0 {
		p = people[i]
		switch {
		case p.Role == RoleRemoved:
		case p.Role == RoleThird && role != RoleThird:
			return p, d.checkCc(people, t, p.Address, 1)
		case p.Role != RoleThird && role == RoleThird:
			return p, fmt.Errorf("%w: %s takes part in %s already: answer, and it is among the readers", ErrInvalid, p.Address, t.Name())
		default:
			return p, nil
		}
		p.Role, p.Muted = role, false
		if err := tx.UpdateParticipant(p); err != nil {
			return p, err
		}
		return p, d.participantEvent(tx, by, p, "added")
	}
	if err := d.checkCc(people, t, p.Address, 1); err != nil {
		return p, err
	}
	if err := tx.AddParticipant(&p); err != nil {
		return p, err
	}
	return p, d.participantEvent(tx, by, p, "added")
}

// checkCc says why a person cannot join those of a ticket, as one of several.
func (d *Desk) checkCc(people []Participant, t Ticket, address string, more int) error {
	i := slices.IndexFunc(people, func(p Participant) bool { return p.Address == address })
	switch {
	case i >= 0 && people[i].Role == RoleThird:
		return fmt.Errorf("%w: %s is a third party of %s, whom you can ask; to let it see the conversation remove it first", ErrInvalid, address, t.Name())
	case i < 0 && len(people)+more > maxParticipants:
		return fmt.Errorf("%w: %s has %d participants already", ErrInvalid, t.Name(), len(people))
	}
	return d.checkParticipant(address)
}

// checkParticipant refuses what is no address, and our own, which would be a circle.
func (d *Desk) checkParticipant(address string) error {
	if _, _, ok := cutAddress(address); !ok || strings.ContainsAny(address, " \t\r\n<>,") || len(address) > 254 {
		return fmt.Errorf("%w: %q is no mail address", ErrInvalid, address)
	}
	if _, err := d.Directory().Lookup(address); err == nil {
		return fmt.Errorf("%w: %s is an address of this desk", ErrInvalid, address)
	}
	return nil
}

// RemoveParticipant ends what a person gets and may: their tokens are worth nothing at once.
func (d *Desk) RemoveParticipant(ctx context.Context, by Actor, ticket, address string) (Participant, error) {
	return d.changeParticipant(ctx, by, ticket, address, "removed", func(p *Participant) error {
		if p.Role == RoleRequester {
			return fmt.Errorf("%w: the requester cannot be removed; mute them, or revoke their token", ErrInvalid)
		}
		p.Role, p.Generation = RoleRemoved, p.Generation+1
		return nil
	})
}

// MuteParticipant keeps mail of ours from a person, or lets it go to them again.
func (d *Desk) MuteParticipant(ctx context.Context, by Actor, ticket, address string, mute bool) (Participant, error) {
	change := "unmuted"
	if mute {
		change = "muted"
	}
	return d.changeParticipant(ctx, by, ticket, address, change, func(p *Participant) error {
		p.Muted = mute
		return nil
	})
}

// RevokeParticipant makes every token and Message-ID worthless that this person was given
// until now. The next answer brings a new one.
func (d *Desk) RevokeParticipant(ctx context.Context, by Actor, ticket, address string) (Participant, error) {
	return d.changeParticipant(ctx, by, ticket, address, "revoked", func(p *Participant) error {
		p.Generation++
		return nil
	})
}

func (d *Desk) changeParticipant(ctx context.Context, by Actor, ticket, address, change string, do func(*Participant) error) (p Participant, err error) {
	p, err = d.onceParticipant(ctx, by, requested(change, ticket, address), func(tx Tx) (p Participant, err error) {
		t, err := d.ticketByName(tx, ticket)
		if err != nil {
			return p, err
		}
		people, err := present(tx, t.ID)
		if err != nil {
			return p, err
		}
		i := slices.IndexFunc(people, func(o Participant) bool { return strings.EqualFold(o.Address, address) })
		if i < 0 {
			return p, fmt.Errorf("participant %s of %s: %w", address, t.Name(), ErrNotFound)
		}
		p = people[i]
		if err := do(&p); err != nil {
			return p, err
		}
		if err := tx.UpdateParticipant(p); err != nil {
			return p, err
		}
		return p, d.participantEvent(tx, by, p, change)
	})
	if err == nil {
		d.log.Info("participant changed", "ticket", ticket, "participant", p.ID, "change", change, "actor", by.String())
	}
	return p, err
}

// participantEvent names the person by a number: events hold no words of people.
func (d *Desk) participantEvent(tx Tx, by Actor, p Participant, change string) error {
	return tx.Append(&Event{Time: d.now(), Type: TicketUpdated, Ticket: p.Ticket, Actor: by.String(), Origin: by.Origin,
		Facts: map[string]string{"participant": strconv.FormatInt(p.ID, 10), "change": change}})
}

// SuggestedCc are the people whom a proven requester put into To and Cc since the last
// answer, as far as c has its messages. They are preselected in the next one, visibly, and become
// participants when staff send it; until then nothing goes to them.
func (d *Desk) SuggestedCc(ctx context.Context, c Conversation) ([]mail.Address, error) {
	var out []mail.Address
	for _, m := range slices.Backward(c.Messages) {
		if m.Kind == KindReply {
			break
		}
		if m.Kind != KindInbound || m.Visibility != Shown || m.Authentication.Author == "" ||
			!strings.EqualFold(m.Authentication.Author, c.Ticket.Requester) {
			continue
		}
		content, err := d.Content(ctx, m)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var named []mail.Address
		if m.Authentication.Covers("cc") {
			named = append(named, content.Cc...)
		}
		if m.Authentication.Covers("to") {
			named = append(named, content.To...)
		}
		for _, a := range named {
			if len(out) < maxParticipants && d.suggests(c, out, a) {
				out = append(out, mail.Address{Name: a.Name, Address: mail.Lower(a.Address)})
			}
		}
	}
	return out, nil
}

func (d *Desk) suggests(c Conversation, have []mail.Address, a mail.Address) bool {
	same := func(address string) bool { return strings.EqualFold(address, a.Address) }
	return d.checkParticipant(mail.Lower(a.Address)) == nil &&
		!slices.ContainsFunc(have, func(h mail.Address) bool { return same(h.Address) }) &&
		!slices.ContainsFunc(c.Participants, func(p Participant) bool { return same(p.Address) })
}
