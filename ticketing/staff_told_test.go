package ticketing_test

import (
	"slices"
	"strings"
	"testing"

	"postdesk/ticketing"
)

func TestHeldIsLoud(t *testing.T) {
	w := staffWorld(t)
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	w.act(w.waitTold("jane@staff.example", 1), "jane@staff.example", byDKIM, "!assign me")
	w.waitTold("jane@staff.example", 2)
	w.send("ann@customer.example", "SUPPORT-7102@desk.example", "x", "", "I am her colleague ![x](http://evil.example/x.png)")
	n := w.waitTold("jane@staff.example", 3)
	if !strings.HasPrefix(n.Subject, "HELD SUPPORT-7102") || n.head("Importance") != "high" || !strings.Contains(n.Text, "THIS MAIL IS HELD") || !strings.Contains(n.Text, "add the author as a participant") {
		t.Errorf("%s\n%s", n.Subject, n.Text)
	}
	if strings.Contains(n.HTML, "<img") {
		t.Errorf("what a customer wrote is markup: %s", n.HTML)
	}
	w.act(n, "jane@staff.example", byDKIM, "!accept")
	if c := w.ticket("SUPPORT-7102"); c.Ticket.Held != 0 || !strings.Contains(w.kinds("SUPPORT-7102"), "inbound/folded inbound/shown inbound/folded") {
		t.Errorf("%s %+v", w.kinds("SUPPORT-7102"), c.Ticket)
	}
}

// Whom nobody tells: of automatic mail, of what is suspicious, of queues that are not
// theirs, of tickets that they want to hear no more of.
func TestWhoIsTold(t *testing.T) {
	w := staffWorld(t)
	w.send("robot@customer.example", "new@desk.example", "disk full", "Auto-Submitted: auto-generated\r\n", "x")
	w.send("eve@evil.example", "new@desk.example", "x", "X-Test-Proof: policy=reject\r\n", "x")
	w.send("jo@customer.example", "new@desk.example", "mine", "", "Help")
	n := w.waitTold("jane@staff.example", 1)
	if !strings.HasPrefix(n.Subject, "SUPPORT-7104") {
		t.Errorf("told of %s", n.Subject)
	}
	w.act(n, "jane@staff.example", byDKIM, "!assign me\n!unsubscribe")
	w.waitTold("jane@staff.example", 2)
	w.send("jo@customer.example", "SUPPORT-7104@desk.example", "x", "", "More")
	w.heard("SUPPORT-7104")
	if all := w.told("jane@staff.example"); len(all) != 2 {
		t.Errorf("told after !unsubscribe: %s", all[2].raw)
	}
	if all := w.told("sue@staff.example"); len(all) != 0 {
		t.Errorf("told of another queue: %s", all[0].raw)
	}
	// An answer of a machine to a notice moves nothing and is not answered.
	w.sendAs("", []string{n.ReplyTo[0].Address}, "From: jane@staff.example\r\nAuto-Submitted: auto-replied\r\n"+byDKIM+"Subject: I am away\r\n\r\n!status closed\r\n")
	if m := w.last("SUPPORT-7104"); m.Row != "11" || w.ticket("SUPPORT-7104").Ticket.Status != ticketing.StatusNew {
		t.Errorf("%+v", m)
	}
	w.heard("SUPPORT-7104")
	if len(w.told("jane@staff.example")) != 2 {
		t.Error("a machine was answered")
	}
}

// A notice that cannot be delivered is known as such, and moves no ticket.
func TestNoticeBounces(t *testing.T) {
	w := staffWorld(t)
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	n := w.waitTold("jane@staff.example", 1)
	if err := w.Recipient(w.ctx, n.Outgoing.ReversePath); err != nil {
		t.Fatal(err)
	}
	if err := w.Recipient(w.ctx, strings.Replace(n.Outgoing.ReversePath, "+s", "+s1", 1)); err == nil {
		t.Error("a reverse-path that nobody made is accepted")
	}
	w.must(w.SetStatus(w.ctx, ticketing.Actor{Kind: "staff", Name: "bob"}, "SUPPORT-7102", ticketing.StatusWaiting))
	w.sendAs("", []string{n.Outgoing.ReversePath}, "From: MAILER-DAEMON@mx.example\r\nSubject: failed\r\nAuto-Submitted: auto-replied\r\n"+
		"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nfailed\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"+
		"Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; jane@staff.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n")
	c := w.ticket("SUPPORT-7102")
	if got := w.kinds("SUPPORT-7102"); got != "inbound/shown report/folded" || c.Ticket.Status != ticketing.StatusWaiting || len(w.tickets()) != 1 {
		t.Errorf("%s %+v", got, c.Ticket)
	}
	if o := w.told("jane@staff.example")[0]; o.State != ticketing.OutFailed {
		t.Errorf("%+v", o.Outgoing)
	}
}

