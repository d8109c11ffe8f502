package store

import (
	"fmt"
	"strings"
	"testing"

	"postdesk/ticketing"
)

// testFolds finds the same mail in two tickets, behind others of the same name, and reports.
func testFolds(t *testing.T, tx ticketing.Tx, m, other ticketing.Message) {
	t.Helper()
	for _, m := range []ticketing.Message{m, other} {
		ok(t, tx.AddMessageID(m.MessageID, m.Ticket, m.ID))
	}
	again := func(m ticketing.Message, kind ticketing.Kind, fold string) ticketing.Message {
		m.ID, m.Kind, m.Fold, m.Arrival = 0, kind, fold, 0
		ok(t, tx.AddMessage(&m))
		return m
	}
	found := func(msgID, fold string) (ids []int64) {
		for _, m := range must[[]ticketing.Message](t)(tx.MessagesByFold(msgID, fold)) {
			ids = append(ids, m.ID)
		}
		return ids
	}
	changed := strings.Repeat("0f", 32)
	second := again(m, ticketing.KindInbound, changed)
	same(t, "by fold", must[[]ticketing.Message](t)(tx.MessagesByFold(m.MessageID, m.Fold)), []ticketing.Message{m, other})
	same(t, "of a name that an older mail has", found(m.MessageID, changed), []int64{second.ID})
	copied := again(m, ticketing.KindInbound, m.Fold)
	same(t, "twice in a ticket", found(m.MessageID, m.Fold), []int64{m.ID, other.ID, copied.ID})
	report := again(m, ticketing.KindReport, strings.Repeat("aa", 32))
	same(t, "a report", found("of a report", report.Fold), []int64{report.ID})
	for _, none := range [][]string{{m.MessageID, ""}, {m.MessageID, strings.Repeat("bb", 32)}, {"x@y", m.Fold}} {
		same(t, fmt.Sprint("none of ", none), len(found(none[0], none[1])), 0)
	}
	for _, m := range []ticketing.Message{second, copied, report} {
		ok(t, tx.RemoveMessage(m.ID))
	}
}
