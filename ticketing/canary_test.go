package ticketing_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"testing"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
	"postdesk/ticketing/store"
)

// hostile makes mails by which somebody tries to read what is not theirs. The attacker has
// tickets of their own, with tokens and Message-IDs that are good for those, and knows
// every address and Message-ID of the victims that is not ours.
type hostile struct {
	rnd    *rand.Rand
	n      int
	names  []string // of all tickets
	tokens []string // addresses that the attacker was given
	ids    []string // Message-IDs of ours that the attacker was given
}

func (h *hostile) of(list []string) string { return list[h.rnd.IntN(len(list))] }

// to is an address: a ticket's, with a token that fits, does not fit, or is damaged.
func (h *hostile) to() string {
	name := h.of(h.names)
	own := h.of(h.tokens)
	token := own[strings.IndexByte(own, '+')+1 : strings.IndexByte(own, '@')]
	damaged := []byte(token)
	damaged[h.rnd.IntN(len(damaged))] = "0123456789abcdefghjkmnpqrstvwxyz"[h.rnd.IntN(32)]
	return h.of([]string{
		name + "@desk.example", own, name + "+" + token + "@desk.example", name + "+" + string(damaged) + "@desk.example",
		name + "+@desk.example", "new@desk.example", "new+" + token + "@desk.example", "SUPPORT-99999@desk.example", strings.ToUpper(own),
	})
}

func (h *hostile) from() string {
	victim := fmt.Sprintf("victim%d@customer.example", h.rnd.IntN(20))
	return h.of([]string{
		"From: " + eve, "From: " + victim, "From: " + victim + "\r\nFrom: " + eve, "From: " + eve + "\r\nFrom: " + victim, "From: " + victim + ", " + eve,
		"From: Friends: " + victim + ";", "From: \"" + victim + "\" <" + eve + ">", "Sender: " + victim + "\r\nFrom: " + eve, "From: jane@desk.example",
		"From: " + h.of(h.names) + "@desk.example", "X-Nothing: 1",
	})
}

func (h *hostile) raw() (to, raw string) {
	to = h.to()
	h.n++
	head := []string{h.from(), "To: " + to, fmt.Sprintf("Subject: [%s] hostile %d", h.of(h.names), h.n)}
	own := h.of(h.ids)
	bad := []byte(own)
	bad[h.rnd.IntN(len(bad))] = 'z'
	victim := fmt.Sprintf("<first.victim%d@customer.example>", h.rnd.IntN(20))
	extras := []string{
		"In-Reply-To: <" + own + ">", "References: <" + string(bad) + "> " + victim, "In-Reply-To: " + victim, "Cc: " + eve, "Reply-To: " + eve,
		"Auto-Submitted: auto-replied", "List-Id: <l.evil.example>", "X-Loop: desk.example", "X-Postdesk-Command: forward", "Disposition-Notification-To: " + eve,
		"Return-Receipt-To: " + eve, "Authentication-Results: desk.example; dmarc=pass", "Message-ID: " + victim, "Message-ID: <" + own + ">", "Errors-To: " + eve,
	}
	for range h.rnd.IntN(4) {
		head = append(head, h.of(extras))
	}
	// Only what is the attacker's can ever be proven.
	proof := h.of([]string{"none", "fail", "temperror", "none policy=reject", "fail policy=reject"})
	if head[0] == "From: "+eve || strings.HasSuffix(head[0], "<"+eve+">") {
		proof = h.of([]string{proof, "pass", "spf"})
	}
	head = append(head, "X-Test-Proof: "+proof)
	body := h.of([]string{"Please send me the whole conversation.", "!note\r\n!status closed\r\n!requester " + eve, "> quote\r\n!forward " + eve, "unsubscribe"})
	return to, strings.Join(head, "\r\n") + "\r\n\r\n" + body + "\r\n"
}

// attack delivers n hostile mails, many at a time, and waits until all are decided.
func (w *world) attack(h *hostile, n int) {
	w.t.Helper()
	type letter struct{ reverse, to, raw string }
	letters := make(chan letter, n)
	for range n {
		to, raw := h.raw()
		letters <- letter{h.of([]string{eve, eve, "", "victim1@customer.example"}), to, raw}
	}
	close(letters)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for l := range letters {
				w.Deliver(w.ctx, mail.Envelope{ReversePath: l.reverse, Recipients: []string{l.to}}, strings.NewReader(l.raw))
			}
		})
	}
	wg.Wait()
	w.until("all is decided", func() bool { n, err := w.Backlog(w.ctx); return err == nil && n == 0 })
}

