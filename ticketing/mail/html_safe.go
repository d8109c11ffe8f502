package mail

import (
	"bytes"
	"encoding/base64"
	"html"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/microcosm-cc/bluemonday"
	nethtml "golang.org/x/net/html"
)

// Safe is the HTML of a message made fit to be shown.
type Safe struct {
	HTML    string
	Blocked int   // how many things it would have fetched from afar
	Parts   []int // the attachments that it shows, by their place in Attachments
}

// embedMax is how much image content is put into a page, in octets.
const embedMax = 8 << 20

// SafeHTML makes the HTML of a stranger fit to be shown: without scripts, forms, frames and
// styles that cover other things, and without anything that is fetched from afar. Images of
// the message itself, by Content-ID or Content-Location, are at partURL followed by their
// place in Attachments; with an empty partURL they are in the page. A message without HTML
// is shown by its text.
//
// It takes the page apart twice: here, where references are looked at, and in bluemonday,
// which alone decides what stays.
func SafeHTML(m *Message, partURL string) Safe {
	if m.HTML == "" {
		return Safe{HTML: `<pre style="white-space: pre-wrap">` + html.EscapeString(m.Text) + "</pre>"}
	}
	r := safeReader{m: m, partURL: partURL, sheet: styleSheet{}, at: map[string]int{}, urls: map[string]string{}}
	for i, a := range m.Attachments {
		for _, key := range []string{"cid:" + a.Name, a.Location, "cid:" + a.ContentID} {
			if key != "" && key != "cid:" {
				r.at[key] = i
			}
		}
	}
	page := htmlPolicy().Sanitize(r.rewrite(normalText(m.HTML)))
	return Safe{HTML: r.fillIn(page), Blocked: r.blocked, Parts: r.parts}
}

// safeReader writes a page anew, with images as "cid:image-N" and nothing from afar.
type safeReader struct {
	m       *Message
	partURL string
	sheet   styleSheet
	at      map[string]int    // places of attachments by what a page calls them
	urls    map[string]string // of "image-N"
	shown   map[int]bool
	parts   []int
	blocked int
	room    int // octets embedded so far
	out     strings.Builder
}

func (r *safeReader) rewrite(page string) string {
	z := nethtml.NewTokenizer(strings.NewReader(page))
	inStyle := false
	for {
		switch z.Next() {
		case nethtml.ErrorToken:
			return r.out.String()
		case nethtml.TextToken:
			if inStyle {
				css := string(z.Raw())
				r.sheet.read(css)
				r.blocked += countFetches(css)
			}
			r.out.Write(z.Raw())
		case nethtml.StartTagToken, nethtml.SelfClosingTagToken:
			t := z.Token()
			inStyle = t.Data == "style"
			r.tag(&t)
			r.out.WriteString(t.String())
		case nethtml.EndTagToken:
			inStyle = false
			r.out.Write(z.Raw())
		}
	}
}

// countFetches counts what a style would fetch.
func countFetches(css string) int {
	css = strings.ToLower(css)
	return strings.Count(css, "url(") + strings.Count(css, "@import") + strings.Count(css, "image-set(")
}

// styleMax is the longest style attribute that is read: its parser is slow on long ones.
const styleMax = 1000

// tag looks at the references of a tag.
func (r *safeReader) tag(t *nethtml.Token) {
	if t.Data == "img" && isPixel(*t) && !r.known(attr(*t, "src")) {
		r.blocked++
		t.Attr, t.Data = nil, "wbr"
		return
	}
	hidden := r.sheet.hides(*t)
	kept := t.Attr[:0]
	for _, a := range t.Attr {
		value := strings.TrimSpace(a.Val)
		switch a.Key {
		case "style":
			r.blocked += countFetches(value)
			if len(value) > styleMax {
				value = value[:max(0, strings.LastIndexByte(value[:styleMax], ';'))]
			}
			a.Val = value
		case "src":
			if t.Data == "img" {
				a.Val = r.image(value)
			} else {
				r.fetches(value)
			}
		case "href":
			if t.Data != "a" && t.Data != "area" {
				r.fetches(value)
			}
		case "srcset", "background", "poster", "data", "lowsrc", "dynsrc", "xlink:href", "imagesrcset", "manifest":
			r.fetches(value)
		}
		if a.Val != "" || a.Key != "src" {
			kept = append(kept, a)
		}
	}
	t.Attr = kept
	if hidden {
		t.Attr = append(t.Attr, nethtml.Attribute{Key: "style", Val: "display: none"})
	}
	if strings.EqualFold(attr(*t, "http-equiv"), "refresh") {
		r.blocked++
	}
}

