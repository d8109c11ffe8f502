package mail

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf16"
)

// rtfMax is the largest RTF that is read for its text, and rtfDepthMax its deepest group.
const (
	rtfMax      = 4 << 20
	rtfDepthMax = 200
)

// rtfGroup is what holds between two braces.
type rtfGroup struct {
	skip bool // a table of fonts, a picture: nothing of it shows
	hide bool // what stands beside wrapped HTML for readers of RTF (MS-OXRTFEX)
	uc   int  // octets behind \u that stand for it in old readers
}

// rtfReader takes the text out of RTF.
type rtfReader struct {
	b       []byte
	out     strings.Builder
	octets  []byte // in the code page, not decoded yet
	charset string
	html    bool // the RTF holds HTML
	group   rtfGroup
	stack   []rtfGroup
	lost    int  // groups opened below the deepest
	ignore  bool // \* stood in front
	passed  int  // octets still to pass over behind \u
	half    rune // the first half of a character beyond the first plane
}

// readRTF gives the text of RTF, or the HTML that Outlook wrapped in it.
func readRTF(b []byte) (text string, html bool) {
	if !bytes.HasPrefix(b, []byte(`{\rtf`)) || len(b) > rtfMax {
		return "", false
	}
	r := rtfReader{b: b, charset: "windows-1252", group: rtfGroup{uc: 1}}
	r.html = bytes.Contains(b[:min(len(b), 2048)], []byte(`\fromhtml1`))
	for len(r.b) > 0 {
		r.next()
	}
	r.flush()
	return normalText(r.out.String()), r.html
}

func (r *rtfReader) next() {
	c := r.b[0]
	r.b = r.b[1:]
	switch {
	case c == '{' && len(r.stack) >= rtfDepthMax:
		r.lost++
	case c == '{':
		r.stack = append(r.stack, r.group)
		r.ignore = false
		return
	case c == '}' && r.lost > 0:
		r.lost--
	case c == '}':
		r.flush()
		if n := len(r.stack); n > 0 {
			r.group, r.stack = r.stack[n-1], r.stack[:n-1]
		}
		r.passed = 0
	case c == '\\':
		r.control()
		return
	case c == '\r' || c == '\n' || c == 0:
	default:
		r.octet(c)
	}
}

func (r *rtfReader) shown() bool { return !r.group.skip && !r.group.hide }

func (r *rtfReader) octet(c byte) {
	if r.passed > 0 {
		r.passed--
		return
	}
	if r.shown() {
		r.octets = append(r.octets, c)
	}
}

func (r *rtfReader) flush() {
	if len(r.octets) > 0 {
		s, _ := toUTF8(r.octets, r.charset, "")
		r.out.WriteString(s)
		r.octets = r.octets[:0]
	}
}

// put writes what a control word stands for.
func (r *rtfReader) put(s string) {
	r.flush()
	if r.shown() {
		r.out.WriteString(s)
	}
}

// control reads a control word or symbol behind its backslash.
func (r *rtfReader) control() {
	if len(r.b) == 0 {
		return
	}
	c := r.b[0]
	if c < 'a' || c > 'z' {
		r.symbol(c)
		return
	}
	n := 0
	for n < len(r.b) && n < 32 && r.b[n] >= 'a' && r.b[n] <= 'z' {
		n++
	}
	word := string(r.b[:n])
	m := n
	for m < len(r.b) && m < n+11 && (r.b[m] >= '0' && r.b[m] <= '9' || m == n && r.b[m] == '-') {
		m++
	}
	number, err := strconv.Atoi(string(r.b[n:m]))
	if err != nil {
		number = -1
	}
	if m < len(r.b) && r.b[m] == ' ' {
		m++ // a space ends the word and is no text
	}
	r.b = r.b[m:]
	r.passed = 0
	r.word(word, number, err == nil)
	r.ignore = false
}

func (r *rtfReader) symbol(c byte) {
	r.b = r.b[1:]
	switch c {
	case '\'':
		if v, ok := hexPair(r.b, 0); ok {
			r.b = r.b[2:]
			r.octet(v)
		}
	case '*':
		r.ignore = true
		return
	case '~':
		r.put(" ")
	case '_':
		r.put("-")
	case '{', '}', '\\':
		r.octet(c)
	case '\r', '\n':
		r.put("\n")
	}
}

func (r *rtfReader) word(word string, n int, numbered bool) {
	switch word {
	case "fonttbl", "colortbl", "stylesheet", "info", "pict", "header", "footer", "object", "themedata", "datastore", "fldinst":
		r.group.skip = true
	case "htmltag":
		r.group.hide = false
	case "htmlrtf":
		r.flush()
		r.group.hide = r.html && (!numbered || n != 0)
	case "ansicpg":
		if enc := codepage(n); enc != nil || n == 65001 {
			r.charset = codepageName(uint32(n))
		}
	case "uc":
		r.group.uc = min(max(n, 0), 8)
	case "u":
		r.rune(rune(uint16(n)))
		r.passed = r.group.uc
	case "par", "line", "row":
		r.put("\n")
	case "tab", "cell":
		r.put("\t")
	case "lquote":
		r.put("‘")
	case "rquote":
		r.put("’")
	case "ldblquote":
		r.put("“")
	case "rdblquote":
		r.put("”")
	case "bullet":
		r.put("•")
	case "endash":
		r.put("–")
	case "emdash":
		r.put("—")
	default:
		if r.ignore {
			r.group.skip = true // a destination that is not known
		}
	}
}

// rune writes a character of \u; one beyond the first plane comes in two halves.
func (r *rtfReader) rune(c rune) {
	switch {
	case !utf16.IsSurrogate(c):
		r.put(string(c))
	case r.half == 0:
		r.half = c
		return
	default:
		r.put(string(utf16.DecodeRune(r.half, c)))
	}
	r.half = 0
}
