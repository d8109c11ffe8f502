package mail

import (
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/html"
)

// htmlText is the text that a person sees of an HTML page: links with their target, quotes
// marked with ">" for each level, nothing that is hidden. It reads tokens, not a tree, so
// that no depth of nesting loses anything.
func htmlText(page string) string {
	text, _ := readHTML(page)
	return text
}

// readHTML gives the text, and what the elements around its lines say of them.
func readHTML(page string) (string, []htmlNote) {
	w := textWriter{counts: map[string]int{}, sheet: styleSheet{}}
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			for _, e := range w.stack {
				w.endNote(e.note)
			}
			return w.finish(), w.notes
		case html.TextToken:
			if !w.hidden() {
				w.text(string(z.Text()))
			} else if n := len(w.stack); n > 0 && w.stack[n-1].name == "style" {
				w.sheet.read(string(z.Raw()))
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			w.start(z.Token())
		case html.EndTagToken:
			name, _ := z.TagName()
			w.end(string(name))
		}
	}
}

// breaksMax is two empty lines: more say nothing.
const (
	breaksMax = 3
	quotesMax = 20   // the deepest quote that is marked as such
	openMax   = 5000 // open elements; of those inside them the text alone is read. Browsers stop at 512.
)

// openElement is an element whose end has not come.
type openElement struct {
	name   string
	hidden bool
	tiny   bool   // its letters are too small to be seen
	grid   bool   // a table with lines between its cells, or a cell of one
	href   string // of a link
	from   int    // where the text of a link begins
	item   int    // of a list: the number of the last item, -1 without numbers
	note   int    // the number of what is noted of it, from 1
	indent bool   // a blockquote that quotes nobody
}

// textWriter writes lines. White space is held back until something visible follows.
type textWriter struct {
	out      strings.Builder
	stack    []openElement
	sheet    styleSheet
	counts   map[string]int // open elements by name
	hides    int            // open elements that hide what is in them
	quotes   int
	pres     int
	cells    int  // open cells of tables with lines
	breaks   int  // line ends owed before the next text
	space    bool // a space is owed
	inLine   bool // the line has text
	lastRune rune
	marks    int // quote marks of the last line

	notes []htmlNote
	noted int // notes that know their first line
	line  int // the number of the line that is written
}

func (w *textWriter) hidden() bool {
	return w.hides > 0 || len(w.stack) > 0 && w.stack[len(w.stack)-1].tiny
}

// start opens an element.
func (w *textWriter) start(t html.Token) {
	name := t.Data
	w.closeImplied(name)
	l := w.sheet.lookOf(t)
	l.hidden = l.hidden || neverShown(name)
	if isVoid(name) {
		// An image among letters of no size is seen all the same.
		if !l.hidden && w.hides == 0 {
			w.note(t)
			w.void(t)
		}
		return
	}
	if len(w.stack) >= openMax && (!l.hidden || w.hides > 0) {
		return
	}
	e := openElement{name: name, hidden: l.hidden, tiny: l.tiny, item: -1, indent: isIndent(t)}
	if n := len(w.stack); n > 0 && !l.sized {
		e.tiny = e.tiny || w.stack[n-1].tiny
	}
	if l.hidden {
		w.hides++
	}
	w.stack = append(w.stack, e)
	w.counts[name]++
	if w.hides > 0 {
		return
	}
	top := &w.stack[len(w.stack)-1]
	w.lineBreaks(name)
	top.note = w.note(t)
	switch name {
	case "blockquote":
		if !top.indent {
			w.quotes++
		}
	case "pre":
		w.pres++
	case "a":
		top.href, top.from = linkTarget(t), w.out.Len()
	case "ol":
		top.item = 0
	case "li":
		w.bullet()
	case "table":
		border, _ := cssLength(attr(t, "border"))
		top.grid = border > 0
	case "td", "th":
		w.cell(t)
	}
}

