package ticketing_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"postdesk/ticketing"
	desk "postdesk/ticketing/mail"
)

// staffWorld has jane, who is told of what concerns her, bob, who is told of everything,
// and sue, who works in SALES alone.
func staffWorld(t *testing.T) *world { return staffWorldOf(t, func(*ticketing.Config) {}) }

func staffWorldOf(t *testing.T, change func(*ticketing.Config)) *world {
	return newWorldOf(t, func(cfg *ticketing.Config) {
		change(cfg)
		cfg.Staff = []ticketing.Person{
			{Name: "jane", Display: "Jane Roe", Addresses: []string{"jane@staff.example", "j.roe@home.example"}, Logins: []string{"jane@mx"},
				Notify: map[string][]ticketing.Topic{ticketing.AllQueues: {ticketing.TopicNew, ticketing.TopicAssigned, ticketing.TopicHeld}}},
			{Name: "bob", Addresses: []string{"bob@staff.example"}, Notify: map[string][]ticketing.Topic{ticketing.AllQueues: {ticketing.TopicAll}}},
			{Name: "sue", Addresses: []string{"sue@staff.example"}, Queues: []string{"SALES"},
				Notify: map[string][]ticketing.Topic{ticketing.AllQueues: {ticketing.TopicAll}}},
		}
		verify := cfg.Verify
		cfg.Verify = func(ctx context.Context, raw []byte, m *desk.Message) desk.Authentication {
			a := verify(ctx, raw, m)
			a.Login = strings.TrimSpace(strings.Join(m.Header("X-Test-Login"), ""))
			return a
		}
	})
}

const byDKIM = "X-Test-Proof: pass\r\n"

// notice is a mail to a member of staff.
type notice struct {
	ticketing.Outgoing
	*desk.Message
	raw string
}

func (n notice) head(name string) string { return strings.Join(n.Header(name), "|") }

