package ticketing

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"postdesk/ticketing/mail"
)

// changeOther takes traces out of one message of somebody else.
func (x eraser) changeOther(ctx context.Context, e Erasure, p ticketPlan, r mail.Reduction, m Message) error {
	staged, _, needs, err := x.reduced(ctx, r, m.Raw)
	if err != nil {
		return err
	}
	changed := cutFields(&m, r)
	var goes []Attachment
	for _, f := range p.files[m.ID] {
		content, err := x.store.Raw(ctx, f.Raw)
		if err != nil {
			return err
		}
		if r.Traces.In(f.Name) || r.Traces.HasFile(f.Raw.String()) || r.Traces.In(string(content)) {
			goes = append(goes, f)
		}
	}
	if !needs && !changed && len(goes) == 0 {
		return nil
	}
	return x.write(ctx, func(tx Tx) error {
		now, err := tx.Message(m.ID)
		if err != nil {
			return err
		}
		cutFields(&now, r)
		var old []Hash
		if needs {
			if old, err = x.replaceRaw(tx, &now, staged); err != nil {
				return err
			}
		}
		if err := tx.UpdateMessage(now); err != nil {
			return err
		}
		for _, f := range goes {
			if err := tx.RemoveAttachment(f.ID); err != nil {
				return err
			}
			old = append(old, f.Raw)
		}
		return x.removed(tx, e, old, func(r *Removed) {
			r.Changed, r.Attachments = unique(r.Changed, m.ID), r.Attachments+len(goes)
		})
	})
}

// replaceRaw puts other bytes in the place of a mail, which is never taken in again as it was.
func (x eraser) replaceRaw(tx Tx, m *Message, staged Staged) (old []Hash, err error) {
	if err := x.forget(tx, *m); err != nil {
		return nil, err
	}
	if err := tx.PutRaw(staged); err != nil {
		return nil, err
	}
	old, arrival := []Hash{m.Raw}, m.Arrival
	m.Raw, m.Arrival, m.Fold = staged.Hash, 0, ""
	if err := tx.UpdateMessage(*m); err != nil {
		return nil, err
	}
	return old, tx.RemoveArrival(arrival)
}

// forget remembers by digests which mail a message was: neither Postfix, which may have it in
// its queue still, nor an import brings it back.
func (x eraser) forget(tx Tx, m Message) error {
	var digests []Hash
	if m.Kind == KindInbound || m.Kind == KindReport {
		digests = append(digests, x.store.KeyedDigest(digestRaw, m.Raw.String()))
		if m.Fold != "" {
			digests = append(digests, x.store.KeyedDigest(digestFold, m.Fold))
		}
	}
	keys, err := tx.ImportedOf(m.ID)
	if err != nil {
		return err
	}
	for _, k := range keys {
		digests = append(digests, x.store.KeyedDigest(digestImport, k.Queue+k.Key.String()))
	}
	for _, d := range digests {
		if err := tx.Forget(d); err != nil {
			return err
		}
	}
	return nil
}

// cutFields takes traces out of what is said about a message, and says whether there were.
func cutFields(m *Message, r mail.Reduction) bool {
	was := fmt.Sprintf("%+v", *m)
	for _, s := range []*string{&m.Reason, &m.Advice, &m.Suppressed, &m.Body, &m.Subject, &m.From.Name, &m.Authentication.Reason} {
		*s = r.Traces.Cut(*s, r.Instead)
	}
	m.Problems = slices.Clone(m.Problems)
	for i := range m.Problems {
		m.Problems[i] = r.Traces.Cut(m.Problems[i], r.Instead)
	}
	if r.HitsSubject(m.Subject) {
		m.Subject = r.Instead
	}
	return was != fmt.Sprintf("%+v", *m)
}

// changeOutgoing replaces a mail to somebody else. One to staff goes, and is cancelled when it
// waits: they see the ticket as it is.
func (x eraser) changeOutgoing(tx Tx, e Erasure, id int64, staged Staged, old Hash) error {
	o, err := tx.Outgoing(id)
	if err != nil || o.Raw != old {
		return err
	}
	cancelled := 0
	if o.Message == 0 { // to staff
		if o.Raw = (Hash{}); o.State == OutQueued {
			o.State, cancelled = OutCancelled, 1
		}
	} else {
		if err := tx.PutRaw(staged); err != nil {
			return err
		}
		o.Raw = staged.Hash
	}
	if err := tx.UpdateOutgoing(o); err != nil {
		return err
	}
	return x.removed(tx, e, []Hash{old}, func(r *Removed) { r.Cancelled += cancelled })
}

// removed drops bytes and counts what an erasure has taken away, in the same commit.
func (x eraser) removed(tx Tx, e Erasure, hashes []Hash, count func(*Removed)) error {
	dropped, err := tx.DropRaw(hashes)
	if err != nil {
		return err
	}
	r, told, err := tx.Removed(e.ID)
	if err != nil {
		return err
	}
	for _, h := range dropped {
		r.Raw = append(r.Raw, h.String())
	}
	count(&r)
	return tx.PutRemoved(e.ID, r, told)
}

