package ticketing

import (
	"context"
	"fmt"
	"time"
)

const (
	retireEvery   = time.Hour
	retireTickets = 100  // that are looked for at a time
	retireChunk   = 100  // messages that are removed in one commit
	retireEvents  = 1000 // events that are removed in one commit
)

// Expired is what the end of its time has come for in a queue.
type Expired struct {
	Queue    string    `json:"queue"`
	Tickets  int64     `json:"tickets"`
	Messages int64     `json:"messages"`
	Oldest   time.Time `json:"oldest,omitzero"` // since when the oldest of them is closed
}

// Retention says what is over, and what was removed.
type Retention struct {
	Queues []Expired `json:"queues"`
	Events int64     `json:"events"` // at the beginning of the sequence, that are older than they are kept
}

// Expired says what Retire would remove.
func (d *Desk) Expired(ctx context.Context) (r Retention, err error) {
	r.Queues = []Expired{}
	err = d.store.Read(ctx, func(tx Tx) error {
		r.Queues = r.Queues[:0]
		for key, before := range d.horizons() {
			e, err := tx.CountClosed(key, before)
			if err != nil {
				return err
			}
			if e.Queue = key; e.Tickets > 0 {
				r.Queues = append(r.Queues, e)
			}
		}
		return nil
	})
	if err != nil || d.cfg.KeepEvents <= 0 {
		return r, err
	}
	_, r.Events, err = d.oldEvents(ctx, 1<<40)
	return r, err
}

// horizons are the times before which tickets must have been closed to be removed, by key.
func (d *Desk) horizons() map[string]time.Time {
	out := map[string]time.Time{}
	for key, q := range d.addresses.Load().queues {
		if q.Retention > 0 {
			out[key] = d.now().Add(-q.Retention)
		}
	}
	return out
}

// Retire removes whole tickets that were closed for longer than their queue keeps them, and
// the oldest events where these are kept for a time, and files that no reply has taken. Each commit is small, and none is made
// while mail waits to be decided.
func (d *Desk) Retire(ctx context.Context) (r Retention, err error) {
	d.erasing.Lock()
	defer d.erasing.Unlock()
	r.Queues = []Expired{}
	for key, before := range d.horizons() {
		e := Expired{Queue: key}
		if err := d.retireQueue(ctx, &e, before); err != nil {
			return r, err
		}
		if e.Tickets > 0 {
			r.Queues = append(r.Queues, e)
			d.log.Info("tickets removed whose time was over", "queue", key, "tickets", e.Tickets, "messages", e.Messages)
		}
	}
	uploads, err := d.retireUploads(ctx)
	if err != nil {
		return r, err
	}
	if len(r.Queues) > 0 || uploads > 0 {
		if _, err := d.store.DropFiles(ctx); err != nil {
			return r, err
		}
	}
	if d.cfg.KeepEvents > 0 {
		r.Events, err = d.retireEvents(ctx)
	}
	return r, err
}

// retire does it as long as the desk runs.
func (d *Desk) retire(ctx context.Context) {
	for pause(ctx, d.cfg.RetireAfter) {
		if _, err := d.Retire(ctx); err != nil && ctx.Err() == nil {
			d.log.Error("what is over cannot be removed; trying again", "error", err)
		}
		if !pause(ctx, retireEvery) {
			return
		}
	}
}

func (d *Desk) retireQueue(ctx context.Context, e *Expired, before time.Time) error {
	for {
		var tickets []Ticket
		err := d.store.Read(ctx, func(tx Tx) (err error) {
			tickets, err = tx.ClosedBefore(e.Queue, before, retireTickets)
			return err
		})
		if err != nil || len(tickets) == 0 {
			return err
		}
		for _, t := range tickets {
			n, err := d.retireTicket(ctx, t, before)
			if err != nil {
				return fmt.Errorf("%s: %w", t.Name(), err)
			}
			if e.Oldest.IsZero() || t.Closed.Before(e.Oldest) {
				e.Oldest = t.Closed
			}
			e.Tickets, e.Messages = e.Tickets+1, e.Messages+n
		}
	}
}

