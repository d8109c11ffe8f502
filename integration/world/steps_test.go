package world

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
)

const (
	bob      = "bob@staff.example"
	follower = "follower"
)

var (
	staff   = ticketing.Actor{Kind: "staff", Name: "bob", Origin: "api"}
	program = ticketing.Actor{Kind: "program", Name: follower, Origin: "api"}
)

// letter is a mail that somebody wrote, with all the forms in which it came.
type letter struct {
	word     string // that is in no other
	from     string
	items    int // messages that are to become of it
	variants []string
	accepted bool // one of them was acknowledged
}

// delivery is what Postfix has in its queue.
type delivery struct {
	letter *letter
	raw    string
	from   string // reverse-path
	to     []string
}

// reply is an answer that a program of staff asks for until it has it.
type reply struct {
	word, key, ticket string
	cc                []string
	id                int64 // 0: not yet known to be there
}

// step is one thing that happens.
func (w *world) step() {
	w.steps++
	n := w.rnd.IntN(100)
	switch {
	case n < 22:
		w.write()
	case n < 26:
		w.crowd()
	case n < 38:
		w.comeAgain()
	case n < 54:
		w.reply()
	case n < 60:
		w.askAgain()
	case n < 64:
		w.status()
	case n < 68:
		w.judge()
	case n < 74:
		w.report()
	case n < 78:
		w.cancel()
	default:
		w.trouble(n)
	}
	if w.rnd.IntN(8) > 0 { // else the next thing happens while this one is under way
		w.rest()
	}
	if w.rnd.IntN(3) == 0 {
		w.follow(1 + w.rnd.IntN(20))
	}
	if w.disk.isDead() {
		w.resurrect()
	}
	w.flush()
	w.passes(time.Duration(w.rnd.IntN(2000)) * time.Millisecond)
}

// trouble is what the world around does: time, server, DNS, disk and process.
func (w *world) trouble(n int) {
	switch {
	case n < 82:
		w.passes(time.Duration(w.rnd.IntN(90)) * time.Second)
	case n < 90:
		w.server.become(mood(w.rnd.IntN(int(moods))) * mood(w.rnd.IntN(3)/2)) // most of the time it takes
		w.say("server: mood %d", w.server.now())
	case n < 92:
		w.names.outage = w.rnd.IntN(2) == 0
		w.say("DNS: outage %v", w.names.outage)
	case n < 95:
		w.spoil()
	case n < 99:
		at, after := 1+w.rnd.IntN(12), w.rnd.IntN(2) == 0
		w.say("dies at write %d, after the commit: %v", at, after)
		w.disk.dieAt(at, after)
	default:
		w.say("restart")
		w.stop()
		w.start(w.disk.dir)
	}
}

// rest waits until nobody has anything to do but to wait for a time.
func (w *world) rest() { synctest.Wait() }

func (w *world) passes(d time.Duration) { time.Sleep(d) }

// spoil lets some writes fail, or all for less time than anybody keeps trying.
func (w *world) spoil() {
	if w.rnd.IntN(2) == 0 {
		n := 1 + w.rnd.IntN(3)
		w.say("disk: the next %d writes fail", n)
		w.disk.fail(n, time.Time{})
		return
	}
	d := time.Duration(w.rnd.IntN(15_000)) * time.Millisecond
	w.say("disk: fails for %s", d)
	w.disk.fail(0, time.Now().Add(d))
}

func (w *world) customer() string { return fmt.Sprintf("c%d@customer.example", w.rnd.IntN(8)) }

