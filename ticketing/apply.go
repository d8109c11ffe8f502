package ticketing

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"postdesk/ticketing/mail"
)

// apply decides one arrival and writes what follows, inside a transaction. It reads
// the job and changes nothing in it, since a batch may be repeated.
func (d *Desk) apply(tx Tx, j *job) error {
	a := j.arrival
	if taken, err := tx.TakeArrival(a); err != nil {
		return err
	} else if !taken {
		return d.applyChanged(tx, j)
	}
	return d.applyTaken(tx, a, j)
}

// applyChanged is for an arrival that is not as it was read.
func (d *Desk) applyChanged(tx Tx, j *job) error {
	a, err := tx.Arrival(j.arrival.ID)
	if errors.Is(err, ErrNotFound) {
		return nil // its author was erased meanwhile
	}
	if err != nil || !a.Pending {
		return err
	}
	a.Pending = false
	if err := tx.UpdateArrival(a); err != nil {
		return err
	}
	return d.applyTaken(tx, a, j)
}

// applyTaken writes what follows from an arrival that is pending no more.
func (d *Desk) applyTaken(tx Tx, a Arrival, j *job) error {
	if again, err := d.isForgotten(tx, a, j.fold); err != nil || again {
		if err == nil {
			err = d.dropForgotten(tx, a)
		}
		return err
	}
	done, err := d.alreadyDecided(tx, a, j.msg.MessageID, j.fold)
	if err != nil {
		return err
	}
	dests := d.destinations(a)
	if n, ok := d.reportedNotice(dests, j); ok && len(done) == 0 {
		if done, err = d.applyNoticeReport(tx, a, j, n); err != nil {
			return err
		}
	}
	if o, ok := d.reported(dests, j); ok {
		if len(done) == 0 {
			if err := d.applyReport(tx, a, j, o); errors.Is(err, errDropped) {
				return nil
			} else if err != nil {
				return err
			}
		}
	} else if err := d.applyMail(tx, a, j, dests, done); err != nil {
		return err
	}
	return d.noteSigned(tx, j)
}

// alreadyDecided gives the tickets that hold this mail: by an earlier run, or for the
// same mail under other bytes (requeued, or sent twice upstream). Those are false that
// it was put aside in by another way than it takes now: who has a copy of somebody's mail
// can be quicker than the mail itself, and must not have it taken for known.
func (d *Desk) alreadyDecided(tx Tx, a Arrival, msgID, fold string) (map[int64]bool, error) {
	done := map[int64]bool{}
	same, err := tx.MessagesByFold(msgID, fold)
	if err != nil {
		return nil, err
	}
	for _, m := range same {
		o, err := tx.Arrival(m.Arrival)
		if err != nil {
			return nil, err
		}
		done[m.Ticket] = done[m.Ticket] || o.sameWay(a) || !m.putAside()
	}
	if len(a.Recipients) < 2 {
		return done, nil // what was decided comes again only for another recipient
	}
	own, err := tx.MessagesByArrival(a.ID)
	for _, m := range own {
		done[m.Ticket] = true
	}
	return done, err
}

// sameWay says that a came with an envelope that o has had: Postfix has it requeued.
func (o Arrival) sameWay(a Arrival) bool {
	return o.ReversePath == a.ReversePath && !slices.ContainsFunc(a.Recipients, func(r string) bool { return !slices.Contains(o.Recipients, r) })
}

// putAside says that the mail is not where an author of proven mail would see it taken up.
func (m Message) putAside() bool {
	return m.Visibility == Held || m.Visibility == Dismissed || m.Automatic || m.Row == "4"
}

// destinations are what the recipients mean. An address that is ours no longer, after
// a change of the configuration, goes to the first queue: accepted mail is never dropped.
func (d *Desk) destinations(a Arrival) []Destination {
	var out []Destination
	here := d.addresses.Load()
	for _, r := range a.Recipients {
		dest, err := here.dir.Lookup(r)
		if err != nil {
			dest = Destination{Queue: here.first}
		}
		out = append(out, dest)
	}
	return out
}

