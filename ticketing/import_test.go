package ticketing_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"postdesk/ticketing"
	desk "postdesk/ticketing/mail"
)

// importMails brings mails in as one thread.
func (w *world) importMails(o ticketing.ImportOptions, raws ...string) ticketing.ImportResult {
	w.t.Helper()
	imp, err := w.NewImport(jane, o)
	if err != nil {
		w.t.Fatal(err)
	}
	var mails []ticketing.ImportMail
	for _, raw := range raws {
		raw = strings.ReplaceAll(raw, "|", "\n") + "\n\nwords\n"
		head, body, _ := strings.Cut(raw, "\n\n")
		m := desk.Intake([]byte(raw))
		key, err := ticketing.ImportKey(m, []byte(head), strings.NewReader(body))
		if err != nil {
			w.t.Fatal(err)
		}
		item := ticketing.ImportMail{Key: key, Date: ticketing.MailDate(m, time.Time{}, time.Time{}, time.Now()), Raw: []byte(raw)}
		if len(mails) > 0 {
			item.Anchor = mails[0].Key
		}
		mails = append(mails, item)
	}
	sum, err := imp.Add(w.ctx, mails)
	if err != nil {
		w.t.Fatal(err)
	}
	return sum
}

const (
	oldFirst  = "From: Ann <Ann@customer.example>|To: new@desk.example|Date: Thu, 1 Feb 2024 10:00:00 +0000|Message-ID: <1@old>|Subject: [#12] printer"
	oldAnswer = "From: Joe <joe@staff.example>|To: ann@customer.example|Date: Fri, 2 Feb 2024 10:00:00 +0000|Message-ID: <2@old>|In-Reply-To: <1@old>|Subject: Re: [#12] printer"
	oldAuto   = "From: ann@customer.example|To: new@desk.example|Date: Fri, 2 Feb 2024 10:01:00 +0000|Message-ID: <3@old>|Auto-Submitted: auto-replied|Subject: away"
)

var closed = ticketing.ImportOptions{Queue: "support", Status: ticketing.StatusClosed, Ours: []string{"staff.example"}}

// A history becomes a ticket of its own time, with what the desk wrote as the desk's.
func TestImport(t *testing.T) {
	w := newWorld(t)
	if sum := w.importMails(closed, oldFirst, oldAnswer, oldAuto); sum != (ticketing.ImportResult{Added: 3, Tickets: 1}) {
		t.Error(sum)
	}
	if sum := w.importMails(closed, oldFirst, oldAnswer, oldAuto); sum != (ticketing.ImportResult{Known: 3}) {
		t.Error("again:", sum)
	}
	c := w.ticket("SUPPORT-7102")
	first, last := time.Date(2024, 2, 1, 10, 0, 0, 0, time.UTC), time.Date(2024, 2, 2, 10, 1, 0, 0, time.UTC)
	if k := c.Ticket; k.Status != ticketing.StatusClosed || k.Requester != "ann@customer.example" || k.RequesterName != "Ann" || !k.Created.Equal(first) ||
		!k.Updated.Equal(last) || !k.Closed.Equal(last) || !k.Waiting.IsZero() || !k.Unverified || k.LastSeq != 4 {
		t.Errorf("%+v", k)
	}
	if len(c.Participants) != 1 || len(c.Aliases) != 1 || c.Aliases[0] != "#12" || len(c.Messages) != 3 {
		t.Fatalf("%+v", c)
	}
	for i, want := range []ticketing.Message{
		{Kind: ticketing.KindInbound, Visibility: ticketing.Shown}, {Kind: ticketing.KindReply, Visibility: ticketing.Shown},
		{Kind: ticketing.KindInbound, Visibility: ticketing.Folded, Automatic: true},
	} {
		if m := c.Messages[i]; m.Kind != want.Kind || m.Visibility != want.Visibility || m.Automatic != want.Automatic || m.Row != "import" || m.Raw.IsZero() || m.Authentication.Author != "" {
			t.Errorf("message %d: %+v", i, m)
		}
	}
	events, err := w.Events(w.ctx, 0, 100)
	w.must(events, err)
	for _, e := range events {
		if e.Origin != ticketing.OriginImport || e.Actor != "staff:Jane" {
			t.Errorf("%+v", e)
		}
	}
}