// told gives the mails to a member of staff.
func (w *world) told(address string) (out []notice) {
	w.t.Helper()
	all, err := w.Outgoing(w.ctx, nil, 0, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, o := range all {
		if o.Recipient == address && o.Message == 0 {
			raw, err := w.Raw(w.ctx, o.Raw)
			if err != nil {
				w.t.Fatal(err)
			}
			out = append(out, notice{o, desk.Parse(raw), string(raw)})
		}
	}
	return out
}

// waitTold waits for the nth mail to a member of staff.
func (w *world) waitTold(address string, n int) notice {
	w.t.Helper()
	var all []notice
	w.until(fmt.Sprintf("mail %d to %s", n, address), func() bool { all = w.told(address); return len(all) >= n })
	return all[n-1]
}

// heard waits until all consumers have seen all events: by a note that bob is told of,
// when somebody else makes it.
func (w *world) heard(name string) {
	w.t.Helper()
	before := len(w.told("bob@staff.example"))
	w.must(first(w.Reply(w.ctx, ticketing.Actor{Kind: "staff", Name: "clerk"}, ticketing.ReplyRequest{Ticket: name, Text: "settle", Note: true})))
	w.until("the notifier", func() bool {
		all := w.told("bob@staff.example")
		return len(all) > before && strings.Contains(all[len(all)-1].raw, "> settle")
	})
	w.until("the responder, which goes its own pace", func() bool {
		last, err := w.LastSeq(w.ctx)
		return err == nil && w.SeenByOwn(last)
	})
}

func first[T any](v T, _ bool, err error) (T, error) { return v, err }

// act answers a notice, with proof unless extra says otherwise.
func (w *world) act(n notice, from, extra, text string) {
	w.t.Helper()
	w.serial++
	w.send(from, n.ReplyTo[0].Address, "Re: "+n.Subject, fmt.Sprintf("Message-ID: <%d@staff.example>\r\nIn-Reply-To: <%s>\r\n%s", w.serial, n.Message.MessageID, extra),
		text+"\r\n\r\nOn Tuesday, Jo via Support wrote:\r\n> === Write your answer above this line. ===\r\n> secret history\r\n-- \r\nJane Roe, room 5\r\n")
}

// kinds are the messages of a ticket: "inbound/shown reply/shown".
func (w *world) kinds(name string) string {
	w.t.Helper()
	var out []string
	for _, m := range w.ticket(name).Messages {
		out = append(out, fmt.Sprintf("%s/%s", m.Kind, m.Visibility))
	}
	return strings.Join(out, " ")
}

func TestStaffAnswer(t *testing.T) {
	for how, extra := range map[string]string{"dkim": byDKIM, "login": "X-Test-Login: jane@mx\r\n"} {
		t.Run(how, func(t *testing.T) {
			w := staffWorld(t)
			w.send("Jo <jo@customer.example>", "new@desk.example", "I can't login!", "", "Help **me**")
			n := w.waitTold("jane@staff.example", 1)
			for name, want := range map[string]string{"From": "Jo via Support <SUPPORT-7102@desk.example>", "Auto-Submitted": "auto-generated", "X-Loop": "desk.example",
				"List-Id": "<support.desk.example>", "Subject": "SUPPORT-7102: I can't login!"} {
				if got := n.head(name); strings.ReplaceAll(got, `"`, "") != want {
					t.Errorf("%s: %s, want %s", name, got, want)
				}
			}
			if !strings.Contains(n.Text, "> Help **me**") || !strings.Contains(n.Text, "The author is proven.") || !strings.Contains(n.Text, "!assign me") {
				t.Errorf("the notice says:\n%s", n.Text)
			}
			if !strings.HasPrefix(n.Outgoing.ReversePath, "support-bounces+s") || !strings.Contains(n.head("List-Unsubscribe"), "body=%21unsubscribe") {
				t.Errorf("reverse-path %s, List-Unsubscribe %s", n.Outgoing.ReversePath, n.head("List-Unsubscribe"))
			}
			w.act(n, "jane@staff.example", extra, "Please try again.")
			c := w.ticket("SUPPORT-7102")
			if got := w.kinds("SUPPORT-7102"); got != "inbound/shown inbound/folded reply/shown" || c.Ticket.Status != ticketing.StatusWaiting {
				t.Fatalf("%s, %+v", got, c.Ticket)
			}
			if m := c.Messages[2]; m.Body != "Please try again." || m.Actor != "staff:jane" || c.Messages[1].Row != "13" {
				t.Errorf("the reply: %+v", m)
			}
			w.until("the mail to the customer", func() bool { return len(w.ticket("SUPPORT-7102").Outgoing[c.Messages[2].ID]) == 1 })
			w.heard("SUPPORT-7102")
			if got := w.told("jane@staff.example"); len(got) != 1 {
				t.Errorf("told of her own answer, or that it was sent: %s", got[1].raw)
			}
			w.customerSeesNothing()
		})
	}
}

// customerSeesNothing scans every mail to somebody who is not staff for what is staff's.
func (w *world) customerSeesNothing() {
	w.t.Helper()
	// Who was told says nothing of the responder, which follows the feed by itself.
	var all []ticketing.Outgoing
	w.until("a mail to a customer", func() (there bool) {
		var err error
		all, err = w.Outgoing(w.ctx, nil, 0, 1000)
		w.must(all, err)
		return slices.ContainsFunc(all, func(o ticketing.Outgoing) bool { return !strings.HasSuffix(o.Recipient, "@staff.example") })
	})
	var tokens []string
	for _, p := range []string{"jane", "bob", "sue"} {
		for _, n := range w.told(p + "@staff.example") {
			local, _, _ := strings.Cut(n.ReplyTo[0].Address, "@")
			tokens = append(tokens, strings.ToLower(local[strings.LastIndexByte(local, '.')+1:]))
		}
	}
	seen := 0
	for _, o := range all {
		if strings.HasSuffix(o.Recipient, "@staff.example") {
			continue
		}
		seen++
		raw, err := w.Raw(w.ctx, o.Raw)
		w.must(raw, err)
		text := strings.ToLower(string(raw) + o.ReversePath + desk.Parse(raw).Text)
		for _, secret := range append(tokens, "staff.example", "home.example", "secret history", "room 5", "write your answer above", "!assign") {
			if strings.Contains(text, secret) {
				w.t.Errorf("a customer reads %q:\n%s", secret, raw)
			}
		}
	}
	if seen == 0 || len(tokens) == 0 {
		w.t.Errorf("%d mails to customers, %d tokens: nothing was looked at", seen, len(tokens))
	}
}

func TestStaffCommands(t *testing.T) {
	w := staffWorld(t)
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	n := w.waitTold("jane@staff.example", 1)
	w.act(n, "Jane <jane@staff.example>", byDKIM, "!assign me\n!prio high\n!tag vip, login\n!note\nHe is angry.")
	c := w.ticket("SUPPORT-7102")
	if k := c.Ticket; k.Assignee != "jane" || k.Priority != ticketing.PriorityHigh || !slices.Equal(k.Tags, []string{"login", "vip"}) || k.Status != ticketing.StatusNew {
		t.Errorf("%+v", k)
	}
	if got := w.kinds("SUPPORT-7102"); got != "inbound/shown inbound/folded note/shown" || c.Messages[2].Body != "He is angry." {
		t.Errorf("%s: %+v", got, c.Messages[2])
	}
	done := w.waitTold("jane@staff.example", 2)
	if !strings.Contains(done.Text, "Done: assigned to jane, priority high, tagged vip login, note added.") || done.Outgoing.ReversePath != "" || done.head("Auto-Submitted") != "auto-replied" {
		t.Errorf("%q %s", done.Outgoing.ReversePath, done.raw)
	}
	// From another address of hers, to the mail that says what was done.
	w.act(done, "j.roe@home.example", byDKIM, "!untag vip\n!assign bob\n!status resolved\n\nDone, Jo.")
	c = w.ticket("SUPPORT-7102")
	if k := c.Ticket; k.Assignee != "bob" || k.Status != ticketing.StatusResolved || !slices.Equal(k.Tags, []string{"login"}) {
		t.Errorf("%+v", k)
	}
	w.until("bob to know that it is his", func() bool {
		return slices.ContainsFunc(w.told("bob@staff.example"), func(n notice) bool { return strings.Contains(n.Text, "SUPPORT-7102 is yours now.") })
	})
	w.act(w.waitTold("jane@staff.example", 3), "jane@staff.example", byDKIM, "!requester Mary@Customer.Example\n!status open\n\nHello Mary.")
	c = w.ticket("SUPPORT-7102")
	if c.Ticket.Requester != "mary@customer.example" || len(c.Participants) != 1 || c.Participants[0].Role != ticketing.RoleRequester || c.Ticket.Status != ticketing.StatusOpen {
		t.Errorf("%+v %+v", c.Ticket, c.Participants)
	}
	last := c.Messages[len(c.Messages)-1]
	w.until("the mail to Mary", func() bool { return len(w.ticket("SUPPORT-7102").Outgoing[last.ID]) == 1 })
	if to := w.ticket("SUPPORT-7102").Outgoing[last.ID][0].Recipient; to != "mary@customer.example" {
		t.Errorf("the answer went to %s", to)
	}
	w.customerSeesNothing()
}

// Whom the customer put into Cc is shown to staff with the line that lets them in, and gets
// nothing before somebody sends that line.
func TestStaffCc(t *testing.T) {
	w := staffWorld(t)
	w.send("jo@customer.example", "new@desk.example", "x", byDKIM+"Cc: Bob <bob@customer.example>, ann@customer.example\r\n", "Help")
	n := w.waitTold("jane@staff.example", 1)
	line := "!cc bob@customer.example, ann@customer.example"
	if !strings.Contains(n.Text, line) {
		t.Fatalf("the notice says:\n%s", n.Text)
	}
	w.act(n, "jane@staff.example", byDKIM, line+"\n\nHello all.")
	w.until("an answer to each of three", func() bool {
		c := w.ticket("SUPPORT-7102")
		return len(c.Participants) == 3 && len(c.Outgoing[c.Messages[len(c.Messages)-1].ID]) == 3
	})
	w.must(first(w.Ask(w.ctx, ticketing.Actor{Kind: "staff", Name: "clerk"}, ticketing.Question{Ticket: "SUPPORT-7102", To: desk.Address{Address: "supplier@other.example"}, Text: "Have you spares?"})))
	w.act(w.waitTold("jane@staff.example", 2), "jane@staff.example", byDKIM, "!cc supplier@other.example\nHello.")
	if back := w.waitTold("jane@staff.example", 3); !strings.Contains(back.Text, "is a third party of SUPPORT-7102") {
		t.Errorf("what comes back:\n%s", back.Text)
	}
	if c := w.ticket("SUPPORT-7102"); len(c.Outgoing) == 0 || c.Messages[len(c.Messages)-1].Kind == ticketing.KindReply {
		t.Errorf("%s", w.kinds("SUPPORT-7102"))
	}
}

// refusals are answers that must come back, with nothing done and nothing sent.
func TestStaffRefusals(t *testing.T) {
	for _, c := range []struct{ name, text, says string }{
		{"unknown word", "!assing me\n!status resolved\nDone, Jo.", "!assing is no command"},
		{"unknown word below a good one", "!assign me\n!nota\nHe is angry.", "!nota is no command"},
		{"nobody of that name", "!assign eve\n!status resolved\nBye", `nobody called "eve"`},
		{"not of that queue", "!assign sue", `nobody called "sue"`},
		{"no text", "", "no text of yours"},
		{"empty note", "!note", "no text for the note"},
		{"our own address", "!requester new@desk.example", "is an address of this desk"},
		{"nothing held", "!accept", "not about a held message"},
		{"cc of us", "!cc new@desk.example\nHello", "is an address of this desk"},
		{"cc of nobody", "!cc Bob\nHello", "want mail addresses"},
		{"cc without an answer", "!cc bob@customer.example", "it goes with an answer"},
		{"cc of a note", "!cc bob@customer.example\n!note secret", "it goes with an answer"},
		{"a wrong status", "!status gone\nBye", "want one of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := staffWorld(t)
			w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
			before := w.ticket("SUPPORT-7102").Ticket
			w.act(w.waitTold("jane@staff.example", 1), "jane@staff.example", byDKIM, c.text)
			back := w.waitTold("jane@staff.example", 2)
			if !strings.Contains(back.Text, "Nothing was done, and nothing was sent.") || !strings.Contains(back.Text, c.says) ||
				!strings.Contains(back.Text, "> "+strings.SplitN(c.text, "\n", 2)[0]) {
				t.Errorf("what comes back:\n%s", back.Text)
			}
			got := w.ticket("SUPPORT-7102").Ticket
			if got.Status != before.Status || got.Assignee != "" || got.Requester != before.Requester || w.kinds("SUPPORT-7102") != "inbound/shown inbound/folded" {
				t.Errorf("%s: %+v", w.kinds("SUPPORT-7102"), got)
			}
		})
	}
}

