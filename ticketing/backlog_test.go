package ticketing_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"postdesk/ticketing"
	desk "postdesk/ticketing/mail"
	"postdesk/ticketing/store"
)

// accepted is a store with n mails that came an hour ago and were never processed.
func accepted(t *testing.T, n int, raw func(i int) string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	db, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const batch = 500
	at := time.Now().Add(-time.Hour)
	for from := 0; from < n; from += batch {
		var staged []ticketing.Staged
		for i := from; i < min(from+batch, n); i++ {
			s, err := db.Stage(t.Context(), strings.NewReader(raw(i)))
			if err != nil {
				t.Fatal(err)
			}
			staged = append(staged, s)
		}
		if err := db.Write(t.Context(), func(tx ticketing.Tx) error {
			for _, s := range staged {
				if err := tx.PutRaw(s); err != nil {
					return err
				}
				if _, _, err := tx.Arrive(s.Hash, desk.Envelope{ReversePath: "old@customer.example", Recipients: []string{"new@desk.example"}}, at); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// logged is a log that a test reads while it is written.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if bytes.Contains(p, []byte("had waited")) || bytes.Contains(p, []byte("has waited")) {
		l.buf.Write(p)
	}
	return len(p), nil
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func oldMail(i int) string {
	return fmt.Sprintf("From: old@customer.example\r\nSubject: old %d\r\nMessage-ID: <old-%[1]d@customer.example>\r\n\r\nWaits.\r\n", i)
}

// While much mail waits that came before, new mail becomes a ticket; but what belongs to
// mail that waits comes after it.
func TestBacklogHoldsNothingNewUp(t *testing.T) {
	const n = 2200
	dir := accepted(t, n, oldMail)
	open := make(chan struct{})
	var log logged
	w := newWorldAt(t, dir, store.Options{}, func(cfg *ticketing.Config) {
		cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
		cfg.Verify = func(ctx context.Context, _ []byte, m *desk.Message) desk.Authentication {
			if strings.HasPrefix(m.Subject, "old ") {
				select {
				case <-open:
				case <-ctx.Done():
				}
			}
			return stubVerify(m)
		}
	})
	w.ctx = t.Context()
	w.until("the backlog is noticed", func() bool { return strings.Contains(log.String(), "has waited for long") })
	w.deliver("late@customer.example", "first", "")
	w.deliver("old@customer.example", "Re: old", fmt.Sprintf("In-Reply-To: <old-%d@customer.example>\r\n", n-1))
	w.deliver("late@customer.example", "second", "Message-ID: <second@customer.example>\r\n")
	w.deliver("late@customer.example", "Re: second", "In-Reply-To: <second@customer.example>\r\n")
	w.until("new mail has its tickets beside the backlog", func() bool { return len(w.tickets()) == 2 })
	w.until("an answer to new mail is there", func() bool {
		n, err := w.Backlog(w.ctx)
		return err == nil && n == 2201
	})
	if left, err := w.OldBacklog(w.ctx); err != nil || left != n {
		t.Errorf("%d are said to wait: %v", left, err)
	}
	w.until("progress is told", func() bool { return strings.Contains(log.String(), fmt.Sprintf("left=%d", n)) })
	close(open)
	w.drained()
	w.until("the end is told", func() bool { return strings.Contains(log.String(), fmt.Sprintf("mails=%d", n)) })
	last := w.threaded(fmt.Sprintf("old-%d@customer.example", n-1))
	if c := w.ticket(last.Name()); len(c.Messages) != 2 || c.Messages[1].Subject != "Re: old" {
		t.Errorf("the answer to old mail is not in its ticket: %+v", c.Messages)
	}
	if left, _ := w.OldBacklog(w.ctx); left != 0 {
		t.Errorf("%d are said to wait at the end", left)
	}
}

// What begins a conversation need not wait until all that waits was looked through.
func TestBacklogUnread(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		to   string
		mail desk.Message
		held bool
	}{
		{"new@desk.example", desk.Message{}, false},
		{"new@desk.example", desk.Message{MessageID: "first@customer.example"}, false},
		{"new@desk.example", desk.Message{MessageID: "second@customer.example", InReplyTo: []string{"first@customer.example"}}, true},
		{"new@desk.example", desk.Message{References: []string{"first@customer.example"}}, true},
		{"SUPPORT-7102@desk.example", desk.Message{MessageID: "third@customer.example"}, true},
	} {
		if got := w.HeldUp(c.to, &c.mail); got != c.held {
			t.Errorf("to %s with %q, in reply to %q, references %q: held up %v", c.to, c.mail.MessageID, c.mail.InReplyTo, c.mail.References, got)
		}
	}
}

// A hundred thousand that wait drain at the usual rate: POSTDESK_TORTURE=1, else few.
func TestBacklogDrains(t *testing.T) {
	n, torture := 2300, os.Getenv("POSTDESK_TORTURE") != ""
	if torture {
		n = 100_000
	}
	dir := accepted(t, n, oldMail)
	var log logged
	noticed := make(chan struct{})
	w := newWorldAt(t, dir, store.Options{}, func(cfg *ticketing.Config) {
		cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
		cfg.Verify = func(ctx context.Context, _ []byte, m *desk.Message) desk.Authentication {
			if !torture { // few would be gone before they are noticed
				select {
				case <-noticed:
				case <-ctx.Done():
				}
			}
			return stubVerify(m)
		}
	})
	w.ctx = t.Context()
	start := time.Now()
	w.until("the backlog is noticed", func() bool { return strings.Contains(log.String(), "has waited for long") })
	close(noticed)
	w.deliver("late@customer.example", "new mail", "Message-ID: <new@customer.example>\r\n")
	w.until("new mail has its ticket", func() bool { return w.threaded("new@customer.example").ID != 0 })
	after := time.Since(start)
	left, err := w.Backlog(w.ctx)
	if err != nil || torture && left < int64(n)/2 {
		t.Errorf("new mail waited until %d were left: %v", left, err)
	}
	w.drained()
	all := time.Since(start)
	w.until("the end is told", func() bool { return strings.Contains(log.String(), "all mail that had waited is processed") })
	t.Logf("%d mails in %.1f s, %.0f mails/s; new mail had its ticket after %.1f s, when %d were left\n%s", n, all.Seconds(), float64(n)/all.Seconds(), after.Seconds(), left, log.String())
	w.must(nil, w.store.Read(w.ctx, func(tx ticketing.Tx) error {
		last, err := tx.LastMessage()
		if err == nil && last != int64(n)+1 {
			t.Errorf("%d messages of %d", last, n+1)
		}
		return err
	}))
}

// deliver hands a mail in and does not wait for its ticket.
func (w *world) deliver(from, subject, extra string) {
	w.t.Helper()
	raw := fmt.Sprintf("From: %s\r\nSubject: %s\r\n%s\r\nHelp\r\n", from, subject, extra)
	for _, r := range w.Deliver(w.ctx, desk.Envelope{ReversePath: from, Recipients: []string{"new@desk.example"}}, strings.NewReader(raw)) {
		if r.Err != nil {
			w.t.Fatal(r.Err)
		}
	}
}

// drained waits until all that came is processed.
func (w *world) drained() {
	w.t.Helper()
	w.until("all is processed", func() bool {
		time.Sleep(50 * time.Millisecond) // to count a hundred thousand takes a while
		n, err := w.Backlog(w.ctx)
		return err == nil && n == 0
	})
}

// threaded is the ticket that holds a msg-id, the zero one for none.
func (w *world) threaded(id string) (t ticketing.Ticket) {
	w.t.Helper()
	w.must(nil, w.store.Read(w.ctx, func(tx ticketing.Tx) error {
		all, err := tx.TicketsByMessageID([]string{id})
		if err == nil && len(all) > 0 {
			t, err = tx.Ticket(all[0])
		}
		return err
	}))
	return t
}
