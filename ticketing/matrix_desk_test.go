package ticketing_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
)

// matrixKeys are the addresses and header fields by which a cell points to the ticket.
type matrixKeys struct{ own, other, expired, bare, forged string }

func (k matrixKeys) of(key string) (to, extra string) {
	switch key {
	case "token":
		return k.own, ""
	case "another ticket's":
		return k.other, ""
	case "expired":
		return k.expired, ""
	case "bare address":
		return k.bare, ""
	case "forged References":
		return "new@desk.example", "References: <" + k.forged + ">\r\nIn-Reply-To: <" + k.forged + ">\r\n"
	}
	return "new@desk.example", "" // the number is in the subject
}

// matrixWorld has a ticket with a token that works, one whose key is too old, and the token
// of another ticket put into its address.
func matrixWorld(t *testing.T) (*world, matrixKeys) {
	c := newClock()
	w := newWorldOf(t, func(cfg *ticketing.Config) { cfg.Now = c.time })
	w.send("jo@elsewhere.example", "new@desk.example", "x", "", "Help")
	expired := token(t, w.answer("SUPPORT-7102", "Fix."))
	w.must(w.RotateKey(w.ctx, jane))
	c.pass(181 * 24 * time.Hour)
	w.send("jo@elsewhere.example", "new@desk.example", "y", "", "Help")
	other := token(t, w.answer("SUPPORT-7103", "Fix."))
	fresh := w.answer("SUPPORT-7102", "Again.")
	id := strings.Trim(fresh.Header.Get("Message-Id"), "<>")
	end := id[strings.IndexByte(id, '@'):]
	return w, matrixKeys{
		own: token(t, fresh), expired: expired, bare: "SUPPORT-7102@desk.example",
		other:  strings.Replace(other, "7103", "7102", 1),
		forged: id[:len(id)-len(end)-4] + "0000" + end,
	}
}

func cellMail(c ticketing.Cell, k matrixKeys, subject string) (to, raw string) {
	from := map[string]string{"requester": "jo@elsewhere.example", "staff": "jane@staff.example", "stranger": "eve@evil.example", "cc": "ann@partner.example"}[c.Author]
	to, extra := k.of(c.Key)
	head := "From: " + from + "\r\n"
	proof := "none"
	switch c.Proof {
	case "aligned pass":
		proof = "pass"
	case "fail", "temperror":
		proof = c.Proof
	case "forged Authentication-Results":
		extra += "Authentication-Results: mx.desk.example; dmarc=pass header.from=" + from[strings.IndexByte(from, '@')+1:] + "; dkim=pass\r\n"
	case "two From":
		head, proof = "From: eve@evil.example\r\n"+head, "pass"
	case "group From":
		head, proof = "From: Friends: "+from+";\r\n", "pass"
	case "Reply-To":
		extra += "Reply-To: jo@elsewhere.example\r\n"
	}
	if c.Policy == "enforcing" {
		proof += " policy=reject"
	}
	return to, head + "To: " + to + "\r\nSubject: " + subject + "\r\nX-Test-Proof: " + proof + "\r\n" + extra + "\r\nhello\r\n"
}

// The matrix, played through parsing, verifying and the store: every cell but those of
// staff, which have tests of their own.
func TestMatrixThroughDesk(t *testing.T) {
	w, keys := matrixWorld(t)
	want := map[string]ticketing.Cell{}
	ticketing.EachCell(func(c ticketing.Cell) {
		if c.Author == "staff" {
			return
		}
		subject := fmt.Sprintf("[SUPPORT-7102] cell %d", len(want))
		want[subject] = c
		to, raw := cellMail(c, keys, subject)
		r := w.Deliver(w.ctx, mail.Envelope{ReversePath: "a@b.example", Recipients: []string{to}}, strings.NewReader(raw))
		w.must(nil, r[0].Err)
	})
	w.until("all is decided", func() bool { n, err := w.Backlog(w.ctx); return err == nil && n == 0 })
	got := map[string]bool{}
	all, err := w.Tickets(w.ctx, ticketing.TicketQuery{Limit: 1000})
	w.must(all, err)
	for _, k := range all {
		for _, m := range w.ticket(k.Name()).Messages {
			c, known := want[m.Subject]
			if !known || m.Kind != ticketing.KindInbound {
				continue
			}
			got[m.Subject] = true
			opened := k.Name() != "SUPPORT-7102"
			held := m.Visibility == ticketing.Held
			if m.Row != c.Row || opened != (c.Effect == ticketing.Open) || held != (c.Effect == ticketing.Hold) || m.Reason == "" {
				t.Errorf("%+v: row %s, %s in %s (%s)", c, m.Row, m.Visibility, k.Name(), m.Reason)
			}
		}
	}
	if len(got) != len(want) || len(want) != 576 {
		t.Errorf("%d of %d cells are there, want all 576", len(got), len(want))
	}
	// Nothing went out for any of it: three answers of staff, and no more.
	if n := len(w.mails()); n != 3 {
		t.Errorf("%d mails went out, want the 3 answers", n)
	}
}

// The cells of staff, with the tokens that were given to that person.
func TestMatrixOfStaff(t *testing.T) {
	c := newClock()
	w := newWorldOf(t, func(cfg *ticketing.Config) { cfg.Now = c.time })
	w.must(nil, w.SetStaff(w.ctx, []ticketing.Person{{Name: "jane", Addresses: []string{"jane@staff.example"}}}))
	w.send("jo@elsewhere.example", "new@desk.example", "x", "", "Help")
	expired := w.StaffAddress(w.ticket("SUPPORT-7102").Ticket, "jane")
	w.must(w.RotateKey(w.ctx, jane))
	c.pass(181 * 24 * time.Hour)
	w.send("jo@elsewhere.example", "new@desk.example", "y", "", "Help")
	other := w.StaffAddress(w.ticket("SUPPORT-7103").Ticket, "jane")
	id := strings.Trim(w.answer("SUPPORT-7102", "Fix.").Header.Get("Message-Id"), "<>")
	keys := matrixKeys{own: w.StaffAddress(w.ticket("SUPPORT-7102").Ticket, "jane"), expired: expired, bare: "SUPPORT-7102@desk.example",
		other: strings.Replace(other, "7103", "7102", 1), forged: strings.Replace(id, "@", "0@", 1)}
	want := map[string]ticketing.Cell{}
	ticketing.EachCell(func(c ticketing.Cell) {
		if c.Author == "staff" {
			subject := fmt.Sprintf("[SUPPORT-7102] cell %d", len(want))
			want[subject] = c
			to, raw := cellMail(c, keys, subject)
			w.sendAs("jane@staff.example", []string{to}, raw)
		}
	})
	found := 0
	all, err := w.Tickets(w.ctx, ticketing.TicketQuery{Limit: 1000})
	w.must(all, err)
	for _, k := range all {
		for _, m := range w.ticket(k.Name()).Messages {
			c, known := want[m.Subject]
			if !known || m.Kind != ticketing.KindInbound {
				continue
			}
			found++
			opened, held := k.Name() != "SUPPORT-7102", m.Visibility == ticketing.Held
			if m.Row != c.Row || opened != (c.Effect == ticketing.Open) || held != (c.Effect == ticketing.Hold) {
				t.Errorf("%+v: row %s, %s in %s (%s)", c, m.Row, m.Visibility, k.Name(), m.Reason)
			}
		}
	}
	if found != 192 {
		t.Errorf("%d cells are there, want 192", found)
	}
}
