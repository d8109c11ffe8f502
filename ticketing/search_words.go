package ticketing

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// wordMax is how much of a word counts, in characters: what is longer is a key or a digest,
// and nobody types it to its end.
const wordMax = 64

// SearchWords splits a text into the words by which it is found. Indexing and searching use
// the same, so that case, width, composition and accents of characters make no difference. What
// is written without spaces has a word for each character: a run of them is then a phrase.
func SearchWords(text string) (words []string) {
	if isASCII(text) {
		return plainWords(strings.ToLower(text))
	}
	var word strings.Builder
	length := 0
	end := func() {
		if length > 0 {
			words = append(words, word.String())
			word.Reset()
			length = 0
		}
	}
	for _, r := range norm.NFKC.String(text) {
		switch {
		case spaceless(r):
			end()
			words = append(words, string(r))
		case accent(r) && length > 0:
		case !inWord(r):
			end()
		case length < wordMax:
			writeFolded(&word, r)
			length++
		}
	}
	end()
	return words
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// plainWords are those of a text that has ASCII and no capital letters: most texts, and a
// quarter of the work.
func plainWords(text string) (words []string) {
	for i := 0; i < len(text); {
		begin := i
		for i < len(text) && inWord(rune(text[i])) {
			i++
		}
		if i > begin {
			words = append(words, text[begin:min(i, begin+wordMax)])
		}
		i++
	}
	return words
}

func writeFolded(w *strings.Builder, r rune) {
	switch r = unicode.ToLower(r); r {
	case 'ß':
		w.WriteString("ss")
	case 'ς':
		w.WriteRune('σ')
	default:
		if r >= utf8.RuneSelf {
			r = unaccented(r)
		}
		w.WriteRune(r)
	}
}

// accent says that a character only marks the one before it.
func accent(r rune) bool { return 0x300 <= r && r < 0x370 }

// unaccented is the letter of the Latin alphabet under its accents, or the character itself:
// in other scripts they make another letter.
func unaccented(r rune) rune {
	parts := norm.NFD.PropertiesString(string(r)).Decomposition()
	if len(parts) > 0 && parts[0] < utf8.RuneSelf {
		return rune(parts[0])
	}
	return r
}

// searchPairs are the neighbours among words of one character, which no space parts: with a
// word for each two of them an index finds most of the phrases that they are.
func searchPairs(words []string) (pairs []string) {
	for i := range words {
		if i > 0 && isSpaceless(words[i-1]) && isSpaceless(words[i]) {
			pairs = append(pairs, words[i-1]+words[i])
		}
	}
	return pairs
}

func isSpaceless(word string) bool {
	r, size := utf8.DecodeRuneInString(word)
	return size == len(word) && spaceless(r)
}

func inWord(r rune) bool {
	if r < 0x80 {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r)
}

// spaceless says that a character is of a script that puts no spaces between words, or, as
// Korean, puts them after what belongs to the word as well.
func spaceless(r rune) bool {
	return r >= 0x0e00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) && inWord(r)
}