// canaryWorld has 20 victims whose tickets hold a note, an accepted mail of a third person,
// a held one and a mail of the victim; and tickets of the attacker.
func canaryWorld(t *testing.T) (*world, *hostile) {
	w := newWorldOn(t, store.Options{}, func(cfg *ticketing.Config) { cfg.Queues[0].Acknowledge = "" })
	h := &hostile{rnd: rand.New(rand.NewPCG(1, 2))}
	for i := range 20 {
		victim := fmt.Sprintf("victim%d@customer.example", i)
		w.send(victim, "new@desk.example", fmt.Sprint("of victim ", i), "Message-ID: <first."+victim+">\r\n", fmt.Sprintf("CANARY-own-%d-", i))
		w.settled() // the acknowledgement is a message too
		name := fmt.Sprintf("SUPPORT-%d", 7102+i)
		h.names = append(h.names, name)
		_, _, err := w.Reply(w.ctx, jane, ticketing.ReplyRequest{Ticket: name, Text: fmt.Sprintf("CANARY-note-%d-", i), Note: true})
		w.must(nil, err)
		w.send("third@other.example", name+"@desk.example", "x", "X-Test-Proof: pass\r\n", fmt.Sprintf("CANARY-third-%d-", i))
		w.must(w.Judge(w.ctx, jane, w.last(name).ID, true))
		w.send("third@other.example", name+"@desk.example", "x", "X-Test-Proof: none\r\n", fmt.Sprintf("CANARY-held-%d-", i))
		w.answer(name, fmt.Sprintf("CANARY-answer-%d-", i))
	}
	for i := range 3 {
		w.send(eve, "new@desk.example", fmt.Sprint("of eve ", i), "X-Test-Proof: pass\r\n", "Help me.")
		all, err := w.Tickets(w.ctx, ticketing.TicketQuery{Queue: "SUPPORT", Limit: 1})
		w.must(all, err)
		m := w.answer(all[0].Name(), "We will.")
		h.names = append(h.names, all[0].Name())
		h.tokens = append(h.tokens, token(t, m))
		h.ids = append(h.ids, strings.Trim(m.Header.Get("Message-Id"), "<>"))
	}
	return w, h
}

var canary = regexp.MustCompile(`CANARY-(own|note|third|held|answer)-([0-9]+)-`)

// Ten thousand hostile mails, with staff answering in between: every byte that goes out
// is looked at. A victim's own words and our answers reach that victim alone; notes, and
// what others wrote, reach nobody.
func TestCanary(t *testing.T) {
	w, h := canaryWorld(t)
	for range hostileRounds {
		w.attack(h, 500)
		for range 3 {
			name := h.of(h.names)
			if _, _, err := w.Reply(w.ctx, jane, ticketing.ReplyRequest{Ticket: name, Text: "We are at it."}); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.settled()
	all, err := w.Outgoing(w.ctx, nil, 0, 1_000_000)
	w.must(all, err)
	toVictims := 0
	for _, o := range all {
		raw, err := w.Raw(w.ctx, o.Raw)
		w.must(raw, err)
		// Base64 and quoted-printable would hide a canary from a plain search.
		m := mail.Parse(raw)
		for _, found := range canary.FindAllStringSubmatch(string(raw)+m.Text+m.HTML, -1) {
			owner := fmt.Sprintf("victim%s@customer.example", found[2])
			if (found[1] == "own" || found[1] == "answer") && o.Recipient == owner {
				toVictims++
				continue
			}
			t.Fatalf("%s went to %s:\n%s", found[0], o.Recipient, raw)
		}
		if strings.HasPrefix(o.Recipient, "third@") {
			t.Fatalf("somebody who is no participant got mail:\n%s", raw)
		}
	}
	if toVictims < 40 {
		t.Errorf("%d canaries reached their owners: the test sees nothing", toVictims)
	}
	if n := h.n; n != 500*hostileRounds {
		t.Errorf("%d hostile mails", n)
	}
}
