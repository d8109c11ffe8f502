package ticketing_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postdesk/ticketing"
	desk "postdesk/ticketing/mail"
)

// lateStaff is a desk with staff whose DNS can be down, and a ticket that jane is told of.
func lateStaff(t *testing.T) (w *world, down *atomic.Bool, n notice) {
	down = &atomic.Bool{}
	w = staffWorldOf(t, func(cfg *ticketing.Config) {
		verify := cfg.Verify
		cfg.Verify = func(ctx context.Context, raw []byte, m *desk.Message) desk.Authentication {
			if down.Load() {
				return desk.Authentication{Temporary: true}
			}
			return verify(ctx, raw, m)
		}
	})
	w.send("jo@customer.example", "new@desk.example", "Printer", "", "Help")
	return w, down, w.waitTold("jane@staff.example", 1)
}

// outcome is all that one mail of staff has brought about, without times and numbers.
func (w *world) outcome() string {
	w.t.Helper()
	w.heard("SUPPORT-7102")
	c := w.ticket("SUPPORT-7102")
	var out []string
	for _, m := range c.Messages {
		if m.Body != "settle" {
			out = append(out, fmt.Sprintf("%s/%s row %q by %s: %q %s mails %d", m.Kind, m.Visibility, m.Row, m.Actor, m.Body, m.Reason, len(c.Outgoing[m.ID])))
		}
	}
	dated := regexp.MustCompile(`On \d.* UTC,`) // a minute may end between two lives
	k := c.Ticket
	out = append(out, fmt.Sprintf("%s assignee %q %s tags %v held %d", k.Status, k.Assignee, k.Priority, k.Tags, k.Held))
	for _, m := range w.to("jo@customer.example") {
		out = append(out, "the customer reads: "+dated.ReplaceAllString(m.Text, "On a day,"))
	}
	for _, n := range w.told("jane@staff.example")[1:] {
		if strings.HasPrefix(n.head("Subject"), "RE: ") { // and not that her mail waits
			out = append(out, "jane reads: "+n.head("Subject")+"\n"+n.Text)
		}
	}
	events, err := w.EventsOf(w.ctx, "SUPPORT-7102", 0, 1000)
	w.must(events, err)
	for _, e := range events {
		if e.Type == ticketing.StaffActed || e.Type == ticketing.ReplyAdded {
			out = append(out, fmt.Sprintf("%s %s %s %s", e.Type, e.Actor, e.Facts["outcome"], e.Facts["commands"]))
		}
	}
	return strings.Join(out, "\n")
}

// What a member of staff wrote while DNS was down waits, held, and is carried out when DNS
// answers as it would have been at once (row 13), once.
func TestLateStaff(t *testing.T) {
	for what, text := range map[string]string{
		"an answer": "Try again.", "a note": "!note\r\nA difficult one.", "commands": "!assign me\r\n!status resolved\r\n!tag printer\r\n\r\nIt is mended.",
		"a wrong command": "!colse\r\nBye", "help": "!help", "nothing": "",
	} {
		t.Run(what, func(t *testing.T) {
			var outcomes []string
			for _, late := range []bool{false, true} {
				w, down, n := lateStaff(t)
				down.Store(late)
				w.act(n, "jane@staff.example", byDKIM, text)
				if late {
					w.wants(t, "while DNS is down", "SUPPORT-7102", "7", ticketing.Held)
					if len(w.to("jo@customer.example")) > 0 {
						t.Error("it went out before it was proven")
					}
					down.Store(false)
					w.must(nil, w.VerifyRound(w.ctx))
					w.must(nil, w.VerifyRound(w.ctx))
				}
				outcomes = append(outcomes, w.outcome())
			}
			if outcomes[0] != outcomes[1] {
				t.Errorf("at once:\n%s\n\nlate:\n%s", outcomes[0], outcomes[1])
			}
			if acted := strings.Contains(outcomes[0], `row "13" by staff:jane`); !acted {
				t.Errorf("no row 13:\n%s", outcomes[0])
			}
		})
	}
}

// Late or not, what nothing proves is never carried out, nor what came too late or twice.
func TestLateStaffUnproven(t *testing.T) {
	for what, c := range map[string]struct {
		extra, row string
		between    func(w *world, down *atomic.Bool, n notice)
		replies    int
	}{
		"no proof":        {"X-Test-Proof: none\r\n", "6", nil, 0},
		"by SPF":          {"X-Test-Proof: spf\r\n", "6", nil, 0},
		"others answered": {byDKIM, "13", func(w *world, _ *atomic.Bool, _ notice) { w.answer("SUPPORT-7102", "I did.") }, 1},
		"the same at once": {byDKIM, "13", func(w *world, down *atomic.Bool, n notice) {
			down.Store(false)
			w.serial--
			w.act(n, "jane@staff.example", "X-Again: 1\r\n"+byDKIM, "Try again.")
		}, 1},
		"gone": {byDKIM, "6", func(w *world, _ *atomic.Bool, _ notice) {
			w.must(nil, w.SetStaff(w.ctx, []ticketing.Person{{Name: "bob", Addresses: []string{"bob@staff.example"}}}))
		}, 0},
	} {
		t.Run(what, func(t *testing.T) {
			w, down, n := lateStaff(t)
			down.Store(true)
			w.act(n, "jane@staff.example", c.extra, "Try again.")
			id := w.last("SUPPORT-7102").ID
			if c.between != nil {
				c.between(w, down, n)
			}
			down.Store(false)
			w.must(nil, w.VerifyRound(w.ctx))
			all := w.ticket("SUPPORT-7102").Messages
			i := slices.IndexFunc(all, func(m ticketing.Message) bool { return m.ID == id })
			replies := 0
			for _, m := range all {
				if m.Kind == ticketing.KindReply {
					replies++
				}
			}
			if all[i].Row != c.row || replies != c.replies {
				t.Errorf("row %s (%s), %d replies; want row %s, %d", all[i].Row, all[i].Reason, replies, c.row, c.replies)
			}
		})
	}
}

