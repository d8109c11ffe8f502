package ticketing_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postdesk/integration/blank"
	"postdesk/ticketing"
	desk "postdesk/ticketing/mail"
	"postdesk/ticketing/store"
)

// counting is a store that counts what it is asked, and fails once at one of them and at one mail
// that is staged; 0 is never.
type counting struct {
	*store.DB
	reads, writes, stages atomic.Int64
	failWrite, failStage  int64
}

var errOnce = errors.New("it fails this time")

func (c *counting) Read(ctx context.Context, fn func(ticketing.Tx) error) error {
	c.reads.Add(1)
	return c.DB.Read(ctx, fn)
}

func (c *counting) Write(ctx context.Context, fn func(ticketing.Tx) error) error {
	if c.writes.Add(1) == c.failWrite {
		return errOnce
	}
	return c.DB.Write(ctx, fn)
}

func (c *counting) Stage(ctx context.Context, body io.Reader) (ticketing.Staged, error) {
	if c.stages.Add(1) == c.failStage {
		return ticketing.Staged{}, errOnce
	}
	return c.DB.Stage(ctx, body)
}

// answering lets a desk answer what was written while it was not running, and gives the mails
// by ID and the writes that it took.
func answering(t *testing.T, c *counting, replies func(context.Context, *ticketing.Desk) int) (out []ticketing.Outgoing, d *ticketing.Desk) {
	t.Helper()
	dir := t.TempDir()
	err := blank.Desk(dir)
	if err == nil {
		c.DB, err = store.Open(t.Context(), dir, store.Options{Synchronous: "OFF"})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.DB.Close() })
	failWrite := c.failWrite
	c.failWrite = 0
	d, err = ticketing.New(t.Context(), ticketing.Config{
		Domain: "desk.example",
		Queues: []ticketing.Queue{{Key: "SUPPORT", Name: "Support", Addresses: []string{"new@desk.example"}, Domain: "desk.example", FirstNumber: 1}},
		Verify: func(_ context.Context, _ []byte, m *desk.Message) desk.Authentication { return stubVerify(m) },
	}, c)
	if err != nil {
		t.Fatal(err)
	}
	want := replies(t.Context(), d)
	c.writes.Store(0)
	if c.failWrite = failWrite; failWrite != 0 {
		c.failWrite++ // the first lets go of leases
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = d.Run(ctx) }()
	w := world{t: t, ctx: t.Context()}
	w.until("every answer is queued", func() bool {
		out, err = d.Outgoing(t.Context(), nil, 0, 1000)
		return err == nil && len(out) >= want
	})
	stop()
	<-done
	return out, d
}

// opened writes to n people.
func opened(t *testing.T, ctx context.Context, d *ticketing.Desk, n int) {
	t.Helper()
	for i := range n {
		if _, _, _, err := d.Open(ctx, jane, ticketing.Opening{Queue: "SUPPORT", To: desk.Address{Address: fmt.Sprintf("p%d@customer.example", i)}, Subject: "x", Text: "Hello."}); err != nil {
			t.Fatal(err)
		}
	}
}

// Answers that wait are made together: their mails do not cost a commit each.
func TestAnswersShareACommit(t *testing.T) {
	c := &counting{}
	out, _ := answering(t, c, func(ctx context.Context, d *ticketing.Desk) int { opened(t, ctx, d, 60); return 60 })
	if n := c.writes.Load(); len(out) != 60 || n > 6 {
		t.Errorf("%d mails in %d writes", len(out), n)
	}
}

// An answer follows the one before it in its ticket, also when both wait.
func TestAnswersOfOneTicketFollow(t *testing.T) {
	out, d := answering(t, &counting{}, func(ctx context.Context, d *ticketing.Desk) int {
		opened(t, ctx, d, 3)
		for i := range 4 {
			if _, _, err := d.Reply(ctx, jane, ticketing.ReplyRequest{Ticket: "SUPPORT-2", Text: fmt.Sprint("More ", i)}); err != nil {
				t.Fatal(err)
			}
		}
		return 7
	})
	var before []string
	for _, o := range out {
		if o.Recipient != "p1@customer.example" {
			continue
		}
		raw, err := d.Raw(t.Context(), o.Raw)
		if err != nil {
			t.Fatal(err)
		}
		if refs := desk.Parse(raw).References; !slices.Equal(refs, before) {
			t.Errorf("answer %d refers to %q, want %q", len(before)+1, refs, before)
		}
		before = append(before, o.MessageID)
	}
	if len(before) != 5 || len(out) != 7 {
		t.Errorf("%d mails of the ticket, %d in all", len(before), len(out))
	}
}

