package ticketing_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"postdesk/integration/blank"
	"postdesk/ticketing"
	desk "postdesk/ticketing/mail"
	"postdesk/ticketing/store"
)

// What a process that died had claimed is free when the next one begins. What is claimed from
// then on is not, though the desk begins to run after it: else the same mail is claimed, and
// goes out, twice.
func TestLeasesAtStart(t *testing.T) {
	dir := t.TempDir()
	if err := blank.Desk(dir); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), dir, store.Options{Synchronous: "OFF"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	now := time.Now()
	o := ticketing.Outgoing{Recipient: "jo@customer.example", State: ticketing.OutQueued, Created: now, NextAttempt: now, Lease: now.Add(time.Hour)}
	err = db.Write(t.Context(), func(tx ticketing.Tx) error {
		k := ticketing.Ticket{Queue: "SUPPORT", Number: 1}
		err := tx.AddTicket(&k)
		o.Ticket = k.ID
		return errors.Join(err, tx.AddOutgoing(&o))
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := ticketing.New(t.Context(), ticketing.Config{
		Domain: "desk.example", Queues: []ticketing.Queue{{Key: "SUPPORT", Domain: "desk.example", Addresses: []string{"new@desk.example"}}},
		Verify: func(_ context.Context, _ []byte, m *desk.Message) desk.Authentication { return stubVerify(m) },
	}, db)
	if err != nil {
		t.Fatal(err)
	}
	if claimed, err := d.ClaimOutgoing(t.Context(), 10, time.Hour); err != nil || len(claimed) != 1 {
		t.Fatalf("at the start: %+v, %v", claimed, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- d.Run(ctx) }()
	defer func() {
		stop()
		<-ran
	}()
	for _, r := range d.Deliver(ctx, desk.Envelope{Recipients: []string{"new@desk.example"}}, strings.NewReader("Subject: x\r\n\r\nx\r\n")) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	for n := int64(1); n > 0; { // then it runs
		if n, err = d.Backlog(ctx); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	if claimed, err := d.ClaimOutgoing(ctx, 10, time.Hour); err != nil || len(claimed) != 0 {
		t.Errorf("claimed twice: %+v, %v", claimed, err)
	}
	if err := d.CancelOutgoing(ctx, ticketing.Actor{Name: "joe"}, o.ID); !errors.Is(err, ticketing.ErrConflict) {
		t.Errorf("what is on its way is taken back: %v", err)
	}
}
