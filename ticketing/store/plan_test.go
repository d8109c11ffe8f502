package store

import (
	"strings"
	"testing"
	"time"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
)

// readEverything asks every question that a Tx answers, so that the connection has
// all statements prepared.
func readEverything(tx ticketing.Tx) {
	_, _ = tx.Arrival(1)
	_, _ = tx.PendingArrivals(0, 1)
	_, _ = tx.CountPending()
	_, _ = tx.LastPending()
	_, _ = tx.Ticket(1)
	_, _ = tx.TicketByName("A", 1)
	two := []ticketing.Status{"new", "open"}
	for _, q := range []ticketing.TicketQuery{{}, {Queue: "A"}, {Statuses: two}, {Queue: "A", Statuses: two}, {Held: true, Statuses: two[:1]}, {Held: true}, {Held: true, Queue: "A"}, {Held: true, Queues: []string{"A", "B"}, Statuses: two}, {Queues: []string{"A", "B"}, Statuses: two}} {
		_, _ = tx.Tickets(q)
	}
	_, _ = tx.Tickets(ticketing.TicketQuery{Alias: "#1", Queue: "A", Statuses: two})
	_, _ = tx.AliasesOf(1)
	_, _ = tx.Imported("A", ticketing.Hash{})
	_, _ = tx.Message(1)
	_, _ = tx.Messages(1)
	_, _ = tx.MessagesOf(1, 0, 1)
	_, _ = tx.NewestShown(1, 1)
	_, _ = tx.FirstMessage(1)
	_, _ = tx.MessagesBefore(1, 2, 1)
	_, _ = tx.MessagesByArrival(1)
	_, _ = tx.MessagesAfter(1, 1)
	_, _ = tx.LastMessage()
	_, _ = tx.Found([]int64{1}, two)
	_, _ = tx.HeldMessages(nil, 0, 1)
	_, _ = tx.HeldMessages([]string{"A", "B"}, 0, 1)
	_, _ = tx.CountHeld()
	_, _ = tx.Attachments(1)
	_, _ = tx.AttachmentsOfMessages(1, 1, 2)
	_, _ = tx.MessagesByFold("m@b", "00")
	_, _ = tx.Undecided(0, 10)
	_, _ = tx.TicketsByMessageID([]string{"x"})
	_, _ = tx.Participant(1)
	_, _ = tx.Participants(1)
	_, _ = tx.Events(0, 1)
	_, _ = tx.EventsOf(1, 0, 1)
	_, _ = tx.LastSeq()
	_, _ = tx.Cursor("x")
	_, _ = tx.Outgoing(1)
	_, _ = tx.DueOutgoing(time.Now(), 1)
	_, _ = tx.OutgoingOf(1)
	_, _ = tx.OutgoingOfMessages(1, 1, 2)
	_, _ = tx.OutgoingList(nil, nil, 0, 1)
	_, _ = tx.OutgoingList(nil, []string{"A", "B"}, 0, 1)
	_, _ = tx.OutgoingList([]ticketing.OutgoingState{"queued", "failed"}, []string{"A", "B"}, 0, 1)
	_, _ = tx.OutgoingList([]ticketing.OutgoingState{"queued", "failed"}, nil, 0, 1)
	_, _ = tx.CountOutgoing("reply", "", time.Now())
	_, _ = tx.CountOutgoing("reply", "x", time.Now())
	_, _ = tx.Muted(1)
	_, _ = tx.NoticeByEnvelope("x")
	_, _ = tx.CountNotices("x", time.Now())
	_, _, _ = tx.Idempotent("x", "x")
	_, _ = tx.TokenByHash(ticketing.Hash{1})
	_, _, _ = tx.Arrive(ticketing.Hash{1}, mail.Envelope{}, time.Now())
}

// No question may read a whole table or sort one: with a million tickets it would
// take seconds. The indexes give every answer in its order.
func TestPlans(t *testing.T) {
	d := open(t, t.TempDir())
	queries := map[string]bool{}
	write(t, d, func(x ticketing.Tx) error {
		k := ticketing.Ticket{Queue: "A", Number: 1, Status: "new"}
		if err := x.AddTicket(&k); err != nil {
			return err
		}
		readEverything(x)
		for q := range x.(*tx).conn.stmts {
			queries[q] = true
		}
		return nil
	})
	seen := 0
	ok(t, d.Read(t.Context(), func(x ticketing.Tx) error {
		for q := range queries {
			if !strings.HasPrefix(q, "SELECT") && !strings.HasPrefix(q, "WITH") {
				continue
			}
			seen++
			for _, step := range plan(t, x.(*tx), q) {
				allowed := strings.Contains(step, "arrival_pending") || // holds the pending ones only
					strings.Contains(q, "FROM participant") || // a ticket has few
					step == "SCAN named" || step == "SCAN reports" || // those that a limit left
					step == "SCAN used" // statuses, each found by a seek
				sorted := allowed || strings.Contains(q, "FROM alias") // few tickets share a number
				if strings.Contains(step, "TEMP B-TREE") && !sorted || strings.HasPrefix(step, "SCAN") && !allowed {
					t.Errorf("%s\n  in %s", step, q)
				}
				if strings.Contains(q, "JOIN ticket k") && strings.Contains(step, "ticket_status") {
					t.Errorf("all tickets of a status are read for a few messages: %s\n  in %s", step, q)
				}
				if index := heldIndex(q); index != "" && strings.Contains(step, "ticket") && !strings.Contains(step, "k USING INTEGER PRIMARY KEY") && !strings.Contains(step, " "+index+" ") {
					t.Errorf("not by %s, of what is held alone: %s\n  in %s", index, step, q)
				}
				if strings.Contains(q, "SELECT id FROM ticket WHERE held > 0") && strings.HasPrefix(step, "SEARCH ticket ") && !strings.Contains(step, "COVERING") {
					t.Errorf("the tickets of all that is held are read: %s\n  in %s", step, q)
				}
				if strings.Contains(q, "m.visibility = 'held'") && strings.HasPrefix(step, "SEARCH m ") && !strings.Contains(step, " message_held ") {
					t.Errorf("of all messages, and not of those that are held: %s\n  in %s", step, q)
				}
			}
		}
		return nil
	}))
	if seen < 30 {
		t.Errorf("only %d queries were looked at", seen)
	}
}

// heldIndex is the index by which a query is to find tickets with held messages.
func heldIndex(query string) string {
	switch {
	case !strings.Contains(query, "held > 0") || strings.Contains(query, "INTERSECT") || strings.Contains(query, "FROM alias"):
		return ""
	case strings.Contains(query, "queue = $") || strings.Contains(query, "queue IN"):
		return "ticket_queue_held"
	}
	return "ticket_held"
}

func plan(t *testing.T, x *tx, query string) (steps []string) {
	t.Helper()
	args := make([]any, strings.Count(query, "$"))
	ok(t, x.each("EXPLAIN QUERY PLAN "+query, args, func(r row) error {
		var id, parent, unused int
		var detail string
		err := r.Scan(&id, &parent, &unused, &detail)
		steps = append(steps, detail)
		return err
	}))
	return steps
}
