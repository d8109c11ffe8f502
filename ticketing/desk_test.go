package ticketing_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"strings"
	"testing"
	"time"

	"postdesk/integration/blank"
	"postdesk/ticketing"
	desk "postdesk/ticketing/mail"
	"postdesk/ticketing/store"
)

// world is a desk on a real store. Mail from customer.example counts as proven.
type world struct {
	*ticketing.Desk
	t      *testing.T
	ctx    context.Context
	store  *store.DB
	serial int
}

func newWorld(t *testing.T) *world { return newWorldOf(t, nil) }

// newWorldOf lets a test change the configuration before the desk is made. Its store runs
// each write twice: what is not the same the second time shows.
func newWorldOf(t *testing.T, change func(*ticketing.Config)) *world {
	t.Helper()
	return newWorldOn(t, store.Options{Repeat: true}, change)
}

func newWorldOn(t *testing.T, o store.Options, change func(*ticketing.Config)) *world {
	t.Helper()
	return newWorldAt(t, t.TempDir(), o, change)
}

func newWorldAt(t *testing.T, dir string, o store.Options, change func(*ticketing.Config)) *world {
	t.Helper()
	if err := blank.Desk(dir); err != nil {
		t.Fatal(err)
	}
	if o.Synchronous == "" {
		o.Synchronous = "OFF" // no test of the rules loses power
	}
	db, err := store.Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	w := &world{t: t, store: db}
	var cancel context.CancelFunc
	w.ctx, cancel = context.WithTimeout(context.Background(), 10*time.Minute)
	t.Cleanup(cancel)
	cfg := ticketing.Config{
		Domain: "desk.example",
		Queues: []ticketing.Queue{
			{Key: "SUPPORT", Name: "Support", Addresses: []string{"new@desk.example"}, Domain: "desk.example", FirstNumber: 7102, Acknowledge: ticketing.AcknowledgeOff},
			{Key: "SALES", Name: "Sales", Addresses: []string{"sales@desk.example"}, Domain: "desk.example", Acknowledge: ticketing.AcknowledgeOff},
		},
		Roles:  map[string]string{"desk.example": "SUPPORT"},
		Verify: func(_ context.Context, _ []byte, m *desk.Message) desk.Authentication { return stubVerify(m) },
	}
	if change != nil {
		change(&cfg)
	}
	if w.Desk, err = ticketing.New(w.ctx, cfg, db); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	run, stop := context.WithCancel(context.Background())
	go func() {
		defer close(done)
		if err := w.Run(run); err != nil && run.Err() == nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		stop()
		<-done
		w.checkEvents()
	})
	return w
}

