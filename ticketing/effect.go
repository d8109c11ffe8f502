package ticketing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// consumeTries is how often a consumer tries one event before it is passed over.
const consumeTries = 10

// pageEvery is the pace of a consumer of our own.
const pageEvery = 10 * time.Millisecond

// togetherMost is how many effects share a commit: the first of them waits for the last.
// prepareMost are prepared at the same time, each perhaps with the files of an answer in memory.
const togetherMost, prepareMost = 32, 4

// cursorEvery is after how many events without an effect the cursor moves over them: a start
// sees no more again than these, however old the desk is.
const cursorEvery = 1000

// handler does what a consumer does for one event: it prepares outside any transaction,
// and gives what is to be written together with the cursor.
type handler func(ctx context.Context, e Event) (effect, error)

// effect is what an event comes to. The zero value is nothing to do.
type effect struct {
	event  Event
	write  func(Tx) error
	silent bool // no mail goes out by it
}

// follower is a consumer of our own.
type follower struct {
	name   string
	handle handler
	// beside says that an event comes to the same whether the effects of those before it are
	// written already or not: then they share a commit. nil: it never does.
	beside func(e Event, before []effect) bool
}

// consume follows the feed for a consumer of our own until ctx ends. Its effects and
// its cursor share a commit, so that each event takes effect once. An event that
// fails again and again is recorded as failed and passed: one bad event must not
// stop the answers.
func (d *Desk) consume(ctx context.Context, f follower) {
	cursor, ok := d.cursorOf(ctx, f.name)
	kept := cursor
	for pace := (Pace{Every: pageEvery}); ok && ctx.Err() == nil; {
		d.seen.Store(f.name, cursor)
		if !pace.Wait(ctx) { // what the last page took to handle counts: a consumer that is behind does not rest
			return
		}
		events, err := d.WaitEvents(ctx, cursor, 256)
		var gone Gone
		if errors.As(err, &gone) { // what is not kept any more was handled, or is too old to be
			d.log.Warn("events were taken away before a consumer of our own has seen them", "consumer", f.name, "after", cursor, "oldest", gone.Oldest)
			cursor = gone.Oldest - 1
			continue
		}
		if err != nil {
			if !d.complain(ctx, f.name, err) {
				return
			}
			continue
		}
		for len(events) > 0 {
			n, ok := d.consumeSome(ctx, f, events)
			if !ok {
				return
			}
			cursor, events = events[n-1].Seq, events[n:]
		}
		if cursor-kept >= cursorEvery {
			if err := d.write(ctx, func(tx Tx) error { return tx.SetCursor(f.name, cursor) }); err != nil && !d.complain(ctx, f.name, err) {
				return
			}
			kept = cursor // one that was not written is with the next
		}
	}
}

// cursorOf waits until it is known which event a consumer of our own has seen; false at the end of ctx.
func (d *Desk) cursorOf(ctx context.Context, name string) (cursor int64, ok bool) {
	for {
		err := d.store.Read(ctx, func(tx Tx) (err error) {
			cursor, err = tx.Cursor(name)
			return err
		})
		if err == nil || !d.complain(ctx, name, err) {
			return cursor, err == nil
		}
	}
}

func (d *Desk) complain(ctx context.Context, name string, err error) bool {
	if ctx.Err() == nil {
		d.log.Error("a consumer cannot follow the feed; trying again", "consumer", name, "error", err)
	}
	return pause(ctx, time.Second)
}

// consumeSome handles the first of some events, and as many behind it as can share its
// commit. It gives how many that were, and whether to go on.
func (d *Desk) consumeSome(ctx context.Context, f follower, events []Event) (n int, ok bool) {
	wait := 100 * time.Millisecond
	for try := 1; ; try++ {
		n, effective, err := d.takeEffects(ctx, f, events)
		switch {
		case err == nil && !effective:
			return n, true // the cursor moves with the next effect, or after many; to see this again costs nothing
		case err == nil:
			signal(d.wakeOut) // after the commit: before it there is nothing to see
			return n, true
		case ctx.Err() != nil:
			return 0, false
		case try >= consumeTries:
			d.log.Error("event passed over after many tries", "consumer", f.name, "event", events[0].Seq, "ticket", events[0].Name, "error", err)
			if err = d.giveUp(ctx, f.name, events[0]); err == nil {
				return 1, true
			}
		}
		events = events[:1] // alone, so that the others do not fail with it
		d.log.Warn("an event is tried again", "consumer", f.name, "event", events[0].Seq, "ticket", events[0].Name, "try", try, "error", err)
		if !pause(ctx, wait) {
			return 0, false
		}
		wait = min(2*wait, 10*time.Second)
	}
}

// takeEffects is one try, with no erasure in its middle: what was read before one would be
// written after it. It gives how many events are done with; the error is of the first.
func (d *Desk) takeEffects(ctx context.Context, f follower, events []Event) (n int, effective bool, err error) {
	d.making.RLock()
	defer d.making.RUnlock()
	all, n, err := d.prepare(ctx, f, events)
	if err != nil || len(all) == 0 {
		return n, false, err
	}
	return n, true, d.write(ctx, func(tx Tx) error {
		for _, e := range all {
			if err := e.write(tx); err != nil {
				return fmt.Errorf("event %d: %w", e.event.Seq, err)
			}
		}
		return tx.SetCursor(f.name, all[len(all)-1].event.Seq)
	})
}

// prepare gives the effects of the first events, and of how many they are.
func (d *Desk) prepare(ctx context.Context, f follower, events []Event) (all []effect, n int, err error) {
	for n < len(events) {
		beside := 0
		for assumed := slices.Clip(all); n+beside < len(events) && beside < prepareMost; beside++ {
			e := events[n+beside]
			if len(assumed) == togetherMost || len(assumed) > 0 && (f.beside == nil || !f.beside(e, assumed)) {
				break
			}
			assumed = append(assumed, effect{event: e})
		}
		if beside == 0 {
			return all, n, nil
		}
		made, errs := d.handleBeside(ctx, f, events[n:n+beside])
		for i := range made {
			if errs[i] != nil && n > 0 {
				return all, n, nil // it will be the first
			}
			if errs[i] != nil {
				return nil, 0, errs[i]
			}
			if n++; made[i].write != nil {
				all = append(all, made[i])
			}
		}
	}
	return all, n, nil
}

// handleBeside handles events at the same time.
func (d *Desk) handleBeside(ctx context.Context, f follower, events []Event) (made []effect, errs []error) {
	made, errs = make([]effect, len(events)), make([]error, len(events))
	var wg sync.WaitGroup
	for i, e := range events {
		if e.Origin == OriginImport { // it is history: nobody is answered or told about it
			continue
		}
		wg.Go(func() {
			made[i], errs[i] = d.handleSafely(ctx, e, f.handle)
			made[i].event = e
		})
	}
	wg.Wait()
	return made, errs
}

func (d *Desk) handleSafely(ctx context.Context, e Event, handle handler) (made effect, err error) {
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
