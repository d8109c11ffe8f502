package mail

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// An introduction is wrapped over so many lines at most.
const (
	introLines = 6
	joinedMax  = 500
)

// attribution says how many lines introduce a quote ("On …, Jo wrote:", in its order in
// many tongues), 0 for none. Programs write a date, a name, an address and a verb, each
// but one of which may be missing; a person who writes a sentence of that kind seldom puts
// three of them at the end of a line, above a quote.
func attribution(lines []textLine, i int) int {
	if !mayIntroduce(lines[i]) {
		return 0
	}
	joined := ""
	for n := 1; n <= introLines && i+n <= len(lines); n++ {
		l := lines[i+n-1]
		open := strings.Count(joined, "<") > strings.Count(joined, ">")
		if l.blank() {
			if n > 1 && goesOn(joined, lines, i+n) {
				continue
			}
			return 0
		}
		// A ">" may close the address that was wrapped before it.
		if l.quoted && !(open && len(l.text) < 60) || l.html == markQuote {
			return 0
		}
		if l.low == "" || len(joined)+len(l.text) > joinedMax {
			return 0
		}
		joined = strings.TrimSpace(joined + " " + l.text)
		if n == 1 && beginsISO(l.low) && quotesFollow(lines, i+1) && len(strings.Fields(joined)) <= 9 {
			return 1
		}
		if !endsIntro(joined) && !quotingWords()[firstOf(joined)] || strings.Count(joined, "<") > strings.Count(joined, ">") {
			continue
		}
		quotes := quotesFollow(lines, i+n)
		if hasMailOrVerb(joined) && newSigns(joined).introduce(quotes) {
			if beginsLater(lines[i:i+n], quotes) {
				return 0
			}
			return n
		}
	}
	return 0
}

// beginsLater says that the first of some lines is a sentence of the author, and what
// introduces the quote begins below it.
func beginsLater(lines []textLine, quotes bool) bool {
	for i := 0; i+1 < len(lines); i++ {
		if end := lines[i].text; !strings.ContainsAny(end[max(0, len(end)-1):], ".!?") {
			return false
		}
		joined := ""
		for _, l := range lines[i+1:] {
			joined = strings.TrimSpace(joined + " " + l.text)
		}
		if s := newSigns(joined); s.opens && s.date && s.introduce(quotes) {
			return true
		}
	}
	return false
}

// mayIntroduce is what a line begins with that may introduce a quote. It is asked of each
// line, and must cost little.
func mayIntroduce(l textLine) bool {
	s := strings.TrimLeft(l.low, "-–—*_=~ \"'[(<>")
	if s == "" {
		return false
	}
	if end := s[len(s)-1]; end == ':' || end == '>' || endsVerb(s) || strings.IndexByte(s, '@') > 0 {
		return true
	}
	if !hasDigit(s) {
		return quotingWords()[firstOf(s)]
	}
	word, rest, _ := strings.Cut(s, " ")
	word = strings.TrimRight(word, ".,:")
	if s[0] <= '9' || openings()[word] || quotingWords()[word] || s[0] >= 0x80 && !isLatin(firstRune(s)) {
		return true
	}
	// "tir. 3. mars", "Thu, 3 Mar", "martes, 3 de": the name of a day.
	return len(word) >= 2 && len(word) <= 24 && hasDigit(rest[:min(len(rest), 6)])
}

func firstOf(s string) string { return strings.ToLower(s[:max(0, strings.IndexByte(s, ' '))]) }

func isLatin(r rune) bool { return unicode.Is(unicode.Latin, r) }

func hasDigit(s string) bool { return strings.ContainsAny(s, "0123456789") }

// goesOn says that an introduction goes on behind an empty line: what stands so far has a
// date, and the next line opens an address (a program that makes text of HTML).
func goesOn(joined string, lines []textLine, i int) bool {
	if i >= len(lines) || !strings.HasPrefix(lines[i].text, "<") {
		return false
	}
	s := newSigns(joined)
	return s.opens && s.date && s.time
}