// What fails for one of many keeps none of them back, and makes none twice.
func TestAnswersTogetherThatFail(t *testing.T) {
	for what, c := range map[string]*counting{"no commit": {failWrite: 1}, "no second commit": {failWrite: 2}, "the first mail": {failStage: 1}, "the twentieth mail": {failStage: 20}} {
		out, _ := answering(t, c, func(ctx context.Context, d *ticketing.Desk) int { opened(t, ctx, d, 50); return 50 })
		got := map[string]int{}
		for _, o := range out {
			got[o.Recipient]++
		}
		if len(got) != 50 || len(out) != 50 {
			t.Errorf("%s: %d mails to %d people", what, len(out), len(got))
		}
	}
}

// What a sender was sent a moment ago counts for the mails that wait behind, too.
func TestAcknowledgedOnceAmongMany(t *testing.T) {
	w, _ := acknowledging(t)
	release := w.HoldEffects()
	w.send("first@customer.example", "new@desk.example", "it is a page of its own", "", "x")
	for i := range 4 {
		w.send("jo@customer.example", "new@desk.example", fmt.Sprint("mail ", i), "", "x")
		w.send(fmt.Sprintf("p%d@customer.example", i), "new@desk.example", "other", "", "x")
	}
	release()
	w.settled()
	if n := len(w.to("jo@customer.example")); n != 1 {
		t.Errorf("%d acknowledgements at once, want 1", n)
	}
	silent := 0
	for _, k := range w.tickets() {
		if m := w.ticket(k.Name()).Messages[0]; strings.Contains(m.Suppressed, "within 10 minutes") {
			silent++
		}
	}
	if silent != 3 {
		t.Errorf("%d tickets say why not, want 3", silent)
	}
}

// Where nothing goes out, nothing is written for it but a word on the message, of many in one
// commit.
func TestSilenceIsCheap(t *testing.T) {
	w, _ := acknowledging(t)
	release := w.HoldEffects()
	for i := range 30 {
		w.send("jo@customer.example", "new@desk.example", fmt.Sprint("mail ", i), "", "x")
	}
	before := w.store.Stats().Commits
	release()
	w.settled()
	if n := w.store.Stats().Commits - before; n > 20 {
		t.Errorf("%d commits for 30 mails that are not acknowledged", n)
	}
	if m := w.ticket("SUPPORT-7131").Messages[0]; m.Suppressed == "" || m.Row != "8" || m.From.Address != "jo@customer.example" {
		t.Errorf("the last of them: %+v", m)
	}
}

// Who follows the feed reads it once for a commit, and not to learn that there is nothing.
func TestFollowersReadWhatIsNew(t *testing.T) {
	c := &counting{}
	_, d := answering(t, c, func(ctx context.Context, d *ticketing.Desk) int { opened(t, ctx, d, 1); return 1 })
	c.reads.Store(0)
	opened(t, t.Context(), d, 1)
	ours := c.reads.Load() // of who opens a ticket
	last, err := d.LastSeq(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.reads.Store(0)
	got := make(chan int, 5)
	for range cap(got) {
		go func() {
			events, _, err := d.Sift(t.Context(), func(ticketing.Event) bool { return true }, last, 100, time.Minute)
			if err != nil {
				t.Error(err)
			}
			got <- len(events)
		}()
	}
	opened(t, t.Context(), d, 1)
	for range cap(got) {
		if n := <-got; n < 2 {
			t.Errorf("a follower has seen %d events", n)
		}
	}
	if n := c.reads.Load(); n > 5+ours {
		t.Errorf("5 followers of one commit: %d reads", n)
	}
}

// A quote of all that was said has no acknowledgement in it.
func TestAcknowledgementIsNotQuoted(t *testing.T) {
	w := newWorldOf(t, func(cfg *ticketing.Config) {
		cfg.Queues[0].Acknowledge, cfg.Queues[0].Quote = "", ticketing.QuoteFull
	})
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help me")
	w.settled()
	w.answer("SUPPORT-7102", "First answer.")
	id := w.ticket("SUPPORT-7102").Messages
	for _, o := range w.ticket("SUPPORT-7102").Outgoing[id[len(id)-1].ID] {
		w.must(nil, w.SettleOutgoing(w.ctx, ticketing.Settlement{Outgoing: o.ID, State: ticketing.OutSubmitted}))
	}
	for _, o := range w.ticket("SUPPORT-7102").Outgoing[id[1].ID] {
		w.must(nil, w.SettleOutgoing(w.ctx, ticketing.Settlement{Outgoing: o.ID, State: ticketing.OutSubmitted}))
	}
	w.answer("SUPPORT-7102", "Second answer.")
	mails := w.to("jo@customer.example")
	text := mails[len(mails)-1].Text
	if len(mails) != 3 || !strings.Contains(text, "Help me") || !strings.Contains(text, "First answer") || strings.Contains(text, "has arrived") {
		t.Errorf("the third of %d mails:\n%s", len(mails), text)
	}
}
