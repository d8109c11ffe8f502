package ticketing

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"postdesk/ticketing/mail"
)

const (
	indexBatch = 256                    // messages of one commit, when the index is filled
	indexPage  = 1500                   // events of one commit: of many words that are written together many are the same
	indexTexts = 8 << 20                // octets after which a commit takes no further message
	indexPause = 200 * time.Millisecond // in which more events gather
	indexBusy  = time.Second            // the same, while many come
	indexMany  = 100                    // events in one look
	indexText  = 256 << 10              // octets of a message that are indexed
	indexTold  = 10 * time.Second       // between lines about a long filling
	indexLook  = 30 * time.Second       // between looks whether the index can still be read
	indexYield = 19                     // times as long as a commit took, it rests while mail waits to be decided
)

// index fills the index of words, after the feed and out of the way of deliveries. Its place
// in the feed is in the index itself, so that each message is in it once; what the index
// lacks, because it is new or was made anew, is filled in from the store.
func (d *Desk) index(ctx context.Context) {
	if d.cfg.Index == nil {
		return
	}
	for ctx.Err() == nil {
		err := d.followWords(ctx)
		if err == nil || ctx.Err() != nil {
			continue
		}
		d.log.Error("the index of words is behind; trying again", "error", err)
		pause(ctx, time.Second)
	}
}

func (d *Desk) followWords(ctx context.Context) error {
	state, err := d.indexState(ctx)
	if err != nil {
		return err
	}
	if err := d.fillIndex(ctx, &state); err != nil {
		return err
	}
	d.filled.Store(true)
	defer d.filled.Store(false)
	for {
		d.seen.Store(indexer, state.Seq)
		d.texts.age()
		events, err := d.wordEvents(ctx, state.Seq)
		var gone Gone
		if errors.As(err, &gone) {
			d.log.Warn("events were taken away before the index of words has seen them: it is made anew", "after", state.Seq, "oldest", gone.Oldest)
			return d.cfg.Index.Remake(ctx)
		}
		if err != nil || ctx.Err() != nil {
			return err
		}
		if len(events) == 0 {
			if now, err := d.cfg.Index.State(ctx); err != nil || now != state {
				return err // another one was made: it is to be filled
			}
			continue
		}
		begun := time.Now()
		change, seq, err := d.indexChange(ctx, events)
		if err != nil {
			return err
		}
		state.Seq = seq
		if err := d.cfg.Index.Apply(ctx, change, state); err != nil {
			return err
		}
		if d.mailWaits(ctx) { // tickets first: words can be a little late
			pause(ctx, indexYield*time.Since(begun))
		}
	}
}

// mailWaits says that mail was accepted and is not decided yet.
func (d *Desk) mailWaits(ctx context.Context) (waits bool) {
	err := d.store.Read(ctx, func(tx Tx) error {
		pending, err := tx.PendingArrivals(0, 1)
		waits = len(pending) > 0
		return err
	})
	return err == nil && waits
}

// wordEvents waits a while for events, and for those that come close behind.
func (d *Desk) wordEvents(ctx context.Context, after int64) ([]Event, error) {
	waiting, cancel := context.WithTimeout(ctx, indexLook)
	defer cancel()
	events, err := d.WaitEvents(waiting, after, indexMany)
	if err != nil || len(events) == 0 {
		return events, err
	}
	rest := indexPause
	if len(events) == indexMany {
		rest = indexBusy
	}
	pause(ctx, rest)
	return d.Events(ctx, after, indexPage)
}

// SearchFilled says that the index of words has all that there is, but what came just now.
func (d *Desk) SearchFilled() bool { return d.filled.Load() }

// SearchBehind is how many events the index of words has still to look at; -1 while it is
// made, or when there is none.
func (d *Desk) SearchBehind(ctx context.Context) (int64, error) {
	seen, ok := d.seen.Load(indexer)
	if !ok || !d.filled.Load() {
		return -1, nil
	}
	last, err := d.LastSeq(ctx)
	return last - seen.(int64), err
}