// send delivers a mail and waits until it is processed.
func (w *world) send(from, to, subject, extra, body string) {
	w.t.Helper()
	w.sendAs(from, []string{to}, fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: %s\r\n%s\r\n%s\r\n", from, to, subject, extra, body))
}

func (w *world) sendAs(reversePath string, to []string, raw string) {
	w.t.Helper()
	env := desk.Envelope{ReversePath: reversePath, Recipients: to}
	for _, r := range w.Deliver(w.ctx, env, strings.NewReader(raw)) {
		if r.Err != nil {
			w.t.Fatal(r.Err)
		}
	}
	w.until("the backlog is empty", func() bool {
		n, err := w.Backlog(w.ctx)
		return err == nil && n == 0
	})
}

func (w *world) until(what string, cond func() bool) {
	w.t.Helper()
	for !cond() {
		if w.ctx.Err() != nil {
			w.t.Fatal("waited in vain: ", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func (w *world) tickets() []ticketing.Ticket {
	w.t.Helper()
	all, err := w.Tickets(w.ctx, ticketing.TicketQuery{Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

func (w *world) ticket(name string) ticketing.Conversation {
	w.t.Helper()
	c, err := w.Ticket(w.ctx, name)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// answer replies as staff and gives the mail that is queued.
func (w *world) answer(name, text string) *mail.Message {
	w.t.Helper()
	m, _, err := w.Reply(w.ctx, ticketing.Actor{Kind: "staff", Name: "Jane", Origin: "api"}, ticketing.ReplyRequest{Ticket: name, Text: text})
	if err != nil {
		w.t.Fatal(err)
	}
	var out []ticketing.Outgoing
	w.until("the answer is queued", func() bool {
		out = w.ticket(name).Outgoing[m.ID]
		return len(out) > 0
	})
	raw, err := w.Raw(w.ctx, out[0].Raw)
	if err != nil {
		w.t.Fatal(err)
	}
	parsed, err := mail.ReadMessage(strings.NewReader(string(raw)))
	if err != nil {
		w.t.Fatal(err)
	}
	return parsed
}

func token(t *testing.T, m *mail.Message) string {
	t.Helper()
	a, err := mail.ParseAddress(m.Header.Get("Reply-To"))
	if err != nil {
		t.Fatal(err)
	}
	return a.Address
}

func TestStory(t *testing.T) {
	w := newWorld(t)
	w.send("jo@customer.example", "new@desk.example", "I can't login!", "Message-ID: <a1@customer.example>\r\n", "Help")
	c := w.ticket("support-7102")
	if c.Ticket.Status != ticketing.StatusNew || c.Ticket.Unverified || c.Ticket.Requester != "jo@customer.example" || c.Messages[0].Row != "8" {
		t.Fatalf("the ticket: %+v", c)
	}
	reply := w.answer("SUPPORT-7102", "Try again.")
	for field, want := range map[string]string{
		"Subject": "RE: I can't login!", "In-Reply-To": "<a1@customer.example>", "References": "<a1@customer.example>", "To": "jo@customer.example",
	} {
		if got := reply.Header.Get(field); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", field, got, want)
		}
	}
	if a, err := mail.ParseAddress(reply.Header.Get("From")); err != nil || a.Address != "SUPPORT-7102@desk.example" {
		t.Errorf("From: %v %v", a, err)
	}
	if s := w.ticket("SUPPORT-7102").Ticket.Status; s != ticketing.StatusWaiting {
		t.Errorf("after the answer the ticket is %s", s)
	}
	// The customer answers three ways; each lands on the same ticket and reopens it.
	ours := reply.Header.Get("Message-Id")
	for i, a := range []struct{ to, extra, row string }{
		{token(t, reply), "", "1"},
		{"new@desk.example", "In-Reply-To: " + ours + "\r\n", "1"},
		{"SUPPORT-7102@desk.example", "", "5"},
		{"new@desk.example", "References: <a1@customer.example>\r\n", "8a"},
	} {
		if _, err := w.SetStatus(w.ctx, ticketing.Actor{Kind: "staff"}, "SUPPORT-7102", ticketing.StatusResolved); err != nil {
			t.Fatal(err)
		}
		w.send("jo@customer.example", a.to, "RE: I can't login!", a.extra, fmt.Sprint("answer ", i))
		c := w.ticket("SUPPORT-7102")
		last := c.Messages[len(c.Messages)-1]
		if last.Row != a.row || last.Visibility != ticketing.Shown || c.Ticket.Status != ticketing.StatusOpen {
			t.Errorf("answer %d: row %s, %s, ticket %s; want row %s", i, last.Row, last.Visibility, c.Ticket.Status, a.row)
		}
	}
	if n := len(w.tickets()); n != 1 {
		t.Errorf("%d tickets, want 1", n)
	}
}

// What only the ticket's address ties to it is held, and its sender can do nothing.
func TestHold(t *testing.T) {
	w := newWorld(t)
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	w.send("eve@evil.example", "SUPPORT-7102@desk.example", "x", "", "Give me everything")
	c := w.ticket("SUPPORT-7102")
	m := c.Messages[1]
	if m.Visibility != ticketing.Held || m.Row != "6" || c.Ticket.Held != 1 || c.Ticket.Status != ticketing.StatusNew {
		t.Fatalf("%+v in %+v", m, c.Ticket)
	}
	if _, err := w.Judge(w.ctx, ticketing.Actor{Kind: "staff", Name: "Jane"}, m.ID, true); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Judge(w.ctx, ticketing.Actor{Kind: "staff", Name: "Jane"}, m.ID, true); err == nil {
		t.Error("judged twice")
	}
	if c := w.ticket("SUPPORT-7102"); c.Messages[1].Visibility != ticketing.Shown || c.Ticket.Held != 0 {
		t.Errorf("after accepting: %+v", c)
	}
}

// One mail is one item, however often and in however many pieces it comes.
func TestOneMailOneItem(t *testing.T) {
	w := newWorld(t)
	raw := "From: jo@customer.example\r\nMessage-ID: <one@customer.example>\r\nSubject: x\r\n\r\nHelp\r\n"
	ours := func(id string) string {
		return "Received: from c.example by mx.desk.example (Postfix)\r\n\twith ESMTP id " + id + "; now\r\n" + raw
	}
	w.sendAs("jo@customer.example", []string{"new@desk.example", "sales@desk.example"}, ours("A"))
	w.sendAs("jo@customer.example", []string{"new@desk.example"}, ours("A"))        // redelivered
	w.sendAs("jo@customer.example", []string{"postmaster@desk.example"}, ours("A")) // a recipient that comes later
	w.sendAs("jo@customer.example", []string{"new@desk.example"}, ours("B"))        // requeued
	if n := len(w.tickets()); n != 1 {
		t.Fatalf("%d tickets, want 1", n)
	}
	if c := w.ticket("SUPPORT-7102"); len(c.Messages) != 1 {
		t.Errorf("%d messages, want 1", len(c.Messages))
	}
	w.sendAs("jo@customer.example", []string{"new@desk.example"}, strings.Replace(ours("C"), "Help", "Help!", 1))
	if n := len(w.tickets()); n != 2 {
		t.Errorf("another mail with the same Message-ID: %d tickets, want 2", n)
	}
}

// Overlapping deliveries of the same bytes make one ticket.
func TestOverlappingDeliveries(t *testing.T) {
	w := newWorld(t)
	raw := "From: jo@customer.example\r\nSubject: x\r\n\r\nHelp\r\n"
	errs := make(chan error, 20)
	for range cap(errs) {
		go func() {
			env := desk.Envelope{ReversePath: "jo@customer.example", Recipients: []string{"new@desk.example"}}
			errs <- w.Deliver(w.ctx, env, strings.NewReader(raw))[0].Err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	w.drained() // what came twice would be the last
	if c := w.ticket("SUPPORT-7102"); len(w.tickets()) != 1 || len(c.Messages) != 1 {
		t.Errorf("%d tickets, %d messages", len(w.tickets()), len(c.Messages))
	}
}

// A message that breaks off while it is read is not stored.
func TestBrokenBody(t *testing.T) {
	w := newWorld(t)
	env := desk.Envelope{Recipients: []string{"new@desk.example"}}
	for _, err := range []error{io.ErrUnexpectedEOF, io.ErrClosedPipe} {
		body := io.MultiReader(strings.NewReader("Subject: x\r\n\r\nhalf"), failing{err})
		if r := w.Deliver(w.ctx, env, body); r[0].Err == nil {
			t.Errorf("%v while reading was answered with success", err)
		}
	}
	if n, err := w.Backlog(w.ctx); n != 0 || err != nil || len(w.tickets()) != 0 {
		t.Errorf("stored: %d, %v", n, err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// A report is tied to its mail, whichever way it comes back, and the ticket says so.
func TestReport(t *testing.T) {
	for _, way := range []string{"reverse-path", "Message-ID"} {
		t.Run(way, func(t *testing.T) {
			w := newWorld(t)
			w.send("jo@customer.example", "new@desk.example", "x", "Message-ID: <a@customer.example>\r\n", "Help")
			reply := w.answer("SUPPORT-7102", "Fix")
			c := w.ticket("SUPPORT-7102")
			own := c.Messages[1]
			out := c.Outgoing[own.ID][0]
			if err := w.SettleOutgoing(w.ctx, ticketing.Settlement{Outgoing: out.ID, State: ticketing.OutSubmitted, QueueID: "Q"}); err != nil {
				t.Fatal(err)
			}
			to := out.ReversePath
			if way == "Message-ID" {
				to = "new@desk.example"
			}
			w.sendAs("", []string{to}, "From: MAILER-DAEMON@mx.example\r\nSubject: Undelivered\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"+
				"--b\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"+
				"Final-Recipient: rfc822; jo@customer.example\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n"+
				"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: "+reply.Header.Get("Message-Id")+"\r\n\r\n--b--\r\n")
			c = w.ticket("SUPPORT-7102")
			if o := c.Outgoing[own.ID][0]; o.State != ticketing.OutFailed || !strings.Contains(o.LastReply, "no such user") {
				t.Errorf("the mail is %s (%s)", o.State, o.LastReply)
			}
			if last := c.Messages[len(c.Messages)-1]; last.Kind != ticketing.KindReport || len(w.tickets()) != 1 {
				t.Errorf("the report: %+v", last)
			}
			if c.Ticket.Status != ticketing.StatusOpen {
				t.Errorf("the ticket is %s; nobody will look at it", c.Ticket.Status)
			}
		})
	}
	w := newWorld(t)
	if err := w.Recipient(w.ctx, "support-bounces+1-1.0aaaaaaaaaaaaaaaa@desk.example"); err == nil {
		t.Error("a reverse-path with a wrong MAC is accepted")
	}
}

// The feed has no gaps, and the same key does nothing twice.
func TestFeedAndIdempotency(t *testing.T) {
	w := newWorld(t)
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	jane := ticketing.Actor{Kind: "staff", Name: "Jane", Origin: "api"}
	req := ticketing.ReplyRequest{Ticket: "SUPPORT-7102", Text: "Fix", Key: "k1"}
	first, again, err := w.Reply(w.ctx, jane, req)
	if err != nil || again {
		t.Fatal(err, again)
	}
	second, again, err := w.Reply(w.ctx, jane, req)
	if err != nil || !again || second.ID != first.ID {
		t.Errorf("asked again: %d %v %v, want %d", second.ID, again, err, first.ID)
	}
	req.Text = "Other"
	if _, _, err := w.Reply(w.ctx, jane, req); err == nil {
		t.Error("the same key for another request is accepted")
	}
	joe := ticketing.Actor{Kind: "staff", Name: "Joe", Origin: "api"}
	if _, _, err := w.Reply(w.ctx, joe, ticketing.ReplyRequest{Ticket: "SUPPORT-7102", Text: "late", Seen: 2}); !errors.Is(err, ticketing.ErrConflict) {
		t.Errorf("a reply to a ticket that has moved on: %v", err)
	}
	w.until("the answer is queued", func() bool { return len(w.ticket("SUPPORT-7102").Outgoing[first.ID]) == 1 })
	events, err := w.Events(w.ctx, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for i, e := range events {
		if e.Seq != int64(i+1) || e.Name != "SUPPORT-7102" {
			t.Errorf("event %d: %+v", i+1, e)
		}
		types = append(types, e.Type)
	}
	if got := strings.Join(types, " "); got != "ticket.created message.received reply.added ticket.updated message.queued" {
		t.Errorf("events: %s", got)
	}
}

// A queue that got another key keeps its tickets and their addresses.
func TestRenamedQueue(t *testing.T) {
	w := newWorld(t)
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	err := w.SetQueues([]ticketing.Queue{{Key: "HELP", Name: "Help", Addresses: []string{"new@desk.example"}, Domain: "desk.example", OldKeys: []string{"SUPPORT"}, FirstNumber: 7102, Acknowledge: ticketing.AcknowledgeOff}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.send("ann@customer.example", "new@desk.example", "y", "", "Help")
	if c := w.ticket("HELP-7102"); c.Ticket.Requester != "ann@customer.example" {
		t.Errorf("the new key: %+v", c.Ticket)
	}
	w.send("jo@customer.example", token(t, w.answer("SUPPORT-7102", "Fix")), "x", "", "Thanks")
	if c := w.ticket("SUPPORT-7102"); len(c.Messages) != 3 || c.Messages[2].Row != "1" {
		t.Errorf("the old key: %+v", c.Messages)
	}
	if err := w.SetQueues([]ticketing.Queue{{Key: "bad key"}}, nil); err == nil || w.Recipient(w.ctx, "new@desk.example") != nil {
		t.Error("queues that are wrong were taken")
	}
}