// applyMail adds the mail to every ticket it was addressed to, else to the one that
// its Message-IDs name, else to a new one of the first queue. A mail that is in a
// ticket already opens no other: a recipient that came later joins the decision.
func (d *Desk) applyMail(tx Tx, a Arrival, j *job, dests []Destination, done map[int64]bool) error {
	targets, err := d.targets(tx, j, dests)
	if err != nil {
		return err
	}
	taken := len(targets) > 0
	for _, t := range targets {
		if done[t.ticket.ID] {
			continue
		}
		if err := d.file(tx, a, j, t, dests[0].Queue); err != nil {
			return err
		}
		done[t.ticket.ID] = true
	}
	for _, there := range done {
		taken = taken || there
	}
	if taken {
		return nil
	}
	return d.file(tx, a, j, target{}, dests[0].Queue)
}

// file writes the mail into a ticket as the table decides, or into a new one of queue.
func (d *Desk) file(tx Tx, a Arrival, j *job, t target, queue string) error {
	dec := Decide(d.facts(a, j, t, queue))
	m := d.inbound(a, j, dec)
	m.Problems = append(slices.Clone(m.Problems), d.lookAlikes(j, t)...)
	var created bool
	var err error
	switch dec.Effect {
	case Open, OpenLink:
		if t.ticket, err = d.openTicket(tx, a, j, queue, dec, t.ticket.ID); err != nil {
			return err
		}
		created = true
	case Collect:
		if t.ticket, created, err = d.collect(tx, a, j, queue, dec); err != nil {
			return err
		}
		if !created {
			m.Visibility = Folded
		}
	}
	m.Ticket = t.ticket.ID
	facts := map[string]string{"status": string(t.ticket.Status), "row": dec.Row}
	if created {
		due, why := d.acknowledgement(a, j, dec, queue)
		m.Suppressed = why.text
		if due {
			facts[acknowledgeFact] = acknowledgeDue
		} else if why.word != "" {
			facts["not_acknowledged"] = why.word
		}
	}
	// The number of the event that will tell of it: writing the row once more for it costs
	// more than all events do.
	if m.Seq, err = tx.NextSeq(); err != nil {
		return err
	}
	if created {
		m.Seq++ // that the ticket was made is told before
	}
	if err := tx.AddMessage(&m); err != nil {
		return err
	}
	if created {
		if err := tx.Append(&Event{Time: d.now(), Type: TicketCreated, Ticket: m.Ticket, Message: m.ID, Actor: "mail", Origin: "mail", Facts: facts}); err != nil {
			return err
		}
	}
	if j.msg.MessageID != "" {
		if err := tx.AddMessageID(j.msg.MessageID, m.Ticket, m.ID); err != nil {
			return err
		}
	}
	d.log.Info("mail filed", "arrival", a.ID, "queue_id", j.queueID, "ticket", t.ticket.Name(), "message", m.ID, "row", dec.Row, "dkim_author", j.auth.Author)
	if err := d.announce(tx, m, dec, created); err != nil || dec.Effect != Act {
		return err
	}
	return d.act(tx, j, t, m.ID)
}

// announce writes the event of an inbound message and what the ticket is after it.
func (d *Desk) announce(tx Tx, m Message, dec Decision, created bool) error {
	e := Event{Time: d.now(), Type: MessageReceived, Ticket: m.Ticket, Message: m.ID, Actor: "mail", Origin: "mail",
		Facts: map[string]string{"row": dec.Row, "visibility": string(m.Visibility), "automatic": fmt.Sprint(m.Automatic)}}
	if m.Visibility == Held {
		e.Type = MessageHeld
	}
	if m.Authentication.Author != "" {
		e.Facts["author_proven"] = m.Authentication.Method
	}
	if err := tx.Append(&e); err != nil {
		return err
	}
	if created { // it says all this already
		return nil
	}
	t, err := tx.Ticket(m.Ticket) // Append has moved LastSeq
	if err != nil {
		return err
	}
	t.Updated = e.Time
	if m.Visibility == Held {
		t.Held++
	}
	if waitsFor(m) && t.Waiting.IsZero() && t.Status != StatusSpam {
		t.Waiting = m.Received
	}
	if dec.Reopens {
		return d.reopen(tx, t, "mail", "mail")
	}
	return tx.UpdateTicket(t)
}

