package ticketing_test

import (
	"strings"
	"testing"

	desk "postdesk/ticketing/mail"
)

// What is explained is what happens, and explaining changes nothing.
func TestExplain(t *testing.T) {
	w, _ := acknowledging(t)
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	own := token(t, w.answer("SUPPORT-7102", "Fix."))
	before, err := w.LastSeq(w.ctx)
	w.must(before, err)
	for _, c := range []struct{ from, to, extra, row, ticket string }{
		{"jo@customer.example", own, "", "1", "SUPPORT-7102"},
		{"jo@customer.example", own, "X-Test-Proof: none\r\n", "2", "SUPPORT-7102"},
		{"jo@customer.example", own, "X-Test-Proof: none policy=reject\r\n", "3", "SUPPORT-7102"},
		{"eve@evil.example", own, "", "4", "SUPPORT-7102"},
		{"jo@customer.example", "SUPPORT-7102@desk.example", "", "5", "SUPPORT-7102"},
		{"eve@evil.example", "SUPPORT-7102@desk.example", "", "6", "SUPPORT-7102"},
		{"eve@evil.example", "SUPPORT-9@desk.example", "", "9", ""},
		{"jo@customer.example", "new@desk.example", "X-Test-Proof: temperror\r\n", "7", ""},
		{"jo@customer.example", "new@desk.example", "", "8", ""},
		{"jo@customer.example", own, "Auto-Submitted: auto-replied\r\n", "11", "SUPPORT-7102"},
	} {
		raw := "From: " + c.from + "\r\nSubject: x\r\n" + c.extra + "\r\nhello\r\n"
		got, err := w.Explain(w.ctx, desk.Envelope{ReversePath: c.from, Recipients: []string{c.to}}, []byte(raw))
		if err != nil || len(got) != 1 {
			t.Fatalf("%s to %s: %v, %v", c.from, c.to, got, err)
		}
		e := got[0]
		if e.Decision.Row != c.row || e.Ticket != c.ticket || e.Decision.Reason == "" || e.Acknowledged != (c.row == "8") {
			t.Errorf("%s to %s: %+v; want row %s of %q", c.from, c.to, e, c.row, c.ticket)
		}
	}
	if after, err := w.LastSeq(w.ctx); err != nil || after != before {
		t.Errorf("explaining wrote events: %d, then %d, %v", before, after, err)
	}
	if len(w.ticket("SUPPORT-7102").Messages) != 3 || len(w.tickets()) != 1 {
		t.Error("explaining filed something")
	}
	_, err = w.Explain(w.ctx, desk.Envelope{Recipients: []string{"nobody@elsewhere.example"}}, []byte("From: x@y.example\r\n\r\n"))
	if err == nil || !strings.Contains(err.Error(), "refuses") {
		t.Errorf("a foreign recipient: %v", err)
	}
}
