package store

import (
	"fmt"
	"strings"
	"testing"

	"postdesk/ticketing"
)

type listCase struct {
	q    ticketing.TicketQuery
	want func(i int) bool // whether ticket i is in the list
}

func listCases() map[string]listCase {
	return map[string]listCase{
		"all":             {ticketing.TicketQuery{}, func(int) bool { return true }},
		"queue":           {ticketing.TicketQuery{Queue: "B"}, func(i int) bool { return i%2 == 1 }},
		"status":          {ticketing.TicketQuery{Statuses: []ticketing.Status{"open"}}, func(i int) bool { return i%3 == 1 }},
		"statuses, twice": {ticketing.TicketQuery{Statuses: []ticketing.Status{"open", "new", "open"}}, func(i int) bool { return i%3 < 2 }},
		"both":            {ticketing.TicketQuery{Queue: "A", Statuses: []ticketing.Status{"open", "new"}}, func(i int) bool { return i%2 == 0 && i%3 < 2 }},
		"held":            {ticketing.TicketQuery{Held: true}, func(i int) bool { return i%10 == 0 }},
		"held of status":  {ticketing.TicketQuery{Held: true, Queue: "A", Statuses: []ticketing.Status{"new"}}, func(i int) bool { return i%30 == 0 }},
		"of queues":       {ticketing.TicketQuery{Queues: []string{"A", "C"}}, func(i int) bool { return i%2 == 0 }},
		"of all queues":   {ticketing.TicketQuery{Queues: []string{"A", "B"}}, func(int) bool { return true }},
		"queues, status":  {ticketing.TicketQuery{Queues: []string{"B", "C"}, Statuses: []ticketing.Status{"open", "new"}}, func(i int) bool { return i%2 == 1 && i%3 < 2 }},
		"queues, held":    {ticketing.TicketQuery{Queues: []string{"A", "C"}, Held: true}, func(i int) bool { return i%10 == 0 }},
		"queue of others": {ticketing.TicketQuery{Queue: "A", Queues: []string{"B"}}, func(int) bool { return false }},
		"of many queues":  {ticketing.TicketQuery{Queues: manyQueues("A")}, func(i int) bool { return i%2 == 0 }},
		"unknown":         {ticketing.TicketQuery{Statuses: []ticketing.Status{"nope"}}, func(int) bool { return false }},
	}
}

func manyQueues(with string) (queues []string) {
	for i := range 150 {
		queues = append(queues, fmt.Sprint("Q", i))
	}
	return append(queues, with)
}

func TestTicketList(t *testing.T) {
	d := inTx(t, func(t *testing.T, _ *DB, tx ticketing.Tx) {
		same(t, "an empty desk", len(must[[]ticketing.Ticket](t)(tx.Tickets(ticketing.TicketQuery{}))), 0)
		statuses := []ticketing.Status{ticketing.StatusNew, ticketing.StatusOpen, ticketing.StatusClosed}
		for i := range 60 {
			k := ticketing.Ticket{Queue: []string{"A", "B"}[i%2], Number: int64(i), Status: statuses[i%3], Updated: at(i / 4)} // four share a moment
			if i%10 == 0 {
				k.Held = 1
			}
			ok(t, tx.AddTicket(&k))
		}
	})
	for name, c := range listCases() {
		t.Run(name, func(t *testing.T) {
			var want, got []int64
			for i := 59; i >= 0; i-- {
				if c.want(i) {
					want = append(want, int64(i))
				}
			}
			ok(t, d.Read(t.Context(), func(tx ticketing.Tx) error {
				all, err := tx.Tickets(c.q)
				if len(all) != len(want) {
					t.Errorf("%d in one page, want %d", len(all), len(want))
				}
				c.q.Limit = 7
				for page := all; err == nil && len(page) > 0; {
					if page, err = tx.Tickets(c.q); len(page) == 0 {
						break
					}
					for _, k := range page {
						got = append(got, k.Number)
					}
					last := page[len(page)-1]
					c.q.BeforeUpdated, c.q.BeforeID = last.Updated, last.ID
				}
				return err
			}))
			same(t, "in pages", got, want)
		})
	}
}

// What AddTicket foresees of a ticket's events holds when it comes so, and is set right when
// it comes otherwise.
func TestForeseenEvents(t *testing.T) {
	for name, c := range map[string]struct {
		events []string
		update bool
		want   int64 // LastSeq and Version, after one event of another ticket
	}{
		"as foreseen":         {[]string{ticketing.TicketCreated, ticketing.MessageReceived}, false, 3},
		"one is missing":      {[]string{ticketing.TicketCreated}, false, 2},
		"one more":            {[]string{ticketing.TicketCreated, ticketing.MessageReceived, ticketing.NoteAdded}, false, 4},
		"the row was written": {[]string{ticketing.TicketCreated, ticketing.MessageReceived}, true, 3},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, t.TempDir())
			k, other := ticketing.Ticket{Queue: "A", Number: 2}, ticketing.Ticket{Queue: "A", Number: 1}
			write(t, d, func(tx ticketing.Tx) error {
				ok(t, tx.AddTicket(&other))
				return tx.Append(&ticketing.Event{Type: ticketing.TicketCreated, Ticket: other.ID})
			})
			write(t, d, func(tx ticketing.Tx) error {
				k.LastSeq, k.Version = 3, 3
				ok(t, tx.AddTicket(&k))
				for _, event := range c.events {
					ok(t, tx.Append(&ticketing.Event{Type: event, Ticket: k.ID}))
				}
				if c.update {
					return tx.UpdateTicket(ticketing.Ticket{ID: k.ID, Queue: "A", Number: 2, LastSeq: 1})
				}
				return nil
			})
			ok(t, d.Read(t.Context(), func(tx ticketing.Tx) error {
				got := must[ticketing.Ticket](t)(tx.Ticket(k.ID))
				same(t, "newest events", [2]int64{got.LastSeq, got.Version}, [2]int64{c.want, c.want})
				return nil
			}))
		})
	}
}

// Many messages are read by few at a time, and come in one order.
func TestFoundMany(t *testing.T) {
	d := open(t, t.TempDir())
	var ids, want []int64
	write(t, d, func(tx ticketing.Tx) error {
		k := [2]ticketing.Ticket{{Queue: "A", Number: 1, Status: ticketing.StatusOpen}, {Queue: "A", Number: 2, Status: ticketing.StatusRejected}}
		ok(t, tx.AddTicket(&k[0]))
		ok(t, tx.AddTicket(&k[1]))
		for i := range 5*foundMax + 3 {
			m := ticketing.Message{Ticket: k[i%2].ID, Kind: ticketing.KindNote, Visibility: ticketing.Shown}
			ok(t, tx.AddMessage(&m))
			if ids = append(ids, m.ID); i%2 == 1 {
				want = append([]int64{m.ID}, want...)
			}
		}
		return nil
	})
	ok(t, d.Read(t.Context(), func(x ticketing.Tx) error {
		var got []int64
		for _, f := range must[[]ticketing.Found](t)(x.Found(ids, []ticketing.Status{ticketing.StatusRejected})) {
			got = append(got, f.Message.ID)
		}
		same(t, "found", got, want)
		same(t, "found of any", len(must[[]ticketing.Found](t)(x.Found(ids, nil))), len(ids))
		for q := range x.(*tx).conn.stmts {
			if n := strings.Count(q, "$"); n > foundMax+1 {
				t.Errorf("a statement of %d arguments: the time to bind them grows with the square", n)
			}
		}
		return nil
	}))
}
