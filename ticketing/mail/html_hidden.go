package mail

import (
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html"
)

// look is what a style says of whether text can be seen.
type look struct {
	hidden bool // nothing inside shows
	shown  bool // "display" has another value: a rule further down undoes one above
	tiny   bool // the letters are too small to be seen; inside, another size may be set
	sized  bool // a size that can be seen is set
}

// declarations are the values of a style that say whether text can be seen.
type declarations struct {
	display, visibility, opacity, maxHeight, maxWidth, height, width, overflow, indent, position, left, top, clip, color, back, size string
}

// of is where the value of a name is kept, nil for a name that says nothing.
func (d *declarations) of(name string) *string {
	switch name {
	case "display":
		return &d.display
	case "visibility":
		return &d.visibility
	case "opacity":
		return &d.opacity
	case "max-height":
		return &d.maxHeight
	case "max-width":
		return &d.maxWidth
	case "height":
		return &d.height
	case "width":
		return &d.width
	case "overflow":
		return &d.overflow
	case "text-indent":
		return &d.indent
	case "position":
		return &d.position
	case "left":
		return &d.left
	case "top":
		return &d.top
	case "clip":
		return &d.clip
	case "color":
		return &d.color
	case "background", "background-color":
		return &d.back
	case "font-size":
		return &d.size
	}
	return nil
}

// readLook reads the declarations of a style, and the tricks by which newsletters hide the
// text that mail programs show beside the subject.
func readLook(style string) look {
	if style == "" {
		return look{}
	}
	const declarationsMax = 200
	var d declarations
	n := 0
	for decl := range strings.SplitSeq(strings.ToLower(style), ";") {
		if n++; n > declarationsMax {
			break
		}
		if name, value, ok := strings.Cut(decl, ":"); ok {
			if to := d.of(strings.TrimSpace(name)); to != nil {
				*to = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "!important"))
			}
		}
	}
	return d.look()
}

func (d *declarations) look() look {
	zero := func(value string) bool { v, ok := cssLength(value); return ok && v <= 0 }
	away := func(value string) bool { v, ok := cssLength(value); return ok && v <= -500 }
	clipped := d.overflow == "hidden" && (zero(d.height) || zero(d.width))
	color := cssColour(d.color)
	l := look{shown: d.display != "" && d.display != "none"}
	l.hidden = d.display == "none" || d.visibility == "hidden" || d.visibility == "collapse" || isZero(d.opacity) ||
		zero(d.maxHeight) || zero(d.maxWidth) || clipped || away(d.indent) ||
		d.position == "absolute" && (away(d.left) || away(d.top) || strings.HasPrefix(d.clip, "rect(")) ||
		color == "transparent" || color != "" && color == cssColour(d.back)
	if size, ok := cssLength(d.size); ok {
		l.tiny, l.sized = size <= 1, size > 1
	}
	return l
}

// cssLength reads the number in front of a unit; an em is much more than a pixel.
func cssLength(s string) (float64, bool) {
	if s == "" {
		return 0, false
	}
	number := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyz% ")
	v, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, false
	}
	switch s[len(number):] {
	case "em", "rem", "vw", "vh", "in", "cm":
		v *= 16
	case "%":
		v /= 6
	}
	return v, true
}

func isZero(s string) bool {
	return s != "" && strings.Trim(s, "0.") == ""
}

// cssColour makes one form of the few ways to write white and the others.
func cssColour(s string) string {
	switch {
	case s == "white":
		return "#ffffff"
	case s == "black":
		return "#000000"
	case len(s) == 4 && s[0] == '#':
		return string([]byte{'#', s[1], s[1], s[2], s[2], s[3], s[3]})
	case strings.HasPrefix(s, "rgba(") && strings.HasSuffix(strings.ReplaceAll(s, " ", ""), ",0)"):
		return "transparent"
	case strings.ContainsAny(s, " (") || s == "inherit" || s == "none":
		return ""
	}
	return s
}

// styleSheet knows which classes and ids a page hides.
type styleSheet map[string]bool

const (
	sheetMax = 64 << 10
	rulesMax = 2000
)

// read takes the rules of a style element that hold everywhere: of those for one kind of
// screen (@media) nobody knows whether they hold.
func (s styleSheet) read(css string) {
	css = css[:min(len(css), sheetMax)]
	for n := 0; css != "" && n < rulesMax; n++ {
		selectors, rest, ok := strings.Cut(css, "{")
		if !ok {
			return
		}
		if i := strings.LastIndex(selectors, "*/"); i >= 0 {
			selectors = selectors[i+2:]
		}
		if strings.Contains(selectors, "@") {
			css = behindBlock(rest)
			continue
		}
		decls, rest, _ := strings.Cut(rest, "}")
		css = rest
		l := readLook(decls)
		if !l.hidden && !l.shown {
			continue
		}
		for selector := range strings.SplitSeq(selectors, ",") {
			s.rule(strings.TrimSpace(selector), l.hidden)
		}
	}
}

// rule is for ".name", "div.name" and "#name"; other selectors are not looked at.
func (s styleSheet) rule(selector string, hidden bool) {
	i := strings.LastIndexAny(selector, ".#")
	if i < 0 || strings.ContainsAny(selector, " >+~:[*") || strings.IndexAny(selector, ".#") != i {
		return
	}
	s[selector[i:]] = hidden
}

// behindBlock passes over a block with blocks in it.
func behindBlock(css string) string {
	depth := 1
	for i := 0; i < len(css); i++ {
		switch css[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return css[i+1:]
			}
		}
	}
	return ""
}

func (s styleSheet) hides(t html.Token) bool {
	if len(s) == 0 {
		return false
	}
	for class := range strings.FieldsSeq(attr(t, "class")) {
		if s["."+class] {
			return true
		}
	}
	id := attr(t, "id")
	return id != "" && s["#"+id]
}

// neverShown is for elements of which nothing shows.
func neverShown(name string) bool {
	switch name {
	case "script", "style", "title", "template", "textarea", "select", "object", "svg", "noframes", "iframe", "audio", "video":
		return true
	}
	return false
}

// lookOf is how an element looks, by its attributes and the style sheets above it.
func (s styleSheet) lookOf(t html.Token) look {
	l := readLook(attr(t, "style"))
	l.hidden = l.hidden || slices.ContainsFunc(t.Attr, func(a html.Attribute) bool { return a.Key == "hidden" }) || !l.shown && s.hides(t)
	if !l.hidden && t.Data != "a" && t.Data != "table" && t.Data != "td" {
		// What is hidden from Outlook alone is a button or a table for all others.
		style := attr(t, "style")
		l.hidden = style != "" && strings.Contains(strings.ReplaceAll(strings.ToLower(style), " ", ""), "mso-hide:all")
	}
	return l
}

// isPixel is an image that is there to be fetched, not to be seen.
func isPixel(t html.Token) bool {
	tiny := func(s string) bool { s = strings.TrimSuffix(strings.TrimSpace(s), "px"); return s == "0" || s == "1" }
	if tiny(attr(t, "width")) || tiny(attr(t, "height")) {
		return true
	}
	for decl := range strings.SplitSeq(strings.ToLower(attr(t, "style")), ";") {
		name, value, _ := strings.Cut(decl, ":")
		if name = strings.TrimSpace(name); (name == "width" || name == "height") && tiny(strings.TrimSuffix(strings.TrimSpace(value), "!important")) {
			return true
		}
	}
	return false
}
