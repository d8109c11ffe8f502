package ticketing_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postdesk/ticketing"
	desk "postdesk/ticketing/mail"
)

// lateWorld is a world whose DNS can be down.
func lateWorld(t *testing.T) (*world, *clock, *atomic.Bool) {
	c, down := newClock(), &atomic.Bool{}
	w := newWorldOf(t, func(cfg *ticketing.Config) {
		cfg.Now = c.time
		cfg.Queues[0].Acknowledge = ""
		cfg.Verify = func(_ context.Context, _ []byte, m *desk.Message) desk.Authentication {
			if down.Load() {
				return desk.Authentication{Temporary: true}
			}
			return stubVerify(m)
		}
	})
	return w, c, down
}

// Mail that DNS could not say the author of is there at once, without rights, and is
// raised when DNS answers; what waited for it goes out then.
func TestLateVerdict(t *testing.T) {
	w, _, down := lateWorld(t)
	down.Store(true)
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	w.wants(t, "while DNS is down", "SUPPORT-7102", "7", ticketing.Shown)
	w.send("jo@customer.example", "SUPPORT-7102@desk.example", "x", "", "More")
	w.wants(t, "at the bare address", "SUPPORT-7102", "7", ticketing.Held)
	w.settled()
	if n := len(w.to("jo@customer.example")); n != 0 {
		t.Fatalf("%d acknowledgements before anything was proven", n)
	}
	w.must(nil, w.VerifyRound(w.ctx))
	w.wants(t, "DNS still down", "SUPPORT-7102", "7", ticketing.Held)
	down.Store(false)
	w.must(nil, w.VerifyRound(w.ctx))
	c := w.ticket("SUPPORT-7102")
	if c.Messages[0].Row != "8" || c.Messages[0].Suppressed != "" || c.Ticket.Unverified || c.Ticket.Held != 0 {
		t.Errorf("the first: %+v in %+v", c.Messages[0], c.Ticket)
	}
	if m := c.Messages[1]; m.Row != "5" || m.Visibility != ticketing.Shown {
		t.Errorf("the second: %+v", m)
	}
	w.settled()
	if n := len(w.to("jo@customer.example")); n != 1 {
		t.Errorf("%d acknowledgements after the verdict, want 1", n)
	}
	events, err := w.EventsOf(w.ctx, "SUPPORT-7102", 0, 100)
	w.must(events, err)
	verified := 0
	for _, e := range events {
		if e.Type == ticketing.MessageVerified {
			verified++
		}
	}
	if verified != 2 {
		t.Errorf("%d events of it, want 2", verified)
	}
}

// An acknowledgement that is more than an hour late helps nobody.
func TestLateAcknowledgement(t *testing.T) {
	w, c, down := lateWorld(t)
	down.Store(true)
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	c.pass(61 * time.Minute)
	down.Store(false)
	w.must(nil, w.VerifyRound(w.ctx))
	w.settled()
	if n := len(w.to("jo@customer.example")); n != 0 {
		t.Errorf("%d acknowledgements after more than an hour", n)
	}
	if m := w.ticket("SUPPORT-7102").Messages[0]; m.Row != "8" || !strings.Contains(m.Suppressed, "hour") {
		t.Errorf("the message: row %s, %q", m.Row, m.Suppressed)
	}
}

// After a day without an answer the mail counts as unproven, and what nothing else ties to
// the ticket stays held.
func TestLateNever(t *testing.T) {
	w, c, down := lateWorld(t)
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	own := token(t, w.answer("SUPPORT-7102", "Fix."))
	down.Store(true)
	w.send("jo@customer.example", own, "x", "", "1")
	w.send("jo@customer.example", "SUPPORT-7102@desk.example", "x", "", "2")
	c.pass(25 * time.Hour)
	w.must(nil, w.VerifyRound(w.ctx))
	m := w.ticket("SUPPORT-7102").Messages
	for i, want := range []string{"2", "6"} {
		if got := m[len(m)-2+i]; got.Row != want || (got.Visibility == ticketing.Held) != (want == "6") {
			t.Errorf("message %d: row %s, %s; want row %s", i, got.Row, got.Visibility, want)
		}
	}
}
