package ticketing_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
	"postdesk/ticketing/store"
)

// damage breaks a mail at up to three places. The last line, which numbers it, stays: so
// no two are the same mail.
func damage(r *rand.Rand, raw []byte, others [][]byte, n int) []byte {
	out := bytes.Clone(raw)
	for range 1 + r.IntN(3) {
		i := r.IntN(len(out) + 1)
		j := i + r.IntN(len(out)-i+1)
		switch r.IntN(6) {
		case 0:
			out = out[:i]
		case 1:
			out = append(out[:i:i], out[j:]...)
		case 2:
			out = append(out[:j:j], out[i:]...)
		case 3:
			other := others[r.IntN(len(others))]
			out = append(append(out[:i:i], other[r.IntN(len(other)):]...), out[i:]...)
		case 4:
			out = append(append(out[:i:i], byte(r.IntN(256)), 0), out[i:]...)
		case 5:
			lines := bytes.SplitAfter(out, []byte("\n"))
			r.Shuffle(len(lines), func(a, b int) { lines[a], lines[b] = lines[b], lines[a] })
			out = bytes.Join(lines, nil)
		}
		out = out[:min(len(out), 256<<10)]
	}
	return fmt.Appendf(out, "\r\nmalformed %d\r\n", n)
}

// malformed are n damaged mails; the same again for the same batch.
func malformed(t *testing.T, batch, n int) [][]byte {
	t.Helper()
	names, err := filepath.Glob("mail/testdata/*/*.eml")
	if err != nil || len(names) < 20 {
		t.Fatalf("%d mails, %v", len(names), err)
	}
	var mails [][]byte
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		mails = append(mails, raw)
	}
	r := rand.New(rand.NewPCG(11, uint64(batch)))
	out := make([][]byte, n)
	for i := range out {
		out[i] = damage(r, mails[i%len(mails)], mails, i)
	}
	return out
}

// Whatever is wrong with a mail, it is taken, and its bytes stand on a ticket unchanged.
func TestMalformed(t *testing.T) {
	batches := 1
	if os.Getenv("POSTDESK_TORTURE") != "" {
		batches = 50 // 100,000 mails
	}
	for batch := range batches {
		t.Run(fmt.Sprint("batch ", batch), func(t *testing.T) {
			w := newWorldOn(t, store.Options{}, nil)
			all := malformed(t, batch, malformedMails)
			w.takes(all)
			kept := w.kept()
			for i, raw := range all {
				if !kept[sha256.Sum256(raw)] {
					t.Errorf("mail %d is on no ticket: %.300q", i, raw)
				}
			}
		})
	}
}

// takes delivers them, many at a time, and waits until all are decided.
func (w *world) takes(all [][]byte) {
	w.t.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(all)); i = next.Add(1) - 1 {
				env := mail.Envelope{ReversePath: fmt.Sprintf("sender%d@other.example", i), Recipients: []string{"new@desk.example"}}
				if err := w.Deliver(w.ctx, env, bytes.NewReader(all[i]))[0].Err; err != nil {
					w.t.Errorf("mail %d is refused: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	w.until("all is decided", func() bool { n, err := w.Backlog(w.ctx); return err == nil && n == 0 })
}

// kept are the bytes, as their hash, that a reader gets for the messages of all tickets.
func (w *world) kept() map[[sha256.Size]byte]bool {
	w.t.Helper()
	kept := map[[sha256.Size]byte]bool{}
	for n := 7102; ; n++ {
		c, err := w.Ticket(w.ctx, fmt.Sprintf("SUPPORT-%d", n))
		if errors.Is(err, ticketing.ErrNotFound) {
			return kept
		}
		w.must(c, err)
		for _, m := range c.Messages {
			raw, err := w.Raw(w.ctx, m.Raw)
			w.must(raw, err)
			kept[sha256.Sum256(raw)] = true
		}
	}
}
