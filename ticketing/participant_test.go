package ticketing_test

import (
	"strings"
	"testing"
	"time"

	"postdesk/ticketing"
	desk "postdesk/ticketing/mail"
)

// The people whom a proven requester puts into Cc are suggested, get nothing before staff
// say so, and then take part until they are removed or muted.
func TestParticipants(t *testing.T) {
	w := newWorld(t)
	w.send("jo@customer.example", "new@desk.example", "x", "Cc: Ann <ann@partner.example>, new@desk.example, jo@customer.example\r\n", "Help")
	suggested := func() string {
		t.Helper()
		cc, err := w.SuggestedCc(w.ctx, w.ticket("SUPPORT-7102"))
		w.must(cc, err)
		var out []string
		for _, a := range cc {
			out = append(out, a.Address)
		}
		return strings.Join(out, " ")
	}
	if got := suggested(); got != "ann@partner.example" {
		t.Errorf("suggested: %q", got)
	}
	w.answer("SUPPORT-7102", "First.")
	if n := len(w.mails()); n != 1 {
		t.Fatalf("%d mails before staff confirmed anybody, want 1", n)
	}
	_, _, err := w.Reply(w.ctx, jane, ticketing.ReplyRequest{Ticket: "SUPPORT-7102", Text: "Second.", Cc: []string{"Ann <Ann@partner.example>"}})
	w.must(nil, err)
	w.until("both get it", func() bool { return len(w.mails()) == 3 })
	if got := suggested(); got != "" {
		t.Errorf("suggested after the answer: %q", got)
	}
	w.must(w.MuteParticipant(w.ctx, jane, "SUPPORT-7102", "ann@partner.example", true))
	w.answer("SUPPORT-7102", "Third.")
	if n := len(w.mails()); n != 4 {
		t.Errorf("a muted participant gets mail: %d", n)
	}
	for _, bad := range []string{"SUPPORT-7102@desk.example", "new@desk.example", "nobody", "a b@c.example"} {
		if _, err := w.AddParticipant(w.ctx, jane, "SUPPORT-7102", desk.Address{Address: bad}); err == nil {
			t.Errorf("%q is a participant now", bad)
		}
	}
	if _, err := w.RemoveParticipant(w.ctx, jane, "SUPPORT-7102", "jo@customer.example"); err == nil {
		t.Error("the requester was removed")
	}
}

// What nobody proved suggests nobody: this is how threads are taken over.
func TestUnprovenSuggestsNobody(t *testing.T) {
	w := newWorld(t)
	w.send("jo@elsewhere.example", "new@desk.example", "x", "Cc: eve@evil.example\r\n", "Help")
	if cc, err := w.SuggestedCc(w.ctx, w.ticket("SUPPORT-7102")); err != nil || len(cc) > 0 {
		t.Errorf("suggested: %v, %v", cc, err)
	}
}

// Tokens and Message-IDs stop at once when they are revoked, each alone, and the next
// answer brings new ones.
func TestRevoke(t *testing.T) {
	w := newWorld(t)
	w.send("jo@elsewhere.example", "new@desk.example", "x", "", "Help")
	old := w.answer("SUPPORT-7102", "Fix.")
	ours := "In-Reply-To: " + old.Header.Get("Message-Id") + "\r\n"
	w.send("jo@elsewhere.example", token(t, old), "x", "", "by token")
	w.wants(t, "before", "SUPPORT-7102", "2", ticketing.Shown)
	w.must(w.RevokeParticipant(w.ctx, jane, "SUPPORT-7102", "jo@elsewhere.example"))
	w.send("jo@elsewhere.example", token(t, old), "x", "", "by the old token")
	w.wants(t, "a revoked token", "SUPPORT-7102", "6", ticketing.Held)
	w.send("jo@elsewhere.example", "SUPPORT-7102@desk.example", "x", ours, "by the old Message-ID")
	w.wants(t, "a revoked Message-ID", "SUPPORT-7102", "6", ticketing.Held)
	w.send("jo@elsewhere.example", "new@desk.example", "x", ours, "by the old Message-ID, at the queue")
	if n := len(w.tickets()); n != 2 {
		t.Errorf("a revoked Message-ID at the queue: %d tickets, want a new one", n)
	}
	fresh := w.answer("SUPPORT-7102", "Again.")
	if token(t, fresh) == token(t, old) {
		t.Error("the new token is the old one")
	}
	w.send("jo@elsewhere.example", token(t, fresh), "x", "", "by the new token")
	w.wants(t, "the new token", "SUPPORT-7102", "2", ticketing.Shown)
	w.send("jo@elsewhere.example", "new@desk.example", "x", "In-Reply-To: "+fresh.Header.Get("Message-Id")+"\r\n", "by the new Message-ID")
	w.wants(t, "the new Message-ID", "SUPPORT-7102", "2", ticketing.Shown)
}

