package ticketing

import "testing"

// Each row of the trust table, and the order in which the rows are tried.
func TestDecide(t *testing.T) {
	own := Facts{AtTicket: true, Thread: true, FromHolder: true, FromKnown: true}
	staff := Facts{AtTicket: true, Staff: true, StaffToken: true, StaffProof: true, Author: true}
	with := func(f Facts, change ...func(*Facts)) Facts {
		for _, c := range change {
			c(&f)
		}
		return f
	}
	author := func(f *Facts) { f.Author = true }
	fails := func(f *Facts) { f.Fails = true }
	temporary := func(f *Facts) { f.Temporary = true }
	list := func(f *Facts) { f.List = true }
	ended := func(f *Facts) { f.Ended = true }
	automatic := func(f *Facts) { f.Automatic = true }
	for _, c := range []struct {
		name   string
		facts  Facts
		row    string
		effect Effect
	}{
		{"own thread, proven", with(own, author), "1", Append},
		{"own thread, nothing proven", own, "2", Append},
		{"own thread, fails an enforcing policy", with(own, fails), "3", Hold},
		{"somebody else in the thread", Facts{AtTicket: true, Thread: true}, "4", AppendNew},
		{"somebody else in the thread, proven", Facts{AtTicket: true, Thread: true, Author: true}, "4", AppendNew},
		{"another participant in the thread, proven", Facts{AtTicket: true, Thread: true, FromKnown: true, Author: true}, "4", AppendNew},
		{"thread by Message-ID at a queue address", Facts{Thread: true, FromHolder: true, FromKnown: true, Author: true}, "1", Append},
		{"bare address, participant, proven", Facts{AtTicket: true, FromKnown: true, Author: true}, "5", Append},
		{"bare address, participant, unproven", Facts{AtTicket: true, FromKnown: true}, "6", Hold},
		{"bare address, participant, fails", Facts{AtTicket: true, FromKnown: true, Fails: true}, "6", Hold},
		{"bare address, stranger, proven", Facts{AtTicket: true, Author: true}, "6", Hold},
		{"bare address, stranger", Facts{AtTicket: true}, "6", Hold},
		{"bare address, staff", Facts{AtTicket: true, Staff: true, StaffProof: true, Author: true}, "6", Hold},
		{"DNS down, own thread", with(own, temporary), "7", Append},
		{"DNS down, somebody else in the thread", Facts{AtTicket: true, Thread: true, Temporary: true}, "7", Append},
		{"DNS down, bare address", Facts{AtTicket: true, FromKnown: true, Temporary: true}, "7", Hold},
		{"DNS down, queue", Facts{Temporary: true}, "7", Open},
		{"queue, proven", Facts{Author: true}, "8", Open},
		{"queue, proven, by a list", Facts{Author: true, List: true}, "8", Open},
		{"queue, follows a mail of the ticket, participant", Facts{Follows: true, FromKnown: true, Author: true}, "8a", Append},
		{"queue, follows, participant unproven", Facts{Follows: true, FromKnown: true}, "8a", OpenLink},
		{"queue, follows, stranger", Facts{Follows: true, Author: true}, "8a", OpenLink},
		{"queue, follows, fails an enforcing policy", Facts{Follows: true, FromKnown: true, Fails: true}, "10", OpenLink},
		{"contact form, proven", Facts{Form: true, Author: true, Follows: true}, "8b", Open},
		{"contact form, nothing proven", Facts{Form: true}, "9", Open},
		{"contact form, fails", Facts{Form: true, Fails: true}, "10", Open},
		{"queue, nothing proven", Facts{}, "9", Open},
		{"queue, fails an enforcing policy", Facts{Fails: true}, "10", Open},
		{"automatic at a ticket", with(own, author, automatic), "11", Fold},
		{"automatic at a ticket by Message-ID", Facts{Thread: true, Automatic: true}, "11", Fold},
		{"a list at a ticket", Facts{AtTicket: true, List: true, Author: true}, "11", Fold},
		{"a list at a ticket by Message-ID, somebody else", Facts{Thread: true, List: true, Author: true}, "11", Fold},
		{"the participant by way of a list", with(own, author, list), "1", Append},
		{"the participant by way of a list, unproven", with(own, list), "2", Append},
		{"a participant at the bare address by way of a list", Facts{AtTicket: true, FromKnown: true, Author: true, List: true}, "5", Append},
		{"automatic at a queue", Facts{Automatic: true, Author: true}, "11a", Collect},
		{"report", Facts{Report: true, Automatic: true, AtTicket: true}, "12", Fold},
		{"staff", staff, "13", Act},
		{"staff without proof", with(staff, func(f *Facts) { f.StaffProof, f.Author = false, false }), "6", Hold},
		{"staff without token", with(staff, func(f *Facts) { f.StaffToken = false }), "6", Hold},
		{"staff's token, somebody else", with(staff, func(f *Facts) { f.Staff = false }), "6", Hold},
		{"staff, automatic", with(staff, automatic), "11", Fold},
		{"staff, DNS down", Facts{AtTicket: true, Staff: true, StaffToken: true, Temporary: true}, "7", Hold},
		{"loop wins over all", Facts{Loop: true, Report: true, Automatic: true, AtTicket: true}, "14", Fold},
		{"loop at a queue", Facts{Loop: true, Author: true}, "14", Collect},
		{"own thread, ended", with(own, author, ended), "1", OpenLink},
		{"own thread, ended, nothing proven", with(own, ended), "2", OpenLink},
		{"own thread, ended, fails", with(own, ended, fails), "3", Hold},
		{"bare address, ended, participant", Facts{AtTicket: true, FromKnown: true, Author: true, Ended: true}, "5", OpenLink},
		{"bare address, ended, stranger", Facts{AtTicket: true, Author: true, Ended: true}, "6", Hold},
		{"follows, ended", Facts{Follows: true, FromKnown: true, Author: true, Ended: true}, "8a", OpenLink},
		{"third party, ended", with(own, author, ended, func(f *Facts) { f.Third = true }), "1", Append},
	} {
		if d := Decide(c.facts); d.Row != c.row || d.Effect != c.effect || d.Reason == "" || (d.Effect == Hold) != (d.Advice != "") {
			t.Errorf("%s: row %s, %s (%q; %q); want row %s, %s", c.name, d.Row, d.Effect, d.Reason, d.Advice, c.row, c.effect)
		}
	}
}

