package mail

import (
	"strings"
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
		if !endsIntro(joined) || strings.Count(joined, "<") > strings.Count(joined, ">") {
			continue
		}
		if newSigns(joined).introduce(quotesFollow(lines, i+n)) {
			return n
		}
	}
	return 0
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
		return quotingWords[s[:max(0, strings.IndexByte(s, ' '))]]
	}
	word, rest, _ := strings.Cut(s, " ")
	word = strings.TrimRight(word, ".,:")
	if s[0] <= '9' || openings[word] || s[0] >= 0x80 && !isLatin(firstRune(s)) {
		return true
	}
	// "tir. 3. mars", "Thu, 3 Mar", "martes, 3 de": the name of a day.
	return len(word) >= 2 && len(word) <= 24 && hasDigit(rest[:min(len(rest), 6)])
}

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

func endsVerb(low string) bool { return endsWith(low, verbEnds) || endsSaying(low) }

func endsSaying(low string) bool { return endsWith(low, sayingEnds) }

// verbEnds are the verbs by their last word: it is looked up, and the others are not
// compared. Verbs of scripts without spaces are under the empty word.
var verbEnds, sayingEnds = byLastWord(verbs), byLastWord(saying)

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

// signs are what speaks for an introduction.
type signs struct {
	opens, date, time, year, mail, colon bool
	verb, verbEnd, verbOfAny             bool // a verb of programs; at the end; one that people use, too
	angle                                bool // ends in an address
	human                                bool // begins as a sentence does
	pronoun                              bool // who wrote is named by a pronoun
	words                                int
}

func newSigns(joined string) signs {
	low := strings.ToLower(strings.TrimLeft(joined, "-–—*_=~ \"'[(<>"))
	fields := strings.Fields(low)
	s := signs{words: len(fields), mail: hasMailbox(low)}
	if len(fields) == 0 {
		return s
	}
	end := strings.TrimRight(low, "-–—*_ ~")
	s.colon = strings.HasSuffix(end, ":") || strings.HasSuffix(end, "：")
	s.angle = strings.HasSuffix(end, ">")
	first := strings.Trim(fields[0], ".,:\"'")
	s.human = notNames[first]
	s.opens = openings[first] || fields[0][0] >= '0' && fields[0][0] <= '9' || !isLatin(firstRune(first)) ||
		len(fields) > 1 && (strings.HasSuffix(fields[0], ".") || strings.HasSuffix(fields[0], ",")) && hasDigit(fields[1]+nth(fields, 2))
	s.date, s.time, s.year = dateSigns(low)
	s.verbEnd = endsVerb(low)
	s.verb = s.verbEnd || containsVerb(low) || quotingWords[first]
	s.verbOfAny = endsSaying(low)
	for _, f := range fields {
		s.pronoun = s.pronoun || pronouns[strings.Trim(f, ",:.")]
	}
	return s
}

// quotingWords begin what webmail programs write ("Quoting Jo <jo@…>:").
var quotingWords = words(`quoting|zitat|citando|citat|citerar`)

func nth(s []string, i int) string {
	if i < len(s) {
		return s[i]
	}
	return ""
}

func containsVerb(low string) bool {
	for _, v := range verbs {
		if i := strings.Index(low, v); i >= 0 && standsAlone(low, i, i+len(v)) {
			return true
		}
	}
	return false
}

// introduce weighs the signs. Above quotes few are needed; where nothing below is marked,
// all that follows would be lost, and the signs must leave no doubt.
func (s signs) introduce(quotes bool) bool {
	ends := s.colon || s.verbEnd
	if s.verbOfAny && !s.mail && !(s.date && s.time) {
		return false
	}
	if quotes {
		switch {
		case s.verb && ends && (s.date || s.mail):
			return true
		case s.verbEnd && !s.human && s.words <= 8: // "Jo Doe wrote:"
			return true
		}
		return s.mail && (s.colon || s.angle) && (s.date || s.time) && !s.human
	}
	if s.mail && s.date && ends {
		return s.verb || s.opens && (s.time || s.words <= 12)
	}
	if s.human && !s.opens || s.pronoun && !s.mail {
		return false
	}
	if s.verb && ends && s.mail { // without a date: "Jo Doe <jo@x> wrote:"
		return s.words <= 12
	}
	return s.verb && ends && s.opens && s.date && (s.time || s.year) && s.words <= 20
}