// indexState is where the index stands. One that knows more than the store is of another one.
func (d *Desk) indexState(ctx context.Context) (s IndexState, err error) {
	if s, err = d.cfg.Index.State(ctx); err != nil {
		return s, err
	}
	var seq, last int64
	err = d.store.Read(ctx, func(tx Tx) (err error) {
		if seq, err = tx.LastSeq(); err != nil {
			return err
		}
		last, err = tx.LastMessage()
		return err
	})
	if err != nil || s.Until != 0 && s.Seq <= seq {
		return s, err
	}
	if s.Until != 0 {
		if err := d.cfg.Index.Remake(ctx); err != nil {
			return s, err
		}
	}
	// What happens from now on is told by events; what was before is in the messages.
	return IndexState{Seq: seq, Until: max(last, 1)}, nil
}

// fillIndex puts in the messages that were there before, and says how far it is when that
// takes long.
func (d *Desk) fillIndex(ctx context.Context, s *IndexState) error {
	begun, told := time.Now(), time.Now()
	for s.Built < s.Until {
		var last int64 // message of this commit, 0 when there is none
		put, _, _, err := d.documents(ctx, func(tx Tx) (page []Message, err error) {
			page, err = tx.MessagesAfter(s.Built, indexBatch)
			if len(page) > 0 {
				last = page[len(page)-1].ID
			}
			return page, err
		}, func(int) bool { return false })
		if err != nil {
			return err
		}
		if s.Built = last; last == 0 || last > s.Until { // what came since is told by events
			s.Built = s.Until
		}
		if err := d.cfg.Index.Apply(ctx, IndexChange{Put: put}, *s); err != nil {
			return err
		}
		if done := s.Built == s.Until; time.Since(told) > indexTold || done && time.Since(begun) > indexTold {
			told = time.Now()
			d.log.Info("filling the index of words", "message", s.Built, "of", s.Until)
		}
	}
	return nil
}

// indexChange is what these events have changed, as it is now. Where words are many it is that of
// the first events alone: seq is the last of those.
func (d *Desk) indexChange(ctx context.Context, events []Event) (c IndexChange, seq int64, err error) {
	if c.Put, c.Remove, seq, err = d.changedWords(ctx, events); err != nil {
		return c, seq, err
	}
	c.Statuses, err = d.changedStatuses(ctx, events)
	return c, seq, err
}

// changedStatuses has each message of the tickets whose status is another one since these events.
func (d *Desk) changedStatuses(ctx context.Context, events []Event) (map[int64]Status, error) {
	changed := map[int64]bool{}
	for _, e := range events {
		if e.Type == TicketUpdated && e.Facts["status"] != "" {
			changed[e.Ticket] = true
		}
	}
	if len(changed) == 0 {
		return nil, nil
	}
	out := map[int64]Status{}
	return out, d.store.Read(ctx, func(tx Tx) error {
		for id := range changed {
			t, err := tx.Ticket(id)
			if errors.Is(err, ErrNotFound) { // removed since: another event takes its words out
				continue
			}
			if err != nil {
				return err
			}
			messages, err := tx.MessageIDs(id)
			if err != nil {
				return err
			}
			for _, m := range messages {
				out[m] = t.Status
			}
		}
		return nil
	})
}

// changesWords says that the words of the event's message are new, or others than before.
func (e Event) changesWords() bool {
	switch e.Type {
	case MessageReceived, MessageHeld, ReplyAdded, NoteAdded, QuestionAdded:
		return true
	}
	return false
}