// What is wrong with a list of staff is found, and whose it is.
func TestCheckStaff(t *testing.T) {
	good := ticketing.Person{Name: "jane", Addresses: []string{"jane@staff.example"}}
	with := func(change func(*ticketing.Person)) []ticketing.Person {
		p := ticketing.Person{Name: "bob", Addresses: []string{"bob@staff.example"}}
		change(&p)
		return []ticketing.Person{good, p}
	}
	w := newWorld(t)
	for setting, staff := range map[string][]ticketing.Person{
		"name":     with(func(p *ticketing.Person) { p.Name = "me" }),
		"name ":    with(func(p *ticketing.Person) { p.Name = "Bob Roe" }),
		"name  ":   with(func(p *ticketing.Person) { p.Name = "jane" }),
		"address":  with(func(p *ticketing.Person) { p.Addresses = nil }),
		"address ": with(func(p *ticketing.Person) { p.Addresses = []string{"JANE@staff.example"} }),
		"address_": with(func(p *ticketing.Person) { p.Addresses = []string{"support-7@desk.example"} }),
		"queues":   with(func(p *ticketing.Person) { p.Queues = []string{"HR"} }),
		"notify":   with(func(p *ticketing.Person) { p.Notify = map[string][]ticketing.Topic{"all": {"everything"}} }),
		"notify ":  with(func(p *ticketing.Person) { p.Notify = map[string][]ticketing.Topic{"HR": {"new"}} }),
	} {
		err := w.SetStaff(w.ctx, staff)
		wrong, ok := err.(ticketing.StaffError)
		if !ok || wrong.Index != 1 || wrong.Setting != strings.TrimRight(setting, " _") {
			t.Errorf("%s: %#v", setting, err)
		}
	}
	w.must(nil, w.SetStaff(w.ctx, []ticketing.Person{good}))
}

func TestChange(t *testing.T) {
	w := staffWorld(t)
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	me, high := "me", ticketing.PriorityHigh
	k, err := w.Change(w.ctx, ticketing.Actor{Kind: "staff", Name: "jane", Origin: "api"}, "SUPPORT-7102", ticketing.Change{Assignee: &me, Priority: &high, AddTags: []string{"VIP"}})
	if err != nil || k.Assignee != "jane" || k.Priority != "high" || !slices.Equal(k.Tags, []string{"vip"}) {
		t.Errorf("%+v, %v", k, err)
	}
	seq := k.LastSeq
	if k, err = w.Change(w.ctx, jane, "SUPPORT-7102", ticketing.Change{Priority: &high, AddTags: []string{"vip"}}); err != nil || k.LastSeq != seq {
		t.Errorf("what changes nothing has an event: %+v, %v", k, err)
	}
	for _, c := range []ticketing.Change{{AddTags: []string{"two words"}}, {AddTags: []string{"a", "<b>"}}, {Requester: new(string)}} {
		if _, err := w.Change(w.ctx, jane, "SUPPORT-7102", c); err == nil {
			t.Errorf("%+v is no error", c)
		}
	}
	nobody, sue := "", "sue"
	if _, err := w.Change(w.ctx, jane, "SUPPORT-7102", ticketing.Change{Assignee: &sue, Priority: &high}); err == nil {
		t.Error("a ticket was given to somebody of another queue")
	}
	if k, err = w.Change(w.ctx, jane, "SUPPORT-7102", ticketing.Change{Assignee: &nobody, RemoveTags: []string{"vip"}}); err != nil || k.Assignee != "" || len(k.Tags) != 0 {
		t.Errorf("%+v, %v", k, err)
	}
}

// Who writes in a way that proves nothing is told that the mail is held: otherwise they
// take it for sent.
func TestStaffHeldIsTold(t *testing.T) {
	w := staffWorld(t)
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	n := w.waitTold("jane@staff.example", 1)
	name := "jane"
	w.must(w.Change(w.ctx, jane, "SUPPORT-7102", ticketing.Change{Assignee: &name}))
	before := len(w.told("jane@staff.example"))
	w.act(n, "jane@staff.example", "", "Done, Jo.")
	w.wants(t, "without proof", "SUPPORT-7102", "6", ticketing.Held)
	w.heard("SUPPORT-7102")
	var held bool
	for _, n := range w.told("jane@staff.example")[before:] {
		held = held || strings.HasPrefix(n.Subject, "HELD ")
	}
	if !held {
		t.Error("jane does not know that her answer is held")
	}
}