// Staff are never known by From alone, and by no weaker proof.
func TestStaffUnproven(t *testing.T) {
	w := staffWorld(t)
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	n := w.waitTold("jane@staff.example", 1)
	for name, c := range map[string]struct{ from, extra, to string }{
		"From alone":             {"jane@staff.example", "", ""},
		"SPF":                    {"jane@staff.example", "X-Test-Proof: spf\r\n", ""},
		"another's word":         {"jane@staff.example", "X-Test-Proof: authserv\r\n", ""},
		"a colleague's login":    {"jane@staff.example", "X-Test-Login: bob@mx\r\n", ""},
		"a colleague's token":    {"bob@staff.example", byDKIM, ""},
		"no token":               {"jane@staff.example", byDKIM, "SUPPORT-7102@desk.example"},
		"a colleague's notice":   {"bob@staff.example", byDKIM + "In-Reply-To: <" + n.Message.MessageID + ">\r\n", "SUPPORT-7102@desk.example"},
		"no proof to a notice":   {"jane@staff.example", "In-Reply-To: <" + n.Message.MessageID + ">\r\n", "SUPPORT-7102@desk.example"},
		"forged id":              {"jane@staff.example", byDKIM + "In-Reply-To: <" + strings.Replace(n.Message.MessageID, ".s", ".s9", 1) + ">\r\n", "SUPPORT-7102@desk.example"},
		"the id of no notice":    {"jane@staff.example", byDKIM + "References: <" + n.References[0] + ">\r\n", "SUPPORT-7102@desk.example"},
		"token of another event": {"jane@staff.example", byDKIM, strings.Replace(n.ReplyTo[0].Address, "+", "+9", 1)},
		"a customer":             {"jo@customer.example", "", ""},
		"doubled field":          {"jane@staff.example", "X-Test-Login: jane@mx\r\nSubject: another\r\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			to := c.to
			if to == "" {
				to = n.ReplyTo[0].Address
			}
			before := w.ticket("SUPPORT-7102")
			w.send(c.from, to, "x", c.extra, "!assign me\n!status closed\n\nGive me your password.")
			after := w.ticket("SUPPORT-7102")
			m := w.last("SUPPORT-7102")
			if len(after.Messages) != len(before.Messages)+1 || m.Kind != ticketing.KindInbound || m.Row == "13" || after.Ticket.Assignee != "" {
				t.Errorf("%s: %+v %+v", w.kinds("SUPPORT-7102"), m, after.Ticket)
			}
			if from := c.from; strings.HasSuffix(from, "@staff.example") && m.Visibility != ticketing.Held {
				t.Errorf("%s, not held", m.Visibility)
			}
		})
	}
}

