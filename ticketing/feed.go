package ticketing

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"
)

// Gone says that the events after a place of the feed are not kept any more.
type Gone struct {
	After  int64 // the place
	Oldest int64 // the first event that is still there, or the next one that will be
}

func (g Gone) Error() string {
	return fmt.Sprintf("the events after %d are not kept any more; the oldest that is there is %d", g.After, g.Oldest)
}

// nearEnd is how far from the end of the feed those who follow it share what they read.
const nearEnd = 500

// tail is what was read last at the end of the feed. All who follow it are woken by the same
// commit, and ask for nearly the same.
type tail struct {
	mu     sync.Mutex
	newest int64 // event when it was read: all that changes what is in the feed tells an event, or forgets this
	after  int64
	events []Event // all that there were after it
}

// forget has the next one who asks read again.
func (t *tail) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.newest, t.events = 0, nil
}

// Events gives events after a sequence number, at most limit. After 0 is the beginning of
// what there is; where events after another place are missing it gives Gone. What they hold
// is not to be changed.
func (d *Desk) Events(ctx context.Context, after int64, limit int) ([]Event, error) {
	events, err := d.follow(ctx, after, limit)
	if err != nil || len(events) > 0 {
		return events, err
	}
	// A commit is there a moment before followers are told: who has seen what it wrote finds
	// its events.
	return d.readEvents(ctx, after, limit)
}

// follow is Events as far as followers were told.
func (d *Desk) follow(ctx context.Context, after int64, limit int) ([]Event, error) {
	newest := d.newest.Load()
	if after > 0 && after >= newest {
		return nil, nil // who follows asks again and again
	}
	if after == 0 || newest-after > nearEnd || limit <= 1 {
		return d.readEvents(ctx, after, limit)
	}
	t := &d.tail
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.newest != newest || after < t.after {
		events, err := d.readEvents(ctx, after, nearEnd)
		if err != nil {
			return nil, err
		}
		t.newest, t.after, t.events = newest, after, events
	}
	from := sort.Search(len(t.events), func(i int) bool { return t.events[i].Seq > after })
	if from == len(t.events) || t.events[from].Seq != after+1 {
		return d.readEvents(ctx, after, limit) // some are missing
	}
	return slices.Clip(t.events[from:min(len(t.events), from+limit)]), nil
}

func (d *Desk) readEvents(ctx context.Context, after int64, limit int) (events []Event, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
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
		look, within := d.Events, ctx
		switch {
		case wait > 0 && next == after:
			look, within = d.WaitEvents, waiting
		case wait > 0: // events that were left out are acknowledged before more are waited for: that keeps a lag true
			look = d.follow
		}
		page, err := look(within, next, 500)
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
		events, err := d.follow(ctx, after, limit)
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