// takeTheirs takes away all that is theirs in a ticket, in one commit.
func (x eraser) takeTheirs(tx Tx, e Erasure, w wanted, p ticketPlan) error {
	var old []Hash
	var ids []int64
	for _, m := range p.theirs {
		if err := x.forget(tx, m); err != nil {
			return err
		}
		for _, f := range p.files[m.ID] {
			old = append(old, f.Raw)
		}
		old, ids = append(old, m.Raw), append(ids, m.ID)
		if err := tx.StripMessage(m.ID); err != nil {
			return err
		}
		if err := tx.UpdateMessage(blank(m)); err != nil {
			return err
		}
	}
	outgoing, cancelled, raws, err := takeOutgoing(tx, w, p)
	if err != nil {
		return err
	}
	old = append(old, raws...)
	for _, person := range p.people {
		if w.is(person.Address) {
			if err := tx.EraseParticipant(person.ID); err != nil {
				return err
			}
		}
	}
	if err := x.blankTicket(tx, w, p); err != nil {
		return err
	}
	events, err := tx.EraseEvents(p.ticket.ID)
	if err != nil {
		return err
	}
	if err := x.tell(tx, e, p, ids); err != nil {
		return err
	}
	return x.removed(tx, e, old, func(r *Removed) {
		r.Tickets, r.Messages, r.Outgoing = unique(r.Tickets, p.ticket.Name()), unique(r.Messages, ids...), unique(r.Outgoing, outgoing...)
		r.Cancelled, r.Events = r.Cancelled+cancelled, r.Events+events
		for _, m := range p.theirs {
			r.Attachments += len(p.files[m.ID])
		}
	})
}

// tell says to all who follow the feed which messages of a ticket are not as they were.
func (x eraser) tell(tx Tx, e Erasure, p ticketPlan, ids []int64) error {
	r, _, err := tx.Removed(e.ID)
	if err != nil {
		return err
	}
	for _, m := range p.others {
		if slices.Contains(r.Changed, m.ID) {
			ids = append(ids, m.ID)
		}
	}
	return tx.Append(&Event{Time: x.now(), Type: PersonErased, Ticket: p.ticket.ID, Actor: e.actor(), Origin: e.origin(),
		Facts: map[string]string{"erasure": e.ID, "messages": joinIDs(ids)}})
}

func joinIDs(ids []int64) string {
	var words []string
	for _, id := range ids {
		words = append(words, fmt.Sprint(id))
	}
	return strings.Join(words, " ")
}

// blank is what is left of a message: that there was one, when, and how it was decided.
func blank(m Message) Message {
	b := Message{ID: m.ID, Ticket: m.Ticket, Kind: m.Kind, Visibility: m.Visibility, Row: m.Row, Reason: ReasonErased, Subject: erasedText,
		Actor: m.Actor, Body: erasedText, Automatic: m.Automatic, Seq: m.Seq, Received: m.Received}
	if b.Visibility == Held { // nobody waits behind it any more
		b.Visibility = Dismissed
	}
	if b.Row == "7" { // DNS is not asked about it any more
		b.Row = "6"
	}
	return b
}

// takeOutgoing takes away the mails to them, and cancels what waits.
func takeOutgoing(tx Tx, w wanted, p ticketPlan) (ids []int64, cancelled int, old []Hash, err error) {
	for _, planned := range p.outgoing {
		if !w.is(planned.Recipient) {
			continue
		}
		o, err := tx.Outgoing(planned.ID)
		if err == nil {
			err = tx.RemoveMessageID(o.MessageID, o.Ticket)
		}
		if err != nil {
			return nil, 0, nil, err
		}
		ids, old = append(ids, o.ID), append(old, o.Raw)
		if o.State == OutQueued {
			cancelled++
			o.State = OutCancelled
		}
		if o.State == OutFailed { // it is not to be tried again
			o.State = OutCancelled
		}
		o.Recipient, o.ReversePath, o.MessageID, o.EnvelopeID, o.LastReply, o.QueueID, o.Raw = "", "", "", "", "", "", Hash{}
		if err := tx.UpdateOutgoing(o); err != nil {
			return nil, 0, nil, err
		}
	}
	return ids, cancelled, old, nil
}

// blankTicket takes from the ticket itself who asked and what for.
func (x eraser) blankTicket(tx Tx, w wanted, p ticketPlan) (err error) {
	t, err := tx.Ticket(p.ticket.ID)
	if err != nil {
		return err
	}
	if p.subject {
		t.Subject = erasedText
	} else {
		t.Subject = p.traces.Cut(t.Subject, erasedText)
	}
	if w.is(t.Requester) {
		t.Requester, t.RequesterName = "", ""
	}
	t.Held = 0
	messages, err := tx.Messages(t.ID)
	if err != nil {
		return err
	}
	for _, m := range messages {
		if m.Visibility == Held {
			t.Held++
		}
	}
	if !t.Waiting.IsZero() {
		t.Waiting = waitingIn(messages)
	}
	return tx.UpdateTicket(t)
}