// A staff token is nobody's thread proof, and a participant's token makes nobody staff.
func TestTokensAreApart(t *testing.T) {
	w := staffWorld(t)
	w.send("jane@staff.example", "new@desk.example", "My own printer", byDKIM, "It burns")
	c := w.ticket("SUPPORT-7102")
	if c.Messages[0].Row != "8" || c.Ticket.Requester != "jane@staff.example" {
		t.Fatalf("a member of staff who writes to a queue: %+v", c.Messages[0])
	}
	w.waitTold("bob@staff.example", 1)
	if n := len(w.told("jane@staff.example")); n != 0 {
		t.Errorf("told of her own mail, %d times", n)
	}
	own := token(t, w.answer("SUPPORT-7102", "Throw water."))
	w.send("jane@staff.example", own, "x", byDKIM, "!assign me")
	if m := w.last("SUPPORT-7102"); m.Row != "1" || m.Visibility != ticketing.Shown || w.ticket("SUPPORT-7102").Ticket.Assignee != "" {
		t.Errorf("with the token of a requester: %+v", m)
	}
}

// What was written while the thread moved on comes back with what is new.
func TestStaffMovedOn(t *testing.T) {
	w := staffWorld(t)
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	n := w.waitTold("jane@staff.example", 1)
	w.send("jo@customer.example", "SUPPORT-7102@desk.example", "x", "", "Forget it: solved")
	w.must(first(w.Reply(w.ctx, ticketing.Actor{Kind: "staff", Name: "bob"}, ticketing.ReplyRequest{Ticket: "SUPPORT-7102", Text: "bob was here", Note: true})))
	w.act(n, "jane@staff.example", byDKIM, "!status resolved\nTry this.")
	back := w.waitTold("jane@staff.example", 2)
	for _, want := range []string{"Your answer was not sent", "> Forget it: solved", "> bob was here", "> Try this."} {
		if !strings.Contains(back.Text, want) {
			t.Errorf("%q is missing in\n%s", want, back.Text)
		}
	}
	if c := w.ticket("SUPPORT-7102"); c.Ticket.Status == ticketing.StatusResolved || strings.Contains(w.kinds("SUPPORT-7102"), "reply") {
		t.Errorf("%s %+v", w.kinds("SUPPORT-7102"), c.Ticket)
	}
	// A command alone does not depend on what was said meanwhile.
	w.act(n, "jane@staff.example", byDKIM, "!assign me")
	if c := w.ticket("SUPPORT-7102"); c.Ticket.Assignee != "jane" {
		t.Errorf("%+v", c.Ticket)
	}
	// Her own command is no news to her, and the mail that came back can be answered.
	w.act(back, "jane@staff.example", byDKIM, "Glad to hear it.")
	if m := w.last("SUPPORT-7102"); m.Kind != ticketing.KindReply || m.Body != "Glad to hear it." {
		t.Errorf("%+v", m)
	}
	w.heard("SUPPORT-7102")
	w.customerSeesNothing()
}

