package ticketing_test

import (
	"strings"
	"testing"

	"postdesk/ticketing"
	desk "postdesk/ticketing/mail"
)

// Some programs answer to From and to Reply-To: the token counts, wherever it stands among
// the recipients.
func TestTokenBesideBareAddress(t *testing.T) {
	for _, first := range []bool{true, false} {
		w := newWorld(t)
		w.send("jo@elsewhere.example", "new@desk.example", "x", "", "Help")
		own := token(t, w.answer("SUPPORT-7102", "Fix."))
		to := []string{"SUPPORT-7102@desk.example", own}
		if first {
			to = []string{own, "SUPPORT-7102@desk.example"}
		}
		w.sendAs("jo@elsewhere.example", to, "From: jo@elsewhere.example\r\nTo: "+strings.Join(to, ", ")+"\r\nSubject: x\r\n\r\nMore\r\n")
		w.wants(t, strings.Join(to, " "), "SUPPORT-7102", "2", ticketing.Shown)
		if n := len(w.ticket("SUPPORT-7102").Messages); n != 3 {
			t.Errorf("%d messages", n)
		}
	}
}

// A signature speaks for the fields that it covers. A Reply-To that somebody put into a
// signed mail of another's does not lead our answers to them.
func TestReplyToNotSigned(t *testing.T) {
	for extra, want := range map[string]string{
		"Reply-To: other@customer.example\r\n":                    "other@customer.example",
		"Reply-To: eve@evil.example\r\nX-Test-Unsigned: reply-to": jo,
	} {
		w := newWorld(t)
		w.send(jo, "new@desk.example", "x", "", "Help")
		w.send(jo, "SUPPORT-7102@desk.example", "x", strings.TrimSuffix(extra, "\r\n")+"\r\n", "Replayed")
		w.wants(t, "the replayed mail", "SUPPORT-7102", "5", ticketing.Shown)
		m, _, err := w.Reply(w.ctx, jane, ticketing.ReplyRequest{Ticket: "SUPPORT-7102", Text: "The code is 1234."})
		w.must(m, err)
		w.until("the answer", func() bool { return len(w.ticket("SUPPORT-7102").Outgoing[m.ID]) == 1 })
		if to := w.ticket("SUPPORT-7102").Outgoing[m.ID][0].Recipient; to != want {
			t.Errorf("%q: the answer went to %s, want %s", extra, to, want)
		}
	}
}

// What DNS could not decide is no more the participant's word than what is held: under
// somebody else's token no answer quotes it, nor when staff have accepted it.
func TestUndecidedIsNotQuoted(t *testing.T) {
	w := newWorld(t)
	w.setQueue(func(q *ticketing.Queue) { q.Quote = ticketing.QuoteFull })
	w.send(jo, "new@desk.example", "x", "", "Help")
	w.must(w.AddParticipant(w.ctx, jane, "SUPPORT-7102", desk.Address{Address: "pat@elsewhere.example"}))
	mails := w.reply(ticketing.ReplyRequest{Text: "Fix."})
	w.send(jo, mails["pat@elsewhere.example"].ReplyTo[0].Address, "x", "X-Test-Proof: temperror\r\n", "Words of Pat")
	w.wants(t, "under the token of another", "SUPPORT-7102", "7", ticketing.Shown)
	w.send(jo, "SUPPORT-7102@desk.example", "x", "X-Test-Proof: temperror\r\n", "Words of Eve")
	w.must(w.Judge(w.ctx, jane, w.last("SUPPORT-7102").ID, true))
	if got := w.reply(ticketing.ReplyRequest{Text: "Now?"})[jo].Text; strings.Contains(got, "Words of") {
		t.Errorf("quoted:\n%s", got)
	}
}

// Nor are people suggested to staff whom the author has not named.
func TestCcNotSigned(t *testing.T) {
	for extra, want := range map[string]int{"": 1, "X-Test-Unsigned: cc\r\n": 0} {
		w := newWorld(t)
		w.send(jo, "new@desk.example", "x", "", "Help")
		w.send(jo, "SUPPORT-7102@desk.example", "x", extra+"Cc: pat@elsewhere.example\r\n", "Replayed")
		cc, err := w.SuggestedCc(w.ctx, w.ticket("SUPPORT-7102"))
		w.must(cc, err)
		if len(cc) != want {
			t.Errorf("%q: %v are suggested, want %d", extra, cc, want)
		}
	}
}
