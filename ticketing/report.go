package ticketing

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"postdesk/ticketing/mail"
)

// reported says which mail of ours a message reports on: it came to the reverse-path
// of that mail alone, or it returns the Message-ID of it. Both bear a MAC, so that
// nobody can declare our mail undelivered (RFC 3464 section 4.1).
func (d *Desk) reported(dests []Destination, j *job) (outgoingID, bool) {
	if j.msg.Report == nil {
		return outgoingID{}, false
	}
	for _, dest := range dests {
		if o, ok := d.bounceID(dest.Token); ok && dest.Bounce {
			return o, true
		}
	}
	return d.ownMessageID(j.msg.Report.OriginalMessageID)
}

// reportStates are what the actions of RFC 3464 section 2.3.3 make of a mail of ours.
var reportStates = map[string]struct {
	state OutgoingState
	event string
}{
	"failed":    {OutFailed, MessageFailed},
	"expired":   {OutFailed, MessageFailed}, // of no RFC; some programs write it
	"delayed":   {OutDelayed, MessageDelayed},
	"delivered": {OutDelivered, MessageDelivered},
	"relayed":   {OutRelayed, MessageRelayed},
	"expanded":  {OutRelayed, MessageRelayed},
}

// A mail that failed for a while only goes out again, when it is not old: the next server
// gave up early, or has no queue. What failed after days in a queue is for people.
const (
	resubmitMax   = 2
	resubmitAfter = time.Hour
	resubmitUntil = 24 * time.Hour
)

// applyReport writes the fate of a mail of ours to the reply that it carried, and the
// report itself into the ticket.
func (d *Desk) applyReport(tx Tx, a Arrival, j *job, o outgoingID) error {
	own, err := tx.Message(o.message)
	if errors.Is(err, ErrNotFound) {
		return d.file(tx, a, j, target{}, d.destinations(a)[0].Queue) // of a desk that was; nothing to tie it to
	}
	if err != nil {
		return err
	}
	// It returns the mail that went to them, with their address and what they wrote.
	if p, err := tx.Participant(o.participant); own.Reason == ReasonErased || err == nil && p.erased() {
		return errors.Join(d.dropForgotten(tx, a), errDropped)
	}
	out, err := d.outgoingOf(tx, own, o)
	if err != nil {
		return err
	}
	m := d.inbound(a, j, Decision{Row: "12", Effect: Fold, Reason: "a report on a mail of ours"})
	m.Kind, m.Ticket, m.Automatic = KindReport, own.Ticket, true
	if m.Seq, err = tx.NextSeq(); err != nil {
		return err
	}
	if err := tx.AddMessage(&m); err != nil {
		return err
	}
	e := Event{Time: d.now(), Type: MessageReceived, Ticket: m.Ticket, Message: m.ID, Actor: "mail", Origin: "mail",
		Facts: map[string]string{"row": m.Row, "visibility": string(m.Visibility), "automatic": "true"}}
	if err := tx.Append(&e); err != nil {
		return err
	}
	d.log.Info("report filed", "arrival", a.ID, "queue_id", j.queueID, "message", m.ID, "about", own.ID)
	if out == nil {
		return nil
	}
	return d.settleByReport(tx, *out, j)
}

// outgoingOf finds the mail that carried a message to a participant.
func (d *Desk) outgoingOf(tx Tx, own Message, id outgoingID) (*Outgoing, error) {
	p, err := tx.Participant(id.participant)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	all, err := tx.OutgoingOf(own.ID)
	if err != nil {
		return nil, err
	}
	for _, o := range all {
		if o.EnvelopeID == id.String() || len(all) == 1 && p.Ticket == own.Ticket {
			return &o, nil
		}
	}
	return nil, nil
}

// aboutRecipient gives what a report says of the one recipient of a mail of ours. A report
// that names one alone means this mail, wherever it was sent on to; of several, only the one
// that we wrote to.
func aboutRecipient(r *mail.Report, recipient string) []mail.ReportRecipient {
	if len(r.Recipients) == 1 {
		return r.Recipients
	}
	var out []mail.ReportRecipient
	for _, rec := range r.Recipients {
		if strings.EqualFold(rec.Address, recipient) || strings.EqualFold(rec.Original, recipient) {
			out = append(out, rec)
		}
	}
	return out
}

