package submission

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"postdesk/ticketing"
)

// recording is a source whose outcomes are recorded as a test says.
type recording struct {
	source
	settle func(all []ticketing.Settlement) error
}

func (r *recording) SettleOutgoing(ctx context.Context, all ...ticketing.Settlement) error {
	if err := r.settle(all); err != nil {
		return err
	}
	return r.source.SettleOutgoing(ctx, all...)
}

// due queues n mails, of a ticket each.
func (s *source) due(n int64) {
	for id := range n {
		s.queued = append(s.queued, ticketing.Outgoing{ID: id, Ticket: id, Recipient: "jo@customer.example"})
	}
}

func (m *msa) taken() int { m.mu.Lock(); defer m.mu.Unlock(); return len(m.accepted) }

func (m *msa) waiting() int { m.mu.Lock(); defer m.mu.Unlock(); return m.begun - len(m.accepted) }

// Outcomes that come together are recorded together. While none can be recorded, no more goes out
// than a mail for each worker: all of that would go out again after a crash. Of the next ones the
// server knows the envelopes already.
func TestOutcomesTogether(t *testing.T) {
	m := newMSA(t)
	held := make(chan struct{})
	release := sync.OnceFunc(func() { close(held) })
	var mu sync.Mutex
	var sizes []int
	s := &recording{settle: func(all []ticketing.Settlement) error {
		<-held
		mu.Lock()
		defer mu.Unlock()
		sizes = append(sizes, len(all))
		return nil
	}}
	s.due(60)
	run(t, NewQueue(m.client(nil), s, 4, nil))
	t.Cleanup(release)
	until(t, "a mail of each worker, and the next", func() bool { return m.taken() >= 4 && m.waiting() >= 4 })
	until(t, "the workers to stand still", func() bool {
		before := m.taken()
		time.Sleep(50 * time.Millisecond)
		return m.taken() == before
	})
	if n := m.taken(); n > 4 {
		t.Errorf("%d mails went out, and the outcome of none is recorded", n)
	}
	release()
	until(t, "all 60", s.done(60))
	mu.Lock()
	defer mu.Unlock()
	if n := m.taken(); n != 60 || slices.Max(sizes) < 2 {
		t.Errorf("%d mails went out; recorded at once: %v", n, sizes)
	}
}

// A stop takes back the mails that wait for those before them to be recorded.
func TestStopWhileRecording(t *testing.T) {
	m := newMSA(t)
	held := make(chan struct{})
	s := &recording{settle: func([]ticketing.Settlement) error { <-held; return nil }}
	s.due(20)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan struct{})
	go func() { defer close(done); _ = NewQueue(m.client(nil), s, 2, nil).Run(ctx) }()
	until(t, "two mails, and the next two", func() bool { return m.taken() == 2 && m.waiting() == 2 })
	stop()
	close(held)
	<-done
	back := 0
	for _, st := range s.settled {
		if st.Untried {
			back++
		}
	}
	if m.taken() != 2 || len(s.order) != 2 || back < 2 || len(s.queued) != 18 {
		t.Errorf("%d went out and %d are recorded, want 2; %d were put back, %d of 18 are queued", m.taken(), len(s.order), back, len(s.queued))
	}
}

// An outcome that cannot be recorded keeps none of the others back, and none is recorded twice.
func TestOutcomeThatFails(t *testing.T) {
	m := newMSA(t)
	var mu sync.Mutex
	tries := 0
	s := &recording{settle: func(all []ticketing.Settlement) error {
		mu.Lock()
		defer mu.Unlock()
		if slices.ContainsFunc(all, func(s ticketing.Settlement) bool { return s.Outgoing == 7 }) {
			if tries++; tries < 3 {
				return errors.New("not now")
			}
		}
		time.Sleep(10 * time.Millisecond) // so that some come together
		return nil
	}}
	s.due(40)
	run(t, NewQueue(m.client(nil), s, 4, nil))
	until(t, "all 40", s.done(40))
	slices.Sort(s.order)
	if m.taken() != 40 || len(slices.Compact(s.order)) != 40 {
		t.Errorf("%d mails went out, %d outcomes", m.taken(), len(s.order))
	}
}

