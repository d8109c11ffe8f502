package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"postdesk/ticketing"
)

// What is measured at a million is a desk as the desk itself makes it, and each question has
// an answer there: else its time would say nothing.
func TestYears(t *testing.T) {
	var out bytes.Buffer
	o := options{size: size{300, 900}, asks: 2, rounds: 1, mails: 16, dir: t.TempDir(), verify: true}
	if err := run(t.Context(), &out, o); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	t.Log(out.String())
	for _, want := range []string{"verified in", "octets a message", "list all", "search a rare word", "mails to tickets a second", "start to the first reply"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("nothing about %q", want)
		}
	}
	if left, err := filepath.Glob(filepath.Join(o.dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("it leaves behind %v %v", left, err)
	}
}

// The made history has what a desk of years has.
func TestMade(t *testing.T) {
	dir := t.TempDir()
	made, err := makeDesk(t.Context(), &bytes.Buffer{}, dir, size{1000, 3000})
	if err != nil || made.tickets != 1000 || made.messages < 2600 || made.messages > 3400 {
		t.Fatalf("%+v %v", made, err)
	}
	d, err := openDesk(t.Context(), dir, "OFF")
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	count := func(q ticketing.TicketQuery) int {
		all, err := d.Tickets(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	for _, q := range queues {
		if n := count(ticketing.TicketQuery{Queue: q.key}) * 100 / made.tickets; n < q.share/2 || n > q.share*2 {
			t.Errorf("%s has %d of a hundred tickets, want %d", q.key, n, q.share)
		}
	}
	for _, status := range []ticketing.Status{"new", "waiting", "resolved", "closed", "rejected", "spam"} {
		if count(ticketing.TicketQuery{Statuses: []ticketing.Status{status}}) == 0 {
			t.Errorf("no ticket is %s", status)
		}
	}
	if n := count(ticketing.TicketQuery{Statuses: []ticketing.Status{"closed"}}); n < made.tickets/2 {
		t.Errorf("%d tickets are closed", n)
	}
}
