package ticketing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Consumer is a program outside that follows the feed under a name. The desk keeps its
// place, so that the program needs no memory of its own: it gets each event at least
// once, in order, until it has acknowledged it.
type Consumer struct {
	Name    string
	Seq     int64 // the last event that is done with
	Filter  Filter
	Created time.Time
}

// Filter selects events. Empty fields select all.
type Filter struct {
	Queues []string `json:"queues,omitempty"`
	Types  []string `json:"types,omitempty"`  // "message.received", or "message.*"
	Actor  string   `json:"actor,omitempty"`  // "program", or "human": anybody else
	Proven bool     `json:"proven,omitempty"` // only mail whose author is proven
	// Imported asks for the events of imports too. They are left out else: a program that
	// answers mail would answer all the mail of years.
	Imported bool `json:"imported,omitempty"`
}

// DeadLetter is an event that a consumer could not handle.
type DeadLetter struct {
	Consumer string
	Seq      int64
	Reason   string
	Tries    int
	At       time.Time
}

// Lag is a consumer with how many events it is behind the feed.
type Lag struct {
	Consumer
	Behind int64
	Dead   int
}

var consumerName = pattern(`^[a-z0-9][a-z0-9._-]{0,62}$`)

func (f Filter) check() error {
	for _, t := range f.Types {
		if t == "" || strings.Contains(strings.TrimSuffix(t, "*"), "*") {
			return fmt.Errorf("%w: %q is no type of event; they look like message.received or message.*", ErrInvalid, t)
		}
	}
	if f.Actor != "" && f.Actor != "program" && f.Actor != "human" {
		return fmt.Errorf("%w: actor %q: want program or human", ErrInvalid, f.Actor)
	}
	return nil
}

// passes says whether an event is for a consumer with this filter.
func (f Filter) passes(e Event) bool {
	program := strings.HasPrefix(e.Actor, "program:")
	switch {
	case e.Origin == OriginImport && !f.Imported:
		return false
	case len(f.Queues) > 0 && !slices.Contains(f.Queues, e.Queue):
		return false
	case f.Actor == "program" && !program, f.Actor == "human" && program:
		return false
	case f.Proven && e.Facts["author_proven"] == "":
		return false
	}
	return len(f.Types) == 0 || slices.ContainsFunc(f.Types, func(t string) bool {
		prefix, wild := strings.CutSuffix(t, "*")
		return t == e.Type || wild && strings.HasPrefix(e.Type, prefix)
	})
}

// PutConsumer makes a consumer that begins after an event, or changes the filter of one
// that is there and leaves its place. Who sees some queues only gets these, and cannot
// change a consumer of others.
func (d *Desk) PutConsumer(ctx context.Context, by Actor, name string, f Filter, after int64) (c Consumer, err error) {
	if !consumerName().MatchString(name) {
		return c, fmt.Errorf("%w: %q is no name of a consumer: small letters, digits, dot, dash, 63 at most", ErrInvalid, name)
	}
	for i, q := range f.Queues {
		f.Queues[i] = strings.ToUpper(q)
	}
	if err := f.check(); err != nil {
		return c, err
	}
	if len(f.Queues) == 0 {
		f.Queues = by.Queues
	}
	if !f.within(by) {
		return c, fmt.Errorf("queues %s: %w", strings.Join(f.Queues, " "), ErrNotFound)
	}
	err = d.store.Write(ctx, func(tx Tx) error {
		switch c, err = tx.Consumer(name); {
		case errors.Is(err, ErrNotFound):
			c = Consumer{Name: name, Seq: after, Created: d.now()}
		case err != nil:
			return err
		case !c.Filter.within(by):
			return fmt.Errorf("consumer %q: %w", name, ErrNotFound)
		}
		c.Filter = f
		return tx.PutConsumer(c)
	})
	return c, err
}

// Consumers lists the named consumers that an actor sees, with their lag.
func (d *Desk) Consumers(ctx context.Context, by Actor) (all []Lag, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		all = nil
		last, err := tx.LastSeq()
		if err != nil {
			return err
		}
		consumers, err := tx.Consumers()
		for _, c := range consumers {
			if !c.Filter.within(by) {
				continue
			}
			dead, err := tx.DeadLetters(c.Name, 0, 0)
			if err != nil {
				return err
			}
			all = append(all, Lag{c, last - c.Seq, len(dead)})
		}
		return err
	})
	return all, err
}

