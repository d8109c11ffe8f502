package submission

import (
	"context"
	"testing"

	"postdesk/ticketing"
)

// slowSource records nothing until it may.
type slowSource struct {
	source
	may chan struct{}
	end <-chan struct{} // of the test
}

func (s *slowSource) SettleOutgoing(ctx context.Context, id int64, st ticketing.Settlement) error {
	select {
	case <-s.may:
	case <-s.end:
	}
	return s.source.SettleOutgoing(ctx, id, st)
}

// While one outcome is recorded a worker's next mail is on its way, and no third one: a kill
// at this moment sends two twice at most. They are recorded in their order.
func TestSubmitsWhileRecording(t *testing.T) {
	m := newMSA(t)
	s := &slowSource{may: make(chan struct{}), end: t.Context().Done()}
	for id := range int64(6) {
		s.queued = append(s.queued, ticketing.Outgoing{ID: id, Ticket: 1, Recipient: "jo@customer.example"})
	}
	accepted := func() int { m.mu.Lock(); defer m.mu.Unlock(); return len(m.accepted) }
	run(t, NewQueue(m.client(nil), s, 1, nil))
	for n := range 6 {
		until(t, "the next mail", func() bool { return accepted() >= min(n+2, 6) })
		if got := accepted(); got > n+2 {
			t.Fatalf("%d mails are out, and %d recorded", got, n)
		}
		s.may <- struct{}{}
	}
	until(t, "6 outcomes", s.done(6))
	for i, id := range s.order {
		if id != int64(i) {
			t.Fatalf("recorded in the order %v", s.order)
		}
	}
}
