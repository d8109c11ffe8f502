package ticketing_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"postdesk/integration/blank"
	"postdesk/ticketing"
	desk "postdesk/ticketing/mail"
	"postdesk/ticketing/store"
)

// crashing is a store of a process that dies at its nth write: before it is committed, or
// right after, when nobody has heard of the commit. Of the dead nothing more is written.
type crashing struct {
	*store.DB
	after bool
	mu    sync.Mutex
	left  int // writes until then
	died  chan struct{}
}

func (c *crashing) Write(ctx context.Context, fn func(ticketing.Tx) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left <= 0 {
		return context.Canceled
	}
	c.left--
	if c.left > 0 {
		return c.DB.Write(ctx, fn)
	}
	defer close(c.died)
	if c.after {
		if err := c.DB.Write(context.WithoutCancel(ctx), fn); err != nil {
			return err
		}
	}
	return context.Canceled
}

// crashWorld is a store on which one desk after another runs.
type crashWorld struct {
	t  *testing.T
	db *store.DB
}

// run lets a desk live that dies with the nth write, or does its work to the end and says
// so. It has three mails to tell of, and an answer to send.
func (w crashWorld) run(n int, after bool) (ended bool) {
	w.t.Helper()
	c := &crashing{DB: w.db, after: after, left: n, died: make(chan struct{})}
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Minute) // it takes less than a second
	defer cancel()
	d, err := ticketing.New(ctx, ticketing.Config{
		Domain: "desk.example", Log: slog.New(slog.DiscardHandler),
		Queues: []ticketing.Queue{{Key: "SUPPORT", Name: "Support", Addresses: []string{"new@desk.example"}, Domain: "desk.example", FirstNumber: 7102, Acknowledge: ticketing.AcknowledgeOff}},
		Staff: []ticketing.Person{
			{Name: "bob", Addresses: []string{"bob@staff.example"}, Notify: map[string][]ticketing.Topic{ticketing.AllQueues: {ticketing.TopicAll}}},
			{Name: "jane", Addresses: []string{"jane@staff.example"}, Notify: map[string][]ticketing.Topic{ticketing.AllQueues: {ticketing.TopicNew, ticketing.TopicHeld}}},
		},
		Verify: func(_ context.Context, _ []byte, m *desk.Message) desk.Authentication { return stubVerify(m) },
	}, c)
	if err != nil {
		return false // it died while starting
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = d.Run(ctx) }()
	finished := make(chan struct{})
	go func() { defer close(finished); w.work(ctx, d) }()
	select {
	case <-c.died:
	case <-finished:
		ended = true
	}
	cancel()
	<-done
	<-finished
	return ended
}

// work asks for the same again until it is done, as Postfix and a program with a key do.
func (w crashWorld) work(ctx context.Context, d *ticketing.Desk) {
	insist := func(do func() bool) {
		for ctx.Err() == nil && !do() {
			time.Sleep(time.Millisecond)
		}
	}
	for i, to := range []string{"new@desk.example", "SUPPORT-7102@desk.example", "SUPPORT-7102@desk.example"} {
		from := []string{"jo@customer.example", "jo@customer.example", eve}[i]
		raw := fmt.Sprintf("From: %s\r\nSubject: x\r\nMessage-ID: <%d@customer.example>\r\n\r\nmail %d\r\n", from, i, i)
		insist(func() bool {
			r := d.Deliver(ctx, desk.Envelope{ReversePath: from, Recipients: []string{to}}, strings.NewReader(raw))
			return r[0].Err == nil
		})
		insist(func() bool { n, err := d.Backlog(ctx); return err == nil && n == 0 })
	}
	insist(func() bool {
		_, _, err := d.Reply(ctx, ticketing.Actor{Kind: "staff", Name: "clerk"}, ticketing.ReplyRequest{Ticket: "SUPPORT-7102", Text: "Fix.", Key: "k"})
		return err == nil
	})
	insist(func() bool {
		all, err := d.Outgoing(ctx, nil, 0, 100)
		return err == nil && len(outgoingTo(all)) == 3 && len(all) >= 7
	})
	// What is done twice is done by who lives after the death, and later than the first time.
	insist(func() bool { last, err := d.LastSeq(ctx); return err == nil && d.SeenByOwn(last) })
}

func outgoingTo(all []ticketing.Outgoing) map[string]int {
	n := map[string]int{}
	for _, o := range all {
		n[o.Recipient]++
	}
	return n
}

// Wherever the process dies, before a commit or right after it: when it lives again, each
// person is told once of each mail, and the customer is answered once.
func TestCrashOnce(t *testing.T) {
	want := fmt.Sprint(map[string]int{"bob@staff.example": 4, "jane@staff.example": 2, "jo@customer.example": 1})
	for _, after := range []bool{false, true} {
		for n, ended := 1, false; !ended; n++ {
			dir := t.TempDir()
			if err := blank.Desk(dir); err != nil {
				t.Fatal(err)
			}
			db, err := store.Open(t.Context(), dir, store.Options{Synchronous: "OFF"})
			if err != nil {
				t.Fatal(err)
			}
			w := crashWorld{t, db}
			if ended = w.run(n, after); !ended && !w.run(1000, false) {
				t.Fatal("it does not come to the end")
			}
			var all []ticketing.Outgoing
			err = db.Read(t.Context(), func(tx ticketing.Tx) (err error) { all, err = tx.OutgoingList(nil, nil, 0, 100); return err })
			if got := fmt.Sprint(outgoingTo(all)); err != nil || got != want {
				t.Fatalf("died at write %d, after the commit %v: %s, want %s (%v)", n, after, got, want, err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if ended && n < 10 {
				t.Errorf("only %d writes: it never died", n)
			}
		}
	}
}
