package ticketing_test

import (
	"testing"
	"time"

	"postdesk/ticketing"
)

// Who waits the longest is told also after a held message was turned down: the oldest of those that are
// left, whichever went first, and nobody at the end.
func TestWaitingAfterHeld(t *testing.T) {
	w := newWorld(t)
	w.send(bob, "new@desk.example", "x", "Message-ID: <w0@customer.example>\r\n", "Help")
	w.answer("SUPPORT-7102", "It is mended.")
	for _, who := range []string{"ann", "kim", "sue"} {
		w.send(who+"@stranger.example", "SUPPORT-7102@desk.example", "x", "", "I am a colleague")
	}
	var held []ticketing.Message
	for _, m := range w.ticket("SUPPORT-7102").Messages {
		if m.Visibility == ticketing.Held {
			held = append(held, m)
		}
	}
	if len(held) != 3 {
		t.Fatalf("%d messages are held, want 3", len(held))
	}
	since := func(what string, want time.Time) {
		t.Helper()
		if got := w.ticket("SUPPORT-7102").Ticket.Waiting; !got.Equal(want) {
			t.Errorf("%s: somebody waits since %v, want %v", what, got, want)
		}
	}
	since("all three held", held[0].Received)
	for _, c := range []struct {
		what string
		turn int
		want time.Time
	}{{"the second turned down", 1, held[0].Received}, {"the oldest, too", 0, held[2].Received}, {"all", 2, time.Time{}}} {
		w.must(w.Judge(w.ctx, jane, held[c.turn].ID, false))
		since(c.what, c.want)
	}
}