// Files go with the answer. The picture of a signature is no file.
func TestStaffFiles(t *testing.T) {
	w := staffWorld(t)
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	n := w.waitTold("jane@staff.example", 1)
	w.send("jane@staff.example", n.ReplyTo[0].Address, "x", "Message-ID: <f@staff.example>\r\n"+byDKIM+"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n",
		"--b\r\nContent-Type: text/plain\r\n\r\nSee there.\r\n"+
			"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=guide.pdf\r\n\r\n%PDF\r\n"+
			"--b\r\nContent-Type: image/png\r\nContent-Id: <logo@x>\r\nContent-Disposition: inline; filename=logo.png\r\n\r\nx\r\n--b--")
	m := w.last("SUPPORT-7102")
	if m.Kind != ticketing.KindReply || m.Body != "See there." {
		t.Fatalf("%+v", m)
	}
	w.until("the answer is queued", func() bool { return len(w.ticket("SUPPORT-7102").Outgoing[m.ID]) == 1 })
	raw, err := w.Raw(w.ctx, w.ticket("SUPPORT-7102").Outgoing[m.ID][0].Raw)
	w.must(raw, err)
	files := desk.Parse(raw).Attachments
	if len(files) != 1 || files[0].Name != "guide.pdf" || files[0].Type != "application/pdf" || !strings.HasPrefix(string(files[0].Content), "%PDF") {
		t.Errorf("%+v", files)
	}
	w.heard("SUPPORT-7102")
	w.customerSeesNothing()
}

