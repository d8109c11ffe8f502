package mail

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// What one message may cost. A message that goes over a limit is understood up to
// there, and Problems says so; the raw bytes are with the caller.
const (
	depthMax    = 20
	partsMax    = 500
	headerMax   = 256 << 10
	fieldsMax   = 2000
	decodedMax  = 60 << 20
	textMax     = 2 << 20 // of all text parts; a part that is cut is an attachment too
	problemsMax = 50
	timeMax     = 2 * time.Second
)

// parsing is the work on one message.
type parsing struct {
	m        *Message
	deadline time.Time
	late     bool
	brief    bool // what Intake leaves out is not wanted
	parts    int
	decoded  int    // octets after decoding, all parts
	hint     string // charset that the message names somewhere, for octets that name none
	seen     map[string]bool
}

// Parse reads a message as it came. It never refuses and never panics: what it could not
// understand stands in Problems.
func Parse(raw []byte) *Message {
	p := read(raw, false)
	p.guard("new text", func() { p.m.NewText = extractNew(p.m) })
	return p.m
}

// Intake is Parse without NewText, without the hashes of attachments, and without HTMLText
// where there is Text: no decision depends on them, and they cost more than all the rest.
// It is for the moment when mail comes in.
func Intake(raw []byte) *Message { return read(raw, true).m }

func read(raw []byte, brief bool) *parsing {
	p := &parsing{m: &Message{}, brief: brief, deadline: time.Now().Add(timeMax), seen: map[string]bool{}}
	m, root := p.m, &entity{mediaType: "text/plain"}
	p.guard("structure", func() { root = p.root(raw) })
	p.guard("header", func() { p.readFields(root) })
	p.guard("body", func() { p.readBody(root) })
	p.guard("report", func() { m.Report = readReport(m, root) })
	p.guard("forwarded message", m.showForwarded)
	p.guard("classification", func() { m.Automatic = classify(m) })
	return p
}

// ReadHeader reads the fields of a mail, or of its beginning, and nothing below them.
func ReadHeader(raw []byte) *Message {
	p := &parsing{m: &Message{}, brief: true, parts: 1, deadline: time.Now().Add(timeMax), seen: map[string]bool{}}
	p.guard("header", func() {
		root := &entity{}
		root.fields, _ = p.header(raw)
		p.m.fields = root.fields
		p.readFields(root)
	})
	return p.m
}

// guard runs one stage. A stage that panics costs what it would have found, no more.
func (p *parsing) guard(stage string, fn func()) {
	defer func() {
		if v := recover(); v != nil {
			p.problem("the %s could not be understood: %v", stage, v)
		}
	}()
	fn()
}

// NewTextOf is the NewText that Parse gives, of a message that Intake has read.
func NewTextOf(m Message) string {
	p := &parsing{m: &m, seen: map[string]bool{}}
	p.guard("text", func() {
		if m.HTML != "" && m.HTMLText == "" {
			m.HTMLText, m.htmlMarks = readHTML(m.HTML)
		}
	})
	p.guard("new text", func() { m.NewText = extractNew(&m) })
	return m.NewText
}

// problem notes each thing once.
func (p *parsing) problem(format string, args ...any) {
	text := cleanText(fmt.Sprintf(format, args...))
	if p.seen[text] || len(p.m.Problems) >= problemsMax {
		return
	}
	p.seen[text] = true
	p.m.Problems = append(p.m.Problems, text)
}

// timeUp says whether the message has had its time.
func (p *parsing) timeUp() bool {
	if !p.late && time.Now().After(p.deadline) {
		p.late = true
		p.problem("the message took more than %v to understand", timeMax)
	}
	return p.late
}

func (p *parsing) root(raw []byte) *entity {
	if len(bytes.TrimSpace(raw)) == 0 {
		p.problem("the message is empty")
	}
	if bytes.IndexByte(raw, 0) >= 0 {
		p.problem("there are NUL octets")
	}
	if bytes.IndexByte(raw, '\n') < 0 && bytes.IndexByte(raw, '\r') >= 0 {
		p.problem("lines end in a bare CR")
		raw = bytes.ReplaceAll(raw, []byte("\r"), []byte("\n"))
	}
	return p.entity(raw, 0, "text/plain")
}

// entity reads a header and what stands below it.
func (p *parsing) entity(raw []byte, depth int, defaultType string) *entity {
	p.parts++
	e := &entity{}
	var body []byte
	e.fields, body = p.header(raw)
	if p.parts == 1 {
		p.m.fields = e.fields
	}
	p.contentType(e, defaultType)
	e.hint = p.hint
	if strings.HasPrefix(e.mediaType, "multipart/") && p.multipart(e, body, depth) {
		return e
	}
	e.body = p.transfer(e, body)
	if inner := p.inner(e); len(inner) > 0 && depth < depthMax && p.parts < partsMax && !p.timeUp() {
		e.children = []*entity{p.entity(inner, depth+1, "text/plain")}
	}
	return e
}

// inner is the entity that stands in one that is no multipart, nil when there is none.
func (p *parsing) inner(e *entity) []byte {
	switch e.mediaType {
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
		content := signedContent(e.body)
		if content == nil {
			p.problem("the message is encrypted (S/MIME)")
		}
		return content
	case "application/pgp-encrypted":
		p.problem("the message is encrypted (PGP)")
	}
	if isMessage(e.mediaType) {
		return e.body
	}
	return nil
}

