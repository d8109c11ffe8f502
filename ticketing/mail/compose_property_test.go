package mail

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	mimeparts "mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"
)

// These tests read what Compose wrote with Go's own net/mail and mime, which share
// nothing with this package.

// evil makes text with all that could end a line, a word, a quote or a header.
func evil() *rapid.Generator[string] {
	piece := rapid.OneOf(
		rapid.SampledFrom([]string{"\r\n", "\n", "\r", "\x00", "\x1b[2J", "\t", " ", "  ", "=?", "?=", "=?utf-8?q?x?=", "=?x?b?!?=", `"`, `\`, "<", ">", ",", ";", ":",
			"@", "(", ")", "%", "'", "''", "*", "..", "/", "=", "_", "\u2028", "\u2029", "\u0085", "\u00a0", "\u202e", "\xff\xfe", "\xc3", "é", "日本語", "👩‍👩‍👧", "Bcc: x@y.example",
			"\r\n\r\n<html>", "\r\n.\r\n", "From ", "> ", ">> ", strings.Repeat(">", 30), "-- ", "--", "-- " + strings.Repeat("z", 80), strings.Repeat("x", 70), strings.Repeat("long ", 300), strings.Repeat("ü", 200), strings.Repeat(" ", 1100)}),
		rapid.String(),
		rapid.StringMatching(`[a-zA-Z0-9 ]{0,80}`),
	)
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(piece, 0, 8).Draw(t, "pieces"), "")
	})
}

func evilDraft(t *rapid.T) Draft {
	d := sample()
	d.Subject = evil().Draw(t, "subject")
	d.From.Name = evil().Draw(t, "from")
	d.ReplyTo.Name = evil().Draw(t, "reply-to")
	d.To.Name = evil().Draw(t, "to")
	for _, n := range rapid.SliceOfN(evil(), 0, 3).Draw(t, "cc") {
		d.Cc = append(d.Cc, Address{Name: n, Address: fmt.Sprintf("cc%d@customer.example", len(d.Cc))})
	}
	d.InReplyTo = evil().Draw(t, "in-reply-to")
	d.References = rapid.SliceOfN(evil(), 0, 4).Draw(t, "references")
	d.ThreadTopic = evil().Draw(t, "topic")
	d.ThreadIndex = evil().Draw(t, "index")
	d.Headers = []HeaderField{{"X-Evil", evil().Draw(t, "header")}}
	d.Body = evil().Draw(t, "body")
	d.QuoteHead = evil().Draw(t, "quote head")
	d.Quote = evil().Draw(t, "quote")
	d.Signature = evil().Draw(t, "signature")
	for _, n := range rapid.SliceOfN(evil(), 0, 3).Draw(t, "files") {
		d.Attachments = append(d.Attachments, Attachment{Name: n, Type: evil().Draw(t, "type"), Content: []byte(evil().Draw(t, "content"))})
	}
	return d
}

// readable is what must come back of a text: one line, no controls, no ends of spaces.
func readable(s string) string {
	var out []rune
	bad := false
	for i, r := range s {
		invalid := r == unicode.ReplacementChar && !strings.HasPrefix(s[i:], "\uFFFD")
		switch {
		case invalid && bad: // a run of them is one
		case r == '\n' && i > 0 && s[i-1] == '\r': // a line end is one space
		case unicode.Is(unicode.Cc, r) || r == 0x2028 || r == 0x2029:
			out = append(out, ' ')
		default:
			out = append(out, r)
		}
		bad = invalid
	}
	return strings.Trim(string(out), " ")
}

// leaf is a decoded part that is no multipart.
type leaf struct {
	mediaType, charset, disposition, file, id string
	body                                      []byte
}

// leaves reads a message to its parts with the standard library.
func leaves(header func(string) string, body io.Reader) ([]leaf, error) {
	kind, params, err := mime.ParseMediaType(header("Content-Type"))
	if err != nil {
		return nil, fmt.Errorf("Content-Type %q: %w", header("Content-Type"), err)
	}
	if strings.HasPrefix(kind, "multipart/") {
		var all []leaf
		for r := mimeparts.NewReader(body, params["boundary"]); ; {
			p, err := r.NextRawPart()
			if err == io.EOF {
				return all, nil
			}
			if err != nil {
				return nil, err
			}
			below, err := leaves(p.Header.Get, p)
			if err != nil {
				return nil, err
			}
			all = append(all, below...)
		}
	}
	l := leaf{mediaType: kind, charset: params["charset"], id: header("Content-ID")}
	if d := header("Content-Disposition"); d != "" {
		var p map[string]string
		if l.disposition, p, err = mime.ParseMediaType(d); err != nil {
			return nil, fmt.Errorf("Content-Disposition %q: %w", d, err)
		}
		l.file = p["filename"]
	}
	switch cte := header("Content-Transfer-Encoding"); cte {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	default:
		return nil, fmt.Errorf("Content-Transfer-Encoding %q", cte)
	}
	l.body, err = io.ReadAll(body)
	return []leaf{l}, err
}

// encodedWordForm is where a reader decodes: at the beginning of a word (RFC 2047 section
// 5), so in no msg-id.
var encodedWordForm = regexp.MustCompile(`(^| )=\?[^? ]*\?[^? ]*\?[^? ]*\?=`)

// checkLines wants CRLF alone, lines no longer than 998 octets, and ASCII.
func checkLines(raw []byte) error {
	r := bufio.NewScanner(bytes.NewReader(raw))
	r.Buffer(nil, 1<<22)
	r.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		if i := bytes.Index(data, []byte("\r\n")); i >= 0 {
			return i + 2, data[:i], nil
		}
		if atEOF && len(data) > 0 {
			return len(data), nil, fmt.Errorf("the last line has no end: %q", data)
		}
		return 0, nil, nil
	})
	for r.Scan() {
		line := r.Bytes()
		if len(line) > 998 || bytes.ContainsAny(line, "\r\n\x00") || !isASCII(string(line)) {
			return fmt.Errorf("line of %d octets: %q", len(line), line)
		}
		if len(line) > 78 && bytes.HasPrefix(line, []byte(" filename")) {
			return fmt.Errorf("parameter in a line of %d octets: %s", len(line), line)
		}
		for _, w := range encodedWordForm.FindAll(line, -1) {
			if len(bytes.TrimSpace(w)) > 75 || len(line) > 76 { // RFC 2047 section 2
				return fmt.Errorf("encoded-word of %d octets in a line of %d: %s", len(w), len(line), line)
			}
		}
	}
	return r.Err()
}

func checkHeader(d Draft, h netmail.Header) error {
	allowed := []string{"Date", "From", "Reply-To", "To", "Cc", "Subject", "Message-Id", "In-Reply-To", "References", "Thread-Topic", "Thread-Index",
		"X-Evil", "Mime-Version", "Content-Type"}
	for name, values := range h {
		if !slices.Contains(allowed, name) || len(values) != 1 {
			return fmt.Errorf("%d header fields %s", len(values), name)
		}
	}
	var words mime.WordDecoder
	for name, sent := range map[string]string{"Subject": d.Subject, "Thread-Topic": d.ThreadTopic} {
		if got, err := words.DecodeHeader(h.Get(name)); err != nil || got != readable(sent) {
			return fmt.Errorf("%s: %q came back as %q (%v) by %q", name, sent, got, err, h.Get(name))
		}
	}
	got, err := words.DecodeHeader(h.Get("X-Evil"))
	if want := strings.Join(strings.Fields(readable(d.Headers[0].Value)), " "); err != nil || got != want {
		return fmt.Errorf("X-Evil: %q came back as %q (%v)", want, got, err)
	}
	for name, sent := range map[string][]Address{"From": {d.From}, "Reply-To": {d.ReplyTo}, "To": {d.To}, "Cc": d.Cc} {
		if len(sent) == 0 {
			continue
		}
		list, err := h.AddressList(name)
		if err != nil || len(list) != len(sent) {
			return fmt.Errorf("%s: %q: %d addresses, want %d: %v", name, h.Get(name), len(list), len(sent), err)
		}
		for i, a := range list {
			if a.Address != sent[i].Address || a.Name != readable(sent[i].Name) {
				return fmt.Errorf("%s: %+v came back as %+v by %q", name, sent[i], *a, h.Get(name))
			}
		}
	}
	return nil
}

// checkComposed is the property: exactly the intended fields and parts, the same text.
func checkComposed(d Draft) error {
	raw, err := Compose(d)
	if err != nil {
		return err
	}
	if again, _ := Compose(d); !bytes.Equal(raw, again) {
		return fmt.Errorf("the same draft gave other bytes")
	}
	if err := checkLines(raw); err != nil {
		return err
	}
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	if err := checkHeader(d, m.Header); err != nil {
		return err
	}
	parts, err := leaves(m.Header.Get, m.Body)
	if err != nil {
		return err
	}
	if len(parts) != 2+len(d.Attachments) || parts[0].mediaType != "text/plain" || parts[1].mediaType != "text/html" {
		return fmt.Errorf("%d parts for %d attachments: %+v", len(parts), len(d.Attachments), parts)
	}
	if got, want := unflowed(string(parts[0].body)), typedText(d); !slices.Equal(got, want) {
		return fmt.Errorf("text/plain came back as\n%q\nwant\n%q\nby\n%q", got, want, parts[0].body)
	}
	for i, a := range d.Attachments {
		p := parts[2+i]
		if !bytes.Equal(p.body, a.Content) || p.disposition != "attachment" || strings.ContainsAny(p.file, "/\\\r\n\x00") {
			return fmt.Errorf("attachment %q came back as %+v", a.Name, p)
		}
		if want := lastElement(a.Name); len(want) < 200 && p.file != want {
			return fmt.Errorf("file name %q came back as %q, want %q", a.Name, p.file, want)
		}
		if len(p.file) > 255 {
			return fmt.Errorf("file name of %d octets", len(p.file))
		}
	}
	return nil
}

// lastElement is a file name without folders, written from its end.
func lastElement(name string) string {
	name = strings.TrimRight(strings.ReplaceAll(readable(name), `\`, "/"), "/")
	name = readable(name[strings.LastIndex(name, "/")+1:])
	if name == "." || name == ".." {
		return ""
	}
	return name
}

// A hundred drafts are made in each round.
func TestComposeProperty(t *testing.T) {
	for range 30 {
		rapid.Check(t, func(t *rapid.T) {
			d := evilDraft(t)
			if err := checkComposed(d); err != nil {
				t.Fatal(err)
			}
			if err := checkParsed(d); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// checkParsed reads with this package what it has composed.
func checkParsed(d Draft) error {
	raw, err := Compose(d)
	if err != nil {
		return err
	}
	m := Parse(raw)
	// Reading takes a byte order mark from the front of what is encoded.
	readable := func(s string) string { return strings.TrimLeft(readable(s), "\uFEFF ") }
	if len(m.Duplicates) > 0 || readable(m.Subject) != readable(d.Subject) || m.MessageID != d.MessageID {
		return fmt.Errorf("parsed as %q, doubled %q", m.Subject, m.Duplicates)
	}
	for name, list := range map[string]struct{ sent, got []Address }{"From": {[]Address{d.From}, m.From}, "To": {[]Address{d.To}, m.To},
		"Reply-To": {[]Address{d.ReplyTo}, m.ReplyTo}, "Cc": {d.Cc, m.Cc}} {
		if len(list.sent) != len(list.got) {
			return fmt.Errorf("%s: %+v came back as %+v", name, list.sent, list.got)
		}
		for i := range list.sent {
			list.sent[i].Name, list.got[i].Name = readable(list.sent[i].Name), readable(list.got[i].Name)
		}
		if !slices.Equal(list.sent, list.got) {
			return fmt.Errorf("%s: %+v came back as %+v", name, list.sent, list.got)
		}
	}
	if len(m.Attachments) != len(d.Attachments) {
		return fmt.Errorf("%d attachments came back of %d", len(m.Attachments), len(d.Attachments))
	}
	for i, a := range m.Attachments {
		// Reading drops what nobody sees in a name, and decodes what should not be encoded.
		sent := lastElement(d.Attachments[i].Name)
		want := shownName(sent)
		if !bytes.Equal(a.Content, d.Attachments[i].Content) || len(sent) < 200 && !strings.Contains(want, "=?") && a.Name != want {
			return fmt.Errorf("parsed: attachment %q came back as %q", d.Attachments[i].Name, a.Name)
		}
	}
	return nil
}

func FuzzCompose(f *testing.F) {
	f.Add("RE: x", "Jane", "a.txt", "Hello\n> quote", "v")
	f.Add("=?utf-8?q?a?=\r\nBcc: x@y.example", "\"<a@b.example>,", "../\r\nX: y", "-- \nFrom me\n>x", "\r\n\r\n")
	f.Add(strings.Repeat("ü", 300), strings.Repeat("a", 300), strings.Repeat("日", 100)+".pdf", strings.Repeat("word ", 300), strings.Repeat("y", 2000))
	f.Fuzz(func(t *testing.T, subject, name, file, body, value string) {
		d := sample()
		d.Subject, d.ThreadTopic, d.From.Name, d.To.Name = subject, subject, name, name
		d.Body, d.Quote, d.Headers = body, body, []HeaderField{{"X-Evil", value}}
		d.Attachments = []Attachment{{Name: file, Type: value, Content: []byte(body)}}
		if err := checkComposed(d); err != nil {
			t.Fatal(err)
		}
	})
}

// unflowed reads flowed text (RFC 3676 section 4.4): paragraphs, each with its marks.
func unflowed(s string) []string {
	var out []string
	flowing, depth, text := false, 0, ""
	end := func() {
		if flowing {
			out = append(out, strings.Repeat(">", depth)+"|"+text)
		}
		flowing, text = false, ""
	}
	for line := range strings.SplitSeq(s, "\r\n") {
		rest := strings.TrimLeft(line, ">")
		d := len(line) - len(rest)
		rest = strings.TrimPrefix(rest, " ") // stuffed
		if rest == "-- " || flowing && d != depth {
			end()
		}
		text, depth, flowing = text+rest, d, true
		if rest == "-- " || !strings.HasSuffix(rest, " ") {
			end()
		}
	}
	end()
	return out
}

// typedText is what unflowed must give for a draft.
func typedText(d Draft) []string {
	var out []string
	add := func(text string, more int) bool {
		lines := visibleLines(text)
		for _, line := range lines {
			depth := 0
			for strings.HasPrefix(line, ">") {
				depth, line = depth+1, strings.TrimPrefix(line[1:], " ")
			}
			out = append(out, strings.Repeat(">", min(depth+more, 20))+"|"+strings.TrimRight(line, " "))
		}
		return len(lines) > 0
	}
	add(d.Body, 0)
	if len(visibleLines(d.Quote)) > 0 {
		out = append(out, "|")
		if head := readable(d.QuoteHead); head != "" {
			out = append(out, "|"+head)
		}
		add(d.Quote, 1)
	}
	if lines := visibleLines(d.Signature); len(lines) > 0 {
		out = append(out, "|", "|-- ")
		for _, line := range lines {
			out = append(out, "|"+strings.TrimRight(line, " "))
		}
	}
	if len(out) == 0 {
		return []string{"|"} // an empty body is one empty line
	}
	return out
}

// visibleLines are the lines of a text without controls, and without empty ones at the end.
func visibleLines(s string) []string {
	s = strings.ReplaceAll(strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n"), "\r", "\n")
	var out []string
	for line := range strings.SplitSeq(s, "\n") {
		out = append(out, strings.Map(func(r rune) rune {
			if r != '\t' && unicode.Is(unicode.Cc, r) {
				return -1
			}
			return r
		}, line))
	}
	for len(out) > 0 && strings.Trim(out[len(out)-1], " ") == "" {
		out = out[:len(out)-1]
	}
	return out
}

// The time that a draft has must not make the property tests fail by its zone.
func TestComposeDate(t *testing.T) {
	d := sample()
	d.Date = time.Date(2026, 3, 4, 5, 6, 7, 8, time.FixedZone("x", -(3*3600+30*60)))
	raw, err := Compose(d)
	if err != nil {
		t.Fatal(err)
	}
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := m.Header.Date(); err != nil || !got.Equal(d.Date.Truncate(time.Second)) {
		t.Errorf("Date came back as %v, %v", got, err)
	}
	d.Date = time.Time{}
	if _, err := Compose(d); err == nil {
		t.Error("a message without a date was composed")
	}
}
