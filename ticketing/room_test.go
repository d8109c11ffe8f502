package ticketing_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"postdesk/ticketing"
	desk "postdesk/ticketing/mail"
)

// While DNS does not answer for large mails, few of them are in memory, and small mail and
// other large mail is read and decided.
func TestLargeMailWaits(t *testing.T) {
	const large, size = 3, 12 << 20
	answer := make(chan struct{})
	var inside, most, octets atomic.Int64
	w := newWorldOf(t, func(cfg *ticketing.Config) {
		cfg.Verify = func(ctx context.Context, raw []byte, m *desk.Message) desk.Authentication {
			if len(raw) < size || m.From[0].Address == "quick@customer.example" {
				return stubVerify(m)
			}
			most.Store(max(most.Load(), inside.Add(1)))
			defer inside.Add(-1)
			octets.Add(int64(len(raw)))
			select {
			case <-answer:
			case <-ctx.Done():
			}
			return stubVerify(m)
		}
	})
	deliver := func(from, body string) {
		t.Helper()
		raw := fmt.Sprintf("From: %s\r\nSubject: from %[1]s\r\n\r\n%s\r\n", from, body)
		for _, r := range w.Deliver(w.ctx, desk.Envelope{ReversePath: from, Recipients: []string{"new@desk.example"}}, strings.NewReader(raw)) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
	}
	for i := range large {
		deliver(fmt.Sprintf("slow%d@customer.example", i), strings.Repeat("slow\r\n", size/6))
	}
	deliver("small@customer.example", "Help")
	w.until("the small mail has its ticket", func() bool { return len(w.tickets()) == 1 })
	w.until("two large mails wait for DNS", func() bool { return inside.Load() == 2 })
	close(answer)
	w.until("all have theirs", func() bool { return len(w.tickets()) == large+1 })
	if most.Load() > 2 || octets.Load() < large*size {
		t.Errorf("%d large mails at once; %d octets were verified", most.Load(), octets.Load())
	}
}
