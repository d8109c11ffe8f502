package ticketing

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"postdesk/ticketing/mail"
)

// inFlight is how many arrivals are parsed and verified ahead of the decisions.
const inFlight = 256

// pace is how soon after rows were read they are read again, and how soon after a commit began
// the next one decides, while many are on their way: both then serve many.
const pace = 20 * time.Millisecond

// tries is how often an arrival is processed before it is filed without being understood.
const tries = 3

// job is one arrival on its way. Its parts after "arrival" are written by a worker
// before it reports, and by the coordinator alone after that.
type job struct {
	arrival   Arrival
	msg       *mail.Message
	auth      mail.Authentication
	signed    bool // the author's domain has signed before, and nothing proves this mail
	fold      string
	own       staffMail // of a member of staff
	queueID   string    // Postfix's, for the log
	keys      []string  // what makes order matter: ticket addresses and Message-IDs
	follows   bool      // it names other mail, or a ticket
	parsed    bool
	verified  bool
	notBefore time.Time
	err       error
}

// process turns arrivals into tickets until ctx ends. Parsing and verifying run in
// parallel; decisions fall in order of arrival among mails that share a ticket
// address or a Message-ID, so that slow DNS for one does not hold the others.
func (d *Desk) process(ctx context.Context) {
	reports := make(chan func(), inFlight)
	slots := make(chan struct{}, d.cfg.Workers)
	var jobs []*job  // by ID of the arrival
	var newest int64 // arrival that was fetched; older ones are looked for once a second
	var old backlog
	var fetched, decided time.Time
	retry := time.NewTicker(time.Second)
	defer retry.Stop()
	for fetch := true; ; {
		many := len(jobs) > inFlight/2
		var next <-chan time.Time
		if fetch && (old.until != 0 || len(jobs) < inFlight) {
			if wait := pace - time.Since(fetched); (many || old.until != 0) && wait > 0 {
				next = time.After(wait)
			} else {
				jobs, fetched = d.fetchAll(ctx, jobs, &old, newest, slots, reports), time.Now()
				if n := len(jobs); n > 0 {
					newest = max(newest, jobs[n-1].arrival.ID)
				}
				fetch = len(jobs) >= inFlight || old.until != 0 // there may be more; what comes from now on wakes
			}
		}
		if len(jobs) == 0 {
			d.door.over()
		} else if many && next == nil {
			next = time.After(pace) // to decide what was left
		}
		select {
		case <-ctx.Done():
			return
		case <-next:
		case <-d.wake:
			fetch = true
		case <-retry.C:
			// What failed, and what came again for another recipient.
			fetch, newest, old.newest = true, 0, 0
			d.look(ctx, &old, jobs, reports)
		case report := <-reports:
			report()
			for more := true; more; { // take all that is there: one commit for many
				select {
				case report = <-reports:
					report()
				default:
					more = false
				}
			}
		}
		if !many || time.Since(decided) >= pace {
			decided = time.Now() // before: while it commits the next ones are read
			jobs = d.decideReady(ctx, jobs, &old)
		}
	}
}

// fetch adds pending arrivals after an ID, up to another, that are not in flight yet, so
// many at most, and starts their workers.
func (d *Desk) fetch(ctx context.Context, jobs []*job, after, until int64, most int, slots chan struct{}, reports chan func()) []*job {
	if most <= 0 {
		return jobs
	}
	var pending []Arrival
	again := 0 // that are in flight and will be read once more
	for _, j := range jobs {
		if j.arrival.ID > after {
			again++
		}
	}
	err := d.store.Read(ctx, func(tx Tx) (err error) {
		pending, err = tx.PendingArrivals(after, most+again)
		return err
	})
	if err != nil {
		if ctx.Err() == nil {
			d.log.Error("arrivals cannot be read; trying again", "error", err)
		}
		return jobs
	}
	known := make(map[int64]bool, len(jobs))
	for _, j := range jobs {
		known[j.arrival.ID] = true
	}
	for _, a := range pending {
		if known[a.ID] || a.ID > until || most == 0 {
			continue
		}
		most--
		j := &job{arrival: a}
		jobs = append(jobs, j)
		go d.work(ctx, j, slots, reports)
	}
	slices.SortFunc(jobs, func(a, b *job) int { return int(a.arrival.ID - b.arrival.ID) })
	return jobs
}

