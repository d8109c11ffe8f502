package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"postdesk/ticketing"
)

// What may look through many rows before it gives the first ends with its context, for who has
// gone away, and for a stop.
func TestLongStatementsEnd(t *testing.T) {
	d := open(t, t.TempDir())
	for name, ask := range map[string]func(ticketing.Tx){
		"tickets":          func(x ticketing.Tx) { _, _ = x.Tickets(ticketing.TicketQuery{}) },
		"held messages":    func(x ticketing.Tx) { _, _ = x.HeldMessages([]string{"A"}, 0, 1) },
		"held, counted":    func(x ticketing.Tx) { _, _ = x.CountHeld() },
		"pending, counted": func(x ticketing.Tx) { _, _ = x.CountPending() },
		"outgoing":         func(x ticketing.Tx) { _, _ = x.OutgoingList(nil, []string{"A"}, 0, 1) },
		"closed":           func(x ticketing.Tx) { _, _ = x.ClosedBefore("A", time.Now(), 1) },
		"closed, counted":  func(x ticketing.Tx) { _, _ = x.CountClosed("A", time.Now()) },
		"addresses":        func(x ticketing.Tx) { _, _ = x.Addresses() },
		"of a person":      func(x ticketing.Tx) { _, _ = x.TicketsOf([]string{"a@b"}, time.Now()) },
		"to a person":      func(x ticketing.Tx) { _, _ = x.StrayOutgoing([]string{"a@b"}) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err := d.Read(ctx, func(x ticketing.Tx) error {
				ask(x)
				return countLong(x.(*tx), cancel)
			})
			if !errors.Is(err, context.Canceled) {
				t.Error("a reader that nobody waits for ends with", err)
			}
		})
	}
	ok(t, d.Read(t.Context(), func(x ticketing.Tx) error { _, err := x.LastSeq(); return err }))
	// To interrupt a change would undo all that others have written in the same batch.
	write(t, d, func(x ticketing.Tx) error {
		_, err := x.Tickets(ticketing.TicketQuery{})
		if x.(*tx).watched {
			t.Error("a write is interrupted in the middle of a statement")
		}
		return err
	})
}

// countLong runs a statement that takes some ten seconds, and calls between when it has begun.
func countLong(t *tx, between func()) error {
	time.AfterFunc(time.Millisecond, between)
	var n int64
	err := t.get("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000000) SELECT count(*) FROM n", nil, &n)
	if n != 0 { // the context is looked at after each row as well
		return errors.New("it ran to its end")
	}
	return err
}
