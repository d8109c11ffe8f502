package integration

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"postdesk/integration/lab"
)

// A follower that is cut off again and again, also by a kill of the agent, and that
// comes back with Last-Event-ID, sees every event once, in order.
func TestFollowerResumes(t *testing.T) {
	t.Parallel()
	const mails = 60
	d := newDesk(t, time.Minute, lab.Options{NoPostfix: true}, lab.AgentOptions{})
	var mu sync.Mutex
	var seen []int64
	created := 0
	ctx, stop := context.WithCancel(d.ctx)
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() {
		last := ""
		for ctx.Err() == nil {
			left := 7 // events until this connection is cut
			_ = d.api.Follow(ctx, last, func(id string, e lab.Event) bool {
				mu.Lock()
				defer mu.Unlock()
				seen, last = append(seen, e.Seq), id
				if e.Type == "ticket.created" {
					created++
				}
				left--
				return left > 0
			}) // the agent may be down: try again
		}
	})
	for i := range mails {
		if i == mails/2 {
			d.must(d.agent.Kill())
			d.must(d.agent.Start(d.ctx))
		}
		dialLMTP(d).deliver(fmt.Sprintf("From: <%s>\r\nSubject: event %d\r\nMessage-ID: <event.%d@x.example>\r\n\r\nx\r\n", jane, i, i))
	}
	d.until("all events at the follower", func() (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		if created < mails {
			return false, fmt.Errorf("%d of %d tickets were seen", created, mails)
		}
		return true, nil
	})
	d.must(d.agent.Drained(d.ctx))
	all, err := d.api.AllEvents(d.ctx)
	d.must(err)
	d.until("the last event at the follower", func() (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		return len(seen) >= len(all), nil
	})
	stop()
	wg.Wait()
	if len(seen) != len(all) {
		t.Errorf("the follower saw %d events, the feed has %d", len(seen), len(all))
	}
	for i, seq := range seen {
		if seq != int64(i+1) {
			t.Fatalf("event %d of the follower has the number %d", i+1, seq)
		}
	}
}

// The same Idempotency-Key twice, at the same moment and later, goes out once.
func TestSameKeyOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t, time.Minute, lab.Options{}, lab.AgentOptions{})
	d.write(lab.Letter{From: jane, To: "new@" + lab.Domain, Subject: "Twice", MessageID: "twice@" + lab.SignedDomain, Body: "x"})
	ticket := d.waitTickets(1)[0].Name
	ids := make([]int64, 4)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			m, err := d.api.Reply(d.ctx, ticket, "same", "Once, please.")
			if err != nil {
				t.Error(err)
			}
			ids[i] = m.ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("the same key gave the messages %v", ids)
			break
		}
	}
	d.reply(ticket, "same", "Once, please.")
	if _, err := d.api.Reply(d.ctx, ticket, "same", "Another text."); err == nil || !strings.Contains(err.Error(), "409") {
		t.Errorf("the same key for another text: want 409, got %v", err)
	}
	// A later reply is the fence: what was to go out before it has gone.
	d.reply(ticket, "other", "The fence.")
	_, err := d.Sink.Wait(d.ctx, "the fence", func(m lab.Mail) bool { return strings.Contains(string(m.Data), "The fence.") })
	d.must(err)
	d.must(d.Empty(d.ctx))
	if n := len(d.Sink.Mails()); n != 2 {
		t.Errorf("%d mails went out, want 2", n)
	}
}