// work parses and verifies one arrival.
func (d *Desk) work(ctx context.Context, j *job, slots chan struct{}, reports chan func()) {
	leave, err := d.reading.enter(ctx, j.arrival.Size) // before a slot: small mails need not wait for large ones
	if err != nil {
		return // ctx ended
	}
	slots <- struct{}{}
	d.door.letPass(ctx)
	raw, msg, fold, err := d.read(ctx, j.arrival)
	reports <- func() {
		j.parsed, j.err = true, err
		if err != nil {
			j.verified, j.notBefore = true, d.now().Add(5*time.Second)
			return
		}
		j.msg, j.fold, j.queueID = msg, fold, postfixQueueID(msg)
		j.keys, j.follows = d.orderKeys(j.arrival, msg)
	}
	// DNS is waited for without a slot: it takes time, not work.
	<-slots
	if err != nil {
		leave()
		return
	}
	auth, own, failed := d.author(ctx, j.arrival, raw, msg, leave)
	signed := d.hasSigned(ctx, &job{msg: msg, auth: auth})
	reports <- func() {
		j.own, j.auth, j.signed, j.verified = own, auth, signed, true
		if failed != nil {
			j.err, j.notBefore = failed, d.now().Add(5*time.Second)
		}
	}
}

// author says who wrote a mail that has been read, and leaves the room of those that are.
// While DNS is waited for, the octets of large mails have a room of their own, so that none
// whose domain does not answer keeps others from being read. Where that is full, they are
// given up and read again later.
func (d *Desk) author(ctx context.Context, a Arrival, raw []byte, msg *mail.Message, read func()) (auth mail.Authentication, own staffMail, err error) {
	leave, ok := d.waiting.tryEnter(a.Size)
	read()
	if !ok {
		raw = nil
		if leave, err = d.waiting.enter(ctx, a.Size); err != nil {
			return auth, own, err
		}
	}
	defer leave()
	if !ok {
		if raw, err = d.store.Raw(ctx, a.Raw); err != nil {
			return auth, own, err
		}
	}
	auth = d.verify(ctx, raw, msg)
	return auth, d.staffMail(ctx, raw, msg, auth), nil
}

// read gives the octets of an arrival, what they say, and by what they are known again.
func (d *Desk) read(ctx context.Context, a Arrival) (raw []byte, msg *mail.Message, fold string, err error) {
	if raw, err = d.store.Raw(ctx, a.Raw); err != nil {
		return nil, nil, "", err
	}
	if a.Attempts >= tries {
		return raw, &mail.Message{Problems: []string{"could not be understood; the raw mail is kept"}}, "", nil
	}
	msg = mail.Intake(raw)
	msg.ReversePath = a.ReversePath
	if d.cfg.Index != nil {
		d.texts.keep(a.Raw, *msg)
	}
	// No decision depends on these, and they may be as large as the mail.
	msg.Text, msg.HTML, msg.HTMLText, msg.Attachments = "", "", "", nil
	return raw, msg, foldKey(raw, msg), nil
}