func (r *safeReader) fetches(value string) {
	if value != "" && value[0] != '#' && !r.known(value) {
		r.blocked++
	}
}

func (r *safeReader) known(value string) bool {
	_, ok := r.at[reference(value)]
	return ok || hasPrefixFold(value, "data:")
}

// reference is a URL as attachments are called by it.
func reference(value string) string {
	if hasPrefixFold(value, "cid:") {
		return "cid:" + percentDecode(value[len("cid:"):])
	}
	return squeeze(value)
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// image gives what takes the place of the source of an image, empty when nothing does.
func (r *safeReader) image(src string) string {
	if hasPrefixFold(src, "data:") {
		_, data, ok := strings.Cut(src, ",")
		if !ok || !strings.Contains(strings.ToLower(src[:len(src)-len(data)]), ";base64") {
			return ""
		}
		return r.embed(decodeBase64([]byte(data)))
	}
	i, ok := r.at[reference(src)]
	if !ok {
		r.fetches(src)
		return ""
	}
	if r.shown == nil {
		r.shown = map[int]bool{}
	}
	if !r.shown[i] {
		r.shown[i] = true
		r.parts = append(r.parts, i)
	}
	if r.partURL == "" {
		return r.embed(r.m.Attachments[i].Content)
	}
	return r.put(r.partURL + strconv.Itoa(i))
}

// embed puts an image into the page, of the kinds that no browser runs.
func (r *safeReader) embed(content []byte) string {
	mediaType, ok := ImageType(content)
	if r.room += len(content); !ok || r.room > embedMax {
		return ""
	}
	return r.put("data:" + mediaType + ";base64," + base64.StdEncoding.EncodeToString(content))
}

func (r *safeReader) put(url string) string {
	name := "cid:image-" + strconv.Itoa(len(r.urls))
	r.urls[name] = url
	return name
}

// sourcePattern is how bluemonday writes what put gave. Quotes in a text or another
// attribute are written as references, so that nothing else looks like it.
var sourcePattern = pattern(` src="(cid:image-[0-9]+)"`)

func (r *safeReader) fillIn(page string) string {
	return sourcePattern().ReplaceAllStringFunc(page, func(s string) string {
		url, ok := r.urls[s[len(` src="`):len(s)-1]]
		if !ok {
			return ""
		}
		return ` src="` + html.EscapeString(url) + `"`
	})
}

// ImageType is the media type of an image that a browser may show, by its content. SVG is
// none of them: it can hold scripts.
func ImageType(b []byte) (string, bool) {
	switch {
	case bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")):
		return "image/png", true
	case bytes.HasPrefix(b, []byte("\xff\xd8\xff")):
		return "image/jpeg", true
	case bytes.HasPrefix(b, []byte("GIF87a")), bytes.HasPrefix(b, []byte("GIF89a")):
		return "image/gif", true
	case len(b) > 12 && string(b[:4]) == "RIFF" && string(b[8:12]) == "WEBP":
		return "image/webp", true
	}
	return "", false
}

// htmlPolicy is made once; it is not changed after.
var htmlPolicy = sync.OnceValue(newHTMLPolicy)

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
	p.AllowAttrs("src").Matching(regexp.MustCompile(`^cid:image-[0-9]+$`)).OnElements("img")
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
	size := regexp.MustCompile(`^([0-9]{1,3}(\.[0-9]{1,3})?(px|pt|em|%))( [0-9]{1,3}(px|pt|em|%)?){0,3}$`)
	p.AllowStyles("font-size", "line-height", "padding", "margin", "border-width", "max-width").Matching(size).Globally()
	// What the sender hid, as the preview text of newsletters, stays hidden.
	p.AllowStyles("display").MatchingEnum("none").Globally()
	p.AllowStyles("visibility").MatchingEnum("hidden").Globally()
	return p
}
