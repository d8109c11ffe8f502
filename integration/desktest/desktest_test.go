package desktest_test

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"postdesk/integration/desktest"
)

// TestMain lets as many tests run at once as there are, however few processors there are.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", fmt.Sprint(desks)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// letter is a customer's question.
func letter(from, subject string) []byte {
	return fmt.Appendf(nil, "From: %s\nTo: %s\nSubject: %s\nMessage-ID: <%s>\n\nHow do I set my password?\n", from, desktest.Address, subject, "1."+from)
}

// answer is what a program under test does. A desk that is too busy says so, and is asked again.
func answer(t *testing.T, desk *desktest.Desk, ticket, text string) {
	t.Helper()
	status := http.StatusServiceUnavailable
	for end := time.Now().Add(desktest.Patience); status == http.StatusServiceUnavailable && time.Now().Before(end); {
		status = ask(t, desk, ticket, text)
	}
	if status >= 300 {
		t.Fatalf("the reply: %d", status)
	}
}

func ask(t *testing.T, desk *desktest.Desk, ticket, text string) (status int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", desk.URL+"/api/v1/tickets/"+ticket+"/replies", strings.NewReader(fmt.Sprintf(`{"text": %q}`, text)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+desk.Token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", "answer-"+ticket)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode
}

// Many desks at once: each gets one mail and sends one answer, and sees nothing of the
// others.
func TestManyDesks(t *testing.T) {
	// A desk takes most of its work to start: all in one moment would keep each other's waiting for
	// longer than a store waits.
	starting := make(chan struct{}, 8)
	start := func(t *testing.T) *desktest.Desk {
		starting <- struct{}{}
		defer func() { <-starting }()
		return desktest.Start(t, desktest.Options{})
	}
	for i := range desks {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			desk := start(t)
			from := fmt.Sprintf("person%d@customer.example", i)
			out := desk.Deliver(t, from, desktest.Address, letter(from, "Password"))
			if out.Ticket != "SUPPORT-1" || out.Author != from || !out.New {
				t.Fatalf("the mail became %+v", out)
			}
			words := fmt.Sprintf("This is answer %d.", i)
			answer(t, desk, out.Ticket, words)
			desk.WaitMail(t, func(m desktest.Mail) bool { return bytes.Contains(m.Data, []byte(words)) })
			for _, m := range desk.Outbox() {
				if len(m.To) != 1 || m.To[0] != from {
					t.Errorf("mail to %v in the outbox of %s", m.To, from)
				}
			}
		})
	}
}

// Who is not proven is taken in and shown so; the same mail again is nothing new.
func TestUnproven(t *testing.T) {
	t.Parallel()
	desk := desktest.Start(t, desktest.Options{})
	raw := letter("jane@customer.example", "Password")
	out := desk.DeliverUnproven(t, "jane@customer.example", desktest.Address, raw)
	if out.Ticket != "SUPPORT-1" || out.Author != "" {
		t.Errorf("the mail became %+v", out)
	}
	if again := desk.DeliverUnproven(t, "jane@customer.example", desktest.Address, raw); again.Ticket != "" {
		t.Errorf("the same mail again became %+v", again)
	}
	desk.Settle(t)
	if got := desk.Outbox(); len(got) != 0 {
		t.Errorf("%d mails went to who is not proven", len(got))
	}
}

// After Settle all that the desk sends by itself, or was asked to send, is in the outbox.
func TestSettle(t *testing.T) {
	t.Parallel()
	desk := desktest.Start(t, desktest.Options{})
	for i := range 20 {
		from := fmt.Sprintf("person%d@customer.example", i)
		answer(t, desk, desk.Deliver(t, from, desktest.Address, letter(from, "Password")).Ticket, "Here.")
		desk.Settle(t)
		if got := len(desk.Outbox()); got != 2*(i+1) { // an acknowledgement and an answer each
			t.Fatalf("after %d questions there are %d mails", i+1, got)
		}
	}
}

// Who got a mail of the desk answers it: on the same ticket, and only the new words count.
func TestAnswer(t *testing.T) {
	t.Parallel()
	desk := desktest.Start(t, desktest.Options{})
	asked := desk.Deliver(t, "jane@customer.example", desktest.Address, letter("jane@customer.example", "Pässword"))
	answer(t, desk, asked.Ticket, "Try again, plëase.")
	out := desk.Answer(t, desk.WaitMail(t, func(m desktest.Mail) bool { return bytes.Contains(m.Data, []byte("Try again")) }), "It wörks now.")
	if out.Ticket != asked.Ticket || out.New || out.Visibility != "shown" || out.Author != "jane@customer.example" {
		t.Fatalf("the answer became %+v", out)
	}
	m, _, err := desk.Ticketing().Message(t.Context(), out.Message)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := desk.Ticketing().Content(t.Context(), m); err != nil || strings.TrimSpace(c.NewText) != "It wörks now." {
		t.Errorf("the new text is %q: %v", c.NewText, err)
	}
}