// verify never lets a fault of the verifier lose a mail: then nothing is proven.
func (d *Desk) verify(ctx context.Context, raw []byte, msg *mail.Message) (auth mail.Authentication) {
	defer func() {
		if r := recover(); r != nil {
			d.log.Error("panic while verifying; the mail counts as unproven", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			auth = mail.Authentication{Reason: "could not be verified"}
		}
	}()
	return d.cfg.Verify(ctx, raw, msg)
}

// orderKeys names all by which another mail could belong to the same ticket, and says
// whether one of them is of other mail or of a ticket.
func (d *Desk) orderKeys(a Arrival, m *mail.Message) (keys []string, follows bool) {
	msgID := func(id string) string {
		if o, ok := d.ownMessageID(id); ok {
			return fmt.Sprintf("own:%d", o.message)
		}
		return "id:" + id
	}
	for _, ids := range [][]string{m.InReplyTo, m.References} {
		for _, id := range ids {
			keys = append(keys, msgID(id))
		}
	}
	for _, r := range a.Recipients {
		dest, err := d.addresses.Load().dir.Lookup(r)
		if err == nil && dest.Number > 0 {
			keys = append(keys, fmt.Sprintf("ticket:%s-%d", dest.Key, dest.Number))
		}
		if o, ok := d.bounceID(dest.Token); ok && err == nil && dest.Bounce {
			keys = append(keys, fmt.Sprintf("own:%d", o.message))
		}
	}
	follows = len(keys) > 0
	if m.MessageID != "" {
		keys = append(keys, msgID(m.MessageID))
	}
	return keys, follows
}

// sortOut finds the jobs that no earlier one holds up; of rest nothing can be said yet.
func (d *Desk) sortOut(jobs []*job, old *backlog) (ready, rest []*job) {
	blocked, unread := map[string]bool{}, [2]bool{}
	now, frontier := d.now(), old.frontier(jobs)
	for _, j := range jobs {
		lane := old.lane(j)
		if unread[lane] = unread[lane] || !j.parsed; unread[lane] {
			rest = append(rest, j) // what it shares with the later ones is not known yet
			continue
		}
		if !j.verified || now.Before(j.notBefore) || slices.ContainsFunc(j.keys, func(k string) bool { return blocked[k] }) ||
			lane == 1 && old.holds(j, frontier) {
			for _, k := range j.keys {
				blocked[k] = true
			}
			rest = append(rest, j)
			continue
		}
		if j.err != nil {
			continue // still pending in the store: fetched and read again
		}
		ready = append(ready, j)
	}
	return ready, rest
}

// decideReady decides, in one commit, all jobs that no earlier one holds up.
func (d *Desk) decideReady(ctx context.Context, jobs []*job, old *backlog) []*job {
	ready, rest := d.sortOut(jobs, old)
	if len(ready) == 0 {
		return rest
	}
	err := d.write(ctx, func(tx Tx) error {
		for _, j := range ready {
			if err := d.apply(tx, j); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		d.keepSigned(ready...)
	} else if ctx.Err() == nil {
		d.log.Warn("deciding one by one", "arrivals", len(ready), "error", err)
		d.decideSingly(ctx, ready)
	}
	d.decided(old, ready)
	return rest
}

// decideSingly keeps one bad arrival from stopping the others.
func (d *Desk) decideSingly(ctx context.Context, ready []*job) {
	for _, j := range ready {
		err := d.write(ctx, func(tx Tx) error { return d.apply(tx, j) })
		if err == nil {
			d.keepSigned(j)
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		d.log.Error("arrival not processed; trying again", "arrival", j.arrival.ID, "queue_id", j.queueID, "attempts", j.arrival.Attempts+1, "error", err)
		err = d.store.Write(ctx, func(tx Tx) error {
			a, err := tx.Arrival(j.arrival.ID)
			if err != nil {
				return err
			}
			a.Attempts++
			return tx.UpdateArrival(a)
		})
		if err != nil && !pause(ctx, time.Second) { // the store itself is in trouble: no haste
			return
		}
	}
}

// postfixQueueID is the id in our own Postfix's Received field, the topmost one.
func postfixQueueID(m *mail.Message) string {
	received := m.Header("Received")
	if len(received) == 0 {
		return ""
	}
	_, after, ok := strings.Cut(received[0], " id ")
	if !ok {
		return ""
	}
	return strings.TrimRight(firstField(after), ";")
}

func firstField(s string) string {
	if f := strings.Fields(s); len(f) > 0 {
		return f[0]
	}
	return ""
}