// RemoveConsumer forgets a consumer and its dead letters.
func (d *Desk) RemoveConsumer(ctx context.Context, name string) error {
	return d.named(name, d.store.Write(ctx, func(tx Tx) error { return tx.RemoveConsumer(name) }))
}

func (d *Desk) named(name string, err error) error {
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("consumer %q: %w", name, err)
	}
	return err
}

// ConsumerEvents gives events for a consumer after what it has acknowledged, or after a
// later place that it has seen, and waits for one for a while. Next is how far the feed
// was looked through: acknowledging it passes over what the filter leaves out.
func (d *Desk) ConsumerEvents(ctx context.Context, by Actor, name string, after int64, limit int, wait time.Duration) (events []Event, next int64, err error) {
	c, err := d.consumer(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	return d.Sift(ctx, func(e Event) bool { return by.Sees(e.Queue) && c.Filter.passes(e) }, max(after, c.Seq), limit, wait)
}

func (d *Desk) consumer(ctx context.Context, name string) (c Consumer, err error) {
	err = d.store.Read(ctx, func(tx Tx) (err error) {
		c, err = tx.Consumer(name)
		return err
	})
	return c, d.named(name, err)
}

// MoveConsumer sets the place of a consumer: back, so that it gets events again, or on.
func (d *Desk) MoveConsumer(ctx context.Context, by Actor, name string, seq int64) (c Consumer, err error) {
	_, again, err := d.once(ctx, by, by.Key, requested("seek", name, seq), func(tx Tx) (int64, error) {
		last, err := tx.LastSeq()
		if err != nil {
			return 0, err
		}
		if c, err = tx.Consumer(name); err != nil {
			return 0, err
		}
		c.Seq = min(seq, last)
		return c.Seq + 1, tx.PutConsumer(c) // 0 stands for nothing
	})
	if err == nil && again {
		return d.consumer(ctx, name)
	}
	return c, d.named(name, err)
}

// Acknowledge says that a consumer is done with all events up to seq. An older place
// changes nothing: acknowledgements may come twice, or late.
func (d *Desk) Acknowledge(ctx context.Context, name string, seq int64) error {
	return d.named(name, d.store.Write(ctx, func(tx Tx) error { return acknowledge(tx, name, seq) }))
}

func acknowledge(tx Tx, name string, seq int64) error {
	c, err := tx.Consumer(name)
	if err != nil || seq <= c.Seq {
		return err
	}
	last, err := tx.LastSeq()
	if err != nil {
		return err
	}
	if seq > last {
		return fmt.Errorf("%w: event %d has not happened yet; the newest is %d", ErrInvalid, seq, last)
	}
	c.Seq = seq
	return tx.PutConsumer(c)
}

// Bury puts an event aside that a consumer cannot handle, so that those behind it go on.
func (d *Desk) Bury(ctx context.Context, by Actor, l DeadLetter) error {
	l.At = d.now()
	l.Reason = clipped(l.Reason, 1000)
	_, _, err := d.once(ctx, by, by.Key, requested("bury", l.Consumer, l.Seq), func(tx Tx) (int64, error) {
		if _, err := tx.Consumer(l.Consumer); err != nil {
			return 0, err
		}
		if err := tx.PutDeadLetter(l); err != nil {
			return 0, err
		}
		return l.Seq, tx.Append(&Event{Time: d.now(), Type: ConsumerFailed, Actor: "system", Origin: "system",
			Facts: map[string]string{"consumer": l.Consumer, "event": fmt.Sprint(l.Seq)}})
	})
	return d.named(l.Consumer, err)
}

func clipped(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}

// DeadLetters lists what a consumer could not handle, each with its event.
func (d *Desk) DeadLetters(ctx context.Context, name string, after int64, limit int) (letters []DeadLetter, events []Event, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		letters, events = nil, nil
		if _, err := tx.Consumer(name); err != nil {
			return err
		}
		all, err := tx.DeadLetters(name, after, limit)
		if err != nil {
			return err
		}
		for _, l := range all {
			e, err := tx.Events(l.Seq-1, 1)
			if err != nil {
				return err
			}
			if len(e) == 1 && e[0].Seq == l.Seq {
				letters, events = append(letters, l), append(events, e[0])
			}
		}
		return nil
	})
	return letters, events, d.named(name, err)
}

// Unbury forgets a dead letter that was handled after all.
func (d *Desk) Unbury(ctx context.Context, name string, seq int64) error {
	return d.named(name, d.store.Write(ctx, func(tx Tx) error { return tx.RemoveDeadLetter(name, seq) }))
}
