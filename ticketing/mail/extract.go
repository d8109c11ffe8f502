package mail

import (
	"strings"
	"unicode"
)

// extractMax is how much of a text is looked through for quotes, in octets; what is
// longer is shown whole.
const extractMax = 512 << 10

// Nothing that introduces a quote is longer than this: a longer line is text.
const introMax = 300

// extractNew gives what the author wrote, without quoted history and signature. When
// in doubt it shows more: nothing is cut from storage, and a sentence that is missing
// is worse than one that is there twice.
func extractNew(m *Message) string {
	text := m.Text
	onlyHTML := strings.TrimSpace(text) == ""
	if onlyHTML {
		text = m.HTMLText
	}
	if len(text) > extractMax {
		return text
	}
	if onlyHTML {
		return orWhole(extractMarked(m, text), text)
	}
	e := extraction{lines: textLines(text), answer: isAnswer(m)}
	out := e.run()
	// The plain text of some programs does not show where the history begins, or breaks
	// its lines so that the marks are lost. Their HTML says it.
	if (!e.history || e.broken) && len(m.htmlMarks) > 0 && len(m.HTMLText) <= extractMax {
		if marked := extractMarked(m, m.HTMLText); marked != "" {
			return marked
		}
	}
	return orWhole(out, text)
}

// isAnswer says that a message answers another one: in a first message a ">" is a prompt,
// or the author's own way to quote, until something introduces a history.
func isAnswer(m *Message) bool {
	if len(m.InReplyTo)+len(m.References) > 0 {
		return true
	}
	prefix, _, ok := cutAny(strings.ToLower(strings.TrimSpace(m.Subject)), ":：[^(")
	return ok && answerPrefixes()[strings.TrimSpace(prefix)]
}

// answerPrefixes mark answers and what is passed on, in the tongues of mail programs.
var answerPrefixes = words(`re|aw|antw|antwort|sv|svar|vs|ynt|yanıt|odp|odpowiedź|rif|r|res|ré|réf|ref|vá|ha|σχετ|απ|отв|ответ|на|відп|回复|答复|回覆|答覆|返信|回信|답장|회신|השב|رد|ตอบกลับ|trả lời|bls|bal|ats|atb|vast|` +
	`fw|fwd|wg|tr|rv|enc|i|vb|vl|doorst|pd|továbbítás|ilt|πρθ|пересл|转发|轉寄|転送|전달`)

func orWhole(out, text string) string {
	if out == "" {
		return strings.Trim(text, "\n")
	}
	return out
}

// textLine is a line with what is asked of it.
type textLine struct {
	raw    string
	text   string // without marks that nobody sees and white space around it
	low    string // text in lower case; empty when it is too long to be looked at
	quoted bool
	code   bool     // stands in a fence
	html   htmlMark // what the HTML says of it
}

func (l textLine) blank() bool { return l.text == "" }

func textLines(text string) []textLine {
	raw := strings.Split(strings.TrimRight(text, "\n \t\r"), "\n")
	lines := make([]textLine, len(raw))
	for i, r := range raw {
		lines[i] = newLine(r)
	}
	return lines
}

func newLine(raw string) textLine {
	l := textLine{raw: raw, text: visible(raw)}
	if len(l.text) <= introMax {
		l.low = strings.ToLower(l.text)
	}
	l.quoted = isQuote(l.text)
	return l
}

// visible takes off the marks of direction and the like that surround names and dates in
// lines of programs, and makes each white space a plain one.
func visible(s string) string {
	s = strings.TrimSpace(s)
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		plain = s[i] < 0x80 && s[i] != '\t'
	}
	if plain {
		return s
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, s))
}

// isQuote is for a line that begins with the mark of a quote. A banner (">>> sale <<<") is
// none, nor is a "From" that was marked on its way (RFC 4155).
func isQuote(s string) bool {
	return strings.HasPrefix(s, ">") && !strings.HasSuffix(s, "<<") && !strings.HasPrefix(s, ">From ")
}

// extraction goes through the lines of a text.
type extraction struct {
	lines    []textLine
	kept     []string
	part     []textLine // lines of the author since the last quote
	answer   bool       // the message answers another one
	history  bool       // something was found that the author did not write
	broken   bool       // lines of a quote were broken, and lost their marks
	unfenced bool       // a search has found that no fence of code ends below
}

// run drops the quotes and what introduces them, and the signatures.
func (e *extraction) run() string {
	e.unarmor()
	for i := 0; i < len(e.lines); {
		n, stop := e.step(i)
		if stop {
			break
		}
		i += n
	}
	e.flush(true)
	return strings.TrimSpace(strings.Join(e.kept, "\n"))
}

