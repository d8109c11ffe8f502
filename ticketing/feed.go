package ticketing

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// consumeTries is how often a consumer tries one event before it is passed over.
const consumeTries = 10

// pageEvery is how soon after a page of the feed a consumer reads the next one.
const pageEvery = 10 * time.Millisecond

// Gone says that the events after a place of the feed are not kept any more.
type Gone struct {
	After  int64 // the place
	Oldest int64 // the first event that is still there, or the next one that will be
}

func (g Gone) Error() string {
	return fmt.Sprintf("the events after %d are not kept any more; the oldest that is there is %d", g.After, g.Oldest)
}

// Events gives events after a sequence number, at most limit. After 0 is the beginning of
// what there is; where events after another place are missing it gives Gone.
func (d *Desk) Events(ctx context.Context, after int64, limit int) (events []Event, err error) {
	err = d.store.Read(ctx, func(tx Tx) (err error) {
		if events, err = tx.Events(after, limit); err != nil || after == 0 {
			return err
		}
		next := after + 1 // the sequence has no gaps but what was taken away
		if len(events) > 0 {
			next = events[0].Seq
		} else if last, err := tx.LastSeq(); err != nil {
			return err
		} else if last > after {
			next = last + 1
		}
		if next > after+1 {
			return Gone{after, next}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return events, nil
}

// Sift gives events that pass after a place of the feed, and waits for one for a while.
// Next is how far the feed was looked through.
func (d *Desk) Sift(ctx context.Context, pass func(Event) bool, after int64, limit int, wait time.Duration) (events []Event, next int64, err error) {
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for next = after; ; {
		page, err := d.Events(ctx, next, 500)
		// Not after events that were left out: to acknowledge those first keeps a lag true.
		if err == nil && len(page) == 0 && wait > 0 && next == after {
			page, err = d.WaitEvents(waiting, next, 500)
		}
		if err != nil || len(page) == 0 {
			return events, next, err
		}
		for _, e := range page {
			if pass(e) {
				events = append(events, e)
			}
			if next = e.Seq; len(events) == limit {
				return events, next, nil
			}
		}
	}
}

// EventsFor is Sift for what an actor sees.
func (d *Desk) EventsFor(ctx context.Context, by Actor, after int64, limit int, wait time.Duration) (events []Event, next int64, err error) {
	return d.Sift(ctx, func(e Event) bool { return by.Sees(e.Queue) }, after, limit, wait)
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
	for last := (time.Time{}); ctx.Err() == nil; last = time.Now() {
		d.seen.Store(name, cursor)
		// Under load a page has what many commits have told, and costs hardly more than one.
		if rest := pageEvery - time.Since(last); rest > 0 && !pause(ctx, rest) {
			return
		}
		events, err := d.WaitEvents(ctx, cursor, 256)
		var gone Gone
		if errors.As(err, &gone) { // what is not kept any more was handled, or is too old to be
			d.log.Warn("events were taken away before a consumer of our own has seen them", "consumer", name, "after", cursor, "oldest", gone.Oldest)
			cursor = gone.Oldest - 1
			continue
		}
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
		effect, err := d.takeEffect(ctx, name, e, handle)
		switch {
		case err == nil && !effect:
			return true // the cursor moves with the next effect; to see this again costs nothing
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

// takeEffect is one try, with no erasure in its middle: what was read before one would be
// written after it.
func (d *Desk) takeEffect(ctx context.Context, name string, e Event, handle handler) (effect bool, err error) {
	d.making.RLock()
	defer d.making.RUnlock()
	write, err := d.handleSafely(ctx, e, handle)
	if err != nil || write == nil {
		return false, err
	}
	return true, d.write(ctx, func(tx Tx) error {
		if err := write(tx); err != nil {
			return err
		}
		return tx.SetCursor(name, e.Seq)
	})
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
