package store

import (
	"fmt"
	"strings"

	"postdesk/ticketing"
)

// beginnings finds the words of a volume that begin as was asked. FTS5 brings all messages of a
// beginning into order before it gives the first of them, which takes long where a word is in
// many; of the words themselves, one OR the other, it reads no more than a page needs.
type beginnings struct {
	t     *tx
	begun bool // with the first volume
	many  bool // a word was in many messages; where none is, the beginning itself costs less
}

const (
	beginRows  = 32  // how much is read before the next word is sought instead
	beginReads = 12  // so often at most
	beginWords = 128 // more are not named one by one
)

// wanted says whether words are to be looked for in the next volume.
func (b *beginnings) wanted(q ticketing.IndexQuery) bool {
	for _, term := range q.Terms {
		if term.Prefix {
			return !b.begun || b.many
		}
	}
	return false
}

// words gives those of each beginning; none where there are too many of them.
func (b *beginnings) words(v int64, q ticketing.IndexQuery) (map[string][]string, error) {
	b.begun = true
	out := map[string][]string{}
	for _, term := range q.Terms {
		if !term.Prefix {
			continue
		}
		all := termWords(term)
		begin := all[len(all)-1]
		words, many, err := b.t.wordsOf(v, begin)
		if err != nil {
			return nil, err
		}
		if many {
			b.many, out[begin] = true, words
		}
	}
	return out, nil
}

// wordsOf gives the words of a volume that begin so, none when there are too many; many says that
// one of them is in many messages.
func (t *tx) wordsOf(v int64, begin string) (words []string, many bool, err error) {
	table := fmt.Sprintf("begin_%d", v)
	if _, err := t.exec(fmt.Sprintf("CREATE VIRTUAL TABLE IF NOT EXISTS temp.%s USING fts5vocab('main', '%s', 'instance')", table, volumeTable(v))); err != nil {
		return nil, false, err
	}
	from := begin
	for range beginReads {
		rows, err := list(t, scanText, "SELECT term FROM temp."+table+" WHERE term >= $1 LIMIT $2 + 0", from, beginRows)
		if err != nil {
			return nil, false, err
		}
		for _, word := range rows {
			if !strings.HasPrefix(word, begin) {
				return words, many, nil
			}
			if len(words) == 0 || words[len(words)-1] != word {
				words = append(words, word)
			}
		}
		if len(rows) < beginRows {
			return words, many, nil
		}
		if len(words) > beginWords {
			break
		}
		many = many || rows[beginRows/2] == rows[beginRows-1]
		from = words[len(words)-1] + "\x01" // no character of a word comes before it
	}
	return nil, false, nil
}