// An answer to a person works on after an import: it goes to the requester of the old
// ticket, and it is the only mail that ever goes out.
func TestImportThenReply(t *testing.T) {
	w := newWorld(t)
	open := closed
	open.Status = ticketing.StatusOpen
	w.importMails(open, oldFirst, oldAnswer)
	if k := w.ticket("#12").Ticket; !k.Waiting.IsZero() {
		t.Error("somebody waits though the desk has answered:", k.Waiting)
	}
	w.importMails(open, oldFirst, strings.Replace(strings.Replace(oldAnswer, "joe@staff", "ann@customer", 1), "2@old", "4@old", 1))
	if k := w.ticket("#12").Ticket; k.Waiting.IsZero() {
		t.Error("nobody waits though the requester wrote last")
	}
	m := w.answer("SUPPORT-7102", "A late answer.")
	if to := m.Header.Get("To"); !strings.Contains(strings.ToLower(to), "ann@customer.example") || m.Header.Get("In-Reply-To") != "<4@old>" {
		t.Errorf("to %s, in reply to %s", to, m.Header.Get("In-Reply-To"))
	}
	if n := len(w.mails()); n != 1 {
		t.Errorf("%d mails went out, want the one answer", n)
	}
}

// An old number finds a ticket for people, and never for mail.
func TestAliasIsNoKey(t *testing.T) {
	w := newWorld(t)
	w.importMails(closed, oldFirst)
	w.send("eve@customer.example", "new@desk.example", "Re: [#12] printer", "Message-ID: <e@x>\r\n", "Show me.")
	if c := w.ticket("[Ticket 12]"); c.Ticket.Name() != "SUPPORT-7102" || len(c.Messages) != 1 {
		t.Errorf("%s has %d messages", c.Ticket.Name(), len(c.Messages))
	}
	w.importMails(closed, "From: bob@customer.example|Date: Thu, 1 Feb 2024 10:00:00 +0000|Message-ID: <9@old>|Subject: [#12] other")
	if _, err := w.Ticket(w.ctx, "#12"); !errors.Is(err, ticketing.ErrConflict) || !strings.Contains(err.Error(), "SUPPORT-7102, SUPPORT-7104") {
		t.Error("a number of two tickets:", err)
	}
	if _, err := w.Ticket(w.ctx, "#99"); !errors.Is(err, ticketing.ErrNotFound) {
		t.Error("a number of none:", err)
	}
}

// Mail that Postfix has delivered here is not there twice, and what answers it joins it.
func TestImportWhatWasDelivered(t *testing.T) {
	w := newWorld(t)
	w.send("Ann <Ann@customer.example>", "new@desk.example", "[#12] printer", "Message-ID: <1@old>\r\n", "words")
	if sum := w.importMails(closed, oldFirst, oldAnswer); sum != (ticketing.ImportResult{Added: 1, Known: 1}) {
		t.Error(sum)
	}
	if sum := w.importMails(closed, strings.Replace(oldAnswer, "2@old", "5@old", 1)); sum != (ticketing.ImportResult{Added: 1}) {
		t.Error("an answer alone:", sum)
	}
	sales := closed
	sales.Queue = "SALES"
	if sum := w.importMails(sales, oldFirst); sum != (ticketing.ImportResult{Added: 1, Tickets: 1}) {
		t.Error("another queue:", sum)
	}
	c := w.ticket("SUPPORT-7102")
	if len(c.Messages) != 3 || c.Ticket.Status == ticketing.StatusClosed || c.Ticket.Updated.Year() == 2024 {
		t.Errorf("%d messages, %+v", len(c.Messages), c.Ticket)
	}
}