// reopen brings a ticket back to work after somebody answered.
func (d *Desk) reopen(tx Tx, t Ticket, actor, origin string) error {
	switch t.Status {
	case StatusWaiting, StatusResolved, StatusClosed, StatusRejected:
		return d.changeStatus(tx, t, StatusOpen, actor, origin)
	}
	return tx.UpdateTicket(t)
}

func (d *Desk) changeStatus(tx Tx, t Ticket, to Status, actor, origin string) error {
	from := t.Status
	t.Status, t.Updated = to, d.now()
	switch {
	case to.over() && t.Closed.IsZero():
		t.Closed = t.Updated
		if t.Held == 0 { // who is held goes on waiting
			t.Waiting = time.Time{}
		}
	case !to.over():
		t.Closed = time.Time{}
	}
	if err := tx.UpdateTicket(t); err != nil {
		return err
	}
	return tx.Append(&Event{Time: t.Updated, Type: TicketUpdated, Ticket: t.ID, Actor: actor, Origin: origin,
		Facts: map[string]string{"status": string(to), "was": string(from)}})
}

// automatic says that a machine wrote a mail, or wants no answer to it (RFC 5321 section 4.5.5).
func automatic(a Arrival, j *job) bool { return j.msg.Automatic.Automatic || a.ReversePath == "" }

// inbound is the message row of a mail.
func (d *Desk) inbound(a Arrival, j *job, dec Decision) Message {
	m := Message{
		Kind: KindInbound, Visibility: Shown, Row: dec.Row, Reason: dec.Reason, Subject: j.msg.Subject, MessageID: j.msg.MessageID,
		Raw: a.Raw, Arrival: a.ID, Actor: "mail", Authentication: j.auth, Automatic: automatic(a, j),
		Problems: j.msg.Problems, Fold: j.fold, Received: a.Received, Advice: dec.Advice,
	}
	if dec.Warning != "" {
		m.Problems = append(slices.Clone(m.Problems), dec.Warning)
	}
	if dec.StaffOnly {
		m.Visibility = StaffOnly
	}
	if len(j.msg.From) > 0 {
		m.From = j.msg.From[0]
	}
	switch dec.Effect {
	case Hold:
		m.Visibility = Held
	case Fold, Act:
		m.Visibility = Folded
	}
	return m
}

// openTicket makes a ticket whose requester is the author, so far as From names one.
func (d *Desk) openTicket(tx Tx, a Arrival, j *job, queue string, dec Decision, linked int64) (Ticket, error) {
	n, err := tx.NextNumber(queue, d.addresses.Load().queues[queue].FirstNumber)
	if err != nil {
		return Ticket{}, err
	}
	t := Ticket{Queue: queue, Number: n, Subject: j.msg.Subject, Status: StatusNew, Unverified: dec.Unverified,
		Suspicious: dec.Suspicious, Linked: linked, Created: a.Received, Updated: d.now()}
	// Its events come next, that it was made and that the mail has come: the row, which says
	// the newest, is not written again for them.
	if t.Version, err = tx.NextSeq(); err != nil {
		return Ticket{}, err
	}
	t.LastSeq = t.Version + 1
	if !automatic(a, j) {
		t.Version = t.LastSeq
	}
	if dec.Effect == Open {
		t.Linked = 0
	}
	switch {
	case dec.Spam:
		t.Status, t.Closed = StatusSpam, t.Updated
	case dec.Effect != Collect:
		t.Waiting = a.Received
	}
	who, known := requester(j.msg, dec)
	// Our own address in From is forged, or a circle: an answer to it would come back.
	if _, err := d.Directory().Lookup(who.Address); known && err != nil {
		t.Requester, t.RequesterName = mail.Lower(who.Address), who.Name
	}
	if err := tx.AddTicket(&t); err != nil {
		return Ticket{}, err
	}
	if t.Requester == "" {
		return t, nil
	}
	return t, tx.AddParticipant(&Participant{Ticket: t.ID, Address: t.Requester, Name: t.RequesterName, Role: RoleRequester})
}

// requester is whom a new ticket is for: the author, or with a contact form the one whom
// it names in Reply-To.
func requester(m *mail.Message, dec Decision) (mail.Address, bool) {
	if dec.Row == "8b" && len(m.ReplyTo) == 1 {
		return m.ReplyTo[0], true
	}
	if len(m.From) > 0 {
		return m.From[0], true
	}
	return mail.Address{}, false
}