// endsIntro is for the end of an introduction: a colon, a verb, or an address.
func endsIntro(s string) bool {
	if strings.HasSuffix(s, ":") || strings.HasSuffix(s, "：") || strings.HasSuffix(s, ">") {
		return true
	}
	return endsVerb(strings.ToLower(s[max(0, len(s)-48):]))
}

func endsVerb(low string) bool { return endsWith(low, verbEnds()) || endsSaying(low) }

func endsSaying(low string) bool { return endsWith(low, sayingEnds()) }

// verbEnds are the verbs by their last word: it is looked up, and the others are not
// compared. Verbs of scripts without spaces are under the empty word.
var (
	verbEnds   = sync.OnceValue(func() map[string][]string { return byLastWord(verbs) })
	sayingEnds = sync.OnceValue(func() map[string][]string { return byLastWord(saying) })
)

func byLastWord(all []string) map[string][]string {
	out := map[string][]string{}
	for _, v := range all {
		last := v[strings.LastIndexByte(v, ' ')+1:]
		if !isSpaced(firstRune(last)) {
			last = ""
		}
		out[last] = append(out[last], v)
	}
	return out
}

// isSpaced is for scripts that put spaces between words.
func isSpaced(r rune) bool {
	return r < 0x250 || unicode.In(r, unicode.Latin, unicode.Cyrillic, unicode.Greek)
}

func endsWith(low string, ends map[string][]string) bool {
	low = strings.TrimRight(low, ":： .-–—*_>~")
	low = strings.TrimSuffix(strings.TrimSuffix(low, "(a)"), "(а)") // he or she wrote
	last := low[strings.LastIndexAny(low, " \",<>()")+1:]
	if last == "" {
		return false
	}
	if end, _ := utf8.DecodeLastRuneInString(last); !isSpaced(end) {
		last = ""
	}
	for _, v := range ends[last] {
		if strings.HasSuffix(low, v) && standsAlone(low, len(low)-len(v), len(low)) {
			return true
		}
	}
	return false
}

// standsAlone says that s[from:to] stands alone. Scripts that put no spaces are not asked.
func standsAlone(s string, from, to int) bool {
	first, _ := utf8.DecodeRuneInString(s[from:])
	if !isSpaced(first) {
		return true
	}
	before, _ := utf8.DecodeLastRuneInString(s[:from])
	after, _ := utf8.DecodeRuneInString(s[to:])
	return !unicode.IsLetter(before) && !unicode.IsLetter(after)
}

// beginsISO is for a line that begins with a date and a time as only programs write them,
// "2026-03-03 10:00 GMT+01:00 Jo Doe", and goes on with a name.
func beginsISO(low string) bool {
	const form = "0000-00-00 00:00 "
	if len(low) <= len(form) || strings.HasSuffix(low, ".") {
		return false
	}
	for i := range len(form) {
		if c := low[i]; form[i] == '0' && (c < '0' || c > '9') || form[i] != '0' && c != form[i] {
			return false
		}
	}
	return hasAnyPrefix(low[len(form):], []string{"gmt", "utc", "+", "-"})
}

// sharedLine is for a line that has words of the author, and behind them what introduces
// the quotes below. It gives the words.
func sharedLine(lines []textLine, i int) (string, bool) {
	l := lines[i]
	if !strings.HasSuffix(l.text, ":") || !endsVerb(l.low[max(0, len(l.low)-48):]) || !quotesFollow(lines, i+1) {
		return "", false
	}
	for _, open := range []string{" On ", "-On ", " Am ", " Le ", " El ", " Il ", " Op ", " Em ", " Den ", " W dniu "} {
		at := strings.LastIndex(l.text, open)
		if at <= 0 {
			continue
		}
		behind := l.text[at+len(open):]
		if date, _, _ := dateSigns(strings.ToLower(behind[:min(len(behind), 40)])); !date {
			continue // a name, perhaps
		}
		if s := newSigns(l.text[at+1:]); s.mail || s.time {
			return strings.TrimRight(l.text[:at], " -"), true
		}
	}
	return "", false
}
