package world

import (
	"context"
	"crypto/sha256"
	"regexp"
	"slices"
	"strings"
	"time"

	"postdesk/ticketing"
)

// settle lets all trouble end, and waits until nothing is left to do.
func (w *world) settle() {
	w.t.Helper()
	w.say("all trouble ends")
	w.rest()
	if w.disk.isDead() {
		w.resurrect()
	}
	w.disk.dieAt(0, false)
	w.disk.fail(0, time.Time{})
	w.server.become(takes)
	w.names.outage, w.names.mended = false, true
	for range 100 {
		w.flush()
		for _, r := range w.replies {
			if r.id == 0 {
				w.ask(r)
			}
		}
		if w.settled() {
			return
		}
		w.passes(10 * time.Second)
	}
	w.t.Error("it does not come to rest")
}

// settled says that nothing is left to do. What waits for its next try is asked for now.
func (w *world) settled() bool {
	idle, err := w.desk.Idle(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	queued, err := w.desk.Outgoing(w.ctx, []ticketing.OutgoingState{ticketing.OutQueued}, 0, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, o := range queued {
		if o.Lease.IsZero() && o.NextAttempt.After(time.Now()) {
			if err := w.desk.RetryOutgoing(w.ctx, staff, o.ID); err != nil {
				w.t.Error(err)
			}
		}
	}
	var undecided []ticketing.Message
	if err := w.disk.Read(w.ctx, func(tx ticketing.Tx) (err error) {
		undecided, err = tx.Undecided(0, 100)
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	return idle && len(queued) == 0 && len(undecided) == 0 && len(w.mailq) == 0
}

// check is what a desk promises, whatever has happened to it.
func (w *world) check() {
	w.t.Helper()
	for w.follow(500) > 0 {
	}
	messages := w.messages()
	w.checkLetters(messages)
	w.checkEvents()
	w.checkReplies(messages)
	w.checkOutgoing()
	w.checkWords()
}

func (w *world) messages() (all []ticketing.Message) {
	w.t.Helper()
	if err := w.disk.Read(w.ctx, func(tx ticketing.Tx) (err error) {
		all, err = tx.MessagesAfter(0, 1_000_000)
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	return all
}

// Every mail that was acknowledged is one item, with its bytes.
func (w *world) checkLetters(messages []ticketing.Message) {
	byHash := map[ticketing.Hash]int{}
	for _, m := range messages {
		if m.Arrival != 0 {
			byHash[m.Raw]++
		}
	}
	for _, l := range w.letters {
		items := 0
		for _, v := range l.variants {
			hash := ticketing.Hash(sha256.Sum256([]byte(v)))
			items += byHash[hash]
			if raw, err := w.disk.DB.Raw(context.Background(), hash); l.accepted && (err != nil || string(raw) != v) {
				w.t.Errorf("%s: its bytes are not there: %v", l.word, err)
			}
		}
		if l.accepted && items != l.items {
			w.t.Errorf("%s of %s is %d items, want %d", l.word, l.from, items, l.items)
		}
	}
}

// The events have no gaps, and the consumer has seen each.
func (w *world) checkEvents() {
	events, err := w.desk.Events(w.ctx, 0, 1_000_000)
	if err != nil {
		w.t.Fatal(err)
	}
	for i, e := range events {
		if e.Seq != int64(i+1) {
			w.t.Fatalf("event %d comes as number %d", e.Seq, i+1)
		}
		if w.known[e.Seq] == "" {
			w.t.Errorf("the consumer has never seen event %d", e.Seq)
		}
		if e.Type == ticketing.ConsumerFailed {
			w.t.Errorf("event %d was passed over: %v", e.Seq, e.Facts)
		}
	}
	lag, err := w.desk.Consumers(w.ctx, staff)
	if err != nil || len(lag) != 1 || lag[0].Behind != 0 {
		w.t.Errorf("the consumer is behind: %+v, %v", lag, err)
	}
}

// Each answer is one message, with one mail to each participant.
func (w *world) checkReplies(messages []ticketing.Message) {
	for _, r := range w.replies {
		n := 0
		for _, m := range messages {
			if m.Kind == ticketing.KindReply && strings.Contains(m.Body, r.word+" ") {
				n++
			}
		}
		if n != 1 {
			w.t.Errorf("%s was asked for and is there %d times", r.word, n)
			continue
		}
		var out []ticketing.Outgoing
		if err := w.disk.Read(w.ctx, func(tx ticketing.Tx) (err error) {
			out, err = tx.OutgoingOf(r.id)
			return err
		}); err != nil {
			w.t.Fatal(err)
		}
		var to []string
		for _, o := range out {
			to = append(to, o.Recipient)
		}
		slices.Sort(to)
		if len(to) == 0 || len(slices.Compact(slices.Clone(to))) != len(to) {
			w.t.Errorf("%s goes to %v", r.word, to)
		}
	}
}

// Nothing goes out twice unless nobody could know, nothing is lost, and what was taken back
// stays here.
func (w *world) checkOutgoing() {
	count := map[string]int{}
	for _, a := range w.server.all() {
		if count[a.id]++; a.id == "" {
			w.t.Error("a mail without a Message-ID went out")
		}
		// Of what a slow server had whole when the connection ended nobody can know: the desk
		// may take it back, and means that it does not try again.
		if at, ok := w.cancelled[a.id]; ok && a.at.After(at) && (a.cut.IsZero() || a.cut.After(at)) {
			w.t.Errorf("%s was taken back at %s and went out at %s", a.id, at.Format("15:04:05"), a.at.Format("15:04:05"))
		}
	}
	all, err := w.desk.Outgoing(w.ctx, nil, 0, 1_000_000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, o := range all {
		n, doubts := count[o.MessageID], w.server.doubts[o.MessageID]
		delete(count, o.MessageID)
		if most := 1 + doubts + w.again[o.MessageID]; n > most {
			w.t.Errorf("%s to %s went out %d times, with %d attempts in doubt", o.MessageID, o.Recipient, n, doubts)
		}
		switch o.State {
		case ticketing.OutQueued:
			w.t.Errorf("%s is still queued", o.MessageID)
		case ticketing.OutFailed, ticketing.OutCancelled:
		default:
			if n == 0 {
				w.t.Errorf("%s is %s and never went out", o.MessageID, o.State)
			}
		}
	}
	for id := range count {
		w.t.Errorf("%s went out, and the desk knows nothing of it", id)
	}
}

var wordIn = regexp.MustCompile(`(word|reply)\d+x`)

// What somebody wrote goes to them alone and to staff; an answer to the participants.
func (w *world) checkWords() {
	may := map[string][]string{}
	for _, l := range w.letters {
		may[l.word] = []string{l.from}
	}
	for _, r := range w.replies {
		c, err := w.desk.Ticket(w.ctx, r.ticket)
		if err != nil {
			w.t.Fatal(err)
		}
		may[r.word] = append([]string{c.Messages[0].From.Address}, w.cc[r.ticket]...)
	}
	for _, a := range w.server.all() {
		for _, word := range wordIn.FindAllString(a.data, -1) {
			// The Message-IDs of what is answered are in the references of the answer.
			if a.to != bob && !slices.Contains(may[word], a.to) && !strings.Contains(a.data, "<"+word+"@") {
				w.t.Errorf("%s went to %s, and is for %v", word, a.to, may[word])
			}
		}
	}
}