// isMessage is for the types that hold a whole message (RFC 2046 section 5.2.1, RFC 6532
// section 3.7, and the old name that news servers used).
func isMessage(mediaType string) bool {
	switch mediaType {
	case "message/rfc822", "message/global", "message/news":
		return true
	}
	return false
}

// contentType reads Content-Type and Content-Disposition.
func (p *parsing) contentType(e *entity, defaultType string) {
	e.mediaType, e.params = defaultType, map[string]string{}
	if v := e.header("Content-Type"); len(v) > 0 {
		main, params := parseParams(v[0])
		if isMediaType(main) {
			e.mediaType = main
		} else if main == "multipart" {
			e.mediaType = "multipart/mixed"
		} else if main != "" {
			p.problem("the media type %q is no media type", clip(main))
		}
		e.params = params
	}
	if v := e.header("Content-Disposition"); len(v) > 0 {
		e.disposition, e.dispParams = parseParams(v[0])
	}
	if cs := e.params["charset"]; p.hint == "" && cs != "" && findCharset(cs).known() {
		p.hint = cs
	}
}

// isMediaType wants the form of RFC 2045 section 5.1.
func isMediaType(s string) bool {
	kind, sub, ok := strings.Cut(s, "/")
	return ok && isToken(kind) && isToken(sub)
}

// clip shortens what a problem quotes.
func clip(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}

// multipart reads the parts of a multipart body. It gives false when there are none to be
// found: then the body is taken for text.
func (p *parsing) multipart(e *entity, body []byte, depth int) bool {
	if depth >= depthMax {
		p.problem("parts are nested more than %d deep; what lies deeper is kept as a file", depthMax)
		e.mediaType = "application/octet-stream"
		return false
	}
	body, parts := p.findParts(e, body)
	if len(parts) == 0 {
		if len(bytes.TrimSpace(body)) > 0 {
			p.problem("a multipart body has no parts; it is read as text")
		}
		e.mediaType = "text/plain"
		return false
	}
	e.body = body
	childType := "text/plain"
	if e.mediaType == "multipart/digest" {
		childType = "message/rfc822" // RFC 2046 section 5.1.5
	}
	for _, part := range parts {
		if p.parts >= partsMax {
			p.problem("there are more than %d parts; the others are not read", partsMax)
			break
		}
		if p.timeUp() {
			break
		}
		e.children = append(e.children, p.entity(part, depth+1, childType))
	}
	return true
}

// findParts tries the boundary that is declared, then what else may be meant.
func (p *parsing) findParts(e *entity, body []byte) ([]byte, [][]byte) {
	boundary := e.params["boundary"]
	parts := p.split(body, boundary)
	if len(parts) > 0 {
		return body, parts
	}
	// RFC 2045 section 6.4 forbids an encoding here; some use one.
	if cte := e.transferEncoding(); cte == "base64" || cte == "quoted-printable" {
		decoded := p.transfer(e, body)
		if parts = p.split(decoded, boundary); len(parts) > 0 {
			p.problem("a multipart body is encoded in %s", cte)
			return decoded, parts
		}
	}
	if guess := guessBoundary(body); guess != "" {
		p.problem("the boundary of a multipart body is missing or wrong")
		parts = p.split(body, guess)
	}
	return body, parts
}

// split cuts a multipart body at its delimiter lines (RFC 2046 section 5.1.1). A missing
// close delimiter is no loss, and parts that stand behind one are read all the same.
func (p *parsing) split(body []byte, boundary string) [][]byte {
	boundary = strings.TrimRight(boundary, " \t")
	if boundary == "" {
		return nil
	}
	var parts [][]byte
	delimiter := []byte("--" + boundary)
	start, open := 0, false
	// One more than may be read, so that the caller sees that there are more.
	for pos := 0; len(parts) <= partsMax; {
		i := bytes.Index(body[pos:], delimiter)
		if i < 0 {
			break
		}
		i += pos
		pos = lineEnd(body, i)
		rest := bytes.TrimSpace(body[i+len(delimiter) : pos])
		last := string(rest) == "--"
		if i > 0 && body[i-1] != '\n' || len(rest) > 0 && !last {
			continue
		}
		if open {
			parts = append(parts, withoutLineEnd(body[start:i]))
		} else if len(parts) > 0 && !last {
			p.problem("there are parts behind the end of a multipart body")
		}
		start, open = pos, !last
	}
	if open && len(parts) <= partsMax && len(bytes.TrimSpace(body[start:])) > 0 {
		p.problem("a multipart body has no end")
		parts = append(parts, body[start:])
	}
	return parts
}

// lineEnd is the index behind the line that holds position i.
func lineEnd(b []byte, i int) int {
	if n := bytes.IndexByte(b[i:], '\n'); n >= 0 {
		return i + n + 1
	}
	return len(b)
}

// withoutLineEnd takes off the one line end that belongs to the delimiter.
func withoutLineEnd(b []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
}

// guessBoundary finds a line that looks like a delimiter: two dashes, and below it a
// Content field.
func guessBoundary(body []byte) string {
	for pos := 0; pos < len(body); {
		end := lineEnd(body, pos)
		line := bytes.TrimSpace(body[pos:end])
		next := body[end:min(end+8, len(body))]
		if len(line) > 2 && len(line) < 200 && bytes.HasPrefix(line, []byte("--")) &&
			strings.EqualFold(string(next), "content-") {
			return string(line[2:])
		}
		pos = end
	}
	return ""
}
