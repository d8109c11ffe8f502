package ticketing

import "testing"

// Each row of the trust table, and the order in which the rows are tried.
func TestDecide(t *testing.T) {
	for _, c := range []struct {
		name   string
		facts  Facts
		row    string
		effect Effect
	}{
		{"own thread, proven", Facts{AtTicket: true, Thread: true, FromHolder: true, FromKnown: true, Author: true}, "1", Append},
		{"own thread, nothing proven", Facts{AtTicket: true, Thread: true, FromHolder: true, FromKnown: true}, "2", Append},
		{"own thread, fails an enforcing policy", Facts{AtTicket: true, Thread: true, FromHolder: true, FromKnown: true, Fails: true}, "3", Hold},
		{"somebody else in the thread", Facts{AtTicket: true, Thread: true}, "4", AppendNew},
		{"somebody else in the thread, proven", Facts{AtTicket: true, Thread: true, Author: true}, "4", AppendNew},
		{"thread by Message-ID at a queue address", Facts{Thread: true, FromHolder: true, FromKnown: true, Author: true}, "1", Append},
		{"bare address, participant, proven", Facts{AtTicket: true, FromKnown: true, Author: true}, "5", Append},
		{"bare address, participant, unproven", Facts{AtTicket: true, FromKnown: true}, "6", Hold},
		{"bare address, stranger, proven", Facts{AtTicket: true, Author: true}, "6", Hold},
		{"bare address, stranger", Facts{AtTicket: true}, "6", Hold},
		{"DNS down, own thread", Facts{AtTicket: true, Thread: true, FromHolder: true, FromKnown: true, Temporary: true}, "7", Append},
		{"DNS down, bare address", Facts{AtTicket: true, FromKnown: true, Temporary: true}, "7", Hold},
		{"DNS down, queue", Facts{Temporary: true}, "7", Open},
		{"queue, proven", Facts{Author: true}, "8", Open},
		{"queue, follows a mail of the ticket, participant", Facts{Follows: true, FromKnown: true, Author: true}, "8a", Append},
		{"queue, follows, participant unproven", Facts{Follows: true, FromKnown: true}, "8a", OpenLink},
		{"queue, follows, stranger", Facts{Follows: true, Author: true}, "8a", OpenLink},
		{"queue, nothing proven", Facts{}, "9", Open},
		{"queue, fails an enforcing policy", Facts{Fails: true}, "10", Open},
		{"automatic at a ticket", Facts{Automatic: true, AtTicket: true, Thread: true, FromHolder: true, Author: true}, "11", Fold},
		{"automatic at a queue", Facts{Automatic: true, Author: true}, "11a", Open},
		{"report", Facts{Report: true, Automatic: true, AtTicket: true}, "12", Fold},
		{"loop wins over all", Facts{Loop: true, Report: true, Automatic: true, AtTicket: true}, "14", Fold},
		{"loop at a queue", Facts{Loop: true, Author: true}, "14", Open},
	} {
		if d := Decide(c.facts); d.Row != c.row || d.Effect != c.effect || d.Reason == "" {
			t.Errorf("%s: row %s, %s (%q); want row %s, %s", c.name, d.Row, d.Effect, d.Reason, c.row, c.effect)
		}
	}
}

// What must hold in every cell: nothing unproven and without a thread ever moves a
// ticket, and nothing automatic does.
func TestDecideInvariants(t *testing.T) {
	for bits := range 1 << 11 {
		on := func(i int) bool { return bits>>i&1 == 1 }
		f := Facts{on(0), on(1), on(2), on(3), on(4), on(5), on(6), on(7), on(8), on(9), on(10)}
		d := Decide(f)
		switch {
		case d.Row == "" || d.Reason == "":
			t.Fatalf("%+v ends in no row", f)
		case d.Reopens && (f.Automatic || f.Loop || f.Report):
			t.Fatalf("%+v: a machine reopens", f)
		case d.Reopens && !f.Thread && !(f.FromKnown && f.Author):
			t.Fatalf("%+v: reopens without any proof", f)
		case (d.Effect == Append || d.Effect == AppendNew) && !f.Thread && !(f.FromKnown && f.Author):
			t.Fatalf("%+v: appended without any proof", f)
		case !f.Author && !d.Unverified && d.Row != "12":
			t.Fatalf("%+v: not marked unverified", f)
		}
	}
}
