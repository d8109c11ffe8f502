package ticketing_test

import (
	"testing"
	"time"

	"postdesk/ticketing"
)

// What our own consumers have nothing to do for is not looked at again at each start, however
// much it is.
func TestCursorsMoveOver(t *testing.T) {
	w := newWorld(t)
	const events = 2500
	w.must(nil, w.store.Write(w.ctx, func(tx ticketing.Tx) error {
		k := ticketing.Ticket{Queue: "SUPPORT", Number: 7142, Status: ticketing.StatusOpen, Created: time.Now(), Updated: time.Now()}
		if err := tx.AddTicket(&k); err != nil {
			return err
		}
		for range events {
			if err := tx.Append(&ticketing.Event{Time: time.Now(), Type: ticketing.TicketUpdated, Ticket: k.ID, Actor: "staff:jane", Origin: "api"}); err != nil {
				return err
			}
		}
		return nil
	}))
	w.send("kim@customer.example", "new@desk.example", "Printer", "", "It is on fire.") // which says that there is something to read
	for _, name := range []string{"responder", "notifier"} {
		w.until("the cursor of "+name+" has moved", func() bool {
			var at int64
			err := w.store.Read(w.ctx, func(tx ticketing.Tx) (err error) {
				at, err = tx.Cursor(name)
				return err
			})
			return err == nil && at > events/2
		})
	}
}
