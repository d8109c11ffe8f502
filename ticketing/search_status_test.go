package ticketing_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"postdesk/ticketing"
	"postdesk/ticketing/store"
)

// found waits until a search by each of these statuses finds so many messages.
func (w *world) found(word string, want map[string]int) {
	w.t.Helper()
	for status, n := range want {
		w.until(word+" is found where it is "+status, func() bool { return len(w.find(jane, word+" status:"+status)) == n })
	}
}

// A search by status finds the messages of a ticket under the one that it has now, whoever changed
// it, and none that are gone.
func TestSearchStatusChanges(t *testing.T) {
	dir := t.TempDir()
	clock := newClock()
	w := newWorldAt(t, dir, store.Options{Synchronous: "OFF"}, func(c *ticketing.Config) {
		indexIn(t, dir)(c)
		c.Now, c.Queues[0].Retention = clock.time, 730*24*time.Hour
	})
	w.send(bob, "new@desk.example", "hello", "Message-ID: <s1@customer.example>\r\n", "canary one")
	w.send(bob, "new@desk.example", "hello", "Message-ID: <s2@customer.example>\r\n", "canary two")
	w.found("canary", map[string]int{"new": 2, "open": 0, "waiting": 0})
	w.answer("SUPPORT-7102", "canary answer")
	w.found("canary", map[string]int{"new": 1, "waiting": 2})
	w.must(w.SetStatus(w.ctx, jane, "SUPPORT-7102", ticketing.StatusResolved))
	w.found("canary", map[string]int{"new": 1, "waiting": 0, "resolved": 2})
	w.send(bob, "SUPPORT-7102@desk.example", "Re: hello", "In-Reply-To: <s1@customer.example>\r\n", "canary again") // opens it again
	w.found("canary", map[string]int{"new": 1, "open": 3, "resolved": 0})
	_, err := w.Redact(w.ctx, jane, ticketing.Redaction{Message: w.ticket("SUPPORT-7102").Messages[0].ID, Why: "a password"})
	w.must(nil, err)
	w.found("canary", map[string]int{"open": 2})
	w.found("redacted", map[string]int{"open": 1, "new": 0})
	w.must(w.SetStatus(w.ctx, jane, "SUPPORT-7102", ticketing.StatusClosed))
	w.found("canary", map[string]int{"closed": 2, "new,closed": 3, "open": 0})
	clock.pass(731 * 24 * time.Hour)
	out, err := w.Outgoing(w.ctx, nil, 0, 10)
	w.must(nil, err)
	w.must(nil, w.SettleOutgoing(w.ctx, ticketing.Settlement{Outgoing: out[0].ID, State: ticketing.OutSubmitted}))
	w.seen()
	if r, err := w.Retire(w.ctx); err != nil || len(r.Queues) != 1 {
		t.Fatalf("removed: %+v %v", r, err)
	}
	w.found("canary", map[string]int{"closed": 0, "new": 1, "new,open,closed,resolved,waiting": 1})
}

// stale is an index that knows nothing of statuses.
type stale struct{ ticketing.Index }

func (s stale) Find(ctx context.Context, q ticketing.IndexQuery, before int64, limit int) ([]int64, int64, error) {
	q.Statuses = nil
	return s.Index.Find(ctx, q, before, limit)
}

// Whatever the index says of statuses, what is shown has the one that was asked for.
func TestSearchStatusIsProven(t *testing.T) {
	w := newWorldOf(t, func(c *ticketing.Config) {
		indexIn(t, t.TempDir())(c)
		c.Index = stale{c.Index}
	})
	fillSearch(w)
	checkSearches(t, w)
	w.must(w.SetStatus(w.ctx, jane, "SUPPORT-7102", ticketing.StatusClosed)) // the index has not seen it yet, or has
	if got := w.find(jane, "toner status:resolved"); len(got) > 0 {
		t.Errorf("it was closed, and is found as resolved: %q", got)
	}
	if got := w.find(jane, "toner status:closed"); !slices.Equal(got, []string{"printer"}) {
		t.Errorf("closed: %q", got)
	}
}

// An index that was made of what the store had knows what changes after it.
func TestSearchStatusOfOld(t *testing.T) {
	w := newWorld(t)
	w.send(bob, "new@desk.example", "old", "Message-ID: <s1@customer.example>\r\n", strings.Repeat("canary ", 3))
	w.must(w.SetStatus(w.ctx, jane, "SUPPORT-7102", ticketing.StatusRejected))
	w.again(t, t.TempDir(), func(again *world) {
		again.indexed("canary")
		again.found("canary", map[string]int{"rejected": 1, "new": 0})
		again.must(again.SetStatus(again.ctx, jane, "SUPPORT-7102", ticketing.StatusOpen))
		again.found("canary", map[string]int{"rejected": 0, "open": 1})
	})
}
