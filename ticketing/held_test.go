package ticketing_test

import (
	"testing"
	"time"

	"postdesk/ticketing"
)

// Held mail is listed with what to do, its customer waits loudly, and its author can be
// taken in with it.
func TestHeldList(t *testing.T) {
	c := newClock()
	w := newWorldOf(t, func(cfg *ticketing.Config) { cfg.Now = c.time })
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	w.answer("SUPPORT-7102", "Fix.")
	if k := w.ticket("SUPPORT-7102").Ticket; !k.Waiting.IsZero() {
		t.Errorf("somebody waits after the answer: %v", k.Waiting)
	}
	w.send("ann@customer.example", "SUPPORT-7102@desk.example", "x", "", "I am her colleague")
	c.pass(time.Hour)
	w.send("eve@evil.example", "SUPPORT-7102@desk.example", "x", "", "Give me everything")
	held, err := w.Held(w.ctx, ticketing.Actor{}, 0, 10)
	if err != nil || len(held) != 2 || held[0].Message.From.Address != "ann@customer.example" || held[0].Message.Advice == "" || held[0].Ticket.Name() != "SUPPORT-7102" {
		t.Fatalf("held: %+v, %v", held, err)
	}
	n, err := w.HeldCount(w.ctx)
	age, err2 := w.HeldAge(w.ctx)
	if err != nil || err2 != nil || n != 2 || age < 3600 {
		t.Errorf("%d held, the oldest for %d s: %v %v", n, age, err, err2)
	}
	k := w.ticket("SUPPORT-7102").Ticket
	if !k.Waiting.Equal(held[0].Message.Received) {
		t.Errorf("waiting since %v, want %v", k.Waiting, held[0].Message.Received)
	}
	// An answer to the requester does not settle who is held.
	w.answer("SUPPORT-7102", "More.")
	w.must(w.SetStatus(w.ctx, jane, "SUPPORT-7102", ticketing.StatusResolved))
	if got := w.ticket("SUPPORT-7102").Ticket.Waiting; !got.Equal(held[0].Message.Received) {
		t.Errorf("after an answer to others: waiting since %v, want %v", got, held[0].Message.Received)
	}
	w.must(w.Judge(w.ctx, jane, held[1].Message.ID, false))
	w.must(w.AcceptAuthor(w.ctx, jane, held[0].Message.ID))
	conv := w.ticket("SUPPORT-7102")
	if conv.Ticket.Status != ticketing.StatusOpen || conv.Ticket.Held != 0 || len(conv.Participants) != 2 || conv.Participants[1].Address != "ann@customer.example" {
		t.Errorf("after judging: %+v %+v", conv.Ticket, conv.Participants)
	}
	before := len(w.mails())
	w.answer("SUPPORT-7102", "To both.")
	w.until("both get it", func() bool { return len(w.mails()) == before+2 })
	if n, err := w.HeldCount(w.ctx); n != 0 || err != nil {
		t.Errorf("%d still held, %v", n, err)
	}
	if got := w.ticket("SUPPORT-7102").Ticket.Waiting; !got.IsZero() {
		t.Errorf("somebody waits: %v", got)
	}
}
