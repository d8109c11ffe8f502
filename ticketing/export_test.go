package ticketing

import (
	"context"
	"fmt"

	"postdesk/ticketing/mail"
)

// StaffAddress is the address that a person of staff was given for a ticket.
func (d *Desk) StaffAddress(t Ticket, name string) string {
	return fmt.Sprintf("%s+%s@%s", t.Name(), d.staffToken(t.ID, name, t.LastSeq), d.queueOf(t.Queue).Domain)
}

// VerifyRound asks DNS again at once, for tests that do not wait for the next round.
func (d *Desk) VerifyRound(ctx context.Context) error {
	_, err := d.verifyRound(ctx)
	return err
}

// SeenByOwn says that our own consumers have looked at an event.
func (d *Desk) SeenByOwn(seq int64) bool {
	for _, name := range []string{responder, notifier} {
		if at, _ := d.seen.Load(name); at != seq {
			return false
		}
	}
	return true
}

// TakeEffect is one try of a consumer of our own.
func (d *Desk) TakeEffect(ctx context.Context, e Event, handle func(context.Context, Event) (func(Tx) error, error)) (bool, error) {
	_, effective, err := d.takeEffects(ctx, follower{name: "test", handle: func(ctx context.Context, e Event) (effect, error) {
		write, err := handle(ctx, e)
		return effect{write: write}, err
	}}, []Event{e})
	return effective, err
}

// TextsKept is how many mails wait for the index of words in memory.
func (d *Desk) TextsKept() int {
	d.texts.mu.Lock()
	defer d.texts.mu.Unlock()
	return len(d.texts.all)
}

// KeepText keeps one more.
func (d *Desk) KeepText(h Hash, m mail.Message) { d.texts.keep(h, m) }

// HoldEffects keeps our own consumers from handling what they read.
func (d *Desk) HoldEffects() (release func()) {
	d.making.Lock()
	return d.making.Unlock
}

// HeldUp says that new mail waits for a backlog of which nothing was read yet.
func (d *Desk) HeldUp(to string, m *mail.Message) bool {
	j := &job{}
	j.keys, j.follows = d.orderKeys(Arrival{Recipients: []string{to}}, m)
	return (&backlog{until: 1}).holds(j, 1)
}
