package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postdesk/ticketing"
)

// A search goes through the volumes from the newest on. After findTime it gives what it has
// and goes on at the next call; in one volume it may take findMax.
const (
	findTime = 200 * time.Millisecond
	findMax  = 5 * time.Second
)

// Find gives messages that have all the terms, newest first.
func (x *Index) Find(ctx context.Context, q ticketing.IndexQuery, before int64, limit int) (ids []int64, next int64, err error) {
	if !x.made.Load() {
		return nil, 0, nil // nothing is in it yet
	}
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, findMax)
	defer cancel()
	defer func() {
		if err != nil && ctx.Err() != nil && outer.Err() == nil {
			err = fmt.Errorf("%w: this search takes too long; name a rarer word, or more of it", ticketing.ErrInvalid)
		}
	}()
	var c *conn
	select {
	case c = <-x.readers:
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
	defer func() { x.readers <- c }()
	t := &tx{ctx: ctx, conn: c, watched: true}
	if before <= 0 {
		before = 1 << 62
	}
	ids, next, err = t.find(matchOf(q), before, limit)
	if err != nil {
		err = errors.Join(err, c.close()) // what was under way ends, and a file that was replaced is let go
	}
	if isSpoiled(err) {
		x.spoiled.Store(true) // State makes it anew
	}
	return ids, next, err
}

func (t *tx) find(match string, before int64, limit int) (ids []int64, next int64, err error) {
	begun := time.Now()
	volumes, err := list(t, scanInt, "SELECT id FROM volume WHERE id <= $1 ORDER BY id DESC", (before-1)/volumeSize)
	if err != nil {
		return nil, 0, err
	}
	for _, v := range volumes {
		if time.Since(begun) > findTime {
			return ids, (v + 1) * volumeSize, nil
		}
		table := volumeTable(v)
		more, err := list(t, scanInt, "SELECT rowid FROM "+table+" WHERE "+table+" MATCH $1 AND rowid < $2 ORDER BY rowid DESC LIMIT $3", match, before, limit-len(ids))
		if err != nil {
			return nil, 0, err
		}
		if ids = append(ids, more...); len(ids) >= limit {
			return ids, ids[len(ids)-1], nil
		}
	}
	return ids, 0, nil
}

// matchOf writes a query in the language of FTS5. Every word stands in quotation marks, so
// that nothing that was typed is an operator.
func matchOf(q ticketing.IndexQuery) string {
	var with, without []string
	for _, term := range q.Terms {
		var all []string
		for _, word := range term.Words {
			if term.From {
				word = authorWord(word)
			}
			all = append(all, `"`+strings.ReplaceAll(word, `"`, "")+`"`)
		}
		words := strings.Join(all, " AND ")
		if term.Prefix {
			words += " *"
		}
		if len(all) > 1 {
			words = "(" + words + ")"
		}
		if term.Not {
			without = append(without, words)
		} else {
			with = append(with, words)
		}
	}
	if q.Queues != nil {
		with = append(with, anyQueue(q.Queues))
	}
	if len(q.NotQueues) > 0 {
		without = append(without, anyQueue(q.NotQueues))
	}
	match := strings.Join(with, " AND ")
	if len(without) > 0 {
		match = "(" + match + ") NOT (" + strings.Join(without, " OR ") + ")"
	}
	return match
}

func anyQueue(keys []string) string {
	var words []string
	for _, key := range slices.Sorted(slices.Values(keys)) {
		words = append(words, `"`+queueWord(key)+`"`)
	}
	return "(" + strings.Join(words, " OR ") + ")"
}