// cell begins a cell. Where a table has lines, they show; where it is there for the layout
// alone, a space does.
func (w *textWriter) cell(t html.Token) {
	table := -1
	for i := len(w.stack) - 2; i >= 0 && i >= len(w.stack)-6 && table < 0; i-- {
		if w.stack[i].name == "table" {
			table = i
		}
	}
	if table >= 0 && (attr(t, "scope") != "" || hasBorder(attr(t, "style"))) {
		w.stack[table].grid = true
	}
	if table < 0 || !w.stack[table].grid {
		w.space = w.space || w.inLine
		return
	}
	if w.inLine && w.breaks == 0 {
		w.space = true
		w.put("|")
		w.space = true
	}
	w.stack[len(w.stack)-1].grid = true
	w.cells++
}

func hasBorder(style string) bool {
	for decl := range strings.SplitSeq(strings.ToLower(style), ";") {
		name, value, _ := strings.Cut(decl, ":")
		if strings.HasPrefix(strings.TrimSpace(name), "border") && strings.Contains(value, "solid") && !strings.HasPrefix(strings.TrimSpace(value), "0") {
			return true
		}
	}
	return false
}

// closeImplied ends elements whose end tag may be left out.
func (w *textWriter) closeImplied(name string) {
	if len(w.stack) == 0 {
		return
	}
	top := w.stack[len(w.stack)-1].name
	same := top == name && (name == "li" || name == "td" || name == "th" || name == "tr" || name == "option" || name == "dd" || name == "dt")
	cell := (top == "td" || top == "th") && (name == "td" || name == "th" || name == "tr")
	if same || cell || top == "p" && isBlock(name) {
		w.end(top)
	}
}

// end closes an element and those inside it that were left open.
func (w *textWriter) end(name string) {
	if name == "br" || name == "p" && w.counts["p"] == 0 {
		if !w.hidden() {
			w.breaks = max(w.breaks, 0) + 1
		}
		return
	}
	if w.counts[name] == 0 {
		return
	}
	for {
		e := w.stack[len(w.stack)-1]
		w.stack = w.stack[:len(w.stack)-1]
		w.counts[e.name]--
		w.leave(e)
		if e.name == name {
			return
		}
	}
}

// leave undoes what start did.
func (w *textWriter) leave(e openElement) {
	was := w.hides > 0
	if e.hidden {
		w.hides--
	}
	if was {
		return
	}
	if e.grid && e.name != "table" {
		w.endNote(e.note)
		w.cells--
		return
	}
	w.lineBreaks(e.name)
	w.endNote(e.note)
	switch e.name {
	case "a":
		w.link(e)
	case "blockquote":
		if !e.indent {
			w.quotes--
		}
	case "pre":
		w.pres--
	}
}

// lineBreaks owes the line ends around a block; a paragraph has an empty line.
func (w *textWriter) lineBreaks(name string) {
	if w.cells > 0 { // a row is a line
		w.space = w.space || isBlock(name)
		return
	}
	switch name {
	case "p", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "table", "ul", "ol", "dl":
		w.breaks = max(w.breaks, 2)
	default:
		if isBlock(name) {
			w.breaks = max(w.breaks, 1)
		}
	}
}

// void is for elements without content.
func (w *textWriter) void(t html.Token) {
	switch t.Data {
	case "br":
		if w.cells > 0 {
			w.space = true
			return
		}
		w.breaks++
	case "hr":
		w.breaks = max(w.breaks, 1)
		w.put(strings.Repeat("_", 32))
		w.breaks = 1
	case "img":
		if alt := cleanText(attr(t, "alt")); alt != "" && !isPixel(t) {
			w.put("[" + alt + "]")
		}
	}
}

func (w *textWriter) bullet() {
	mark := "- "
	for i := len(w.stack) - 2; i >= 0 && i >= len(w.stack)-4; i-- {
		if w.stack[i].name == "ol" {
			w.stack[i].item++
			mark = strconv.Itoa(w.stack[i].item) + ". "
		}
		if w.stack[i].name == "ol" || w.stack[i].name == "ul" {
			break
		}
	}
	w.put(mark)
}

// link writes where a link goes, unless its text says so already.
func (w *textWriter) link(e openElement) {
	if e.href == "" || w.out.Len() <= e.from {
		return
	}
	text := strings.TrimSpace(w.out.String()[e.from:])
	bare := strings.TrimSuffix(strings.TrimPrefix(e.href, "mailto:"), "/")
	if text == "" {
		return
	}
	// A text much longer than the address is not searched: links can be nested.
	if len(text) < len(bare)+200 && (strings.Contains(text, bare) || strings.HasSuffix(bare, "://"+strings.TrimSuffix(text, "/"))) {
		return
	}
	w.space = true
	w.put("<" + e.href + ">")
}

