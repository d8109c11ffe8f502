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
	return d.takeEffect(ctx, "test", e, handle)
}

// TextsKept is how many mails wait for the index of words in memory.
func (d *Desk) TextsKept() int {
	d.texts.mu.Lock()
	defer d.texts.mu.Unlock()
	return len(d.texts.all)
}

// KeepText keeps one more.
func (d *Desk) KeepText(h Hash, m mail.Message) { d.texts.keep(h, m) }
