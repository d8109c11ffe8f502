package ticketing_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
	"postdesk/ticketing/store"
)

var questionCanary = regexp.MustCompile(`CANARY-(subject|own|name|note|answer|ask|supplier|held)-([0-9]+)-`)

// questionWorld has tickets of customers about which suppliers were asked: helpN@acmeN.example
// about the ticket of customer N. Each supplier has answered, which staff alone may read.
func questionWorld(t *testing.T, n int) (*world, *hostile, []string) {
	w := newWorldOn(t, store.Options{}, func(cfg *ticketing.Config) { cfg.Queues[0].Quote, cfg.Queues[0].Acknowledge = ticketing.QuoteFull, "" })
	h := &hostile{rnd: rand.New(rand.NewPCG(3, 4))}
	var suppliers []string
	for i := range n {
		canary := func(what string) string { return fmt.Sprintf("CANARY-%s-%d-", what, i) }
		customer, supplier := fmt.Sprintf("victim%d@customer.example", i), fmt.Sprintf("help%d@acme.example", i)
		w.send("\""+canary("name")+"\" <"+customer+">", "new@desk.example", canary("subject"), "Message-ID: <first."+customer+">\r\nThread-Topic: "+canary("subject")+"\r\n", canary("own"))
		name := fmt.Sprintf("SUPPORT-%d", 7102+i)
		w.answer(name, canary("answer"))
		w.must(first(w.Reply(w.ctx, jane, ticketing.ReplyRequest{Ticket: name, Text: canary("note"), Note: true})))
		q, _, err := w.Ask(w.ctx, jane, ticketing.Question{Ticket: name, To: mail.Address{Address: supplier}, Text: canary("ask")})
		w.must(nil, err)
		w.until("the question is out", func() bool { return len(w.ticket(name).Outgoing[q.ID]) == 1 })
		question := w.to(supplier)[0]
		w.send(supplier, question.ReplyTo[0].Address, "x", "X-Test-Proof: pass\r\n", canary("supplier"))
		w.wants(t, "the supplier's answer", name, "1", ticketing.StaffOnly)
		h.names, suppliers = append(h.names, name), append(suppliers, supplier)
		h.tokens = append(h.tokens, question.ReplyTo[0].Address)
		h.ids = append(h.ids, question.MessageID)
	}
	return w, h, suppliers
}

// Whoever is asked learns the question alone, and only who asked is told the answer, whatever
// suppliers and customers write with the tokens that they were given, and in whose names.
func TestCanaryQuestions(t *testing.T) {
	const n = 10
	w, h, suppliers := questionWorld(t, n)
	for round := range 8 {
		// The suppliers are the attackers: they have tokens, and each has a domain that signs.
		w.attack(h, 150)
		for range 40 {
			i := h.rnd.IntN(n)
			victim, supplier := fmt.Sprintf("victim%d@customer.example", i), suppliers[h.rnd.IntN(n)]
			from := h.of([]string{victim, supplier, supplier})
			proof := map[bool]string{true: "pass", false: h.of([]string{"none", "fail policy=reject"})}[from == supplier]
			w.send(from, h.to(), "RE: x", "X-Test-Proof: "+proof+"\r\nX-Test-Unsigned: reply-to\r\nIn-Reply-To: <"+h.of(h.ids)+">\r\nReply-To: "+h.of([]string{eve, supplier, victim})+"\r\n", fmt.Sprint("round ", round))
		}
		for i, name := range h.names {
			if h.rnd.IntN(3) == 0 {
				_, _, err := w.Ask(w.ctx, jane, ticketing.Question{Ticket: name, To: mail.Address{Address: suppliers[i]}, Text: "And now?"})
				w.must(nil, err)
				w.must(first(w.Reply(w.ctx, jane, ticketing.ReplyRequest{Ticket: name, Text: "We have asked."})))
			}
		}
	}
	for _, m := range mustHeld(w) {
		w.must(w.Judge(w.ctx, jane, m.Message.ID, h.rnd.IntN(2) == 0))
	}
	for _, name := range h.names {
		w.must(first(w.Reply(w.ctx, jane, ticketing.ReplyRequest{Ticket: name, Text: "That is all."})))
	}
	w.settled()
	checkQuestionCanaries(t, w)
}

func mustHeld(w *world) []ticketing.Found {
	w.t.Helper()
	held, err := w.Held(w.ctx, ticketing.Actor{}, 0, 200)
	w.must(held, err)
	return held
}

func checkQuestionCanaries(t *testing.T, w *world) {
	t.Helper()
	all, err := w.Outgoing(w.ctx, nil, 0, 1_000_000)
	w.must(all, err)
	seen := map[string]int{}
	for _, o := range all {
		raw, err := w.Raw(w.ctx, o.Raw)
		w.must(raw, err)
		m := mail.Parse(raw)
		if strings.EqualFold(o.Recipient, eve) {
			continue // who opens tickets in the hostile mails gets answers about those, which have no canary
		}
		for _, found := range questionCanary.FindAllStringSubmatch(string(raw)+m.Subject+m.Text+m.HTML+fmt.Sprint(m.From, m.To, m.Cc), -1) {
			customer, supplier := "victim"+found[2]+"@customer.example", "help"+found[2]+"@acme.example"
			allowed := map[string]string{"subject": customer, "own": customer, "name": customer, "answer": customer, "ask": supplier, "supplier": supplier}[found[1]]
			if o.Recipient != allowed {
				t.Fatalf("%s went to %s:\n%s", found[0], o.Recipient, raw)
			}
			seen[found[1]]++
		}
		if strings.Contains(o.Recipient, "@acme.example") && strings.Contains(string(raw), "@customer.example") {
			t.Fatalf("a supplier reads who the customer is:\n%s", raw)
		}
	}
	for _, what := range []string{"subject", "own", "answer", "ask", "supplier"} {
		if seen[what] < 10 {
			t.Errorf("%d canaries %q reached their owners: the test sees nothing", seen[what], what)
		}
	}
}