// takenAway are the messages whose words an erasure, a redaction or the end of their time has
// taken away or changed.
func (e Event) takenAway() (ids []int64) {
	switch e.Type {
	case PersonErased, MessageRedacted, TicketRemoved:
		for _, word := range strings.Fields(e.Facts["messages"]) {
			if id, err := strconv.ParseInt(word, 10, 64); err == nil {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// changedWords reads the messages whose words are others since these events, as they are
// now; what is not there any more is to be taken out. Where they are long it takes the first
// events alone: seq is the last of those.
func (d *Desk) changedWords(ctx context.Context, events []Event) (put []Document, remove []int64, seq int64, err error) {
	var ids []int64
	var told []int64 // the event of each
	known := map[int64]bool{}
	for _, e := range events {
		changed := e.takenAway()
		if len(changed) > 0 {
			d.texts.clear() // they may be among these
		}
		if e.changesWords() {
			changed = append(changed, e.Message)
		}
		for _, id := range changed {
			if !known[id] {
				ids, told, known[id] = append(ids, id), append(told, e.Seq), true
			}
		}
	}
	put, remove, n, err := d.documents(ctx, func(tx Tx) (messages []Message, err error) {
		for _, id := range ids {
			m, err := tx.Message(id)
			if errors.Is(err, ErrNotFound) {
				m, err = Message{ID: id, Kind: KindAcknowledgement}, nil
			}
			if err != nil {
				return nil, err
			}
			messages = append(messages, m)
		}
		return messages, nil
	}, func(i int) bool { return i > 0 && told[i] != told[i-1] })
	if n < len(ids) {
		return put, remove, told[n] - 1, err
	}
	return put, remove, events[len(events)-1].Seq, err
}

// documents makes the documents of messages, in their order, and says of which there is
// none. It may end before the message i where mayEnd(i), once there is much text; n is how
// many it has looked at.
func (d *Desk) documents(ctx context.Context, read func(Tx) ([]Message, error), mayEnd func(i int) bool) (put []Document, none []int64, n int, err error) {
	var messages []Message
	tickets := map[int64]Ticket{}
	err = d.store.Read(ctx, func(tx Tx) (err error) {
		if messages, err = read(tx); err != nil {
			return err
		}
		for _, m := range messages {
			if _, known := tickets[m.Ticket]; known || !hasWords(m) {
				continue
			}
			t, err := tx.Ticket(m.Ticket)
			if err != nil {
				return err
			}
			tickets[m.Ticket] = t
		}
		return nil
	})
	size := 0
	for i, m := range messages {
		if size > indexTexts && mayEnd(i) {
			return put, none, i, err
		}
		if !hasWords(m) {
			none = append(none, m.ID)
			continue
		}
		doc, n := d.document(ctx, m)
		size += n
		doc.Queue, doc.Status = tickets[m.Ticket].Queue, tickets[m.Ticket].Status
		for _, words := range []*[]string{&doc.From, &doc.Subject, &doc.Text} {
			*words = append(*words, searchPairs(*words)...)
		}
		put = append(put, doc)
	}
	return put, none, len(messages), err
}

// hasWords leaves out what says the same to everybody, and what is gone.
func hasWords(m Message) bool { return m.Kind != KindAcknowledgement && m.Reason != ReasonErased }

// document has the words of a message: what its author wrote, as it is shown, without quotes.
// size is how long that was.
func (d *Desk) document(ctx context.Context, m Message) (doc Document, size int) {
	text := m.Body
	if text == "" && !m.Raw.IsZero() {
		if c, here := d.texts.take(m.Raw); here {
			text = mail.NewTextOf(c)
		} else if c, err := d.Content(ctx, m); err == nil {
			text = c.NewText
		} else if ctx.Err() == nil { // one that is spoiled must not keep the others out
			d.log.Warn("a mail is found by its subject and author alone: its bytes cannot be read", "message", m.ID, "error", err)
		}
	}
	text = text[:min(len(text), indexText)]
	return Document{Message: m.ID, Subject: SearchWords(m.Subject), Text: SearchWords(text), From: authorWords(m)}, len(text)
}

func authorWords(m Message) []string {
	return append(SearchWords(m.From.Name), SearchWords(m.From.Address)...)
}