// Too much for one mail comes back whole.
func TestStaffFilesTooLarge(t *testing.T) {
	w := staffWorldOf(t, func(cfg *ticketing.Config) { cfg.MaxAttachmentBytes = 10 })
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	n := w.waitTold("jane@staff.example", 1)
	w.send("jane@staff.example", n.ReplyTo[0].Address, "x", byDKIM+"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n",
		"--b\r\nContent-Type: text/plain\r\n\r\n!assign me\r\nSee there.\r\n--b\r\nContent-Type: application/pdf\r\n\r\n%PDF 1234567890\r\n--b--")
	if back := w.waitTold("jane@staff.example", 2); !strings.Contains(back.Text, "too large") {
		t.Error(back.Text)
	}
	if c := w.ticket("SUPPORT-7102"); c.Ticket.Assignee != "" || strings.Contains(w.kinds("SUPPORT-7102"), "reply") {
		t.Errorf("%s %+v", w.kinds("SUPPORT-7102"), c.Ticket)
	}
}

// Some mail programs answer to From. The Message-ID that they answer is as good.
func TestStaffAnswersToFrom(t *testing.T) {
	w := staffWorld(t)
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	n := w.waitTold("jane@staff.example", 1)
	w.send("jane@staff.example", "support-7102@desk.example", "x", byDKIM+"In-Reply-To: <"+n.Message.MessageID+">\r\n", "Try this.")
	if m := w.last("SUPPORT-7102"); m.Kind != ticketing.KindReply || m.Body != "Try this." {
		t.Errorf("%+v", m)
	}
	w.send("jo@customer.example", "SUPPORT-7102@desk.example", "x", "", "More")
	w.send("jane@staff.example", "support-7102@desk.example", "x", byDKIM+"References: <"+n.References[0]+"> <"+n.Message.MessageID+">\r\n", "Late.")
	if got := w.kinds("SUPPORT-7102"); strings.Count(got, "reply") != 1 {
		t.Errorf("an answer to an old notice went out: %s", got)
	}
}

// The same mail under other bytes does nothing twice.
func TestStaffAgain(t *testing.T) {
	w := staffWorld(t)
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	n := w.waitTold("jane@staff.example", 1)
	for range 2 {
		w.serial = 7 // the same Message-ID
		w.act(n, "jane@staff.example", byDKIM+fmt.Sprintf("X-Way: %d\r\n", len(w.kinds("SUPPORT-7102"))), "!note\nOnce.")
	}
	if got := w.kinds("SUPPORT-7102"); got != "inbound/shown inbound/folded note/shown inbound/folded" {
		t.Error(got)
	}
}

// History that cannot be told from the answer never leaves.
func TestStaffHistory(t *testing.T) {
	w := staffWorld(t)
	w.send("jo@customer.example", "new@desk.example", "x", "", "Help")
	n := w.waitTold("jane@staff.example", 1)
	send := func(body string) {
		w.serial++
		w.send("jane@staff.example", n.ReplyTo[0].Address, "x", fmt.Sprintf("Message-ID: <%d@h>\r\n%s", w.serial, byDKIM), body)
	}
	send("> === Write your answer above this line. ===\r\n> internal")
	send("My address is " + n.ReplyTo[0].Address)
	if got := w.kinds("SUPPORT-7102"); strings.Contains(got, "reply") {
		t.Fatal(got)
	}
	if back := w.waitTold("jane@staff.example", 3); !strings.Contains(back.Text, "yours alone") {
		t.Error(back.Text)
	}
	send("It works.\r\n\r\n=== Write your answer above this line. ===\r\ninternal: SUPPORT-7102: status new")
	if m := w.last("SUPPORT-7102"); m.Kind != ticketing.KindReply || m.Body != "It works." {
		t.Errorf("%+v", m)
	}
	w.heard("SUPPORT-7102")
	w.customerSeesNothing()
}
