package ticketing_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"postdesk/ticketing"
	"postdesk/ticketing/store"
)

// A password that a customer has pasted is gone where it was, where it is quoted and where it
// waits to go out; all around it stays, and the feed says who did it and why.
func TestRedactMessage(t *testing.T) {
	dir := t.TempDir()
	w := worldIn(t, dir)
	const secret = "hunter2-canary"
	w.send(bob, "new@desk.example", "Cannot log in", "Message-ID: <r1@customer.example>\r\n", "Hello, my password is "+secret+" and it does not work.")
	w.answer("SUPPORT-7102", "Bob wrote: my password is "+secret+". Change it!")
	w.send(bob, "SUPPORT-7102@desk.example", "Re: Cannot log in", "Message-ID: <r2@customer.example>\r\n", "Done.\r\n\r\nOn Monday you wrote:\r\n> my password is "+secret+". Change it!\r\n")
	c := w.ticket("SUPPORT-7102")
	for _, wrong := range []ticketing.Redaction{{Message: 99, Why: "x"}, {Message: c.Messages[0].ID}, {Message: c.Messages[0].ID, Part: 1, Why: "x"}} {
		if _, err := w.Redact(w.ctx, jane, wrong); err == nil {
			t.Errorf("redacted: %+v", wrong)
		}
	}
	by := jane
	by.Key = "once"
	done, err := w.Redact(w.ctx, by, ticketing.Redaction{Message: c.Messages[0].ID, Why: "a password"})
	w.must(nil, err)
	again, err := w.Redact(w.ctx, by, ticketing.Redaction{Message: c.Messages[0].ID, Why: "a password"})
	if err != nil || again.Erasure != done.Erasure {
		t.Errorf("asked again with the same key: %+v %v", again, err)
	}
	for _, s := range sightings(t, dir, secret) {
		t.Error(s)
	}
	c = w.ticket("SUPPORT-7102")
	texts := []string{}
	for _, m := range c.Messages {
		if m.Raw.IsZero() {
			texts = append(texts, m.Body)
			continue
		}
		content, err := w.Content(w.ctx, m)
		w.must(nil, err)
		texts = append(texts, strings.TrimSpace(content.Text))
	}
	want := []string{"[redacted]", "Bob wrote: my password is [redacted]. Change it!", "Done."}
	if !slices.Equal(texts, want) || c.Messages[0].From.Address != bob || c.Ticket.Subject != "Cannot log in" || c.Ticket.Requester != bob {
		t.Errorf("left: %q, want %q; %+v", texts, want, c.Ticket)
	}
	events, err := w.EventsOf(w.ctx, "SUPPORT-7102", 0, 100)
	w.must(nil, err)
	e := events[len(events)-1]
	if n := len(slices.DeleteFunc(events, func(e ticketing.Event) bool { return e.Type != ticketing.MessageRedacted })); n != 1 || e.Actor != "staff:Jane" || e.Facts["why"] != "a password" || e.Facts["what"] != "message" {
		t.Errorf("%d events; the last: %+v", n, e)
	}
	a, err := store.Verify(w.ctx, dir, nil)
	if err != nil || len(a.Problems)+len(a.Notes) > 0 {
		t.Errorf("verify: %+v %v", a, err)
	}
	if _, err := w.Redact(w.ctx, jane, ticketing.Redaction{Message: c.Messages[1].ID, Why: "all of it"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Redact(w.ctx, jane, ticketing.Redaction{Message: c.Messages[1].ID, Why: "all of it"}); !errors.Is(err, ticketing.ErrConflict) {
		t.Errorf("twice: %v", err)
	}
	for _, o := range w.ticket("SUPPORT-7102").Outgoing[c.Messages[1].ID] {
		if o.State != ticketing.OutCancelled {
			t.Errorf("%+v goes out", o)
		}
	}
	w.answer("SUPPORT-7102", "The thread goes on.")
}

// One file of a mail goes and the others stay, by the same bytes also where it was forwarded.
func TestRedactAttachment(t *testing.T) {
	dir := t.TempDir()
	w := worldIn(t, dir)
	file := func(name, text string) string {
		return fmt.Sprintf("--b\r\nContent-Type: application/octet-stream; name=%q\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n", name, base64.StdEncoding.EncodeToString([]byte(text)))
	}
	head := "From: " + bob + "\r\nSubject: files\r\nMessage-ID: <%d@customer.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee the files.\r\n"
	w.sendAs(bob, []string{"new@desk.example"}, fmt.Sprintf(head, 1)+file("a.txt", "of no account")+file("b.txt", "canary passport 0042")+"--b--\r\n")
	w.sendAs(bob, []string{"SUPPORT-7102@desk.example"}, fmt.Sprintf(head, 2)+file("again.txt", "canary passport 0042")+"--b--\r\n")
	m := w.ticket("SUPPORT-7102").Messages[0]
	_, err := w.Redact(w.ctx, jane, ticketing.Redaction{Message: m.ID, Part: 2, Why: "a passport"})
	w.must(nil, err)
	for _, s := range sightings(t, dir, "canary") {
		t.Error(s)
	}
	c, err := w.Content(w.ctx, w.ticket("SUPPORT-7102").Messages[0])
	w.must(nil, err)
	if strings.TrimSpace(c.Text) != "See the files." || len(c.Attachments) != 2 || string(c.Attachments[0].Content) != "of no account" || strings.TrimSpace(string(c.Attachments[1].Content)) != "[redacted]" {
		t.Errorf("left: %q %+v", c.Text, c.Attachments)
	}
}

// An import that is repeated does not bring back what was erased.
func TestErasedStaysOutOfImports(t *testing.T) {
	w := worldIn(t, t.TempDir())
	o := ticketing.ImportOptions{Queue: "SUPPORT", Status: ticketing.StatusClosed}
	mails := []string{"From: " + bird + "\r\nTo: new@desk.example\r\nDate: Mon, 5 Jan 2015 10:00:00 +0000\r\nMessage-ID: <i1@x.example>\r\nSubject: canary\r\n\r\ncanary\r\n",
		"From: " + bob + "\r\nTo: new@desk.example\r\nDate: Mon, 5 Jan 2015 11:00:00 +0000\r\nMessage-ID: <i2@x.example>\r\nSubject: other\r\n\r\nother\r\n"}
	if sum := w.importMails(o, mails...); sum.Added != 2 {
		t.Fatalf("%+v", sum)
	}
	_, err := w.ErasePerson(w.ctx, jane, birdAddress)
	w.must(nil, err)
	if sum := w.importMails(o, mails...); sum.Added != 0 || sum.Known != 2 {
		t.Errorf("imported again: %+v", sum)
	}
}
