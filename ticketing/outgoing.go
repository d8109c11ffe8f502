package ticketing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"postdesk/ticketing/mail"
)

// ClaimOutgoing gives mail that is due to a runner, which has it alone for the time
// of the lease.
func (d *Desk) ClaimOutgoing(ctx context.Context, limit int, lease time.Duration) (out []Outgoing, err error) {
	now := d.now()
	// Looking first keeps an idle queue from writing; one mail says that there is something to do.
	err = d.store.Read(ctx, func(tx Tx) error {
		hold, err := tx.Hold()
		if err == nil && !hold {
			out, err = tx.DueOutgoing(now, 1)
		}
		return err
	})
	if err != nil || len(out) == 0 {
		return nil, err
	}
	err = d.store.Write(ctx, func(tx Tx) (err error) {
		if out, err = tx.DueOutgoing(now, limit); err != nil {
			return err
		}
		for i := range out {
			out[i].Lease, out[i].Attempts = now.Add(lease), out[i].Attempts+1
			if err := tx.LeaseOutgoing(out[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// HoldOutgoing keeps outgoing mail back, that of the future too, until it is released: a
// restored desk does not know what it had sent after its backup.
func (d *Desk) HoldOutgoing(ctx context.Context, hold bool) error {
	if !hold {
		defer signal(d.wakeOut)
	}
	return d.store.Write(ctx, func(tx Tx) error { return tx.SetHold(hold) })
}

// OutgoingHeld says whether outgoing mail is kept back.
func (d *Desk) OutgoingHeld(ctx context.Context) (hold bool, err error) {
	err = d.store.Read(ctx, func(tx Tx) (err error) {
		hold, err = tx.Hold()
		return err
	})
	return hold, err
}

// WaitOutgoing returns when mail may be due, or after a while.
func (d *Desk) WaitOutgoing(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-d.wakeOut:
	case <-time.After(time.Second):
	}
	return nil
}

// Raw gives the bytes of a message.
func (d *Desk) Raw(ctx context.Context, h Hash) ([]byte, error) { return d.store.Raw(ctx, h) }

// OpenRaw gives the bytes of a message as a stream, with their number.
func (d *Desk) OpenRaw(ctx context.Context, h Hash) (io.ReadCloser, int64, error) {
	return d.store.OpenRaw(ctx, h)
}

// SettleOutgoing records how submissions ended, all in one commit.
func (d *Desk) SettleOutgoing(ctx context.Context, all ...Settlement) error {
	return d.write(ctx, func(tx Tx) error {
		for _, s := range all {
			if err := d.settle(tx, s); err != nil {
				return fmt.Errorf("outgoing mail %d: %w", s.Outgoing, err)
			}
		}
		return nil
	})
}

func (d *Desk) settle(tx Tx, s Settlement) error {
	o, err := tx.Outgoing(s.Outgoing)
	if errors.Is(err, ErrNotFound) {
		return nil // taken away meanwhile, with its ticket
	}
	if err != nil {
		return err
	}
	if o.State != OutQueued {
		return nil // cancelled meanwhile, or settled before
	}
	if s.Untried {
		o.Lease, o.Attempts = time.Time{}, max(0, o.Attempts-1)
		return tx.LeaseOutgoing(o)
	}
	o.State, o.Lease, o.LastReply, o.QueueID, o.NextAttempt = s.State, time.Time{}, s.Reply, s.QueueID, s.NextAttempt
	o.Status, o.Permanent = "", s.State == OutFailed
	if s.State != OutSubmitted {
		o.Status = mail.StatusIn(s.Reply)
	}
	if err := tx.MoveOutgoing(o); err != nil {
		return err
	}
	if o.Message == 0 {
		return d.noticeSettled(tx, o, "system", map[string]string{"stage": "submission"})
	}
	e := Event{Time: d.now(), Ticket: o.Ticket, Message: o.Message, Outgoing: o.ID, Actor: "system", Origin: "system"}
	switch s.State {
	case OutSubmitted:
		e.Type, e.Facts = MessageSubmitted, map[string]string{"queue_id": s.QueueID}
	case OutFailed:
		e.Type, e.Facts = MessageFailed, map[string]string{"stage": "submission", "status": o.Status, "permanent": "true"}
	case OutQueued:
		if o.Attempts > 1 {
			return nil // said once
		}
		e.Type = MessageDelayed
	}
	if err := tx.Append(&e); err != nil {
		return err
	}
	if s.State != OutFailed {
		return nil
	}
	t, err := tx.Ticket(o.Ticket)
	if err != nil {
		return err
	}
	return d.reopen(tx, t, "system", "system") // somebody must look: the answer did not go out
}

// releaseLeases gives back what a run that ended in the middle had claimed. One
// process alone has the store, so every lease is of the past.
func (d *Desk) releaseLeases(ctx context.Context) error {
	return d.store.Write(ctx, func(tx Tx) error {
		for after := int64(0); ; {
			out, err := tx.OutgoingList([]OutgoingState{OutQueued}, nil, after, 500)
			if err != nil || len(out) == 0 {
				return err
			}
			for _, o := range out {
				after = o.ID
				if o.Lease.IsZero() {
					continue
				}
				o.Lease = time.Time{}
				if err := tx.LeaseOutgoing(o); err != nil {
					return err
				}
			}
		}
	})
}

// RetryOutgoing makes queued or failed mail due now; CancelOutgoing takes queued mail
// back, unless a runner has it at this moment.
func (d *Desk) RetryOutgoing(ctx context.Context, by Actor, id int64) error {
	defer signal(d.wakeOut)
	return d.onceOutgoing(ctx, by, "retry", id, func(tx Tx) error {
		o, err := tx.Outgoing(id)
		if err != nil {
			return err
		}
		if o.State != OutQueued && o.State != OutFailed {
			return fmt.Errorf("%w: outgoing mail %d is %s", ErrConflict, id, o.State)
		}
		o.State, o.NextAttempt, o.Permanent, o.Attempts = OutQueued, d.now(), false, 0
		return tx.MoveOutgoing(o)
	})
}

func (d *Desk) onceOutgoing(ctx context.Context, by Actor, what string, id int64, do func(Tx) error) error {
	_, again, err := d.once(ctx, by, by.Key, requested(what, id), func(tx Tx) (int64, error) { return id, do(tx) })
	if err == nil && !again {
		d.log.Info("outgoing mail", "outgoing", id, "what", what, "actor", by.String())
	}
	return err
}

// CancelOutgoing takes back what was not submitted yet.
func (d *Desk) CancelOutgoing(ctx context.Context, by Actor, id int64) error {
	return d.onceOutgoing(ctx, by, "cancel", id, func(tx Tx) error {
		o, err := tx.Outgoing(id)
		if err != nil {
			return err
		}
		if o.State != OutQueued || o.Lease.After(d.now()) {
			return fmt.Errorf("%w: outgoing mail %d is %s or on its way", ErrConflict, id, o.State)
		}
		o.State = OutCancelled
		return tx.MoveOutgoing(o)
	})
}
