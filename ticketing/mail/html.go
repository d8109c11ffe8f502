package mail

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/microcosm-cc/bluemonday"
	"golang.org/x/net/html"
)

// htmlPolicy is made once; it is not changed after.
var htmlPolicy = sync.OnceValue(newHTMLPolicy)

// SanitizeHTML makes HTML of a stranger fit to be shown: without scripts, forms, frames
// and styles that cover other things, and without anything that is fetched from afar.
// Images of the message itself (cid:) stay.
func SanitizeHTML(s string) string {
	return htmlPolicy().Sanitize(normalText(s))
}

func newHTMLPolicy() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("a", "abbr", "b", "big", "blockquote", "br", "caption", "center", "cite", "code", "col", "colgroup", "dd", "del",
		"div", "dl", "dt", "em", "font", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "ins", "kbd", "li", "ol", "p", "pre", "q", "s",
		"samp", "small", "span", "strike", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "u", "ul", "var")
	p.AllowStandardURLs() // http, https and mailto, and no others
	p.AllowURLSchemes("http", "https", "mailto", "cid")
	p.AllowAttrs("href").Matching(regexp.MustCompile(`(?i)^\s*(https?|mailto):`)).OnElements("a")
	p.RequireNoReferrerOnLinks(true)
	p.RequireNoFollowOnLinks(true)
	p.AddTargetBlankToFullyQualifiedLinks(true)
	p.AllowAttrs("src").Matching(regexp.MustCompile(`(?i)^cid:[^\s"'<>]+$`)).OnElements("img")
	p.AllowAttrs("alt").OnElements("img")
	number := regexp.MustCompile(`^[0-9]{1,5}%?$`)
	p.AllowAttrs("width", "height").Matching(number).OnElements("img", "table", "td", "th", "col")
	p.AllowAttrs("colspan", "rowspan", "border", "cellpadding", "cellspacing").Matching(number).OnElements("table", "td", "th", "col")
	word := regexp.MustCompile(`^[a-zA-Z]{1,12}$`)
	p.AllowAttrs("align", "valign", "dir", "type").Matching(word).Globally()
	color := regexp.MustCompile(`(?i)^(#[0-9a-f]{3,8}|[a-z]{3,20}|rgb\([0-9, ]{5,15}\))$`)
	p.AllowAttrs("color", "bgcolor").Matching(color).OnElements("font", "table", "td", "th", "tr")
	p.AllowStyles("color", "background-color").Matching(color).Globally()
	p.AllowStyles("text-align", "font-weight", "font-style", "text-decoration").Matching(regexp.MustCompile(`^[a-z0-9-]{1,20}$`)).Globally()
	// What the sender hid, as the preview text of newsletters, stays hidden.
	p.AllowStyles("display").MatchingEnum("none").Globally()
	p.AllowStyles("visibility").MatchingEnum("hidden").Globally()
	return p
}

// htmlText is the text that a person sees of an HTML page: links with their target, quotes
// marked with ">" for each level, nothing that is hidden. It reads tokens, not a tree, so
// that no depth of nesting loses anything.
func htmlText(page string) string {
	w := textWriter{counts: map[string]int{}}
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return w.finish()
		case html.TextToken:
			if !w.hidden() {
				w.text(string(z.Text()))
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
	quotesMax = 20 // the deepest quote that is marked as such
)

// openElement is an element whose end has not come.
type openElement struct {
	name   string
	hidden bool
	href   string // of a link
	from   int    // where the text of a link begins
	item   int    // of a list: the number of the last item, -1 without numbers
}

// textWriter writes lines. White space is held back until something visible follows.
type textWriter struct {
	out      strings.Builder
	stack    []openElement
	counts   map[string]int // open elements by name
	hides    int            // open elements that hide what is in them
	quotes   int
	pres     int
	breaks   int  // line ends owed before the next text
	space    bool // a space is owed
	inLine   bool // the line has text
	lastRune rune
	marks    int // quote marks of the last line
}

func (w *textWriter) hidden() bool { return w.hides > 0 }

// start opens an element.
func (w *textWriter) start(t html.Token) {
	name := t.Data
	w.closeImplied(name)
	isHidden := hidesContent(t)
	if isVoid(name) {
		if !isHidden && !w.hidden() {
			w.void(t)
		}
		return
	}
	e := openElement{name: name, hidden: isHidden, item: -1}
	if isHidden {
		w.hides++
	}
	w.stack = append(w.stack, e)
	w.counts[name]++
	if w.hidden() {
		return
	}
	top := &w.stack[len(w.stack)-1]
	w.lineBreaks(name)
	switch name {
	case "blockquote":
		w.quotes++
	case "pre":
		w.pres++
	case "a":
		top.href, top.from = linkTarget(t), w.out.Len()
	case "ol":
		top.item = 0
	case "li":
		w.bullet()
	case "td", "th":
		w.space = w.space || w.inLine
	}
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
	was := w.hidden()
	if e.hidden {
		w.hides--
	}
	if was {
		return
	}
	w.lineBreaks(e.name)
	switch e.name {
	case "a":
		w.link(e)
	case "blockquote":
		w.quotes--
	case "pre":
		w.pres--
	}
}

// lineBreaks owes the line ends around a block; a paragraph has an empty line.
func (w *textWriter) lineBreaks(name string) {
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
	isSpace := func(r rune) bool { return strings.ContainsRune(" \n\t\r\f", r) }
	for i, word := range strings.FieldsFunc(s, isSpace) {
		w.space = w.space || i > 0 || isSpace(rune(s[0]))
		w.put(word)
	}
	w.space = w.space || s != "" && isSpace(rune(s[len(s)-1]))
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
	}
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
	lines := strings.Split(w.out.String(), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t")
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

// hidesContent is for elements of which nothing shows: those that never do, and those
// that a style hides, as the preview text of newsletters.
func hidesContent(t html.Token) bool {
	switch t.Data {
	case "script", "style", "title", "template", "textarea", "select", "object", "svg", "noframes", "iframe", "audio", "video":
		return true
	}
	if slices.ContainsFunc(t.Attr, func(a html.Attribute) bool { return a.Key == "hidden" }) {
		return true
	}
	style := strings.ToLower(attr(t, "style"))
	for decl := range strings.SplitSeq(style, ";") {
		name, value, _ := strings.Cut(decl, ":")
		value = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "!important"))
		switch strings.TrimSpace(name) + ":" + value {
		case "display:none", "visibility:hidden", "mso-hide:all", "opacity:0", "font-size:0", "font-size:0px", "max-height:0", "max-height:0px":
			return true
		}
	}
	return false
}

// isPixel is an image that is there to be fetched, not to be seen.
func isPixel(t html.Token) bool {
	tiny := func(s string) bool { s = strings.TrimSuffix(strings.TrimSpace(s), "px"); return s == "0" || s == "1" }
	return tiny(attr(t, "width")) || tiny(attr(t, "height"))
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
