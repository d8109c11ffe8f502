package ticketing

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postdesk/ticketing/mail"
)

func (d *Desk) eraser() eraser { return eraser{d.store, d.write, d.now, d.log} }

// ErasePerson takes away for good what the desk holds of a person until now. It is noted
// before it begins: what a crash cuts off is done at the next start.
func (d *Desk) ErasePerson(ctx context.Context, by Actor, address string) (c Certificate, err error) {
	e, err := d.personErasure(address)
	if err != nil {
		return c, err
	}
	e.ID, e.By, e.Origin = d.erasureID(by, "erase"), by.String(), by.Origin
	again, err := d.noted(e.ID)
	switch {
	case err != nil:
		return c, err
	case again.ID != "" && again.Digest != e.Digest:
		return c, fmt.Errorf("%w: this Idempotency-Key was used for another request", ErrConflict)
	case again.Done:
		return d.eraser().certificate(ctx, again)
	}
	return d.erase(ctx, e)
}

// erasureID is one of its own, or that of the key by which the actor may ask again.
func (d *Desk) erasureID(by Actor, what string) string {
	if by.Key == "" {
		return rand.Text()
	}
	return d.store.KeyedDigest("key", fmt.Sprintf("%s %s %s", what, by, by.Key)).String()[:26]
}

// noted finds an erasure that was asked for before.
func (d *Desk) noted(id string) (Erasure, error) {
	all, err := d.store.Erasures()
	if i := slices.IndexFunc(all, func(e Erasure) bool { return e.ID == id }); i >= 0 {
		return all[i], err
	}
	return Erasure{}, err
}

func (d *Desk) personErasure(address string) (e Erasure, err error) {
	address = mail.Lower(strings.TrimSpace(address))
	if err := d.checkParticipant(address); err != nil {
		return e, err
	}
	for _, p := range d.staff.Load().people {
		if slices.ContainsFunc(p.Addresses, func(a string) bool { return mail.Lower(a) == address }) {
			return e, fmt.Errorf("%w: %s is staff, whose work is the desk's: take them out of the configuration first", ErrInvalid, address)
		}
	}
	return Erasure{Kind: ErasePerson, At: d.now(), Digest: d.store.KeyedDigest(digestAddress, address)}, nil
}

// erase notes and does it, one at a time. Who has asked may be gone before it is done.
func (d *Desk) erase(ctx context.Context, e Erasure) (Certificate, error) {
	d.erasing.Lock()
	defer d.erasing.Unlock()
	if err := d.store.NoteErasure(e); err != nil {
		return Certificate{}, err
	}
	d.forgets.Store(true)
	d.making.Lock()
	c, err := d.eraser().run(ctx, e)
	d.making.Unlock()
	if err == nil && !d.wordsFollow(ctx) {
		c.Left = append(c.Left, "the index of words, which is behind and forgets them when it has come so far")
	}
	return c, err
}

// wordsTime is how long an erasure waits for the index of words.
const wordsTime = 30 * time.Second

// wordsFollow waits until the index of words has seen all that happened until now.
func (d *Desk) wordsFollow(ctx context.Context) bool {
	if d.cfg.Index == nil {
		return true
	}
	last, err := d.LastSeq(ctx)
	for end := time.Now().Add(wordsTime); err == nil && time.Now().Before(end); {
		s, err := d.cfg.Index.State(ctx)
		if err == nil && s.Seq >= last {
			return true
		}
		if !pause(ctx, 20*time.Millisecond) {
			break
		}
	}
	return false
}

// finishErasures does what a crash has cut off, until it is done.
func (d *Desk) finishErasures(ctx context.Context) {
	for {
		d.erasing.Lock()
		d.making.Lock()
		err := d.eraser().finish(ctx)
		d.making.Unlock()
		d.erasing.Unlock()
		if err == nil || ctx.Err() != nil {
			return
		}
		d.log.Error("an erasure cannot be finished; trying again", "error", err)
		if !pause(ctx, time.Minute) {
			return
		}
	}
}

// WouldErase says what ErasePerson would take away, and takes nothing.
func (d *Desk) WouldErase(ctx context.Context, address string) (c Certificate, err error) {
	e, err := d.personErasure(address)
	if err != nil {
		return c, err
	}
	x := d.eraser()
	w, err := x.find(ctx, e)
	if err != nil {
		return c, err
	}
	c = Certificate{Kind: e.Kind, Digest: e.Digest.String(), Left: left()}
	for _, id := range w.tickets {
		p, err := x.plan(ctx, w, id)
		if err != nil {
			return c, err
		}
		c.Removed.Tickets = append(c.Removed.Tickets, p.ticket.Name())
		for _, m := range p.theirs {
			c.Removed.Messages = append(c.Removed.Messages, m.ID)
			c.Removed.Attachments += len(p.files[m.ID])
		}
		for _, o := range p.outgoing {
			if w.is(o.Recipient) {
				c.Removed.Outgoing = append(c.Removed.Outgoing, o.ID)
			}
			if w.is(o.Recipient) && o.State == OutQueued {
				c.Removed.Cancelled++
			}
		}
		for _, m := range p.others {
			_, _, needs, err := x.reduced(ctx, p.reduction(), m.Raw)
			if err != nil {
				return c, err
			}
			if needs || cutFields(&m, p.reduction()) {
				c.Removed.Changed = append(c.Removed.Changed, m.ID)
			}
		}
	}
	return c, nil
}

// isForgotten says that a mail was erased or redacted, and comes again: Postfix had it in its
// queue still.
func (d *Desk) isForgotten(tx Tx, a Arrival, fold string) (bool, error) {
	if !d.forgets.Load() {
		return false, nil
	}
	known, err := tx.Forgotten(d.store.KeyedDigest(digestRaw, a.Raw.String()))
	if err != nil || known || fold == "" {
		return known, err
	}
	return tx.Forgotten(d.store.KeyedDigest(digestFold, fold))
}

// errDropped says that an arrival is not there any more.
var errDropped = errors.New("the mail is about somebody who was erased")

// erased says that a participant is nobody any more.
func (p Participant) erased() bool { return strings.HasPrefix(p.Address, "erased-") }

// dropForgotten takes away again what was forgotten.
func (d *Desk) dropForgotten(tx Tx, a Arrival) error {
	d.log.Info("mail that was erased has come again, and is not kept", "arrival", a.ID)
	if err := tx.RemoveArrival(a.ID); err != nil {
		return err
	}
	_, err := tx.DropRaw([]Hash{a.Raw})
	return err
}
