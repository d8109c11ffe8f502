package store

import (
	"testing"

	"postdesk/ticketing"
)

func TestAliasesAndImported(t *testing.T) {
	inTx(t, func(t *testing.T, d *DB, tx ticketing.Tx) {
		tickets := []ticketing.Ticket{
			{Queue: "A", Number: 1, Status: "open", Updated: at(1)}, {Queue: "B", Number: 1, Status: "closed", Updated: at(2)}, {Queue: "A", Number: 2, Status: "closed", Held: 1, Updated: at(3)},
		}
		for i := range tickets {
			ok(t, tx.AddTicket(&tickets[i]))
			ok(t, tx.AddAlias("#7", tickets[i].ID))
			ok(t, tx.AddAlias("#7", tickets[i].ID)) // again is no error
		}
		ok(t, tx.AddAlias("#8", tickets[0].ID))
		same(t, "aliases", must[[]string](t)(tx.AliasesOf(tickets[0].ID)), []string{"#7", "#8"})
		same(t, "aliases", must[[]string](t)(tx.AliasesOf(tickets[2].ID)), []string{"#7"})
		for name, c := range map[string]struct {
			q    ticketing.TicketQuery
			want []ticketing.Ticket
		}{
			"all":     {ticketing.TicketQuery{Alias: "#7"}, []ticketing.Ticket{tickets[2], tickets[1], tickets[0]}},
			"limit":   {ticketing.TicketQuery{Alias: "#7", Limit: 1}, tickets[2:]},
			"page":    {ticketing.TicketQuery{Alias: "#7", BeforeUpdated: at(2), BeforeID: tickets[1].ID}, tickets[:1]},
			"queue":   {ticketing.TicketQuery{Alias: "#7", Queue: "B"}, tickets[1:2]},
			"status":  {ticketing.TicketQuery{Alias: "#7", Statuses: []ticketing.Status{"open", "new"}}, tickets[:1]},
			"held":    {ticketing.TicketQuery{Alias: "#7", Held: true}, tickets[2:]},
			"one":     {ticketing.TicketQuery{Alias: "#8"}, tickets[:1]},
			"nothing": {ticketing.TicketQuery{Alias: "#9"}, nil},
		} {
			same(t, name, must[[]ticketing.Ticket](t)(tx.Tickets(c.q)), c.want)
		}

		m := ticketing.Message{Ticket: tickets[0].ID}
		ok(t, tx.AddMessage(&m))
		key := ticketing.Hash{1}
		missing[int64](t, "imported")(tx.Imported("A", key))
		ok(t, tx.AddImported("A", key, m.ID))
		ok(t, tx.AddImported("A", key, m.ID))
		same(t, "imported", must[int64](t)(tx.Imported("A", key)), m.ID)
		missing[int64](t, "of another queue")(tx.Imported("B", key))
	})
}