// step looks at one line, and says how many it has dealt with, and whether all below is
// history.
func (e *extraction) step(i int) (n int, stop bool) {
	l := e.lines[i]
	if n := e.fence(i); n > 0 {
		for _, l := range e.lines[i : i+n] {
			l.code = true
			e.part = append(e.part, l)
		}
		return n, false
	}
	if l.html == markBelow || isAboveThis(l) || isGroupWise(l) {
		return 0, e.end()
	}
	if l.html == markQuote || l.quoted && (e.answer || e.history) {
		e.flush(false)
		return e.quote(i), false
	}
	if l.low == "" {
		e.part = append(e.part, l)
		return 1, false
	}
	if startsHistory(e.lines, i) {
		return 1, e.end()
	}
	if before, ok := sharedLine(e.lines, i); ok {
		e.part = append(e.part, newLine(before))
		e.flush(false)
		e.history = true
		return 1, false
	}
	if n := attribution(e.lines, i); n > 0 {
		return e.attributed(i, n)
	}
	e.part = append(e.part, l)
	return 1, false
}

// end stops at a history that is not marked below, if there is anything above it: at the
// very top it is all that there is.
func (e *extraction) end() bool {
	e.flush(false)
	e.history = true
	return true
}

// attributed deals with n lines that introduce a quote.
func (e *extraction) attributed(i, n int) (int, bool) {
	e.flush(false)
	e.history = true
	if quotesFollow(e.lines, i+n) {
		return n + e.barQuote(i+n), false
	}
	// At the very top it introduces what is answered below it.
	return n, len(e.kept) > 0
}

// quote says how many lines a quote has from i on. Where a program broke the lines of what
// it quoted, the rest of such a line is without a mark.
func (e *extraction) quote(i int) int {
	e.history = true
	n := 1
	for i+n < len(e.lines) {
		l, prev := e.lines[i+n], e.lines[i+n-1]
		next := i+n+1 < len(e.lines) && e.lines[i+n+1].quoted
		switch {
		case l.quoted:
		case prev.quoted && next && e.isRest(prev, l):
			e.broken = true
		default:
			return n
		}
		n++
	}
	return n
}

// isRest is for the rest of a quoted line: it goes on in the middle of a sentence, below a
// line as long as a line gets. After one was found, the end of a sentence is no reason.
func (e *extraction) isRest(above, l textLine) bool {
	if isRestOfLink(above.text, l.text) {
		return true
	}
	r := firstRune(l.text)
	if len(above.text) < 60 || !unicode.IsLower(r) || len(l.text) > len(above.text) {
		return false
	}
	end := above.text[len(above.text)-1]
	return end != '?' && end != '!' && end != ':' && (end != '.' || e.broken)
}

// isRestOfLink is for an address of the web that was broken, or set apart from its line.
func isRestOfLink(above, s string) bool {
	if strings.HasPrefix(s, "(http") || strings.HasPrefix(s, "<http") {
		return strings.HasSuffix(s, ">") && len(strings.Fields(s)) <= 2
	}
	return strings.Contains(above, "http") && !strings.Contains(s, " ") && strings.ContainsAny(s, "=/&%?_#)>")
}

func firstRune(s string) rune {
	for _, r := range s {
		return r
	}
	return 0
}

// barQuote counts lines that are quoted by "|", which only an introduction makes a quote.
func (e *extraction) barQuote(i int) int {
	n := 0
	for ; i+n < len(e.lines); n++ {
		if l := e.lines[i+n]; !strings.HasPrefix(l.text, "|") && !(l.blank() && n == 0) {
			break
		}
	}
	if n > 0 && !strings.HasPrefix(e.lines[i+n-1].text, "|") {
		return 0
	}
	return n
}

// fence says how many lines a fenced block of code has from i on, 0 when there is none or
// it has no end.
func (e *extraction) fence(i int) int {
	if e.unfenced || !strings.HasPrefix(e.lines[i].text, "```") {
		return 0
	}
	for n := 1; i+n < len(e.lines); n++ {
		if e.lines[i+n].text == "```" {
			return n + 1
		}
	}
	e.unfenced = true
	return 0
}

// flush moves the lines of the author to those that are kept, without the signature below
// them. What a program put between the author's words and the history goes, too.
func (e *extraction) flush(bottom bool) {
	part := withoutSignature(e.part, bottom)
	for len(e.kept) > 0 && len(part) > 0 && part[0].blank() {
		part = part[1:]
	}
	if len(part) > 0 && len(e.kept) > 0 {
		e.kept = append(e.kept, "")
	}
	for _, l := range part {
		e.kept = append(e.kept, l.raw)
	}
	e.part = e.part[:0]
}

// quotesFollow says whether the next words are quoted: then answers may stand between
// the quotes, or below them.
func quotesFollow(lines []textLine, i int) bool {
	for ; i < len(lines); i++ {
		if l := lines[i]; !l.blank() {
			return l.quoted || l.html == markQuote || strings.HasPrefix(l.text, "|") && i+1 < len(lines) && strings.HasPrefix(lines[i+1].text, "|")
		}
	}
	return false
}

func trimBlank(lines []textLine) []textLine {
	for len(lines) > 0 && lines[len(lines)-1].blank() {
		lines = lines[:len(lines)-1]
	}
	return lines
}