// The warnings that stand at a mail stand there as well when it is decided late.
func TestLateWarnings(t *testing.T) {
	var problems [][]string
	for _, late := range []bool{false, true} {
		w, _, down := lateWorld(t)
		w.send("al@elsewhere.example", "new@desk.example", "x", byDKIM, "Help") // that domain signs
		own := token(t, w.answer("SUPPORT-7102", "Fix."))
		down.Store(late)
		w.send("al@elsewhere.example", own, "x", "X-Test-Proof: none\r\n", "Unsigned")
		w.sendAs(eve, []string{own}, "From: \"al@elsewhere.example\" <al@e1sewhere.example>\r\nSubject: x\r\nX-Test-Proof: none\r\n\r\nAlike\r\n")
		down.Store(false)
		w.must(nil, w.VerifyRound(w.ctx))
		all := w.ticket("SUPPORT-7102").Messages
		var own2 []string
		for _, m := range all[len(all)-2:] {
			own2 = append(own2, fmt.Sprint("row ", m.Row, ": ", strings.Join(m.Problems, "; ")))
		}
		problems = append(problems, own2)
	}
	if !slices.Equal(problems[0], problems[1]) {
		t.Errorf("at once %q\nlate %q", problems[0], problems[1])
	}
	for i, want := range []string{"signed its mail before", "looks like elsewhere.example"} {
		if !strings.Contains(problems[0][i], want) {
			t.Errorf("no %q in %q", want, problems[0][i])
		}
	}
	if !strings.Contains(problems[1][1], "the name shows the address") {
		t.Errorf("the name is not looked at: %q", problems[1][1])
	}
}

// What was held until DNS answered is news when it is shown: for those who want to hear of
// answers, and for whoever answers without having seen it.
func TestLateNews(t *testing.T) {
	w, down, n := lateStaff(t)
	w.must(nil, w.SetStaff(w.ctx, []ticketing.Person{
		{Name: "jane", Addresses: []string{"jane@staff.example"}},
		{Name: "bob", Addresses: []string{"bob@staff.example"}, Notify: map[string][]ticketing.Topic{ticketing.AllQueues: {ticketing.TopicAll}}},
		{Name: "ann", Addresses: []string{"ann@staff.example"}, Notify: map[string][]ticketing.Topic{ticketing.AllQueues: {ticketing.TopicAnswers}}},
	}))
	down.Store(true)
	w.send("jo@customer.example", "SUPPORT-7102@desk.example", "x", "", "It has mended itself")
	w.send("pat@elsewhere.example", "SUPPORT-7102@desk.example", "x", "", "It is mine")
	down.Store(false)
	w.must(nil, w.VerifyRound(w.ctx))
	w.act(n, "jane@staff.example", byDKIM, "I am coming.")
	w.heard("SUPPORT-7102")
	if told := w.told("ann@staff.example"); len(told) != 1 || !strings.Contains(told[0].Text, "mended itself") {
		t.Errorf("who wants to hear of answers is told %d times", len(told))
	}
	told := w.told("jane@staff.example")
	last := told[len(told)-1]
	if len(w.to("jo@customer.example")) != 0 || !strings.Contains(last.Text, "moved on") || !strings.Contains(last.Text, "mended itself") || strings.Contains(last.Text, "It is mine") {
		t.Errorf("jane has not seen it, and %d answers went out:\n%s", len(w.to("jo@customer.example")), last.Text)
	}
}

// A day without an answer of DNS is no way around what the author's domain asks for: whoever
// can make one look-up fail would speak in the name of every domain that enforces a policy.
func TestLateNeverEnforced(t *testing.T) {
	c := newClock()
	w := newWorldOf(t, func(cfg *ticketing.Config) {
		cfg.Now = c.time
		cfg.Verify = func(_ context.Context, _ []byte, m *desk.Message) desk.Authentication {
			if policy := strings.Join(m.Header("X-Test-Never"), ""); policy != "" {
				return desk.Authentication{Temporary: true, Policy: policy, DMARC: desk.AuthTempError}
			}
			return stubVerify(m)
		}
	})
	name, answer := w.conversation("jo@elsewhere.example")
	for policy, want := range map[string][]string{"reject": {"3", "10"}, "quarantine": {"3", "10"}, "none": {"2", "9"}} {
		w.send("jo@elsewhere.example", answer.ReplyTo[0].Address, policy, "X-Test-Never: "+policy+"\r\n", "Pay here from now on.")
		w.send("jo@elsewhere.example", "new@desk.example", policy, "X-Test-Never: "+policy+"\r\n", "Pay here from now on.")
		w.wants(t, policy, name, "7", ticketing.Shown)
		c.pass(25 * time.Hour)
		w.must(nil, w.VerifyRound(w.ctx))
		opened := w.ticket(w.newest())
		if m := w.last(name); m.Row != want[0] || (m.Visibility == ticketing.Held) != (want[0] == "3") {
			t.Errorf("%s, in the thread: row %s, %s", policy, m.Row, m.Visibility)
		}
		if m := opened.Messages[0]; m.Row != want[1] || opened.Ticket.Suspicious != (want[1] == "10") {
			t.Errorf("%s, at the queue: row %s, suspicious %v", policy, m.Row, opened.Ticket.Suspicious)
		}
	}
}
