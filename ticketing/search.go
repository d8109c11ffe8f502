package ticketing

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Index finds messages by their words. It is made of what the Store has, and can be made
// again.
type Index interface {
	// State is how far the index has come, the zero value for a new one. It makes the index
	// when there is none that can be read.
	State(ctx context.Context) (IndexState, error)
	// Apply makes a change, and records how far it has come, all in one commit.
	Apply(ctx context.Context, c IndexChange, to IndexState) error
	// Find gives messages with an id below before that have the words of each term, wherever
	// they stand, newest first, at most limit. next goes on
	// from there, 0 when there is no more: also a page that is not full may have one, when
	// there was much to look through. What has changed just now may be as it was.
	Find(ctx context.Context, q IndexQuery, before int64, limit int) (ids []int64, next int64, err error)
	// Remake throws the index away.
	Remake(ctx context.Context) error
}

// IndexState is how far an index has come.
type IndexState struct {
	Seq   int64 // the events that it has followed
	Built int64 // the message up to which it was filled from the store
	Until int64 // the last message that is to be; 0 when nothing was begun
}

// IndexChange is what becomes of messages in an index.
type IndexChange struct {
	Put      []Document       // in the place of what was there of their messages
	Remove   []int64          // messages that are not to be found any more
	Statuses map[int64]Status // by message, what its ticket has now
}

// Document is what is indexed of a message: which words it has, not how often or where.
type Document struct {
	Message int64
	Queue   string
	Status  Status   // of its ticket
	From    []string // words, as the others
	Subject []string
	Text    []string
}

// IndexQuery is what an index is asked for: messages that have each term, of these queues,
// whose tickets have one of these statuses.
type IndexQuery struct {
	Terms     []SearchTerm
	Queues    []string // nil is any
	NotQueues []string
	Statuses  []Status // nil is any
}

// Found is a message with its ticket. Of one that a search has found it has what Tx.Found says.
type Found struct {
	Message Message
	Ticket  Ticket
}

// searchTime is how long a search looks through what it finds for what is to be shown.
const searchTime = 300 * time.Millisecond

// phrasePage is how many the index is asked for at a time, where each of them is read to look for
// a phrase.
const phrasePage = 64

// ErrNoIndex is for a desk without one.
var ErrNoIndex = errors.New("this desk has no index of words")

// Search finds messages that an actor sees by their words, the newest first: those with an
// ID below before (0 is all), at most limit. next is the place to go on from, 0 at the end;
// also a page that is not full may have one, so that no search takes long. What is wrong
// with the text is ErrInvalid.
func (d *Desk) Search(ctx context.Context, by Actor, text string, before int64, limit int) (found []Found, next int64, err error) {
	q, err := parseSearch(text)
	if err != nil {
		return nil, 0, err
	}
	if d.cfg.Index == nil {
		return nil, 0, ErrNoIndex
	}
	terms, phrases := q.asked()
	ask := IndexQuery{Terms: terms, NotQueues: q.notQueues, Statuses: q.statuses}
	if ask.Queues, err = d.searchQueues(by, q.queues); err != nil || ask.Queues != nil && len(ask.Queues) == 0 {
		return nil, 0, err
	}
	deadline := time.Now().Add(searchTime)
	for next := before; ; {
		want := limit - len(found)
		if phrases != nil {
			want = max(want, phrasePage)
		}
		ids, after, err := d.cfg.Index.Find(ctx, ask, next, want)
		if err != nil {
			return nil, 0, err
		}
		all, err := d.join(ctx, by, q, ids)
		if err != nil {
			return nil, 0, err
		}
		if stopped, err := d.show(ctx, all, phrases, limit, deadline, &found); err != nil || stopped != 0 {
			return found, stopped, err
		}
		if next = after; next == 0 || time.Now().After(deadline) {
			return found, next, nil
		}
	}
}

// show adds to what is found what has the phrases. It says where it stopped because the page is
// full or its time is over, 0 when it has looked at all.
func (d *Desk) show(ctx context.Context, all []Found, phrases []SearchTerm, limit int, deadline time.Time, found *[]Found) (stopped int64, err error) {
	for _, f := range all {
		has := phrases == nil
		if !has {
			if has, err = d.says(ctx, f.Message, phrases); err != nil {
				return 0, err
			}
		}
		if has {
			*found = append(*found, f)
		}
		if len(*found) == limit || phrases != nil && time.Now().After(deadline) {
			return f.Message.ID, nil
		}
	}
	return 0, nil
}

// searchQueues are those asked for that the actor sees; nil is any. A queue that is hidden
// looks like one that is not there.
func (d *Desk) searchQueues(by Actor, asked []string) (queues []string, err error) {
	if asked == nil {
		return by.Queues, nil
	}
	for _, key := range asked {
		if _, known := d.addresses.Load().queues[key]; !known || !by.Sees(key) {
			return nil, fmt.Errorf("%w: there is no queue %s", ErrInvalid, key)
		}
		queues = append(queues, key)
	}
	return queues, nil
}

// join reads the messages and tickets of what was found, and leaves out what is not meant or
// not to be seen, whatever the index says.
func (d *Desk) join(ctx context.Context, by Actor, q searchQuery, ids []int64) (all []Found, err error) {
	err = d.store.Read(ctx, func(tx Tx) (err error) {
		all, err = tx.Found(ids, q.statuses)
		return err
	})
	return slices.DeleteFunc(all, func(f Found) bool {
		return !by.Sees(f.Ticket.Queue) || q.queues != nil && !slices.Contains(q.queues, f.Ticket.Queue) || slices.Contains(q.notQueues, f.Ticket.Queue)
	}), err
}
