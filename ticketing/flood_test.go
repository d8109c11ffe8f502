package ticketing_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"postdesk/ticketing"
	desk "postdesk/ticketing/mail"
	"postdesk/ticketing/store"
)

// A flood from one sender, from as many senders as mails, and of one machine: all of it is
// stored, what a machine wrote is one ticket, and nothing goes out but the one
// acknowledgement that a proven author may have. 50,000 of each: POSTDESK_TORTURE=1.
func TestFlood(t *testing.T) {
	n := 150
	if os.Getenv("POSTDESK_TORTURE") != "" {
		n = 50_000
	}
	w := newWorldAt(t, t.TempDir(), store.Options{}, func(cfg *ticketing.Config) {
		cfg.Queues[0].Acknowledge, cfg.Queues[0].Automatic = ticketing.AcknowledgeProven, ticketing.AutomaticFold
		cfg.Staff = []ticketing.Person{{Name: "jane", Addresses: []string{"jane@staff.example"}, Notify: map[string][]ticketing.Topic{ticketing.AllQueues: {ticketing.TopicAll}}}}
	})
	w.ctx = t.Context()
	flood := func(mails int, from func(i int) string, fields string) {
		t.Helper()
		var wg sync.WaitGroup
		next := make(chan int)
		for range 16 {
			wg.Go(func() {
				for i := range next {
					raw := fmt.Sprintf("From: %s\r\nSubject: flood %d\r\nMessage-ID: <%[2]d-%[1]s>\r\n%[3]s\r\nHelp\r\n", from(i), i, fields)
					for _, r := range w.Deliver(w.ctx, desk.Envelope{ReversePath: from(i), Recipients: []string{"new@desk.example"}}, strings.NewReader(raw)) {
						if r.Err != nil {
							t.Error(r.Err)
						}
					}
				}
			})
		}
		for i := range mails {
			next <- i
		}
		close(next)
		wg.Wait()
	}
	start := time.Now()
	flood(n, func(int) string { return "one@customer.example" }, "")
	flood(n, func(i int) string { return fmt.Sprintf("many%d@elsewhere.example", i) }, "")
	flood(n, func(int) string { return "cron@machine.example" }, "Auto-Submitted: auto-generated\r\n")
	w.drained()
	w.deliver("fence@customer.example", "after the flood", "")
	sent := map[string]int{}
	w.until("all events were looked at for an answer", func() bool {
		out, err := w.Outgoing(w.ctx, nil, 0, 1000)
		clear(sent)
		for _, o := range out {
			sent[o.Recipient]++
		}
		last, err2 := w.LastSeq(w.ctx)
		return err == nil && err2 == nil && sent["fence@customer.example"] > 0 && w.SeenByOwn(last)
	})
	if told := sent["jane@staff.example"]; told == 0 || told > 100 {
		t.Errorf("a person of staff was told by %d mails, want at most 100 in an hour", told)
	}
	if delete(sent, "jane@staff.example"); sent["one@customer.example"] != 1 || len(sent) != 2 {
		t.Errorf("went out: %v", sent)
	}
	t.Logf("%d mails in %.1f s", 3*n, time.Since(start).Seconds())
	w.must(nil, w.store.Read(w.ctx, func(tx ticketing.Tx) error {
		messages, err := tx.LastMessage()
		if err != nil {
			return err
		}
		if messages != int64(3*n)+1+2 { // the last mail, and two acknowledgements
			t.Errorf("%d messages of %d mails", messages, 3*n+1)
		}
		return nil
	}))
	begun := time.Now()
	all := w.tickets()
	t.Logf("the list took %v", time.Since(begun))
	first := w.threaded("0-cron@machine.example")
	if last := w.threaded(fmt.Sprintf("%d-cron@machine.example", n-1)); first.ID == 0 || first.ID != last.ID {
		t.Errorf("a machine's mail is in %s and in %s", first.Name(), last.Name())
	}
	if len(all) != 100 {
		t.Errorf("a page of %d tickets", len(all))
	}
}