// text writes a run of characters, white space collapsed unless it is preformatted.
func (w *textWriter) text(s string) {
	if w.pres > 0 {
		for i, line := range strings.Split(strings.ReplaceAll(s, "\r", ""), "\n") {
			if i > 0 {
				w.breaks++
			}
			if line != "" {
				w.put(line)
			}
		}
		return
	}
	for i, word := range strings.FieldsFunc(s, isHTMLSpace) {
		w.space = w.space || i > 0 || isHTMLSpace(rune(s[0]))
		w.put(word)
	}
	w.space = w.space || s != "" && isHTMLSpace(rune(s[len(s)-1]))
}

// isHTMLSpace is for what HTML takes for white space: the no-break space is a letter.
func isHTMLSpace(r rune) bool {
	return r == ' ' || r == '\n' || r == '\t' || r == '\r' || r == '\f'
}

// put writes visible text, with what is owed before it.
func (w *textWriter) put(s string) {
	if s = w.clean(s); s == "" {
		return
	}
	if w.out.Len() == 0 {
		w.breaks, w.space = 0, false
	}
	prefix := strings.Repeat(">", min(w.quotes, quotesMax))
	between := prefix[:min(len(prefix), w.marks)]
	for w.breaks = min(w.breaks, breaksMax); w.breaks > 0; w.breaks-- {
		w.out.WriteByte('\n')
		if w.breaks > 1 {
			w.out.WriteString(between)
		}
		w.inLine = false
		w.line++
	}
	w.written()
	if !w.inLine && prefix != "" {
		w.out.WriteString(prefix + " ")
	} else if w.inLine && w.space {
		w.out.WriteByte(' ')
	}
	w.out.WriteString(s)
	w.inLine, w.space, w.marks = true, false, len(prefix)
}

// clean drops characters that show nothing, which newsletters fill their previews with.
func (w *textWriter) clean(s string) string {
	if s != "" && isASCII(s) && isPrintable(s) && strings.IndexByte(s, '\n') < 0 {
		w.lastRune = rune(s[len(s)-1])
		return s
	}
	return strings.Map(func(r rune) rune {
		last := w.lastRune
		w.lastRune = r
		switch {
		case r == 0xa0:
			return ' '
		case r == 0x200b || r == 0xfeff || r == 0x34f || r == 0xad || r == 0x2060:
			return -1
		case (r == 0x200c || r == 0x200d) && (last == 0 || last == 0x200c || last == 0x200d || unicode.IsSpace(last)):
			return -1 // a joiner that joins nothing
		case unsafeRune(r) && r != '\t':
			return -1
		}
		return r
	}, s)
}

func (w *textWriter) finish() string {
	text := w.out.String()
	if strings.Contains(text, "\u200c") || strings.Contains(text, "\u200d") { // those that join a word to nothing
		text = strings.NewReplacer("\u200c ", " ", "\u200d ", " ").Replace(text)
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t\u200c\u200d")
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

// attr is the value of an attribute, the first of its name.
func attr(t html.Token, name string) string {
	for _, a := range t.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// linkTarget is the address of a link that leads out of the message.
func linkTarget(t html.Token) string {
	href := cleanText(attr(t, "href"))
	for _, scheme := range []string{"http://", "https://", "mailto:", "ftp://"} {
		if len(href) > len(scheme) && strings.EqualFold(href[:len(scheme)], scheme) && !strings.ContainsAny(href, " <>") {
			return href
		}
	}
	return ""
}

func isVoid(name string) bool {
	switch name {
	case "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr":
		return true
	}
	return false
}

func isBlock(name string) bool {
	switch name {
	case "p", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "table", "ul", "ol", "dl", "div", "tr", "li", "dt", "dd", "center",
		"address", "article", "aside", "section", "header", "footer", "main", "nav", "form", "fieldset", "figure", "body", "html", "hr":
		return true
	}
	return false
}
