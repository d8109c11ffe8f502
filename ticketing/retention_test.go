package ticketing_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postdesk/ticketing"
	"postdesk/ticketing/store"
)

// retaining is a desk that keeps tickets of SUPPORT for 730 days and events for three years.
func retaining(t *testing.T, dir string) (*world, *clock) {
	t.Helper()
	c := newClock()
	return newWorldAt(t, dir, store.Options{Synchronous: "OFF"}, func(cfg *ticketing.Config) {
		cfg.Now = c.time
		cfg.Queues[0].Retention, cfg.KeepEvents = 730*24*time.Hour, 3*365*24*time.Hour
	}), c
}

// A ticket goes with all that belongs to it when its time is over, in steps when it is large,
// and nothing else does.
func TestRetention(t *testing.T) {
	dir := t.TempDir()
	w, clock := retaining(t, dir)
	for n, to := range []string{"new@desk.example", "new@desk.example", "sales@desk.example", "new@desk.example"} {
		w.send(bob, to, fmt.Sprint("canary ", n), fmt.Sprintf("Message-ID: <o%d@customer.example>\r\n", n), strings.Repeat("canary ", 20000*(n%2)+1))
	}
	for n := range 120 { // more than go in one commit
		w.send(bob, "SUPPORT-7102@desk.example", "canary", fmt.Sprintf("Message-ID: <p%d@customer.example>\r\n", n), "canary")
	}
	w.answer("SUPPORT-7102", "canary")
	w.answer("SUPPORT-7103", "waits to go out")
	out, err := w.Outgoing(w.ctx, nil, 0, 10)
	w.must(nil, err)
	w.must(nil, w.SettleOutgoing(w.ctx, ticketing.Settlement{Outgoing: out[0].ID, State: ticketing.OutSubmitted}))
	for _, name := range []string{"SUPPORT-7102", "SUPPORT-7103", "SALES-0"} {
		_, err := w.SetStatus(w.ctx, jane, name, ticketing.StatusClosed)
		w.must(nil, err)
	}
	w.seen()
	clock.pass(729 * 24 * time.Hour)
	if r, err := w.Retire(w.ctx); err != nil || len(r.Queues) > 0 {
		t.Errorf("a day too early: %+v %v", r, err)
	}
	clock.pass(2 * 24 * time.Hour)
	would, err := w.Expired(w.ctx)
	w.must(nil, err)
	did, err := w.Retire(w.ctx)
	w.must(nil, err)
	if fmt.Sprint(would) != fmt.Sprint(did) || len(did.Queues) != 1 || did.Queues[0].Queue != "SUPPORT" || did.Queues[0].Tickets != 1 || did.Queues[0].Messages != 122 {
		t.Errorf("removed %+v, would have removed %+v", did, would)
	}
	var names []string
	for _, k := range w.tickets() {
		names = append(names, k.Name())
	}
	if slices.Sort(names); !slices.Equal(names, []string{"SALES-0", "SUPPORT-7103", "SUPPORT-7104"}) {
		t.Errorf("left: %v", names)
	}
	w.removedIsTold(t, dir)
	if n := len(w.tickets()); n != 3 {
		t.Fatal(n)
	}
	w.send(bob, "SUPPORT-7102@desk.example", "again", "Message-ID: <late@customer.example>\r\nIn-Reply-To: <o0@customer.example>\r\n", "It is back.")
	if n := len(w.tickets()); n != 4 {
		t.Errorf("mail to a ticket that is gone: %d tickets, want one more", n)
	}
}

// removedIsTold looks at the events, and at what verify says.
func (w *world) removedIsTold(t *testing.T, dir string) {
	t.Helper()
	events, err := w.Events(w.ctx, 0, 10000)
	w.must(nil, err)
	told, messages := 0, 0
	for i, e := range events {
		if int(e.Seq) != i+1 {
			t.Fatalf("event %d at place %d", e.Seq, i+1)
		}
		if e.Type == ticketing.TicketRemoved {
			told++
			messages += len(strings.Fields(e.Facts["messages"]))
			if e.Name != "SUPPORT-7102" || e.Queue != "SUPPORT" {
				t.Errorf("%+v", e)
			}
		}
	}
	if told != 2 || messages != 122 || events[0].Type != ticketing.EventErased || events[0].Facts["was"] != ticketing.TicketCreated {
		t.Errorf("told %d times of %d messages; the first event: %+v", told, messages, events[0])
	}
	a, err := store.Verify(w.ctx, dir, nil)
	if err != nil || len(a.Problems)+len(a.Notes) > 0 {
		t.Errorf("verify: %+v %v", a, err)
	}
}

