package mail

import (
	"hash/fnv"
	"strings"
	"unicode"
)

// Traces are by what the words, the name and the address of somebody are known again in
// other text: in a quote of another person's mail, or in an answer of staff. The zero value
// knows nothing.
type Traces struct {
	addresses map[string]bool // in small letters
	names     [][]string      // words in small letters; two at least
	runs      map[uint64]bool // digests of runWords words that follow each other
	lines     map[string]bool // whole lines that are shorter than a run, as words
	odd       map[string]bool // numbers, passwords and the like, in small letters
	ids       map[string]bool // msg-ids
	files     map[string]bool // SHA-256 of attachments, hex
}

const (
	runWords = 6
	oddRunes = 6 // shorter ones mean too many things
)

// AddAddress adds a mail address.
func (t *Traces) AddAddress(address string) { put(&t.addresses, Lower(strings.TrimSpace(address))) }

// AddName adds what somebody is called. One word alone is the name of too many.
func (t *Traces) AddName(name string) {
	if words := wordsOf(name); len(words) > 1 {
		t.names = append(t.names, texts(words))
	}
}

// AddID adds a msg-id, AddFile an attachment by its SHA-256 in hex.
func (t *Traces) AddID(id string) { put(&t.ids, id) }

// AddFile adds an attachment by its SHA-256 in hex.
func (t *Traces) AddFile(sum string) { put(&t.files, sum) }

// AddText adds what somebody wrote.
func (t *Traces) AddText(text string) {
	for line := range strings.Lines(text) {
		if words := texts(wordsOf(line)); len(words) > 0 && len(words) < runWords {
			put(&t.lines, strings.Join(words, " "))
		}
	}
	words := wordsOf(text)
	for i := 0; i+runWords <= len(words); i++ {
		if t.runs == nil {
			t.runs = map[uint64]bool{}
		}
		t.runs[runDigest(words[i:i+runWords])] = true
	}
	for _, s := range oddWords(text) {
		put(&t.odd, s.text)
	}
}

// HasID and HasFile say whether it is one of those that were added.
func (t *Traces) HasID(id string) bool { return t.ids[id] }

// HasFile says whether an attachment is one of those that were added.
func (t *Traces) HasFile(sum string) bool { return t.files[sum] }

// HasAddress says whether an address is one of those that were added.
func (t *Traces) HasAddress(address string) bool { return t.addresses[Lower(address)] }

// In says whether there is a trace in a text.
func (t *Traces) In(text string) bool { return len(t.spans(text)) > 0 }

// Cut puts something else in the place of each trace in a text.
func (t *Traces) Cut(text, instead string) string {
	spans := t.spans(text)
	if len(spans) == 0 {
		return text
	}
	gone := make([]bool, len(text)+1)
	for _, s := range spans {
		for i := s.from; i < s.to; i++ {
			gone[i] = true
		}
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case !gone[i]:
			b.WriteByte(text[i])
		case i == 0 || !gone[i-1]:
			b.WriteString(instead)
		}
	}
	return b.String()
}

// span is a piece of a text with what it says, in small letters.
type span struct {
	from, to int
	text     string
}

func (t *Traces) spans(text string) (found []span) {
	words := wordsOf(text)
	for i := range words {
		if i+runWords <= len(words) && t.runs[runDigest(words[i:i+runWords])] {
			found = append(found, span{words[i].from, words[i+runWords-1].to, ""})
		}
		for _, name := range t.names {
			if begins(words[i:], name) {
				found = append(found, span{words[i].from, words[i+len(name)-1].to, ""})
			}
		}
	}
	if len(t.odd) > 0 {
		for _, s := range oddWords(text) {
			if t.odd[s.text] {
				found = append(found, s)
			}
		}
	}
	low := Lower(text)
	if len(low) == len(text) {
		for address := range t.addresses {
			for at := 0; address != ""; {
				i := strings.Index(low[at:], address)
				if i < 0 {
					break
				}
				found = append(found, span{at + i, at + i + len(address), ""})
				at += i + len(address)
			}
		}
	}
	return append(found, t.quotedLines(text)...)
}

// quotedLines are short lines that stand in a quote: elsewhere "Thank you" is anybody's.
func (t *Traces) quotedLines(text string) (found []span) {
	if len(t.lines) == 0 || !strings.Contains(text, ">") {
		return nil
	}
	at := 0
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimLeft(line, " "), ">") {
			words := wordsOf(line)
			if len(words) > 0 && t.lines[strings.Join(texts(words), " ")] {
				found = append(found, span{at + words[0].from, at + words[len(words)-1].to, ""})
			}
		}
		at += len(line)
	}
	return found
}

func begins(words []span, name []string) bool {
	if len(words) < len(name) {
		return false
	}
	for i, n := range name {
		if words[i].text != n {
			return false
		}
	}
	return true
}

// wordsOf are the runs of letters and digits. Where no spaces stand between words, each
// character is one.
func wordsOf(text string) (words []span) {
	from := -1
	end := func(to int) {
		if from >= 0 {
			words = append(words, span{from, to, Lower(text[from:to])})
			from = -1
		}
	}
	for i, r := range text {
		switch {
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai):
			end(i)
			words = append(words, span{i, i + len(string(r)), string(r)})
		case unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r):
			if from < 0 {
				from = i
			}
		default:
			end(i)
		}
	}
	end(len(text))
	return words
}

func texts(words []span) (out []string) {
	for _, w := range words {
		out = append(out, w.text)
	}
	return out
}

func runDigest(words []span) uint64 {
	h := fnv.New64a()
	for _, w := range words {
		_, _ = h.Write([]byte(w.text + " ")) // never fails
	}
	return h.Sum64()
}

// oddWords are words that are no words of a language: they have a digit and something else
// than the marks of dates, or are long numbers.
func oddWords(text string) (found []span) {
	at := 0
	for _, field := range strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`<>"()[]{}`, r) }) {
		at += strings.Index(text[at:], field)
		word := strings.TrimFunc(field, func(r rune) bool { return strings.ContainsRune(".,;:!?'*_", r) })
		digits, letters, runes := 0, 0, 0
		for _, r := range word {
			runes++
			switch {
			case unicode.IsDigit(r):
				digits++
			case unicode.IsLetter(r):
				letters++
			}
		}
		if runes >= oddRunes && (digits > 0 && letters > 0 || digits >= oddRunes) && !isTicketName(word) {
			from := at + strings.Index(field, word)
			found = append(found, span{from, from + len(word), Lower(word)})
		}
		at += len(field)
	}
	return found
}

// isTicketName says that a word is what a ticket is called: it names no person.
func isTicketName(word string) bool {
	key, number, ok := strings.Cut(word, "-")
	return ok && key != "" && number != "" && strings.ToUpper(key) == key &&
		strings.Trim(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == "" && strings.Trim(number, "0123456789") == ""
}

func put(set *map[string]bool, s string) {
	if s == "" {
		return
	}
	if *set == nil {
		*set = map[string]bool{}
	}
	(*set)[s] = true
}