// What must hold in every cell there can be: nothing unproven and without a thread ever
// moves a ticket, nothing automatic does, and only a proven author is written to.
func TestDecideInvariants(t *testing.T) {
	for bits := range 1 << 19 {
		on := func(i int) bool { return bits>>i&1 == 1 }
		f := Facts{
			Loop: on(0), Report: on(1), Automatic: on(2), List: on(3), Temporary: on(4), AtTicket: on(5), Thread: on(6), FromHolder: on(7),
			FromKnown: on(8), Third: on(9), Author: on(10), Fails: on(11), Signed: on(12), Follows: on(13), Form: on(14), Ended: on(15),
			Spam: on(16), Staff: on(17), StaffToken: on(18), StaffProof: on(10) && on(17),
		}
		d := Decide(f)
		opens := d.Effect == Open || d.Effect == OpenLink
		participant := f.Thread || f.FromKnown && f.Author
		switch {
		case d.Row == "" || d.Reason == "":
			t.Fatalf("%+v ends in no row", f)
		case d.Reopens && (f.Automatic || f.Loop || f.Report):
			t.Fatalf("%+v: a machine reopens", f)
		case d.Reopens && !participant:
			t.Fatalf("%+v: reopens without any proof", f)
		case (d.Effect == Append || d.Effect == AppendNew) && !participant:
			t.Fatalf("%+v: appended without any proof", f)
		case d.Effect == Act && !(f.Staff && f.StaffToken && f.StaffProof):
			t.Fatalf("%+v: acts without all that staff must show", f)
		case !f.Author && !d.Unverified && d.Row != "12":
			t.Fatalf("%+v: not marked unverified", f)
		case d.Acknowledge && (!f.Author || f.Automatic || f.List || f.Loop || f.Temporary || f.Fails && !f.Author || f.Spam || !opens):
			t.Fatalf("%+v: acknowledged", f)
		case d.Effect == Hold && d.Advice == "":
			t.Fatalf("%+v: held, and staff are not told what to do", f)
		case f.Third && (f.Thread || f.AtTicket) && !d.StaffOnly && (d.Effect == Append || d.Effect == AppendNew):
			t.Fatalf("%+v: what a third party wrote is shown to others", f)
		case d.Spam && !opens:
			t.Fatalf("%+v: spam at a ticket", f)
		}
	}
}
