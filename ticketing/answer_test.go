package ticketing_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"postdesk/ticketing"
	desk "postdesk/ticketing/mail"
)

// setQueue changes the support queue.
func (w *world) setQueue(change func(*ticketing.Queue)) {
	w.t.Helper()
	q := ticketing.Queue{Key: "SUPPORT", Name: "Support", Addresses: []string{"new@desk.example"}, Domain: "desk.example", FirstNumber: 7102}
	change(&q)
	if err := w.SetQueues([]ticketing.Queue{q}, nil); err != nil {
		w.t.Fatal(err)
	}
}

func template(t *testing.T, source string) ticketing.Template {
	t.Helper()
	tmpl, err := ticketing.NewTemplate(source)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

// reply adds a reply and gives the mails that carry it, parsed, by recipient. They count
// as submitted.
func (w *world) reply(r ticketing.ReplyRequest) map[string]*desk.Message {
	w.t.Helper()
	r.Ticket = "SUPPORT-7102"
	m, _, err := w.Reply(w.ctx, ticketing.Actor{Kind: "staff", Name: "Jane", Origin: "api"}, r)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []ticketing.Outgoing
	w.until("the answer is queued", func() bool {
		c := w.ticket(r.Ticket)
		out = c.Outgoing[m.ID]
		return len(out) == len(c.Participants)
	})
	mails := map[string]*desk.Message{}
	for _, o := range out {
		raw, err := w.Raw(w.ctx, o.Raw)
		if err != nil {
			w.t.Fatal(err)
		}
		mails[o.Recipient] = desk.Parse(raw)
		if err := w.SettleOutgoing(w.ctx, ticketing.Settlement{Outgoing: o.ID, State: ticketing.OutSubmitted}); err != nil {
			w.t.Fatal(err)
		}
	}
	return mails
}

const jo = "jo@customer.example"

// What surrounds an answer is the queue's: its templates know the ticket and the people,
// and what somebody wrote into a subject is no template.
func TestAnswerTemplates(t *testing.T) {
	w := newWorld(t)
	w.setQueue(func(q *ticketing.Queue) {
		q.Reply = template(t, "Dear {{.Customer}},\n\n{{.Text}}\n\nAbout: {{.Subject}}")
		q.Signature = template(t, "{{.Agent}}\n{{.Queue}}, {{.Ticket}}")
		q.QuoteHead = template(t, "Am {{.Date}} schrieb {{.Author}}:")
	})
	w.send("Jo <"+jo+">", "new@desk.example", "{{.Agent}}", "", "Help")
	m := w.reply(ticketing.ReplyRequest{Text: "Try **again**."})[jo]
	if !strings.HasPrefix(m.Text, "Dear Jo,\n\nTry **again**.\n\nAbout: {{.Agent}}\n\nAm ") || !strings.Contains(m.Text, " schrieb Jo:\n> Help\n\n-- \nJane\nSupport, SUPPORT-7102") {
		t.Errorf("text:\n%s", m.Text)
	}
	if !strings.Contains(m.HTML, "<strong>again</strong>") || !strings.Contains(m.HTML, "Jane<br>\nSupport, SUPPORT-7102<br>") {
		t.Errorf("HTML:\n%s", m.HTML)
	}
	// The administrator's login is nobody's name.
	w.setQueue(func(q *ticketing.Queue) { q.Signature = template(t, "{{.Agent}}") })
	r, _, err := w.Reply(w.ctx, ticketing.Actor{Kind: "staff", Name: "root"}, ticketing.ReplyRequest{Ticket: "SUPPORT-7102", Text: "x"})
	if err != nil {
		t.Fatal(err)
	}
	w.until("the answer is queued", func() bool { return len(w.ticket("SUPPORT-7102").Outgoing[r.ID]) == 1 })
	raw, err := w.Raw(w.ctx, w.ticket("SUPPORT-7102").Outgoing[r.ID][0].Raw)
	if err != nil || !strings.HasSuffix(strings.TrimSpace(desk.Parse(raw).Text), "-- \nSupport") {
		t.Errorf("%v\n%s", err, raw)
	}
}

// An answer quotes what the queue wants, and never what its recipient has not seen: a
// note, a held mail, a reply that did not go out.
func TestQuotes(t *testing.T) {
	const secret = "SECRET"
	quotes := map[string]string{
		"":     "On DATE, jo@customer.example wrote:\n> Second",
		"last": "On DATE, jo@customer.example wrote:\n> Second",
		"none": "",
		"full": "On DATE, jo@customer.example wrote:\n> Second\n>\n> On DATE, Jane at Support wrote:\n>> First answer\n>>\n>> On DATE, jo@customer.example wrote:\n>>> First",
	}
	for quote, want := range quotes {
		w := newWorld(t)
		w.setQueue(func(q *ticketing.Queue) { q.Quote = quote })
		w.send(jo, "new@desk.example", "x", "Message-ID: <a1@customer.example>\r\n", "First")
		w.send("eve@evil.example", "SUPPORT-7102@desk.example", "x", "", secret)
		w.reply(ticketing.ReplyRequest{Text: "First answer"})
		staff := ticketing.Actor{Kind: "staff", Name: "Jane"}
		if _, _, err := w.Reply(w.ctx, staff, ticketing.ReplyRequest{Ticket: "SUPPORT-7102", Text: secret, Note: true}); err != nil {
			t.Fatal(err)
		}
		failed, _, err := w.Reply(w.ctx, staff, ticketing.ReplyRequest{Ticket: "SUPPORT-7102", Text: secret})
		if err != nil {
			t.Fatal(err)
		}
		w.until("it is queued", func() bool { return len(w.ticket("SUPPORT-7102").Outgoing[failed.ID]) == 1 })
		if err := w.SettleOutgoing(w.ctx, ticketing.Settlement{Outgoing: w.ticket("SUPPORT-7102").Outgoing[failed.ID][0].ID, State: ticketing.OutFailed}); err != nil {
			t.Fatal(err)
		}
		w.send(jo, "SUPPORT-7102@desk.example", "RE: x", "", "Second\r\n\r\nOn Monday, Support wrote:\r\n> First answer")
		m := w.reply(ticketing.ReplyRequest{Text: "Answer"})[jo]
		got := regexp.MustCompile(`\d+ [A-Z][a-z]+ \d{4} \d\d:\d\d UTC`).ReplaceAllString(strings.TrimPrefix(m.Text, "Answer"), "DATE")
		got = strings.TrimSpace(strings.ReplaceAll(got, " \n", "\n"))
		if got != want {
			t.Errorf("quote %q gives\n%s\nwant\n%s", quote, got, want)
		}
		if strings.Contains(m.Text+m.HTML, secret) {
			t.Errorf("quote %q shows what was not seen:\n%s", quote, m.Text)
		}
	}
}

func threadIndex(t *testing.T, m *desk.Message) []byte {
	t.Helper()
	index, err := base64.StdEncoding.DecodeString(strings.Join(m.Header("Thread-Index"), ""))
	if err != nil || len(index) < 22 {
		t.Fatalf("Thread-Index %x, %v", index, err)
	}
	return index
}

// Each participant's mail program shows one thread: the requester's goes on from their
// mail, that of who never wrote from ours, and Outlook's index is continued or begun.
func TestThreads(t *testing.T) {
	w := newWorld(t)
	header := append([]byte{1, 0xdb, 0, 0, 0, 0}, []byte("0123456789abcdef")...)
	w.send(jo, "new@desk.example", "AW: =?utf-8?q?Dr=C3=BCcker?=", "Message-ID: <a3@customer.example>\r\nIn-Reply-To: <a2@customer.example>\r\nReferences: <a1@customer.example>\r\n <a2@customer.example>\r\n"+
		"Thread-Topic: =?utf-8?q?Dr=C3=BCcker?=\r\nThread-Index: "+base64.StdEncoding.EncodeToString(header)+"\r\n", "Help")
	c := w.ticket("SUPPORT-7102")
	cc := ticketing.Participant{Ticket: c.Ticket.ID, Address: "cc@customer.example", Role: ticketing.RoleCc}
	if err := w.store.Write(w.ctx, func(tx ticketing.Tx) error { p := cc; return tx.AddParticipant(&p) }); err != nil {
		t.Fatal(err)
	}
	one := w.reply(ticketing.ReplyRequest{Text: "One"})
	two := w.reply(ticketing.ReplyRequest{Text: "Two"})
	for _, m := range []*desk.Message{one[jo], two[jo]} {
		if m.Subject != "RE: Drücker" || !slices.Equal(m.InReplyTo, []string{"a3@customer.example"}) ||
			!slices.Equal(m.References, []string{"a1@customer.example", "a2@customer.example", "a3@customer.example"}) {
			t.Errorf("the requester's thread: %q %q %q", m.Subject, m.InReplyTo, m.References)
		}
		if index := threadIndex(t, m); len(index) != 27 || !bytes.HasPrefix(index, header) || desk.DecodeHeader(m.Header("Thread-Topic")[0]) != "Drücker" {
			t.Errorf("Outlook's thread: %x %q", index, m.Header("Thread-Topic"))
		}
	}
	first, second := one[cc.Address], two[cc.Address]
	if len(first.InReplyTo) > 0 || len(first.References) > 0 || !slices.Equal(second.InReplyTo, []string{first.MessageID}) || !slices.Equal(second.References, []string{first.MessageID}) {
		t.Errorf("the thread of who never wrote: %q %q, then %q %q", first.InReplyTo, first.References, second.InReplyTo, second.References)
	}
	if a, b := threadIndex(t, first), threadIndex(t, second); !bytes.Equal(a[:22], b[:22]) || bytes.Equal(a[:22], header) {
		t.Errorf("their Outlook has two threads, or that of another: %x %x", a, b)
	}
	if strings.Contains(first.Text+second.Text, "Help") {
		t.Errorf("a participant reads what was not sent to them: %s", first.Text)
	}
}

// The files of a reply are stored with it, go out with it, and are part of what the same
// Idempotency-Key stands for.
func TestReplyFiles(t *testing.T) {
	w := newWorld(t)
	w.send(jo, "new@desk.example", "x", "", "Help")
	big := bytes.Repeat([]byte("postdesk\x00"), 20000) // more than the database holds in a row
	r := ticketing.ReplyRequest{Text: "See ![](cid:light.png)", Key: "k", Files: []ticketing.File{
		{Name: `C:\Übersicht.pdf`, Content: big}, {Name: "light.png", ContentID: "light.png", Content: []byte("\x89PNG")}, {Name: "empty.xyzzy"},
	}}
	m := w.reply(r)[jo]
	if len(m.Attachments) != 3 {
		t.Fatalf("%+v", m.Attachments)
	}
	for _, a := range m.Attachments {
		if a.Name == "Übersicht.pdf" && (a.Type != "application/pdf" || !bytes.Equal(a.Content, big)) || a.Name == "light.png" && (!a.Inline || a.Type != "image/png") {
			t.Errorf("%+v", a)
		}
	}
	c := w.ticket("SUPPORT-7102")
	reply := c.Messages[len(c.Messages)-1]
	files, err := w.Attachments(w.ctx, reply.ID)
	if err != nil || len(files) != 3 || files[0].Name != "Übersicht.pdf" || files[0].Size != int64(len(big)) || files[1].ContentID != "light.png" ||
		files[2].Type != "application/octet-stream" {
		t.Fatalf("%+v, %v", files, err)
	}
	if got, err := w.Raw(w.ctx, files[0].Raw); err != nil || !bytes.Equal(got, big) {
		t.Errorf("%d octets are stored, %v", len(got), err)
	}
	r.Ticket = "SUPPORT-7102"
	jane := ticketing.Actor{Kind: "staff", Name: "Jane", Origin: "api"}
	if again, was, err := w.Reply(w.ctx, jane, r); err != nil || !was || again.ID != reply.ID {
		t.Errorf("asked again: %d %v %v", again.ID, was, err)
	}
	r.Files[0].Content = []byte("other")
	if _, _, err := w.Reply(w.ctx, jane, r); !errors.Is(err, ticketing.ErrConflict) {
		t.Errorf("another file under the same key: %v", err)
	}
}

func TestReplyFilesRefused(t *testing.T) {
	w := newWorld(t)
	w.send(jo, "new@desk.example", "x", "", "Help")
	many := make([]ticketing.File, 101)
	for i := range many {
		many[i].Name = "a"
	}
	for name, c := range map[string]struct {
		files []ticketing.File
		want  error
	}{
		"no name":      {[]ticketing.File{{Name: "../"}}, ticketing.ErrInvalid},
		"unseen name":  {[]ticketing.File{{Name: "\u200b\u202e"}}, ticketing.ErrInvalid},
		"type":         {[]ticketing.File{{Name: "a", Type: "text/plain\r\nBcc: x"}}, ticketing.ErrInvalid},
		"content id":   {[]ticketing.File{{Name: "a", ContentID: "a>b"}}, ticketing.ErrInvalid},
		"same content": {[]ticketing.File{{Name: "a", ContentID: "a"}, {Name: "b", ContentID: "a"}}, ticketing.ErrInvalid},
		"many":         {many, ticketing.ErrInvalid},
		"large":        {[]ticketing.File{{Name: "a", Content: make([]byte, 4_000_000)}, {Name: "b", Content: make([]byte, 3_000_001)}}, ticketing.ErrTooLarge},
	} {
		_, _, err := w.Reply(w.ctx, ticketing.Actor{Kind: "staff"}, ticketing.ReplyRequest{Ticket: "SUPPORT-7102", Text: "x", Files: c.files})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(w.ticket("SUPPORT-7102").Messages); n != 1 {
		t.Errorf("%d messages after replies that were refused", n)
	}
}

// A third party that is asked reads nothing of the ticket, in no header and by no template.
func TestQuestionShowsNothing(t *testing.T) {
	w := newWorld(t)
	w.setQueue(func(q *ticketing.Queue) {
		q.Quote, q.Reply = ticketing.QuoteFull, template(t, "{{.Text}} ({{.Subject}})")
	})
	w.send(jo, "new@desk.example", "PRIVATE subject", "Message-ID: <PRIVATE@customer.example>\r\nThread-Topic: PRIVATE\r\n", "PRIVATE words")
	w.reply(ticketing.ReplyRequest{Text: "PRIVATE answer"})
	for _, text := range []string{"First question", "Second question"} {
		m, _, err := w.Ask(w.ctx, ticketing.Actor{Kind: "staff", Name: "Jane"}, ticketing.Question{
			Ticket: "SUPPORT-7102", To: desk.Address{Address: "help@acme.example"}, Subject: "part 17", Text: text})
		if err != nil {
			t.Fatal(err)
		}
		w.until("the question is queued", func() bool { return len(w.ticket("SUPPORT-7102").Outgoing[m.ID]) == 1 })
		o := w.ticket("SUPPORT-7102").Outgoing[m.ID][0]
		raw, err := w.Raw(w.ctx, o.Raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.SettleOutgoing(w.ctx, ticketing.Settlement{Outgoing: o.ID, State: ticketing.OutSubmitted}); err != nil {
			t.Fatal(err)
		}
		got := desk.Parse(raw)
		if strings.Contains(string(raw)+got.Text+got.HTML, "PRIVATE") {
			t.Errorf("the third party reads:\n%s", raw)
		}
		if !strings.HasPrefix(got.Text, text+" ([SUPPORT-7102] part 17)") || got.Header("Thread-Topic")[0] != "[SUPPORT-7102] part 17" {
			t.Errorf("the question: %s %q", got.Text, got.Header("Thread-Topic"))
		}
		if text == "Second question" && (len(got.InReplyTo) != 1 || !strings.Contains(got.Text, "> First question")) {
			t.Errorf("the second one does not go on from the first: %q\n%s", got.InReplyTo, got.Text)
		}
	}
}