func (d *Desk) settleByReport(tx Tx, o Outgoing, j *job) error {
	for _, r := range aboutRecipient(j.msg.Report, o.Recipient) {
		var err error
		if o, err = d.settleRecipient(tx, o, r); err != nil {
			return err
		}
	}
	return nil
}

// settleRecipient writes what a report says of a mail.
func (d *Desk) settleRecipient(tx Tx, o Outgoing, r mail.ReportRecipient) (Outgoing, error) {
	event, facts, changed := d.afterReport(&o, r)
	if !changed {
		return o, nil
	}
	if err := tx.UpdateOutgoing(o); err != nil {
		return o, err
	}
	err := tx.Append(&Event{Time: d.now(), Type: event, Ticket: o.Ticket, Message: o.Message, Outgoing: o.ID,
		Actor: "mail", Origin: "mail", Facts: facts})
	if err != nil || o.State != OutFailed {
		return o, err
	}
	// The requester has no answer: somebody must look at the ticket again.
	t, err := tx.Ticket(o.Ticket)
	if err != nil {
		return o, err
	}
	return o, d.reopen(tx, t, "mail", "mail")
}

// afterReport brings a mail to the state that a report means, and gives the event that tells
// it. A late "delayed" must not hide the end, nor take out of the queue what goes out again.
func (d *Desk) afterReport(o *Outgoing, r mail.ReportRecipient) (event string, facts map[string]string, changed bool) {
	s, known := reportStates[strings.ToLower(r.Action)]
	if !known || o.State == OutFailed || o.State == OutDelivered {
		return "", nil, false
	}
	soft := s.state == OutFailed && !r.Permanent
	if (soft || s.state == OutDelayed) && (o.State == OutQueued || o.State == OutCancelled) {
		return "", nil, false
	}
	o.State, o.Status, o.Permanent, o.LastReply = s.state, r.Status, r.Permanent, r.Diagnostic
	if o.LastReply == "" {
		o.LastReply = r.Status
	}
	facts = map[string]string{"action": r.Action, "status": r.Status, "permanent": fmt.Sprint(r.Permanent)}
	if soft && o.Resubmitted < resubmitMax && d.now().Sub(o.Created) < resubmitUntil {
		o.State, o.Lease, o.Attempts, o.Resubmitted = OutQueued, time.Time{}, 0, o.Resubmitted+1
		o.NextAttempt = d.now().Add(time.Duration(o.Resubmitted) * resubmitAfter)
		s.event, facts["again"] = MessageDelayed, o.NextAttempt.UTC().Format(time.RFC3339)
	}
	return s.event, facts, true
}

// reportedNotice is reported for mail to staff.
func (d *Desk) reportedNotice(dests []Destination, j *job) (noticeID, bool) {
	if j.msg.Report == nil {
		return noticeID{}, false
	}
	for _, dest := range dests {
		if n, ok := d.bouncedNotice(dest.Token); ok && dest.Bounce {
			return n, true
		}
	}
	n, _, ok := d.ownNoticeID(j.msg.Report.OriginalMessageID)
	return n, ok
}

// applyNoticeReport keeps the fate of a mail to staff, and the report in the ticket that
// it was about. The ticket is not touched otherwise: no customer waits because of it.
func (d *Desk) applyNoticeReport(tx Tx, a Arrival, j *job, n noticeID) (map[int64]bool, error) {
	o, err := tx.NoticeByEnvelope(n.String())
	if errors.Is(err, ErrNotFound) {
		return nil, nil // of a desk that was; it is filed as other mail
	}
	if err != nil {
		return nil, err
	}
	m := d.inbound(a, j, Decision{Row: "12", Effect: Fold, Reason: "a report on a mail to a member of staff"})
	m.Kind, m.Ticket, m.Automatic = KindReport, o.Ticket, true
	if err := tx.AddMessage(&m); err != nil {
		return nil, err
	}
	if err := d.announce(tx, m, Decision{Row: "12"}, false); err != nil {
		return nil, err
	}
	for _, r := range aboutRecipient(j.msg.Report, o.Recipient) {
		_, facts, changed := d.afterReport(&o, r)
		if !changed {
			continue
		}
		if err := tx.UpdateOutgoing(o); err != nil {
			return nil, err
		}
		if err := d.noticeSettled(tx, o, "mail", facts); err != nil {
			return nil, err
		}
	}
	return map[int64]bool{o.Ticket: true}, nil
}
