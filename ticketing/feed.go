package ticketing

import (
	"context"
	"fmt"
	"time"
)

// consumeTries is how often a consumer tries one event before it is passed over.
const consumeTries = 10

// Events gives events after a sequence number, at most limit.
func (d *Desk) Events(ctx context.Context, after int64, limit int) (events []Event, err error) {
	err = d.store.Read(ctx, func(tx Tx) (err error) {
		events, err = tx.Events(after, limit)
		return err
	})
	return events, err
}

// LastSeq is the number of the newest event, 0 when there is none.
func (d *Desk) LastSeq(ctx context.Context) (seq int64, err error) {
	err = d.store.Read(ctx, func(tx Tx) (err error) {
		seq, err = tx.LastSeq()
		return err
	})
	return seq, err
}

// WaitEvents is Events that waits until there is at least one, or until ctx ends:
// then it gives none, and no error.
func (d *Desk) WaitEvents(ctx context.Context, after int64, limit int) ([]Event, error) {
	for {
		d.mu.Lock()
		appended := d.appended // before reading, so that nothing falls between
		d.mu.Unlock()
		events, err := d.Events(ctx, after, limit)
		if ctx.Err() != nil {
			return nil, nil
		}
		if err != nil || len(events) > 0 {
			return events, err
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-appended:
		}
	}
}

// handler does what a consumer does for one event: it prepares outside any
// transaction, and gives what is to be written together with the cursor. A nil write
// is nothing to do.
type handler func(ctx context.Context, e Event) (write func(Tx) error, err error)

// consume follows the feed for a consumer of our own until ctx ends. Its effects and
// its cursor share a commit, so that each event takes effect once. An event that
// fails again and again is recorded as failed and passed: one bad event must not
// stop the answers.
func (d *Desk) consume(ctx context.Context, name string, handle handler) {
	var cursor int64
	for {
		err := d.store.Read(ctx, func(tx Tx) (err error) {
			cursor, err = tx.Cursor(name)
			return err
		})
		if err == nil {
			break
		}
		if !d.complain(ctx, name, err) {
			return
		}
	}
	for ctx.Err() == nil {
		events, err := d.WaitEvents(ctx, cursor, 256)
		if err != nil {
			if !d.complain(ctx, name, err) {
				return
			}
			continue
		}
		for _, e := range events {
			// What was imported is history: nobody is answered or told about it.
			if e.Origin != OriginImport && !d.consumeOne(ctx, name, e, handle) {
				return
			}
			cursor = e.Seq
		}
	}
}

func (d *Desk) complain(ctx context.Context, name string, err error) bool {
	if ctx.Err() == nil {
		d.log.Error("a consumer cannot read the feed; trying again", "consumer", name, "error", err)
	}
	return pause(ctx, time.Second)
}

// consumeOne says whether to go on.
func (d *Desk) consumeOne(ctx context.Context, name string, e Event, handle handler) bool {
	wait := 100 * time.Millisecond
	for try := 1; ; try++ {
		write, err := d.handleSafely(ctx, e, handle)
		if err == nil && write == nil {
			return true // the cursor moves with the next effect; to see this again costs nothing
		}
		if err == nil {
			err = d.write(ctx, func(tx Tx) error {
				if err := write(tx); err != nil {
					return err
				}
				return tx.SetCursor(name, e.Seq)
			})
		}
		switch {
		case err == nil:
			signal(d.wakeOut) // after the commit: before it there is nothing to see
			return true
		case ctx.Err() != nil:
			return false
		case try >= consumeTries:
			d.log.Error("event passed over after many tries", "consumer", name, "event", e.Seq, "ticket", e.Name, "error", err)
			if err = d.giveUp(ctx, name, e); err == nil {
				return true
			}
		}
		d.log.Warn("an event is tried again", "consumer", name, "event", e.Seq, "ticket", e.Name, "try", try, "error", err)
		if !pause(ctx, wait) {
			return false
		}
		wait = min(2*wait, 10*time.Second)
	}
}

func (d *Desk) handleSafely(ctx context.Context, e Event, handle handler) (write func(Tx) error, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return handle(ctx, e)
}

func (d *Desk) giveUp(ctx context.Context, name string, e Event) error {
	return d.write(ctx, func(tx Tx) error {
		if err := tx.Append(&Event{Time: d.now(), Type: ConsumerFailed, Ticket: e.Ticket, Message: e.Message, Actor: "system",
			Origin: "system", Facts: map[string]string{"consumer": name, "event": fmt.Sprint(e.Seq)}}); err != nil {
			return err
		}
		return tx.SetCursor(name, e.Seq)
	})
}
