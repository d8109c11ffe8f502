package ticketing_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
	"postdesk/ticketing/store"
)

// BenchmarkTicketed is what a mail of 2 KB costs until it is a ticket, without the
// signatures: 32 deliveries at a time, and the drain after them.
func BenchmarkTicketed(b *testing.B) {
	db, err := store.Open(b.Context(), b.TempDir(), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	d, err := ticketing.New(b.Context(), ticketing.Config{
		Domain: "desk.example", Queues: []ticketing.Queue{{Key: "SUPPORT", Domain: "desk.example", Addresses: []string{"new@desk.example"}}},
		Verify: func(_ context.Context, _ []byte, m *mail.Message) mail.Authentication { return stubVerify(m) },
		Log:    slog.New(slog.NewTextHandler(io.Discard, nil)),
	}, db)
	if err != nil {
		b.Fatal(err)
	}
	var running sync.WaitGroup
	ctx, stop := context.WithCancel(b.Context())
	running.Go(func() { d.Run(ctx) })
	next := make(chan int)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for i := range next {
				raw := fmt.Sprintf("Received: from mx (mx [127.0.0.1]) by desk.example (Postfix) with ESMTP id 4X%d\r\n\t; Tue, 24 Nov 2026 10:00:00 +0000\r\n"+
					"Message-ID: <%d@customer.example>\r\nFrom: Jo <jo%d@customer.example>\r\nTo: new@desk.example\r\nSubject: printer %d\r\n\r\n%s",
					i, i, i%1000, i, strings.Repeat("The printer says no, and then it says no again.\r\n", 36))
				for _, r := range d.Deliver(ctx, mail.Envelope{ReversePath: "jo@customer.example", Recipients: []string{"new@desk.example"}}, strings.NewReader(raw)) {
					if r.Err != nil {
						b.Error(r.Err)
					}
				}
			}
		})
	}
	b.ResetTimer()
	for i := range b.N {
		next <- i
	}
	close(next)
	wg.Wait()
	for {
		n, err := d.Backlog(ctx)
		if err != nil {
			b.Fatal(err)
		}
		if n == 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
	stop()
	running.Wait()
}
