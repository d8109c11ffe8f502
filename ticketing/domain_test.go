package ticketing_test

import (
	"slices"
	"strings"
	"testing"

	"postdesk/ticketing"
)

// That a domain signs its mail is remembered, and said when mail of it comes unproven.
func TestSigningDomainIsRemembered(t *testing.T) {
	w := newWorld(t)
	w.send("jo@customer.example", "new@desk.example", "Help", "", "x")
	w.send("jo@plain.example", "new@desk.example", "Help", "", "x")
	read := func(name string) (d ticketing.SigningDomain, err error) {
		return d, w.store.Read(t.Context(), func(tx ticketing.Tx) error {
			d, err = tx.SigningDomain(name)
			return err
		})
	}
	first, err := read("customer.example")
	if err != nil || first.First.IsZero() || first.Last != first.First {
		t.Fatalf("%+v, %v", first, err)
	}
	if d, err := read("plain.example"); err == nil {
		t.Errorf("a domain that never signed: %+v", d)
	}
	w.send("ann@customer.example", "new@desk.example", "Help", "", "x")
	if again, err := read("customer.example"); err != nil || again != first {
		t.Errorf("written again on the same day: %+v, was %+v, %v", again, first, err)
	}

	// A doubled field proves nobody; the thread is the participant's own.
	reply := w.answer("SUPPORT-7102", "Try again.")
	w.send("jo@customer.example", token(t, reply), "Re: Help", "Subject: Re: Help\r\n", "x")
	messages := w.ticket("SUPPORT-7102").Messages
	last := messages[len(messages)-1]
	warned := slices.ContainsFunc(last.Problems, func(p string) bool { return strings.Contains(p, "has signed its mail before") })
	if last.Row != "2" || !warned {
		t.Errorf("row %s, %q", last.Row, last.Problems)
	}
}

// Who writes from a domain that looks like the desk's, or like a participant's, is told
// apart for the reader.
func TestLookAlikeDomain(t *testing.T) {
	w := newWorld(t)
	w.send("jo@customer.example", "new@desk.example", "Help", "", "x")
	reply := w.answer("SUPPORT-7102", "Try again.")
	for from, like := range map[string]string{"jo@custorner.example": "customer.example", "boss@de5k.example": "desk.example"} {
		w.send(from, token(t, reply), "Re: Help", "", "x")
		messages := w.ticket("SUPPORT-7102").Messages
		last := messages[len(messages)-1]
		if !slices.ContainsFunc(last.Problems, func(p string) bool { return strings.Contains(p, "looks like "+like) }) {
			t.Errorf("%s: %q", from, last.Problems)
		}
	}
}