func (w *world) tickets() []ticketing.Ticket {
	all, err := w.desk.Tickets(w.ctx, ticketing.TicketQuery{Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// any gives one of a list, false when it is empty.
func anyOf[T any](w *world, list []T) (one T, ok bool) {
	if len(list) == 0 {
		return one, false
	}
	return list[w.rnd.IntN(len(list))], true
}

// write is a new mail: to a queue, to a ticket, in answer to what went out, by its
// customer or by a stranger.
func (w *world) write() {
	d := w.newLetter()
	w.say("%s writes %s to %v", d.letter.from, d.letter.word, d.to)
	w.deliver(d)
}

// letterTo is a proven mail of a customer.
func (w *world) letterTo(to string) delivery {
	l := &letter{word: fmt.Sprintf("word%dx", len(w.letters)), from: w.customer(), items: 1}
	w.letters = append(w.letters, l)
	l.variants = []string{fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: x\r\nX-Proof: pass\r\nMessage-ID: <%s@customer.example>\r\n\r\nI say %[3]s to you.\r\n", l.from, to, l.word)}
	return delivery{l, l.variants[0], l.from, []string{to}}
}

func (w *world) newLetter() delivery {
	l := &letter{word: fmt.Sprintf("word%dx", len(w.letters)), from: w.customer(), items: 1}
	w.letters = append(w.letters, l)
	to, head := w.address(l)
	proof := "pass"
	switch w.rnd.IntN(8) {
	case 0:
		l.from, proof = fmt.Sprintf("s%d@stranger.example", w.rnd.IntN(4)), "none"
	case 1:
		proof = "fail"
	case 2:
		proof = "temperror"
	case 3:
		proof = "none"
	}
	if w.rnd.IntN(10) > 0 {
		head += "Message-ID: <" + l.word + "@customer.example>\r\n"
	}
	size := 1 + w.rnd.IntN(40)
	if w.rnd.IntN(25) == 0 {
		size = 20_000 // more than what is kept in the database
	}
	raw := fmt.Sprintf("Received: from out.example by mx.desk.example (Postfix) id Q%d; now\r\nFrom: %s\r\nTo: %s\r\nSubject: about %s\r\nX-Proof: %s\r\n%s\r\n%s\r\n%s\r\n",
		len(w.letters), l.from, strings.Join(to, ", "), "things", proof, head, "I say "+l.word+" to you.", strings.Repeat("line\r\n", size))
	l.variants = []string{raw}
	return delivery{letter: l, raw: raw, from: l.from, to: to}
}

// address says where a letter goes and what it refers to, and may make it that of another.
func (w *world) address(l *letter) (to []string, head string) {
	to = []string{"new@desk.example"}
	switch w.rnd.IntN(10) {
	case 0:
		to = []string{"sales@desk.example"}
	case 1:
		to = []string{"new@desk.example", "sales@desk.example"}
	case 2, 3: // to a ticket's address, whoever's it is
		if t, ok := anyOf(w, w.tickets()); ok {
			to = []string{t.Name() + "@desk.example"}
			if w.rnd.IntN(2) == 0 && t.Requester != "" {
				l.from = t.Requester
			}
		}
	case 4, 5, 6: // an answer to what came from the desk
		if a, ok := anyOf(w, w.server.all()); ok && !strings.HasPrefix(a.to, "bob@") {
			l.from = a.to
			switch w.rnd.IntN(3) {
			case 0:
				to = []string{field(a.data, "Reply-To")} // with the token
			case 1:
				head = "In-Reply-To: <" + a.id + ">\r\nReferences: <" + a.id + ">\r\n"
			case 2:
				to = []string{field(a.data, "From")}
				head = "References: <" + a.id + ">\r\n"
			}
		}
	}
	return to, head
}

// field is the address in a field of a mail that went out.
func field(data, name string) string {
	m := mail.Parse([]byte(data))
	list := m.From
	if name == "Reply-To" && len(m.ReplyTo) > 0 {
		list = m.ReplyTo
	}
	return list[0].Address
}

// deliver brings a mail as Postfix does: what is not acknowledged stays in its queue.
func (w *world) deliver(d delivery) {
	results := w.desk.Deliver(w.ctx, mail.Envelope{ReversePath: d.from, Recipients: d.to}, strings.NewReader(d.raw))
	for _, r := range results {
		if r.Err != nil {
			w.say("deferred: %v", r.Err)
			w.mailq = append(w.mailq, d)
			return
		}
	}
	d.letter.accepted = true
}

// flush is Postfix trying again.
func (w *world) flush() {
	queued := w.mailq
	w.mailq = nil
	for _, d := range queued {
		w.deliver(d)
	}
}

// crowd is several mails at the same moment, so that they share a commit.
func (w *world) crowd() {
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range 2 + w.rnd.IntN(6) {
		d := w.newLetter()
		w.say("%s writes %s to %v, with others", d.letter.from, d.letter.word, d.to)
		wg.Go(func() {
			results := w.desk.Deliver(w.ctx, mail.Envelope{ReversePath: d.from, Recipients: d.to}, strings.NewReader(d.raw))
			mu.Lock()
			defer mu.Unlock()
			if results[0].Err != nil {
				w.mailq = append(w.mailq, d)
			} else {
				d.letter.accepted = true
			}
		})
	}
	wg.Wait()
}

// comeAgain is a mail whose acknowledgement Postfix did not get, one that the administrator
// has requeued, or one that comes for another recipient.
func (w *world) comeAgain() {
	l, ok := anyOf(w, w.letters)
	if !ok {
		return
	}
	raw := l.variants[0]
	to := strings.Split(strings.TrimSuffix(strings.SplitN(raw[strings.Index(raw, "\r\nTo: ")+6:], "\r\n", 2)[0], ""), ", ")
	from := l.from
	if strings.Contains(raw, "MAILER-DAEMON") {
		from = ""
	}
	switch n := w.rnd.IntN(4); {
	case n == 0 && strings.Contains(raw, "Message-ID: <"+l.word): // what has none is not known again under other bytes
		raw = fmt.Sprintf("Received: by mx.desk.example (Postfix, from userid 100) id R%d; later\r\n", w.steps) + raw
		l.variants = append(l.variants, raw)
	case n == 1:
		to = to[:1]
	}
	w.say("%s comes again to %v", l.word, to)
	w.deliver(delivery{l, raw, from, to})
}

// reply is an answer of staff, asked for until it is there.
func (w *world) reply() {
	t, ok := anyOf(w, w.tickets())
	if !ok || t.Requester == "" {
		return
	}
	r := &reply{word: fmt.Sprintf("reply%dx", len(w.replies)), key: fmt.Sprintf("key %d", len(w.replies)), ticket: t.Name()}
	if w.rnd.IntN(6) == 0 {
		r.cc = []string{w.customer()}
		w.cc[r.ticket] = append(w.cc[r.ticket], r.cc...)
	}
	w.replies = append(w.replies, r)
	w.ask(r)
}

func (w *world) ask(r *reply) {
	m, again, err := w.desk.Reply(w.ctx, staff, ticketing.ReplyRequest{Ticket: r.ticket, Text: "We say " + r.word + " to you.", Cc: r.cc, Key: r.key})
	w.say("%s to %s: message %d, again %v, %v", r.word, r.ticket, m.ID, again, err)
	switch {
	case errors.Is(err, errDisk), errors.Is(err, errDead):
	case err != nil:
		w.t.Errorf("%s to %s: %v", r.word, r.ticket, err)
	case r.id != 0 && (m.ID != r.id || !again):
		w.t.Errorf("asked again with the same key, message %d became %d", r.id, m.ID)
	default:
		r.id = m.ID
	}
}

// askAgain asks once more for what may be there already.
func (w *world) askAgain() {
	if r, ok := anyOf(w, w.replies); ok {
		w.ask(r)
	}
}

func (w *world) status() {
	t, ok := anyOf(w, w.tickets())
	if !ok {
		return
	}
	to, _ := anyOf(w, []ticketing.Status{ticketing.StatusOpen, ticketing.StatusResolved, ticketing.StatusClosed})
	_, err := w.desk.SetStatus(w.ctx, staff, t.Name(), to)
	w.say("%s becomes %s: %v", t.Name(), to, err)
}

func (w *world) judge() {
	held, err := w.desk.Held(w.ctx, staff, 0, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	if found, ok := anyOf(w, held); ok {
		m := found.Message
		accept := w.rnd.IntN(2) == 0
		_, err := w.desk.Judge(w.ctx, staff, m.ID, accept)
		w.say("message %d judged: %v, %v", m.ID, accept, err)
	}
}

// report is what comes back for a mail that went out (RFC 3464).
func (w *world) report() {
	a, ok := anyOf(w, w.server.all())
	if !ok || a.from == "" || strings.HasPrefix(a.to, "bob@") {
		return
	}
	what, _ := anyOf(w, []string{"failed 5.1.1", "failed 4.2.2", "delayed 4.4.1", "delivered 2.1.5"})
	action, status, _ := strings.Cut(what, " ")
	if action == "failed" && status[0] == '4' {
		w.again[a.id]++ // it goes out once more
	}
	l := &letter{word: fmt.Sprintf("word%dx", len(w.letters)), from: "MAILER-DAEMON@mx.example", items: 1}
	w.letters = append(w.letters, l)
	raw := "From: MAILER-DAEMON@mx.example\r\nTo: " + a.from + "\r\nSubject: " + l.word + "\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n" +
		"--b\r\n\r\nSorry " + l.word + ".\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n" +
		fmt.Sprintf("Final-Recipient: rfc822; %s\r\nAction: %s\r\nStatus: %s\r\n\r\n--b--\r\n", a.to, action, status)
	l.variants = []string{raw}
	w.say("report %s: %s of %s", l.word, what, a.id)
	w.deliver(delivery{l, raw, "", []string{a.from}})
}

// cancel takes back what did not go out yet, or asks for it at once.
func (w *world) cancel() {
	queued, err := w.desk.Outgoing(w.ctx, []ticketing.OutgoingState{ticketing.OutQueued, ticketing.OutFailed}, 0, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	o, ok := anyOf(w, queued)
	if !ok {
		return
	}
	if w.rnd.IntN(2) == 0 {
		err := w.desk.RetryOutgoing(w.ctx, staff, o.ID)
		w.say("retry of %d: %v", o.ID, err)
		w.again[o.MessageID]++
		if err == nil {
			delete(w.cancelled, o.MessageID) // a report said of it that it had failed, and staff want it out after all
		}
		return
	}
	err = w.desk.CancelOutgoing(w.ctx, staff, o.ID)
	w.say("outgoing %d (%s) is taken back: %v", o.ID, o.MessageID, err)
	if err == nil {
		w.cancelled[o.MessageID] = time.Now()
	}
}

// follow reads some events as a program outside does, and acknowledges them.
func (w *world) follow(limit int) (n int) {
	events, _, err := w.desk.ConsumerEvents(w.ctx, program, follower, 0, limit, 0)
	if err != nil {
		w.t.Fatalf("the consumer: %v", err)
	}
	for i, e := range events {
		// An acknowledgement may have come to pass though its answer was lost.
		if i == 0 && (e.Seq <= w.acked || e.Seq > w.read+1) || i > 0 && e.Seq != events[i-1].Seq+1 {
			w.t.Errorf("the consumer has acknowledged %d, has read up to %d, and gets event %d", w.acked, w.read, e.Seq)
		}
		w.read = max(w.read, e.Seq)
		what := fmt.Sprint(e.Time.UnixMicro(), e.Type, e.Ticket, e.Message, e.Outgoing, e.Actor, e.Facts)
		if before, seen := w.known[e.Seq]; seen && before != what {
			w.t.Errorf("event %d was %s and is %s", e.Seq, before, what)
		}
		w.known[e.Seq] = what
	}
	if len(events) == 0 {
		return 0
	}
	if err := w.desk.Acknowledge(w.ctx, follower, events[len(events)-1].Seq); err == nil {
		w.acked = events[len(events)-1].Seq
	}
	return len(events)
}