// calm waits until no mail waits to be decided.
func (d *Desk) calm(ctx context.Context) error {
	for {
		n, err := d.Backlog(ctx)
		if err != nil || n == 0 {
			return err
		}
		if !pause(ctx, 100*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// retireTicket removes a ticket with all that belongs to it. A large one goes in several
// commits; what a crash cuts off is expired still.
func (d *Desk) retireTicket(ctx context.Context, t Ticket, before time.Time) (messages int64, err error) {
	for {
		if err := d.calm(ctx); err != nil {
			return messages, err
		}
		var n int
		var over bool
		err := d.write(ctx, func(tx Tx) error {
			n, over, err = retireSome(tx, t.ID, before, d.now())
			return err
		})
		messages += int64(n)
		if err != nil || over {
			return messages, err
		}
	}
}

// retireSome removes some messages, the oldest first, and with the last of them the ticket.
func retireSome(tx Tx, ticket int64, before, now time.Time) (n int, over bool, err error) {
	t, err := tx.Ticket(ticket)
	if err != nil {
		return 0, false, err
	}
	if t.Closed.IsZero() || !t.Closed.Before(before) {
		return 0, true, nil // it was opened again meanwhile
	}
	messages, err := tx.MessagesOf(ticket, 0, retireChunk+1)
	if err != nil {
		return 0, false, err
	}
	some := messages[:min(len(messages), retireChunk)]
	var ids []int64
	var old []Hash
	for _, m := range some {
		raws, err := retireMessage(tx, m)
		if err != nil {
			return 0, false, err
		}
		ids, old = append(ids, m.ID), append(old, raws...)
	}
	whole := len(some) == len(messages)
	if whole {
		raws, err := retireRest(tx, ticket)
		if err != nil {
			return 0, false, err
		}
		old = append(old, raws...)
	}
	if _, err := tx.DropRaw(old); err != nil {
		return 0, false, err
	}
	return len(some), whole, tx.Append(&Event{Time: now, Type: TicketRemoved, Actor: "system", Origin: "system",
		Facts: map[string]string{"name": t.Name(), "queue": t.Queue, "messages": joinIDs(ids), "whole": fmt.Sprint(whole)}})
}

func retireMessage(tx Tx, m Message) (old []Hash, err error) {
	files, err := tx.Attachments(m.ID)
	if err != nil {
		return nil, err
	}
	out, err := tx.OutgoingOf(m.ID)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		old = append(old, f.Raw)
	}
	if err := tx.ForgetEventsOf(m.Ticket, m.ID); err != nil {
		return nil, err
	}
	for _, o := range out {
		old = append(old, o.Raw)
		if err := tx.RemoveOutgoing(o.ID); err != nil {
			return nil, err
		}
	}
	if err := tx.StripMessage(m.ID); err != nil {
		return nil, err
	}
	return append(old, m.Raw), tx.RemoveMessage(m.ID)
}

// retireRest removes a ticket that has no messages any more, and the mail to staff about it.
func retireRest(tx Tx, ticket int64) (old []Hash, err error) {
	out, err := tx.OutgoingOfTicket(ticket)
	if err != nil {
		return nil, err
	}
	for _, o := range out {
		old = append(old, o.Raw)
		if err := tx.RemoveOutgoing(o.ID); err != nil {
			return nil, err
		}
	}
	return old, tx.RemoveTicket(ticket)
}

// retireEvents takes away the oldest events, so far as our own consumers have seen them.
func (d *Desk) retireEvents(ctx context.Context) (total int64, err error) {
	for {
		if err := d.calm(ctx); err != nil {
			return total, err
		}
		until, n, err := d.oldEvents(ctx, retireEvents)
		if err != nil || n == 0 {
			return total, err
		}
		err = d.write(ctx, func(tx Tx) error {
			for _, name := range []string{responder, notifier} {
				at, err := tx.Cursor(name)
				if err == nil && at < until {
					err = tx.SetCursor(name, until)
				}
				if err != nil {
					return err
				}
			}
			return tx.TruncateEvents(until)
		})
		if err != nil {
			return total, err
		}
		d.tail.forget() // no event tells of it
		total += n
	}
}

// oldEvents gives the last of the oldest events that are kept no longer, and how many they
// are, at most limit. The newest event always stays.
func (d *Desk) oldEvents(ctx context.Context, limit int64) (until, n int64, err error) {
	seen, err := d.LastSeq(ctx)
	if err != nil {
		return 0, 0, err
	}
	seen--
	for _, name := range []string{responder, notifier} {
		at, _ := d.seen.Load(name)
		place, _ := at.(int64)
		seen = min(seen, place)
	}
	if d.cfg.Index != nil {
		s, err := d.cfg.Index.State(ctx)
		if err != nil {
			return 0, 0, err
		}
		seen = min(seen, s.Seq)
	}
	horizon := d.now().Add(-d.cfg.KeepEvents)
	for n < limit {
		page, err := d.Events(ctx, until, int(min(limit-n, retireEvents)))
		if err != nil || len(page) == 0 {
			return until, n, err
		}
		for _, e := range page {
			if e.Seq > seen || !e.Time.Before(horizon) {
				return until, n, nil
			}
			until, n = e.Seq, n+1
		}
	}
	return until, n, nil
}
