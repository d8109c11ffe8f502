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

// A search goes through the volumes from the newest on, at least one. After findTime it gives what
// it has and goes on at the next call; in one volume it may take findMax.
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
	ids, next, err = t.find(q, before, limit, findTime)
	if err != nil {
		err = errors.Join(err, c.close()) // what was under way ends, and a file that was replaced is let go
	}
	if isSpoiled(err) {
		x.spoiled.Store(true) // State makes it anew
	}
	return ids, next, err
}

func (t *tx) find(q ticketing.IndexQuery, before int64, limit int, most time.Duration) (ids []int64, next int64, err error) {
	begun := time.Now()
	volumes, err := list(t, scanInt, "SELECT id FROM volume WHERE id <= $1 ORDER BY id DESC", (before-1)/volumeSize)
	if err != nil {
		return nil, 0, err
	}
	match, b := matchOf(q, nil), beginnings{t: t}
	for i, v := range volumes {
		if i > 0 && time.Since(begun) > most { // not before the first: each call comes on
			return ids, (v + 1) * volumeSize, nil
		}
		if b.wanted(q) {
			words, err := b.words(v, q)
			if err != nil {
				return nil, 0, err
			}
			match = matchOf(q, words)
		}
		more, err := t.findIn(v, match, q.Statuses, before, limit-len(ids))
		if err != nil {
			return nil, 0, err
		}
		if ids = append(ids, more...); len(ids) >= limit {
			return ids, ids[len(ids)-1], nil
		}
	}
	return ids, 0, nil
}

// findIn finds in one volume.
func (t *tx) findIn(v int64, match string, statuses []ticketing.Status, before int64, limit int) ([]int64, error) {
	table := volumeTable(v)
	query := "SELECT rowid FROM " + table + " WHERE " + table + " MATCH $1 AND rowid < $2"
	if statuses != nil {
		return t.findWith(v, statuses, before, limit, query, match)
	}
	// The limit is an expression: for another number alone SQLite would make the statement anew.
	return page(t, limit, scanInt, query+" ORDER BY rowid DESC LIMIT $3 + 0", match, before, limit)
}

// matchOf writes a query in the language of FTS5. Every word stands in quotation marks, so
// that nothing that was typed is an operator. words are those that begin as the last of a
// term with Prefix; one that has none there is looked for as a beginning.
func matchOf(q ticketing.IndexQuery, words map[string][]string) string {
	var with, without []string
	for _, term := range q.Terms {
		match := matchOfTerm(term, words)
		if term.Not {
			without = append(without, match)
		} else {
			with = append(with, match)
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

func matchOfTerm(term ticketing.SearchTerm, words map[string][]string) string {
	all := termWords(term)
	var some []string // that the last may be
	if term.Prefix {
		some = words[all[len(all)-1]]
	}
	for i, word := range all {
		all[i] = quoted(word)
	}
	switch {
	case len(some) > 0:
		all[len(all)-1] = anyOf(some)
	case term.Prefix:
		all[len(all)-1] += " *"
	}
	if len(all) == 1 {
		return all[0]
	}
	return "(" + strings.Join(all, " AND ") + ")"
}

// termWords are the words of a term as the index has them.
func termWords(term ticketing.SearchTerm) []string {
	all := slices.Clone(term.Words)
	if term.From {
		for i, word := range all {
			all[i] = authorWord(word)
		}
	}
	return all
}

func quoted(word string) string { return `"` + strings.ReplaceAll(word, `"`, "") + `"` }

func anyOf(words []string) string {
	all := make([]string, len(words))
	for i, word := range words {
		all[i] = quoted(word)
	}
	return "(" + strings.Join(all, " OR ") + ")"
}

func anyQueue(keys []string) string {
	var words []string
	for _, key := range slices.Sorted(slices.Values(keys)) {
		words = append(words, queueWord(key))
	}
	return anyOf(words)
}
