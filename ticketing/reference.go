package ticketing

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// A reference is what a ticket is called in another system, as github:owner/repo#12. It is
// that of one ticket alone, so that two bridges, or one that begins anew, make no second
// ticket for one thing.

const referencesMax = 50 // of one ticket

const referenceRule = "a reference names a system and what it calls the thing, as github:owner/repo#12, in one word of at most 300 octets"

var referencePattern = pattern(`^[a-z][a-z0-9+.-]{0,30}:[^\s\pC]+$`)

// cleanReference gives the one form of a reference: the system in small letters.
func cleanReference(ref string) (string, error) {
	system, name, _ := strings.Cut(strings.TrimSpace(ref), ":")
	ref = strings.ToLower(system) + ":" + name
	if !referencePattern().MatchString(ref) || len(ref) > 300 {
		return "", fmt.Errorf("%w: reference %q: %s", ErrInvalid, ref, referenceRule)
	}
	return ref, nil
}

// AddReference ties a reference to a ticket. The same again changes nothing; that of
// another ticket is ErrConflict.
func (d *Desk) AddReference(ctx context.Context, by Actor, ticket, ref string) ([]string, error) {
	return d.changeReferences(ctx, ticket, ref, func(tx Tx, t Ticket, ref string) error { return d.addReference(tx, by, t, ref) })
}

// RemoveReference unties a reference from a ticket.
func (d *Desk) RemoveReference(ctx context.Context, by Actor, ticket, ref string) ([]string, error) {
	return d.changeReferences(ctx, ticket, ref, func(tx Tx, t Ticket, ref string) error {
		if err := tx.RemoveReference(ref, t.ID); err != nil {
			return fmt.Errorf("reference %s of %s: %w", ref, t.Name(), err)
		}
		return d.referenceEvent(tx, by, t, ref, "unreferenced")
	})
}

func (d *Desk) changeReferences(ctx context.Context, ticket, ref string, do func(Tx, Ticket, string) error) (refs []string, err error) {
	if ref, err = cleanReference(ref); err != nil {
		return nil, err
	}
	err = d.write(ctx, func(tx Tx) error {
		t, err := d.ticketByName(tx, ticket)
		if err != nil {
			return err
		}
		if err := do(tx, t, ref); err != nil {
			return err
		}
		refs, err = tx.ReferencesOf(t.ID)
		return err
	})
	return refs, err
}

func (d *Desk) addReference(tx Tx, by Actor, t Ticket, ref string) error {
	have, err := tx.ReferencesOf(t.ID)
	if err != nil || slices.Contains(have, ref) {
		return err
	}
	if len(have) >= referencesMax {
		return fmt.Errorf("%w: %s has %d references; a ticket can have %d", ErrInvalid, t.Name(), len(have), referencesMax)
	}
	owner, err := tx.PutReference(ref, t.ID)
	if err != nil {
		return err
	}
	if owner == t.ID {
		return d.referenceEvent(tx, by, t, ref, "referenced")
	}
	other, err := tx.Ticket(owner)
	if err != nil {
		return err
	}
	name := other.Name()
	if !by.Sees(other.Queue) {
		name = "another ticket"
	}
	return fmt.Errorf("%w: %s is the reference of %s", ErrConflict, ref, name)
}

func (d *Desk) referenceEvent(tx Tx, by Actor, t Ticket, ref, change string) error {
	return tx.Append(&Event{Time: d.now(), Type: TicketUpdated, Ticket: t.ID, Actor: by.String(), Origin: by.Origin,
		Facts: map[string]string{"change": change, "reference": ref}})
}
