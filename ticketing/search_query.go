package ticketing

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What a search may ask for.
const (
	searchMax      = 1000 // octets
	searchTermsMax = 32
	searchPrefix   = 3 // letters before *: fewer begin half of all words
)

// SearchTerm is one thing that a message must have, or must not.
type SearchTerm struct {
	Words  []string // of SearchWords, one after the other
	Prefix bool     // the last of them is the beginning of a word
	From   bool     // in the author's name or address
	Not    bool
}

// searchQuery is what somebody has typed.
type searchQuery struct {
	terms     []SearchTerm
	queues    []string // nil is any
	notQueues []string
	statuses  []Status // nil is any
}

// parseSearch reads the language of searches: words, all of which must be there, "phrases",
// -not, begin*, from:, queue: and status:.
func parseSearch(text string) (q searchQuery, err error) {
	if len(text) > searchMax || !utf8.ValidString(text) {
		return q, fmt.Errorf("%w: a search is text of at most %d octets", ErrInvalid, searchMax)
	}
	s := searchScanner{strings.Map(plainQuotes, text)}
	for n := 0; ; n++ {
		i, found, err := s.next()
		if err != nil {
			return q, err
		}
		if !found {
			break
		}
		if n == searchTermsMax {
			return q, fmt.Errorf("%w: a search has at most %d words", ErrInvalid, searchTermsMax)
		}
		if err := q.add(i); err != nil {
			return q, err
		}
	}
	if !slices.ContainsFunc(q.terms, func(t SearchTerm) bool { return !t.Not }) {
		return q, fmt.Errorf("%w: there is no word to search for; write words, \"a phrase\", begin*, -without, from:, queue: or status: before one", ErrInvalid)
	}
	return q, nil
}

// plainQuotes makes one kind of the marks that keyboards and word processors write.
func plainQuotes(r rune) rune {
	if strings.ContainsRune("“”„‟«»＂", r) {
		return '"'
	}
	return r
}

// searchItem is one item of a search as it was typed.
type searchItem struct {
	field, text string
	not, prefix bool
}

type searchScanner struct{ rest string }

func (s *searchScanner) next() (i searchItem, found bool, err error) {
	s.rest = strings.TrimSpace(s.rest)
	if s.rest == "" {
		return i, false, nil
	}
	if after, ok := strings.CutPrefix(s.rest, "-"); ok {
		i.not, s.rest = true, after
	}
	for _, field := range []string{"from", "queue", "status"} {
		if n := len(field); len(s.rest) > n && s.rest[n] == ':' && strings.EqualFold(s.rest[:n], field) {
			i.field, s.rest = field, s.rest[n+1:]
			break
		}
	}
	if after, quoted := strings.CutPrefix(s.rest, `"`); quoted {
		var closed bool
		if i.text, s.rest, closed = strings.Cut(after, `"`); !closed {
			return i, false, fmt.Errorf("%w: a quotation mark is not closed: \"%s", ErrInvalid, after)
		}
		return i, true, nil
	}
	end := strings.IndexFunc(s.rest, func(r rune) bool { return unicode.IsSpace(r) || r == '"' })
	if end < 0 {
		end = len(s.rest)
	}
	i.text, s.rest = s.rest[:end], s.rest[end:]
	i.text, i.prefix = strings.CutSuffix(i.text, "*")
	return i, true, nil
}

func (q *searchQuery) add(i searchItem) error {
	switch i.field {
	case "queue":
		for key := range strings.SplitSeq(strings.ToUpper(i.text), ",") {
			if !keyPattern().MatchString(key) {
				return fmt.Errorf("%w: queue:%s: a queue has a key as SUPPORT", ErrInvalid, i.text)
			}
			if i.not {
				q.notQueues = append(q.notQueues, key)
			} else {
				q.queues = append(q.queues, key)
			}
		}
		return nil
	case "status":
		var asked []Status
		for word := range strings.SplitSeq(strings.ToLower(i.text), ",") {
			if err := checkStatus(Status(word)); err != nil {
				return err
			}
			asked = append(asked, Status(word))
		}
		return q.addStatuses(asked, i.not)
	}
	return q.addWords(i)
}

// addStatuses leaves those that all items allow.
func (q *searchQuery) addStatuses(asked []Status, not bool) error {
	if q.statuses == nil {
		q.statuses = Statuses()
	}
	q.statuses = slices.DeleteFunc(q.statuses, func(s Status) bool { return slices.Contains(asked, s) == not })
	if len(q.statuses) == 0 {
		return fmt.Errorf("%w: no status is left that a ticket could have", ErrInvalid)
	}
	return nil
}

func (q *searchQuery) addWords(i searchItem) error {
	t := SearchTerm{Words: SearchWords(i.text), Prefix: i.prefix, From: i.field == "from", Not: i.not}
	if len(t.Words) == 0 {
		return nil // a dash, an emoji: nothing that is in the index
	}
	last := t.Words[len(t.Words)-1]
	if isSpaceless(last) {
		t.Prefix = false // each character is a word, and what goes on after it is found without
	}
	if t.Prefix && utf8.RuneCountInString(last) < searchPrefix {
		return fmt.Errorf("%w: %s*: at least %d letters before *", ErrInvalid, i.text, searchPrefix)
	}
	q.terms = append(q.terms, t)
	return nil
}