// One who is removed has no rights, and comes back with none of the old tokens.
func TestRemovedParticipant(t *testing.T) {
	w := newWorld(t)
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	w.must(w.AddParticipant(w.ctx, jane, "SUPPORT-7102", desk.Address{Address: "ann@customer.example"}))
	w.answer("SUPPORT-7102", "Fix.")
	var old string
	for _, raw := range w.mails() {
		if m := desk.Parse([]byte(raw)); m.To[0].Address == "ann@customer.example" {
			old = m.ReplyTo[0].Address
		}
	}
	w.send("ann@customer.example", old, "x", "", "1")
	w.wants(t, "a participant", "SUPPORT-7102", "1", ticketing.Shown)
	w.must(w.RemoveParticipant(w.ctx, jane, "SUPPORT-7102", "ann@customer.example"))
	w.send("ann@customer.example", old, "x", "", "2")
	w.wants(t, "one who was removed", "SUPPORT-7102", "6", ticketing.Held)
	w.must(w.AddParticipant(w.ctx, jane, "SUPPORT-7102", desk.Address{Address: "ann@customer.example"}))
	w.send("ann@customer.example", old, "x", "X-Test-Proof: none\r\n", "3")
	w.wants(t, "the old token of one who came back", "SUPPORT-7102", "6", ticketing.Held)
}

// Keys rotate, and mail that is out there goes on working for 180 days.
func TestKeyRotation(t *testing.T) {
	c := newClock()
	w := newWorldOf(t, func(cfg *ticketing.Config) { cfg.Now = c.time })
	w.send("jo@elsewhere.example", "new@desk.example", "x", "", "Help")
	old := w.answer("SUPPORT-7102", "Fix.")
	ours := "In-Reply-To: " + old.Header.Get("Message-Id") + "\r\n"
	for range 3 {
		c.pass(24 * time.Hour)
		w.must(w.RotateKey(w.ctx, jane))
	}
	w.send("jo@elsewhere.example", token(t, old), "x", "", "1")
	w.wants(t, "an older key", "SUPPORT-7102", "2", ticketing.Shown)
	c.pass(177 * 24 * time.Hour)
	w.send("jo@elsewhere.example", "new@desk.example", "x", ours, "2")
	w.wants(t, "an older key in a Message-ID", "SUPPORT-7102", "2", ticketing.Shown)
	c.pass(2 * 24 * time.Hour)
	w.send("jo@elsewhere.example", token(t, old), "x", "", "3")
	w.wants(t, "a key whose time is over", "SUPPORT-7102", "6", ticketing.Held)
	w.must(w.RotateKey(w.ctx, jane))
	if keys := w.Keys(); len(keys) != 3 || !keys[0].Until.IsZero() || keys[1].Until.IsZero() {
		t.Errorf("keys: %+v", keys)
	}
	w.send("jo@elsewhere.example", token(t, w.answer("SUPPORT-7102", "Again.")), "x", "", "4")
	w.wants(t, "the newest key", "SUPPORT-7102", "2", ticketing.Shown)
	// Ids come round, and none is given twice while it verifies.
	for range 29 {
		w.must(w.RotateKey(w.ctx, jane))
	}
	if _, err := w.RotateKey(w.ctx, jane); err == nil {
		t.Error("a key id that verifies was given to another key")
	}
	c.pass(181 * 24 * time.Hour)
	w.must(w.RotateKey(w.ctx, jane))
}

// Who becomes the customer is to be answered, also when they were muted as a reader.
func TestMutedBecomesRequester(t *testing.T) {
	w := newWorld(t)
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	w.must(w.AddParticipant(w.ctx, jane, "SUPPORT-7102", desk.Address{Address: "al@customer.example"}))
	w.must(w.MuteParticipant(w.ctx, jane, "SUPPORT-7102", "al@customer.example", true))
	al := "al@customer.example"
	w.must(w.Change(w.ctx, jane, "SUPPORT-7102", ticketing.Change{Requester: &al}))
	w.must(first(w.Reply(w.ctx, jane, ticketing.ReplyRequest{Ticket: "SUPPORT-7102", Text: "Fix."})))
	w.settled()
	if len(w.to(al)) != 1 || len(w.to("jo@customer.example")) != 0 {
		t.Errorf("%d answers to the customer, %d to the one before", len(w.to(al)), len(w.to("jo@customer.example")))
	}
}