// dateSigns finds a date, a time of the day, and a year.
func dateSigns(low string) (date, time, year bool) {
	for i := 0; i < len(low); {
		if low[i] < '0' || low[i] > '9' {
			i++
			continue
		}
		j := i
		for j < len(low) && low[j] >= '0' && low[j] <= '9' {
			j++
		}
		next := low[j:]
		digit := len(next) > 1 && next[1] >= '0' && next[1] <= '9'
		switch n := j - i; {
		case n == 4 && (low[i] == '1' || low[i] == '2'):
			year, date = true, true
		case n > 2 || next == "":
		case digit && (next[0] == ':' || next[0] == 'h'):
			time = true
		case digit && next[0] == '.':
			time, date = true, true // 10.30 and 3.12. look alike
		case digit && (next[0] == '/' || next[0] == '-'):
			date = true
		case strings.HasPrefix(next, "月") || strings.HasPrefix(next, "日") || strings.HasPrefix(next, "월") || strings.HasPrefix(next, "일"):
			date = true
		case isDayOfMonth(low[:i], next):
			date = true
		}
		i = j
	}
	return date, time, year
}

// isDayOfMonth is for a number with the name of a month before or behind it: a word that
// begins as one does.
func isDayOfMonth(before, after string) bool {
	after = strings.TrimLeft(after, ". -")
	after = strings.TrimPrefix(strings.TrimPrefix(after, "de "), "d'")
	if hasAnyPrefix(after, months) {
		return true
	}
	before = strings.TrimRight(before, " .")
	return hasAnyPrefix(before[strings.LastIndexAny(before, " ,")+1:], months)
}

var months = strings.Split(`jan|feb|mar|mär|apr|maj|mai|may|jun|jul|aug|sep|oct|okt|nov|dec|dez|fév|fev|avr|août|déc|ene|abr|ago|set|dic|gen|mag|giu|lug|ott|out|dez|mei|mrt|mars|`+
	`sty|lut|kwi|cze|lip|sie|wrz|paź|lis|gru|led|úno|bře|dub|kvě|čer|črv|srp|zář|říj|pro|maalis|tammi|helmi|huhti|touko|kesä|heinä|elo|syys|loka|marras|joulu|ian|iun|iul|noi|oca|şub|nis|haz|tem|ağu|eyl|eki|kas|ara|`+
	`янв|фев|мар|апр|мая|май|июн|июл|авг|сен|окт|ноя|дек|січ|лют|бер|кві|тра|чер|лип|сер|вер|жов|лис|гру|ιαν|φεβ|μαρ|απρ|μαΐ|μαι|ιουν|ιουλ|αυγ|σεπ|οκτ|νοε|δεκ|thg|tháng|ม.ค|ก.พ|มี.ค|เม.ย|พ.ค|มิ.ย|ก.ค|ส.ค|ก.ย|ต.ค|พ.ย|ธ.ค|`+
	`ינו|פבר|מרץ|במרץ|אפר|מאי|יונ|יול|אוג|ספט|אוק|נוב|דצמ|يناير|فبراير|مارس|أبريل|مايو|يونيو|يوليو|أغسطس|سبتمبر|أكتوبر|نوفمبر|ديسمبر|sij|velj|ožu|tra|svi|lip|srp|kol|ruj|stu|pros`, "|")

// hasMailbox finds an address.
func hasMailbox(low string) bool {
	for from := 0; ; {
		i := strings.IndexByte(low[from:], '@')
		if i < 0 {
			return false
		}
		i += from
		end := i + 1
		for end < len(low) && !strings.ContainsRune(" <>()[],;:\"", rune(low[end])) {
			end++
		}
		if i > 0 && low[i-1] != ' ' && strings.Contains(low[i:end], ".") {
			return true
		}
		from = i + 1
	}
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
