package ticketing

import (
	"context"
	"errors"
	"fmt"

	"postdesk/ticketing/mail"
)

// Explanation is what would become of a mail, and why. Nothing is written for it.
type Explanation struct {
	Ticket         string // that it would go to, or whose Message-ID it shows; empty for a new one of the queue
	Queue          string
	Decision       Decision
	Acknowledged   bool
	Suppressed     string // why it would not be acknowledged, where the queue does that
	Facts          Facts  // all that the decision depends on
	Authentication mail.Authentication
}

// Explain says what a mail would meet that came now with this envelope: one explanation for
// each ticket that it would be in. It takes the path of a delivery up to the decision.
func (d *Desk) Explain(ctx context.Context, env mail.Envelope, raw []byte) (out []Explanation, err error) {
	if len(env.Recipients) == 0 {
		return nil, fmt.Errorf("%w: no recipient", ErrInvalid)
	}
	for _, r := range env.Recipients {
		if err := d.Recipient(ctx, r); err != nil {
			return nil, fmt.Errorf("%w: Postfix refuses it: %w", ErrInvalid, err)
		}
	}
	msg := mail.Intake(raw)
	msg.ReversePath = env.ReversePath
	j := &job{msg: msg, auth: d.verify(ctx, raw, msg)}
	j.signed = d.hasSigned(ctx, j)
	a := Arrival{ReversePath: env.ReversePath, Recipients: env.Recipients, Received: d.now()}
	err = d.store.Read(ctx, func(tx Tx) error {
		out = nil
		dests := d.destinations(a)
		if o, ok := d.reported(dests, j); ok {
			e, err := d.explainReport(tx, j, o, dests[0].Queue)
			out = []Explanation{e}
			return err
		}
		targets, err := d.targets(tx, j, dests)
		if err != nil {
			return err
		}
		if len(targets) == 0 {
			targets = []target{{}}
		}
		for _, t := range targets {
			out = append(out, d.explain(a, j, t, dests[0].Queue))
		}
		return nil
	})
	return out, err
}

func (d *Desk) explain(a Arrival, j *job, t target, queue string) Explanation {
	e := Explanation{Queue: queue, Facts: d.facts(a, j, t, queue), Authentication: j.auth}
	e.Decision = Decide(e.Facts)
	if t.ticket.ID != 0 {
		e.Ticket, e.Queue = t.ticket.Name(), t.ticket.Queue
	}
	switch e.Decision.Effect {
	case Open, OpenLink, Collect:
		due, why := d.acknowledgement(a, j, e.Decision, queue)
		e.Acknowledged, e.Suppressed = due, why.text
	}
	return e
}

func (d *Desk) explainReport(tx Tx, j *job, o outgoingID, queue string) (Explanation, error) {
	e := Explanation{Queue: queue, Facts: Facts{Report: true}, Authentication: j.auth}
	e.Decision = Decide(e.Facts)
	own, err := tx.Message(o.message)
	if errors.Is(err, ErrNotFound) {
		return e, nil
	}
	if err != nil {
		return e, err
	}
	t, err := tx.Ticket(own.Ticket)
	e.Ticket, e.Queue = t.Name(), t.Queue
	return e, err
}
