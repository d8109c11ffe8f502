package ticketing_test

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"postdesk/ticketing"
	desk "postdesk/ticketing/mail"
)

// stored is what the store has of the feed.
func (w *world) stored(after int64, limit int) (events []ticketing.Event) {
	w.t.Helper()
	w.must(nil, w.store.Read(w.ctx, func(tx ticketing.Tx) (err error) {
		events, err = tx.Events(after, limit)
		return err
	}))
	return events
}

// Wherever a follower stands at the end of the feed, it gets what the store has: also when the
// same events say something else now, since somebody was erased.
func TestEndOfTheFeed(t *testing.T) {
	w := newWorld(t)
	same := func(when string) {
		t.Helper()
		var last int64
		w.until("the desk is still", func() bool {
			var err error
			last, err = w.LastSeq(w.ctx)
			return err == nil && w.SeenByOwn(last)
		})
		for after := last - 1; after > 0; after-- {
			for _, limit := range []int{1, 2, 7, 1000} {
				events, err := w.Events(w.ctx, after, limit)
				w.must(nil, err)
				if want := w.stored(after, limit); !reflect.DeepEqual(events, want) {
					t.Fatalf("%s, %d events after %d: %+v\nwant %+v", when, limit, after, events, want)
				}
			}
		}
	}
	w.send("jo@customer.example", "new@desk.example", "Printer", "", "It is on fire.")
	w.answer("SUPPORT-7102", "Please put it out.")
	same("after an answer")
	w.send("kim@customer.example", "new@desk.example", "Invoice", "", "It is lost.")
	same("after a mail")
	before := w.stored(1, 1000)
	_, err := w.ErasePerson(w.ctx, jane, "jo@customer.example")
	w.must(nil, err)
	if reflect.DeepEqual(before, w.stored(1, len(before))) {
		t.Fatal("the erasure has changed no event: this test would see nothing")
	}
	same("after an erasure")
}

// countedReads counts the reads of a store.
type countedReads struct {
	ticketing.Store
	reads int
}

func (c *countedReads) Read(ctx context.Context, fn func(ticketing.Tx) error) error {
	c.reads++
	return c.Store.Read(ctx, fn)
}

// counted is another desk on the same store, which does nothing by itself.
func (w *world) counted() (*ticketing.Desk, *countedReads) {
	w.t.Helper()
	store := &countedReads{Store: w.store}
	d, err := ticketing.New(w.ctx, ticketing.Config{Domain: "desk.example", Queues: []ticketing.Queue{{Key: "SUPPORT", Addresses: []string{"new@desk.example"}, Domain: "desk.example"}},
		Verify: func(_ context.Context, _ []byte, m *desk.Message) desk.Authentication { return stubVerify(m) }}, store)
	w.must(nil, err)
	store.reads = 0
	return d, store
}

// What happened is read once, however many follow.
func TestFollowersShare(t *testing.T) {
	w := newWorld(t)
	w.send("jo@customer.example", "new@desk.example", "Printer", "", "It is on fire.")
	w.settled()
	d, store := w.counted()
	for range 10 {
		if events, err := d.Events(w.ctx, 1, 100); err != nil || len(events) == 0 {
			t.Fatal(events, err)
		}
	}
	if store.reads != 1 {
		t.Errorf("ten followers have read %d times", store.reads)
	}
}

// What is committed is on the feed, also before those who follow it were told.
func TestEventsOfCommit(t *testing.T) {
	w := newWorld(t)
	w.send("jo@customer.example", "new@desk.example", "Printer", "", "It is on fire.")
	w.settled()
	d, _ := w.counted() // which nobody tells
	last, err := d.LastSeq(w.ctx)
	w.must(nil, err)
	w.send("kim@customer.example", "new@desk.example", "Invoice", "", "It is lost.")
	for _, limit := range []int{1, 100} {
		events, err := d.Events(w.ctx, last, limit)
		if w.must(nil, err); len(events) == 0 || events[0].Seq != last+1 {
			t.Errorf("%d events after %d: %+v", limit, last, events)
		}
	}
	if events, _, err := d.Sift(w.ctx, func(ticketing.Event) bool { return true }, last, 100, 0); err != nil || len(events) == 0 {
		t.Errorf("who does not wait gets %+v %v", events, err)
	}
}

// A token is read once, until one is removed, and never again when it was that one.
func TestTokenIsKnown(t *testing.T) {
	w := newWorld(t)
	d, store := w.counted()
	stays, secret, err := d.CreateToken(w.ctx, jane, ticketing.Token{Name: "bridge", Scope: "read"})
	w.must(nil, err)
	goes, other, err := d.CreateToken(w.ctx, jane, ticketing.Token{Name: "former", Scope: "read"})
	w.must(nil, err)
	use := func() {
		t.Helper()
		store.reads = 0
		for range 10 {
			if got, err := d.TokenBySecret(w.ctx, secret); err != nil || got.ID != stays.ID {
				t.Fatal(got, err)
			}
		}
		if store.reads != 1 {
			t.Errorf("a token that was used ten times was read %d times", store.reads)
		}
	}
	use()
	if got, err := d.TokenBySecret(w.ctx, other); err != nil || got.ID != goes.ID {
		t.Fatal(got, err)
	}
	w.must(nil, d.RemoveToken(w.ctx, goes.ID))
	for range 2 {
		if got, err := d.TokenBySecret(w.ctx, other); !errors.Is(err, ticketing.ErrNotFound) {
			t.Fatal(got, err)
		}
	}
	use()
}
