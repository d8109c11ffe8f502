package mail

import (
	"strings"
	"sync"
	"unicode"
)

// signs are what speaks for an introduction.
type signs struct {
	opens, date, time, year, mail, colon bool
	verb, verbEnd, verbOfAny             bool // a verb of programs; at the end; one that people use, too
	address, moment                      bool // ends in an address, or in a date or a time
	names                                bool // what is no date and no verb has the letters of names
	quoting                              bool // begins as webmail programs begin
	human                                bool // begins as a sentence does
	pronoun                              bool // who wrote is named by a pronoun
	words                                int
}

func newSigns(joined string) signs {
	plain := strings.TrimLeft(joined, "-–—*_=~ \"'[(<>")
	low := strings.ToLower(plain)
	fields := strings.Fields(low)
	s := signs{words: len(fields), mail: hasMailbox(low)}
	if len(fields) == 0 {
		return s
	}
	end := strings.TrimRight(low, "-–—*_ ~")
	s.colon = strings.HasSuffix(end, ":") || strings.HasSuffix(end, "：")
	s.address, s.moment = tailSigns(end)
	first := strings.Trim(fields[0], ".,:\"'")
	s.human = notNames()[first]
	s.opens = openings()[first] || fields[0][0] >= '0' && fields[0][0] <= '9' || !isLatin(firstRune(first)) ||
		len(fields) > 1 && (strings.HasSuffix(fields[0], ".") || strings.HasSuffix(fields[0], ",")) && hasDigit(fields[1]+nth(fields, 2))
	s.date, s.time, s.year = dateSigns(low)
	s.verbEnd = endsVerb(low)
	s.quoting = quotingWords()[first]
	s.verb = s.verbEnd || s.quoting || containsVerb(low)
	s.verbOfAny = endsSaying(low)
	s.names = areNames(strings.Fields(plain))
	for _, f := range fields {
		s.pronoun = s.pronoun || pronouns()[strings.Trim(f, ",:.")]
	}
	return s
}

// hasMailOrVerb is what nothing that introduces does without; the other signs cost more.
func hasMailOrVerb(joined string) bool {
	low := strings.ToLower(strings.TrimLeft(joined, "-–—*_=~ \"'[(<>"))
	word, _, _ := strings.Cut(low, " ")
	return hasMailbox(low) || quotingWords()[strings.Trim(word, ".,:\"'")] || endsVerb(low) || containsVerb(low)
}

// tailSigns says whether an address stands at the end, or a date or a time.
func tailSigns(end string) (address, moment bool) {
	end = strings.TrimRight(end, ":： ")
	last := end[strings.LastIndexByte(end, ' ')+1:]
	switch strings.Trim(last, ".,") {
	case "uhr", "am", "pm", "a.m", "p.m", "h", "г", "р":
		moment = true
	}
	plain := strings.Trim(last, "<>()[]\"',;")
	return strings.HasSuffix(end, ">") || hasMailbox(plain), moment || hasDigit(last) && !strings.Contains(last, "@")
}

// areNames says that words are a name, as far as letters can tell: all but one begin with
// a capital letter, and those that do not are what stands in names and in introductions.
// The words of programs between name and address are no matter.
func areNames(fields []string) bool {
	small := 0
	for _, f := range fields {
		r := firstRune(strings.TrimLeft(f, "\"'(<["))
		word := strings.Trim(strings.ToLower(f), ".,:\"'()")
		if unicode.IsLower(r) && !openings()[word] && !smallWords()[word] && !strings.Contains(word, "@") && !endsWith(word, verbEnds()) && !beginsWithMonth(word) {
			small++
		}
	}
	return small <= 1
}

// smallWords stand in introductions and in names.
var smallWords = words(`via|von|van|der|den|de|da|di|du|do|dos|del|la|le|los|um|uhr|om|kl|klo|kello|o|godz|à|às|as|las|alle|ore|a|ha|je|ezt|heeft|het|volgende|at|the|from|of|and|y|e|et|und|och|og|ja|użytkownik|пользователь|odesílatel|oseba|в|о|на|г|р|u|la|luni|gmt|cet|cest|utc|est|pst|am|pm|tarihinde|şunu|şunları|keltezéssel|időpont`)

// quotingWords begin what webmail programs write ("Quoting Jo <jo@…>:").
var quotingWords = words(`quoting|zitat|citando|citat|citerar|posted`)

func nth(s []string, i int) string {
	if i < len(s) {
		return s[i]
	}
	return ""
}

// verbHeads are the verbs by their first two octets, and whether there are any: a line is
// looked through once, not once for each verb of forty languages.
var verbHeads = sync.OnceValue(func() *heads { return headsOf(verbs) })

type heads struct {
	some  [1 << 16]bool
	words map[uint16][]string
}

func headsOf(words []string) *heads {
	h := &heads{words: map[uint16][]string{}}
	for _, w := range words {
		head := uint16(w[0])<<8 | uint16(w[1])
		h.some[head], h.words[head] = true, append(h.words[head], w)
	}
	return h
}

func containsVerb(low string) bool {
	known := verbHeads()
	for i := 0; i+1 < len(low); i++ {
		head := uint16(low[i])<<8 | uint16(low[i+1])
		if !known.some[head] {
			continue
		}
		for _, v := range known.words[head] {
			if strings.HasPrefix(low[i:], v) && standsAlone(low, i, i+len(v)) {
				return true
			}
		}
	}
	return false
}

// introduce weighs the signs. Above quotes few are needed; where nothing below is marked,
// all that follows would be lost, and the signs must leave no doubt. In each case the line
// ends as programs end it: in the verb, an address, a moment, or the name of who wrote.
func (s signs) introduce(quotes bool) bool {
	tail := s.verbEnd || (s.address || s.moment) && s.colon
	if s.verbOfAny && !s.mail && !(s.date && s.time) {
		return false
	}
	if quotes {
		switch {
		case s.verb && tail && (s.date || s.mail || s.time && s.opens):
			return true
		case s.verb && s.colon && s.date && s.names: // "… schrieb Jo Doe:"
			return true
		case s.quoting && s.date && s.moment: // "Posted by jo on 3/3/2026"
			return true
		case s.verbEnd && !s.human && s.names && s.words <= 8: // "Jo Doe wrote:"
			return true
		}
		return s.mail && (tail || s.address) && (s.date || s.time) && !s.human
	}
	if s.mail && s.date && tail {
		return s.verb || s.opens && (s.time || s.words <= 12)
	}
	if s.human && !s.opens || s.pronoun && !s.mail {
		return false
	}
	if s.verb && tail && s.mail { // without a date: "Jo Doe <jo@x> wrote:"
		return s.words <= 12
	}
	return s.verb && (tail || s.colon && s.names) && s.opens && s.date && (s.time || s.year) && s.words <= 20
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
	if beginsWithMonth(after) {
		return true
	}
	before = strings.TrimRight(before, " .")
	return beginsWithMonth(before[strings.LastIndexAny(before, " ,")+1:])
}

// beginsWithMonth looks only at the few months that begin with the same two octets.
func beginsWithMonth(s string) bool {
	return len(s) >= 2 && hasAnyPrefix(s, monthsBy()[s[:2]])
}

var monthsBy = sync.OnceValue(func() map[string][]string { return byStart(months) })

func byStart(all []string) map[string][]string {
	out := map[string][]string{}
	for _, s := range all {
		out[s[:2]] = append(out[s[:2]], s)
	}
	return out
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