// Events go from the beginning: a place before what is kept is Gone, the newest stays, and a
// sequence that begins later is whole, unless more is missing than was taken away.
func TestOldEventsGo(t *testing.T) {
	dir := t.TempDir()
	w, clock := retaining(t, dir)
	w.send(bob, "new@desk.example", "old", "Message-ID: <e1@customer.example>\r\n", "old") // events 1 and 2
	clock.pass(4 * 365 * 24 * time.Hour)
	w.send(bob, "new@desk.example", "new", "Message-ID: <e2@customer.example>\r\n", "new")
	w.seen()
	if events, err := w.Events(w.ctx, 1, 10); err != nil || len(events) != 3 { // and all who follow know them
		t.Errorf("before, after 1: %v %v", events, err)
	}
	would, err := w.Expired(w.ctx)
	w.must(nil, err)
	did, err := w.Retire(w.ctx)
	if err != nil || did.Events != 2 || would.Events != 2 {
		t.Fatalf("%+v, would %+v, %v", did, would, err)
	}
	var gone ticketing.Gone
	if _, err := w.Events(w.ctx, 1, 10); !errors.As(err, &gone) || gone.Oldest != 3 {
		t.Errorf("after 1: %v", err)
	}
	if events, err := w.Events(w.ctx, 2, 10); err != nil || len(events) != 2 {
		t.Errorf("after 2: %v %v", events, err)
	}
	if a, err := store.Verify(w.ctx, dir, nil); err != nil || len(a.Problems)+len(a.Notes) > 0 {
		t.Errorf("verify: %+v %v", a, err)
	}
	clock.pass(4 * 365 * 24 * time.Hour)
	if did, err := w.Retire(w.ctx); err != nil || did.Events != 1 {
		t.Errorf("all are old: %+v %v, want the newest to stay", did, err)
	}
	w.must(nil, w.store.Write(w.ctx, func(tx ticketing.Tx) error { return tx.TruncateEvents(3) })) // as it is
	w.answer("SUPPORT-7103", "The desk goes on.")
}

// seen waits until all events were looked at.
func (w *world) seen() {
	w.t.Helper()
	w.until("all events were looked at", func() bool {
		last, err := w.LastSeq(w.ctx)
		return err == nil && w.SeenByOwn(last)
	})
}

// A file that no reply has taken goes a day after it was brought, with its bytes; those that
// something else has stay.
func TestUnusedUploadsGo(t *testing.T) {
	dir := t.TempDir()
	w, clock := retaining(t, dir)
	w.send(bob, "new@desk.example", "hello", "", "hello")
	jane := ticketing.Actor{Kind: "staff", Name: "Jane", Origin: "api"}
	bring := func(content string) ticketing.Upload {
		t.Helper()
		u, err := w.Upload(w.ctx, jane, "guide.pdf", "application/pdf", strings.NewReader(content))
		w.must(nil, err)
		return u
	}
	random := make([]byte, 200_000) // has a file of its own
	_, err := rand.Read(random)
	w.must(nil, err)
	small, large, used := bring("nobody wants it"), bring(string(random)), bring("it goes out")
	_, _, err = w.Reply(w.ctx, jane, ticketing.ReplyRequest{Ticket: "SUPPORT-7102", Text: "Look.", Files: []ticketing.File{{Name: "guide.pdf", Upload: used.Secret}}})
	w.must(nil, err)
	clock.pass(23 * time.Hour)
	young := bring("it is young")
	retire := func() {
		t.Helper()
		_, err := w.Retire(w.ctx)
		w.must(nil, err)
	}
	have := func(when string, u ticketing.Upload, want bool) {
		t.Helper()
		if _, err := w.Raw(w.ctx, u.Raw); (err == nil) != want {
			t.Errorf("%s: %d octets are there: %v (%v), want %v", when, u.Size, err == nil, err, want)
		}
	}
	retire()
	have("within a day", small, true)
	have("within a day", large, true)
	clock.pass(2*time.Hour + time.Minute)
	_, _, err = w.Reply(w.ctx, jane, ticketing.ReplyRequest{Ticket: "SUPPORT-7102", Text: "Late.", Files: []ticketing.File{{Name: "guide.pdf", Upload: small.Secret}}})
	if !errors.Is(err, ticketing.ErrInvalid) {
		t.Error("a reply takes what is over:", err)
	}
	retire()
	have("after a day", small, false)
	have("after a day", large, false)
	have("used", used, true)
	have("young", young, true)
	if left, err := filepath.Glob(filepath.Join(dir, "raw", "*", large.Raw.String()+"*")); err != nil || len(left) > 0 {
		t.Errorf("on the disk: %v %v", left, err)
	}
}
