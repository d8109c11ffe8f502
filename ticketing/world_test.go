package ticketing_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"postdesk/ticketing"
	desk "postdesk/ticketing/mail"
)

var jane = ticketing.Actor{Kind: "staff", Name: "Jane", Origin: "api"}

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)} }

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Millisecond)
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// stubVerify believes what a test writes into X-Test-Proof, so that each verdict can be had
// without DNS: pass (by dkim), spf, login, fail, temperror; policy=reject asks for
// distrust. Without it, customer.example is proven and nobody else. Nothing is ever proven
// for a From that is not one mailbox.
func stubVerify(m *desk.Message) (a desk.Authentication) {
	from, sole := m.SoleAuthor()
	words := strings.Fields(strings.Join(m.Header("X-Test-Proof"), " "))
	if len(words) == 0 && strings.HasSuffix(from.Address, "@customer.example") {
		words = []string{"pass"}
	}
	for _, w := range words {
		switch w {
		case "pass":
			a.Author, a.Method, a.DMARC = from.Address, "dkim", desk.AuthPass
		case "spf", "login":
			a.Author, a.Method = from.Address, w
		case "temperror":
			a.Temporary = sole
		case "policy=reject":
			a.Policy = "reject"
		}
	}
	a.Unsigned = strings.Fields(strings.Join(m.Header("X-Test-Unsigned"), " "))
	if !sole {
		a.Author, a.Method, a.DMARC = "", "", ""
	}
	if a.Policy == "reject" && a.Author == "" && !a.Temporary {
		a.DMARC = desk.AuthFail
	}
	return a
}

// last is the newest message of a ticket.
func (w *world) last(name string) ticketing.Message {
	w.t.Helper()
	c := w.ticket(name)
	return c.Messages[len(c.Messages)-1]
}

func (w *world) must(_ any, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// mails are the bytes of all that ever went out.
func (w *world) mails() (out []string) {
	w.t.Helper()
	all, err := w.Outgoing(w.ctx, nil, 0, 100000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, o := range all {
		raw, err := w.Raw(w.ctx, o.Raw)
		if err != nil {
			w.t.Fatal(err)
		}
		out = append(out, string(raw))
	}
	return out
}

// wants checks the row and the visibility of the newest message.
func (w *world) wants(t *testing.T, what, name, row string, v ticketing.Visibility) {
	t.Helper()
	if m := w.last(name); m.Row != row || m.Visibility != v {
		t.Errorf("%s: row %s, %s (%s); want row %s, %s", what, m.Row, m.Visibility, m.Reason, row, v)
	}
}