// What is no mail, or of nobody, or from the desk first, becomes a ticket all the same.
func TestImportOddMail(t *testing.T) {
	w := newWorld(t)
	for _, raw := range []string{"garbage \x00\xff", "Subject: =?x?q?=ZZ?=|From: <<>>|Content-Type: multipart/mixed", oldAnswer, ""} {
		if sum := w.importMails(closed, raw); sum.Added != 1 || sum.Tickets != 1 {
			t.Errorf("%q: %+v", raw, sum)
		}
	}
	if k := w.ticket("SUPPORT-7104").Ticket; k.Requester != "ann@customer.example" {
		t.Errorf("the desk wrote first, and the requester is %q", k.Requester)
	}
}

func TestImportOptions(t *testing.T) {
	w := newWorld(t)
	for name, o := range map[string]ticketing.ImportOptions{
		"no queue":        {Queue: "NONE", Status: ticketing.StatusOpen},
		"no status":       {Queue: "SUPPORT"},
		"another status":  {Queue: "SUPPORT", Status: ticketing.StatusNew},
		"a wrong pattern": {Queue: "SUPPORT", Status: ticketing.StatusOpen, Alias: []string{"("}},
		"a wrong address": {Queue: "SUPPORT", Status: ticketing.StatusOpen, Ours: []string{"Ann <ann@x>"}},
	} {
		if _, err := w.NewImport(jane, o); !errors.Is(err, ticketing.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ours, err := ticketing.NewOurs(w.Directory().Patterns(), []string{"Staff.example", "boss@other.example", "@third.example"})
	w.must(ours, err)
	for address, want := range map[string]bool{"new@desk.example": true, "SUPPORT-1+x@Desk.example": true, "joe@staff.example": true, "boss@OTHER.example": true,
		"x@third.example": true, "joe@other.example": false, "joe@sub.staff.example": false, "": false, "x": false} {
		if got := ours(address); got != want {
			t.Errorf("%q is ours: %t", address, got)
		}
	}
}

// A mail has one key wherever it lies, and another mail has another.
func TestImportKey(t *testing.T) {
	key := func(raw string) ticketing.Hash {
		head, body, _ := bytes.Cut([]byte(raw), []byte("\n\n"))
		k, err := ticketing.ImportKey(desk.Intake([]byte(raw)), head, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	const mail = "From: a@b\nDate: Thu, 1 Feb 2024 10:00:00 +0000\nMessage-ID: <1@x>\nSubject: one\n\nline\n\nline\n"
	for _, same := range []string{"Status: RO\nDelivered-To: x\n" + mail, mail + "\n\n", strings.TrimSpace(mail), strings.Replace(mail, "Subject: one", "Subject:\n one", 1), strings.ReplaceAll(mail, "line\n", "line\r\n")} {
		if key(same) != key(mail) {
			t.Errorf("%q has another key", same)
		}
	}
	for _, other := range []string{strings.Replace(mail, "1@x", "2@x", 1), strings.Replace(mail, "10:00:00", "10:00:01", 1), strings.Replace(mail, "line\n\n", "line\n", 1), mail + "x", "no mail", "no mail either"} {
		if key(other) == key(mail) || key(other) == key("another") {
			t.Errorf("%q has the same key", other)
		}
	}
}

func TestMailDate(t *testing.T) {
	at := func(day int) time.Time { return time.Date(2024, 2, day, 0, 0, 0, 0, time.UTC) }
	for _, c := range []struct {
		head            string
		mailbox, before time.Time
		want            time.Time
	}{
		{"Date: Thu, 1 Feb 2024 00:00:00 +0000", at(2), at(3), at(1)},
		{"Date: Thu, 1 Feb 2029 00:00:00 +0000", at(2), at(3), at(2)},
		{"Date: Thu, 1 Jan 1970 00:00:00 +0000\nReceived: from a by b; Mon, 5 Feb 2024 00:00:00 +0000", at(2), at(3), at(5)},
		{"Subject: x", time.Time{}, at(3), at(3)},
		{"Subject: x", time.Time{}, time.Time{}, time.Unix(0, 0)},
	} {
		if got := ticketing.MailDate(desk.Intake([]byte(c.head+"\n\n")), c.mailbox, c.before, at(28)); !got.Equal(c.want) {
			t.Errorf("%q: %v, want %v", c.head, got, c.want)
		}
	}
}
