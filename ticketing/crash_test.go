package ticketing_test

import (
	"context"
	"errors"
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

// death is when a process dies: at its nth write, or its nth that moves the cursor of a consumer.
// Which write the nth is depends on who comes first; each move of a cursor is met.
type death struct {
	after  bool   // right after the commit, when nobody has heard of it; else before it
	cursor string // empty: any write; else always before the commit
}

// crashing is a store of a process that dies. Of the dead nothing more is written.
type crashing struct {
	*store.DB
	death
	mu   sync.Mutex
	left int // writes until then
	died chan struct{}
}

// moving is a transaction that says whether it moves a cursor.
type moving struct {
	ticketing.Tx
	name  string
	moved bool
}

func (m *moving) SetCursor(name string, seq int64) error {
	m.moved = m.moved || name == m.name
	return m.Tx.SetCursor(name, seq)
}

func (c *crashing) Write(ctx context.Context, fn func(ticketing.Tx) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left <= 0 {
		return context.Canceled
	}
	if c.cursor != "" {
		return c.write(ctx, fn)
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

// write dies before it commits the nth move of the cursor.
func (c *crashing) write(ctx context.Context, fn func(ticketing.Tx) error) error {
	errDead := errors.New("dead")
	m := &moving{name: c.cursor}
	err := c.DB.Write(ctx, func(tx ticketing.Tx) error {
		m.Tx, m.moved = tx, false
		if err := fn(m); err != nil || !m.moved || c.left > 1 {
			return err
		}
		return errDead
	})
	dead := errors.Is(err, errDead)
	if m.moved && (err == nil || dead) {
		c.left--
	}
	if dead {
		close(c.died)
		return context.Canceled
	}
	return err
}

// crashWorld is a store on which one desk after another runs.
type crashWorld struct {
	t  *testing.T
	db *store.DB
}

// run lets a desk live that dies with the nth write, or does its work to the end and says
// so. It has three mails to tell of, and an answer to send.
func (w crashWorld) run(n int, how death) (ended bool) {
	w.t.Helper()
	c := &crashing{DB: w.db, death: how, left: n, died: make(chan struct{})}
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
	for _, how := range []death{{}, {after: true}, {cursor: "responder"}, {cursor: "notifier"}} {
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
			if ended = w.run(n, how); !ended && !w.run(1000, death{}) {
				t.Fatal("it does not come to the end")
			}
			var all []ticketing.Outgoing
			err = db.Read(t.Context(), func(tx ticketing.Tx) (err error) { all, err = tx.OutgoingList(nil, nil, 0, 100); return err })
			if got := fmt.Sprint(outgoingTo(all)); err != nil || got != want {
				t.Fatalf("died at write %d of %+v: %s, want %s (%v)", n, how, got, want, err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if least := map[bool]int{true: 2, false: 10}[how.cursor != ""]; ended && n < least {
				t.Errorf("only %d writes of %+v: it never died", n, how)
			}
		}
	}
}