// One slow mail keeps nobody's but its own ticket's mail back, also what comes later.
func TestSlowMail(t *testing.T) {
	m := newMSA(t)
	held := make(chan struct{})
	release := sync.OnceFunc(func() { close(held) })
	m.slow = func(to string) {
		if strings.HasPrefix(to, "slow") {
			<-held
		}
	}
	s := &source{queued: []ticketing.Outgoing{{ID: 1000, Ticket: 7, Recipient: "slow@customer.example"}}}
	s.due(100) // one of them is of ticket 7
	run(t, NewQueue(m.client(nil), s, 2, nil))
	t.Cleanup(release)
	until(t, "99 mails of other tickets", s.done(99))
	s.mu.Lock()
	s.queued = append(s.queued, ticketing.Outgoing{ID: 2000, Ticket: 2000, Recipient: "jo@customer.example"})
	s.mu.Unlock()
	until(t, "a mail that came later", s.done(100))
	if slices.Contains(s.order, 7) {
		t.Error("a mail has overtaken the one before it in its ticket")
	}
	release()
	until(t, "all", s.done(102))
}

// When our side fails in the middle, what was claimed is put back as it was, and the mails of
// each ticket go out in their order all the same.
func TestOrderAfterAFault(t *testing.T) {
	m := newMSA(t)
	client := m.client(nil)
	var seen []int64 // as they were tried and taken
	var mu sync.Mutex
	s := &ordered{seen: func(id int64) { mu.Lock(); defer mu.Unlock(); seen = append(seen, id) }}
	for id := range int64(60) {
		s.queued = append(s.queued, ticketing.Outgoing{ID: id, Ticket: id % 5, Recipient: "jo@customer.example"})
	}
	var once sync.Once
	m.slow = func(string) {
		if m.taken() > 20 {
			once.Do(func() {
				m.mu.Lock()
				defer m.mu.Unlock()
				m.refuse["MAIL"] = &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "going down"}
			})
		}
	}
	q := NewQueue(client, s, 4, nil)
	run(t, q)
	until(t, "a fault", func() bool { return q.Err() != nil })
	m.mu.Lock()
	m.refuse = map[string]*smtp.SMTPError{}
	m.mu.Unlock()
	until(t, "60 mails", func() bool { mu.Lock(); defer mu.Unlock(); return len(seen) >= 60 })
	last := map[int64]int64{}
	for _, id := range seen {
		if before, ok := last[id%5]; ok && before >= id {
			t.Fatalf("mail %d of ticket %d went out after %d", id, id%5, before)
		}
		last[id%5] = id
	}
}

// ordered is a source that gives mail that was put back in its order again, as a desk does.
type ordered struct {
	source
	leased map[int64]ticketing.Outgoing
	seen   func(id int64)
}

func (s *ordered) ClaimOutgoing(ctx context.Context, limit int, lease time.Duration) ([]ticketing.Outgoing, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	out, err := s.source.ClaimOutgoing(ctx, limit, lease)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range out {
		if s.leased == nil {
			s.leased = map[int64]ticketing.Outgoing{}
		}
		s.leased[o.ID] = o
	}
	return out, err
}

func (s *ordered) SettleOutgoing(_ context.Context, all ...ticketing.Settlement) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range all {
		o, known := s.leased[st.Outgoing]
		if !known {
			return errors.New("it was not claimed")
		}
		delete(s.leased, o.ID)
		if st.State == ticketing.OutQueued {
			s.queued = append(s.queued, o)
			continue
		}
		s.seen(o.ID)
	}
	slices.SortFunc(s.queued, func(a, b ticketing.Outgoing) int { return int(a.ID - b.ID) })
	return nil
}
