package ticketing

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// The index has the words of a message and not where they stand: that takes twice the room of
// the words. What it finds of a phrase is looked for once more in the messages themselves.

// bag is what an index has of words that stand together: their pairs, and the words of none.
func bag(words []string) []string {
	all := searchPairs(words)
	for i, word := range words {
		paired := i > 0 && isSpaceless(words[i-1]) || i+1 < len(words) && isSpaceless(words[i+1])
		if !paired || !isSpaceless(word) {
			all = append(all, word)
		}
	}
	return all
}

// asked makes of what was typed what an index is asked for, and the phrases of which the index
// says only that all their words are there.
func (q *searchQuery) asked() (terms, phrases []SearchTerm) {
	for _, t := range q.terms {
		words := bag(t.Words)
		if len(words) > 1 {
			phrases = append(phrases, t)
		}
		if len(words) == 1 || !t.Not { // a message may have the words of what it must not have
			t.Words = words
			terms = append(terms, t)
		}
	}
	return terms, phrases
}

// says looks whether a message has what it must and nothing of what it must not. What was found
// has its author, and needs to be read for the others alone.
func (d *Desk) says(ctx context.Context, m Message, phrases []SearchTerm) (bool, error) {
	doc := Document{From: authorWords(m)}
	for _, p := range phrases {
		if p.From && p.in(doc.From) == p.Not {
			return false, nil
		}
	}
	read := false
	for _, p := range phrases {
		if p.From {
			continue
		}
		if !read {
			err := d.store.Read(ctx, func(tx Tx) (err error) {
				m, err = tx.Message(m.ID)
				return err
			})
			if errors.Is(err, ErrNotFound) {
				return false, nil // it was taken away since it was found
			}
			if err != nil {
				return false, err
			}
			doc, _ = d.document(ctx, m)
			read = true
		}
		if (p.in(doc.From) || p.in(doc.Subject) || p.in(doc.Text)) == p.Not {
			return false, ctx.Err()
		}
	}
	return true, ctx.Err()
}

// in says that the words of a term stand together among others.
func (t SearchTerm) in(words []string) bool {
	last := len(t.Words) - 1
	for i := range len(words) - last {
		found := slices.Equal(words[i:i+last], t.Words[:last])
		if found && (words[i+last] == t.Words[last] || t.Prefix && strings.HasPrefix(words[i+last], t.Words[last])) {
			return true
		}
	}
	return false
}
