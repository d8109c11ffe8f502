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

// says looks whether a message has what it must and nothing of what it must not.
func (d *Desk) says(ctx context.Context, id int64, phrases []SearchTerm) (bool, error) {
	var m Message
	err := d.store.Read(ctx, func(tx Tx) (err error) {
		m, err = tx.Message(id)
		return err
	})
	if err != nil {
		if errors.Is(err, ErrNotFound) {
			err = nil // it was taken away since it was found
		}
		return false, err
	}
	doc := Document{From: authorWords(m)}
	read := false
	for _, p := range phrases {
		if !p.From && !read {
			doc, _ = d.document(ctx, m)
			read = true
		}
		has := p.in(doc.From) || !p.From && (p.in(doc.Subject) || p.in(doc.Text))
		if has == p.Not {
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
