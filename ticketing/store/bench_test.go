package store

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
)

// sampleMail is n octets that compress about as mail does, different for each i.
func sampleMail(i int64, n int) []byte {
	r := rand.New(rand.NewPCG(uint64(i), 1))
	var b bytes.Buffer
	fmt.Fprintf(&b, "Message-ID: <%d@client.example>\r\nFrom: Jane <jane@client.example>\r\nSubject: printer %d\r\n\r\n", i, i)
	for b.Len() < n {
		fmt.Fprintf(&b, "The printer %x shows %x again.\r\n", r.Uint64(), r.Uint64())
	}
	return b.Bytes()[:n]
}

func deliver(d *DB, body []byte, recipients ...string) (id int64, fresh bool, err error) {
	ctx := context.Background()
	s, err := d.Stage(ctx, bytes.NewReader(body))
	if err != nil {
		return 0, false, err
	}
	err = d.Write(ctx, func(tx ticketing.Tx) error {
		if err := tx.PutRaw(s); err != nil {
			return err
		}
		id, fresh, err = tx.Arrive(s.Hash, mail.Envelope{ReversePath: "jane@client.example", Recipients: recipients}, time.Now())
		return err
	})
	return id, fresh, err
}

// BenchmarkDeliver is what a mail of 2 KB costs until it is acknowledged.
func BenchmarkDeliver(b *testing.B) {
	for _, n := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("goroutines=%d", n), func(b *testing.B) {
			d, err := Open(b.Context(), b.TempDir(), Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close()
			bodies := make([][]byte, b.N)
			for i := range bodies {
				bodies[i] = sampleMail(int64(i), 2048)
			}
			var wg sync.WaitGroup
			next := make(chan []byte, n)
			b.ReportAllocs()
			b.ResetTimer()
			for range n {
				wg.Go(func() {
					for body := range next {
						if _, _, err := deliver(d, body, "new@support-ticket.example"); err != nil {
							b.Error(err)
						}
					}
				})
			}
			for _, body := range bodies {
				next <- body
			}
			close(next)
			wg.Wait()
			s := d.Stats()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
			b.ReportMetric(float64(s.Writes)/float64(s.Commits), "mails/commit")
		})
	}
}
