package world

import (
	"strings"
	"testing"
	"time"

	"postdesk/ticketing"
)

// What is taken back does not go out, however long the server takes and however much waits
// before it; and what is on its way cannot be taken back.
func TestTakenBack(t *testing.T) {
	live(t, 1, func(w *world) {
		w.deliver(w.letterTo("new@desk.example"))
		w.rest()
		w.server.become(slow)
		for range 30 {
			w.reply()
		}
		refused := 0
		for range 60 {
			w.passes(31 * time.Second)
			w.rest()
			queued, err := w.desk.Outgoing(w.ctx, []ticketing.OutgoingState{ticketing.OutQueued}, 0, 1000)
			if err != nil {
				t.Fatal(err)
			}
			tried := map[int]bool{0: true, len(queued) / 2: true}
			for i := range tried {
				if i >= len(queued) {
					continue
				}
				if err := w.desk.CancelOutgoing(w.ctx, staff, queued[i].ID); err != nil {
					refused++
					continue
				}
				w.cancelled[queued[i].MessageID] = time.Now()
			}
		}
		w.settle()
		w.checkOutgoing()
		if refused == 0 || len(w.cancelled) == 0 {
			w.t.Errorf("%d were refused, %d taken back", refused, len(w.cancelled))
		}
	})
}

// At a stop, mail that was claimed and not tried goes back as it was: nobody is told that it
// is late, and the order within the ticket stays.
func TestUntriedIsNotLate(t *testing.T) {
	live(t, 1, func(w *world) {
		w.deliver(w.letterTo("new@desk.example"))
		w.rest()
		w.server.become(slow)
		for range 6 {
			w.reply()
		}
		w.passes(time.Second)
		w.stop()
		w.start(w.disk.dir)
		w.settle()
		w.checkOutgoing()
		events, err := w.desk.Events(w.ctx, 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Type == ticketing.MessageDelayed {
				w.t.Errorf("event %d says that outgoing mail %d is delayed", e.Seq, e.Outgoing)
			}
		}
		last := 0
		for _, a := range w.server.all() {
			for i, r := range w.replies {
				if strings.Contains(a.data, r.word+" ") && a.to != bob {
					if i < last {
						w.t.Errorf("reply %d went out after reply %d", i, last)
					}
					last = i
				}
			}
		}
	})
}
