package ticketing

import (
	"context"
	"slices"
	"time"

	"postdesk/ticketing/mail"
)

const (
	// verifyFor is how long DNS is asked again; after it the mail counts as unproven.
	verifyFor = 24 * time.Hour
	// verifyPause is between two rounds; it doubles up to verifyPauseMax while DNS does
	// not answer.
	verifyPause    = 5 * time.Second
	verifyPauseMax = 5 * time.Minute
)

// verifyLate asks DNS again for mail that it could not say the author of (row 7), and
// decides it then by the other rows.
func (d *Desk) verifyLate(ctx context.Context) {
	for wait := verifyPause; pause(ctx, wait); {
		switch answered, err := d.verifyRound(ctx); {
		case ctx.Err() != nil:
			return
		case err != nil:
			d.log.Error("mail that waits for DNS cannot be decided; trying again", "error", err)
		case !answered:
			wait = min(2*wait, verifyPauseMax)
			d.log.Warn("DNS cannot say who wrote some mail; it is shown without rights until DNS answers", "next", wait)
		default:
			wait = verifyPause
		}
	}
}

// verifyRound tries all that waits. One whose domain DNS still cannot answer for keeps
// back the others of that domain alone: anybody can have a domain with broken DNS.
// answered is false when something still waits and nothing could be decided.
func (d *Desk) verifyRound(ctx context.Context) (answered bool, err error) {
	decided, broken := 0, map[string]bool{}
	for after := int64(0); ; {
		var waiting []Message
		err := d.store.Read(ctx, func(tx Tx) (err error) {
			waiting, err = tx.Undecided(after, 100)
			return err
		})
		if err != nil || len(waiting) == 0 {
			return decided > 0 || len(broken) == 0, err
		}
		for _, m := range waiting {
			after = m.ID
			_, domain, _ := cutAddress(mail.Lower(m.From.Address))
			over := d.now().Sub(m.Received) >= verifyFor
			if broken[domain] && !over {
				continue
			}
			raw, msg, err := d.readMessage(ctx, m)
			if err != nil {
				return true, err
			}
			auth := d.verify(ctx, raw, msg)
			if auth.Temporary && auth.Author == "" && !over {
				broken[domain] = true
				continue
			}
			auth.Temporary = false
			if auth.Author == "" && auth.DMARC == mail.AuthTempError {
				auth.DMARC = mail.AuthFail // whoever can make a look-up fail must not gain by it
			}
			j := &job{msg: msg, auth: auth, own: d.staffMail(ctx, raw, msg, auth)}
			j.signed = d.hasSigned(ctx, j)
			if err := d.write(ctx, func(tx Tx) error { return d.decideLate(tx, m.ID, j) }); err != nil {
				return true, err
			}
			d.keepSigned(j)
			decided++
		}
	}
}

// readMessage reads a message anew as it came, with its envelope.
func (d *Desk) readMessage(ctx context.Context, m Message) ([]byte, *mail.Message, error) {
	var a Arrival
	err := d.store.Read(ctx, func(tx Tx) (err error) {
		a, err = tx.Arrival(m.Arrival)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	raw, msg, _, err := d.read(ctx, a)
	return raw, msg, err
}

// decideLate raises a message of row 7 to the row that it would have met. It stays in
// its ticket: what was shown is never moved.
func (d *Desk) decideLate(tx Tx, id int64, j *job) error {
	m, err := tx.Message(id)
	if err != nil || m.Row != "7" {
		return err
	}
	a, err := tx.Arrival(m.Arrival)
	if err != nil {
		return err
	}
	targets, err := d.targets(tx, j, d.destinations(a))
	if err != nil {
		return err
	}
	var at target // none: the message opened its ticket
	for _, t := range targets {
		if t.ticket.ID == m.Ticket && (t.addressed || t.thread) {
			at = t
		}
	}
	dec := Decide(d.facts(a, j, at, d.destinations(a)[0].Queue))
	if dec.Effect == OpenLink && at.ticket.ID != 0 { // it is in the old ticket: somebody must see it there
		dec.Effect, dec.Reopens = Append, true
	}
	was := m.Visibility
	m.Authentication, m.Row, m.Reason = j.auth, dec.Row, dec.Reason
	m.Advice = dec.Advice
	if dec.Warning != "" {
		m.Problems = append(slices.Clone(m.Problems), dec.Warning)
	}
	switch {
	case dec.Effect == Hold:
		m.Visibility = Held
	case dec.Effect == Act:
		m.Visibility, at.again = Folded, false // the Message-ID that is known is its own
	case dec.StaffOnly:
		m.Visibility = StaffOnly
	case was == Held:
		m.Visibility = Shown
	}
	if err := tx.UpdateMessage(m); err != nil {
		return err
	}
	e := Event{Time: d.now(), Type: MessageVerified, Ticket: m.Ticket, Message: m.ID, Actor: "system", Origin: "system",
		Facts: map[string]string{"row": m.Row, "visibility": string(m.Visibility), "was": string(was)}}
	if m.Authentication.Author != "" {
		e.Facts["author_proven"] = m.Authentication.Method
	}
	if at.ticket.ID == 0 { // it opened its ticket
		due, why := d.acknowledgement(a, j, dec, d.destinations(a)[0].Queue)
		m.Suppressed = why.text
		if due {
			e.Facts[acknowledgeFact] = acknowledgeDue
		} else if why.word != "" {
			e.Facts["not_acknowledged"] = why.word
		}
		if err := tx.UpdateMessage(m); err != nil {
			return err
		}
	}
	if err := tx.Append(&e); err != nil {
		return err
	}
	if err := d.noteSigned(tx, j); err != nil {
		return err
	}
	d.log.Info("mail verified late", "message", m.ID, "row", m.Row, "dkim_author", m.Authentication.Author)
	if err := d.afterLate(tx, m, was, dec); err != nil || dec.Effect != Act {
		return err
	}
	return d.act(tx, j, at, m.ID)
}

func (d *Desk) afterLate(tx Tx, m Message, was Visibility, dec Decision) error {
	t, err := tx.Ticket(m.Ticket)
	if err != nil {
		return err
	}
	t.Updated = d.now()
	switch {
	case was != Held && m.Visibility == Held:
		t.Held++
	case was == Held && m.Visibility != Held:
		t.Held--
	}
	if t.Waiting, err = waitingAfter(tx, t, m); err != nil {
		return err
	}
	if dec.Effect == Open || dec.Effect == OpenLink {
		t.Unverified, t.Suspicious = dec.Unverified, dec.Suspicious
	}
	if dec.Reopens {
		return d.reopen(tx, t, "mail", "mail")
	}
	return tx.UpdateTicket(t)
}
