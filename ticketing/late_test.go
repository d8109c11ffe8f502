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

// Whose domain has broken DNS keeps nobody waiting but itself.
func TestLateOneBrokenDomain(t *testing.T) {
	var down atomic.Bool
	w := newWorldOf(t, func(cfg *ticketing.Config) {
		cfg.Verify = func(_ context.Context, _ []byte, m *desk.Message) desk.Authentication {
			if down.Load() || strings.Contains(m.From[0].Address, "broken") {
				return desk.Authentication{Temporary: true}
			}
			return stubVerify(m)
		}
	})
	down.Store(true)
	w.send("eve@broken.example", "new@desk.example", "x", "", "Never")
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	down.Store(false)
	w.must(nil, w.VerifyRound(w.ctx))
	w.wants(t, "the domain that cannot be asked", "SUPPORT-7102", "7", ticketing.Shown)
	w.wants(t, "the one behind it", "SUPPORT-7103", "8", ticketing.Shown)
}

// What staff have accepted while DNS was down is not held once more.
func TestLateAfterStaff(t *testing.T) {
	w, _, down := lateWorld(t)
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	down.Store(true)
	w.send("pat@elsewhere.example", "SUPPORT-7102@desk.example", "x", "", "Me too")
	w.send("kim@elsewhere.example", "SUPPORT-7102@desk.example", "x", "", "And me")
	// By author: an acknowledgement stands among them at its own time.
	of := func(address string) ticketing.Message {
		t.Helper()
		for _, m := range w.ticket("SUPPORT-7102").Messages {
			if m.From.Address == address {
				return m
			}
		}
		t.Fatalf("no mail of %s", address)
		return ticketing.Message{}
	}
	pat, kim := "pat@elsewhere.example", "kim@elsewhere.example"
	if p, k := of(pat), of(kim); p.Row != "7" || k.Row != "7" {
		t.Fatalf("rows %s and %s: DNS was not waited for", p.Row, k.Row)
	}
	w.must(w.Judge(w.ctx, jane, of(pat).ID, true))
	w.must(w.Judge(w.ctx, jane, of(kim).ID, false))
	down.Store(false)
	w.must(nil, w.VerifyRound(w.ctx))
	held := w.ticket("SUPPORT-7102").Ticket.Held
	if p, k := of(pat), of(kim); p.Visibility != ticketing.Shown || k.Visibility != ticketing.Dismissed || held != 0 {
		t.Errorf("accepted is %s, dismissed is %s, %d held", p.Visibility, k.Visibility, held)
	}
}

// An answer to a ticket that was closed long ago stays where it was shown, and so somebody
// has to see it there.
func TestLateAtEndedTicket(t *testing.T) {
	w, c, down := lateWorld(t)
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	own := token(t, w.answer("SUPPORT-7102", "Fix."))
	closed := ticketing.StatusClosed
	w.must(w.Change(w.ctx, jane, "SUPPORT-7102", ticketing.Change{Status: &closed}))
	c.pass(20 * 24 * time.Hour)
	down.Store(true)
	w.send("jo@customer.example", own, "x", "", "It is broken again")
	down.Store(false)
	w.must(nil, w.VerifyRound(w.ctx))
	if k := w.ticket("SUPPORT-7102").Ticket; k.Status != ticketing.StatusOpen || len(w.tickets()) != 1 {
		t.Errorf("the ticket is %s, of %d tickets", k.Status, len(w.tickets()))
	}
}
