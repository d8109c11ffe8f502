package mail

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"html"
	"slices"
	"strings"
	"unicode"
)

// bodyPart is a piece of the text of a message.
type bodyPart struct {
	html bool
	text string // plain text, or HTML as sent
}

// bodyReader sorts the parts of a message: what is text, and what is a file.
type bodyReader struct {
	p           *parsing
	plain, rich []bodyPart // the message for a reader of plain text, and of HTML
	files       []Attachment
	texts       int // octets of text so far
	inner       int // depth of attached messages whose text is read
}

// readBody fills in text and attachments.
func (p *parsing) readBody(root *entity) {
	r := &bodyReader{p: p}
	r.read(root, "", true)
	m := p.m
	if anyPart(r.plain, false) {
		m.Text = joinPlain(r.plain)
	}
	if anyPart(r.rich, true) {
		m.HTML = joinRich(r.rich)
		if !p.brief || strings.TrimSpace(m.Text) == "" {
			m.HTMLText, m.htmlMarks = readHTML(m.HTML)
		}
	}
	r.tellEvents()
	markInline(r.files, m.HTML)
	m.Attachments = r.files
}

// addCalendar reads what a calendar part says. It is a file too.
func (r *bodyReader) addCalendar(e *entity) {
	if len(e.body) >= textMax || r.inner > 0 {
		return
	}
	v, ok := readCalendar(e.text(), e.params["method"])
	if !ok || len(r.p.m.Calendar) >= partsMax {
		return
	}
	// The same calendar often comes twice, in the text and as a file.
	if !slices.ContainsFunc(r.p.m.Calendar, func(w Invitation) bool { return w.Line == v.Line }) {
		r.p.m.Calendar = append(r.p.m.Calendar, v)
	}
}

// tellEvents puts the line of each event above the text, where nothing cuts it off. An
// invitation without any other text shows its description.
func (r *bodyReader) tellEvents() {
	m := r.p.m
	if len(m.Calendar) == 0 {
		return
	}
	text := cmp.Or(m.Text, m.HTMLText)
	if strings.TrimSpace(text) == "" {
		text = m.Calendar[0].description
	}
	var b strings.Builder
	for _, v := range m.Calendar {
		b.WriteString(v.Line + "\n")
	}
	m.Text = b.String()
	if strings.TrimSpace(text) != "" {
		m.Text += "\n" + text
	}
}

func anyPart(parts []bodyPart, html bool) bool {
	for _, p := range parts {
		if p.html == html {
			return true
		}
	}
	return false
}

// joinPlain shows HTML that has no plain alternative by its visible text: a footer that a
// list added must not hide the message above it.
func joinPlain(parts []bodyPart) string {
	var b strings.Builder
	for _, p := range parts {
		text := p.text
		if p.html {
			text = htmlText(text)
		}
		if b.Len() > 0 && !strings.HasSuffix(b.String(), "\n") {
			b.WriteByte('\n')
		}
		b.WriteString(text)
	}
	return b.String()
}

func joinRich(parts []bodyPart) string {
	var b strings.Builder
	for _, p := range parts {
		if p.html {
			b.WriteString(p.text + "\n")
		} else if strings.TrimSpace(p.text) != "" {
			b.WriteString("<pre>" + html.EscapeString(p.text) + "</pre>\n")
		}
	}
	return b.String()
}

// read goes the way of RFC 8621 section 4.1.4. parent is the subtype of the multipart that
// e is in, first says that e is its first part.
func (r *bodyReader) read(e *entity, parent string, first bool) {
	sub, multi := strings.CutPrefix(e.mediaType, "multipart/")
	if multi && len(e.children) > 0 {
		plain, rich := len(r.plain), len(r.rich)
		for i, c := range e.children {
			r.read(c, sub, i == 0)
		}
		if sub == "alternative" {
			r.fillIn(plain, rich)
		}
		return
	}
	if r.isText(e, parent, first) {
		r.addText(e, parent == "alternative")
		return
	}
	if e.mediaType == "text/calendar" || e.mediaType == "application/ics" {
		r.addCalendar(e)
	}
	r.addFile(e)
	if len(e.children) == 1 && !isMessage(e.mediaType) {
		r.read(e.children[0], "", true) // what a signature is around
	}
}

// isText is for parts that a reader shows as the message itself.
func (r *bodyReader) isText(e *entity, parent string, first bool) bool {
	switch e.mediaType {
	case "text/plain", "text/html", "text/enriched", "text/richtext", "text/markdown":
	default:
		return false
	}
	if e.disposition == "attachment" {
		return false
	}
	return e.name() == "" || first && parent != "related" || parent == "alternative"
}

// addText adds a text part; inside an alternative it is for one kind of reader only.
func (r *bodyReader) addText(e *entity, alternative bool) {
	body := e.body
	if room := textMax - r.texts; len(body) > room {
		r.p.problem("there are more than %d octets of text; the rest is in an attachment", textMax)
		r.addFile(e)
		body = body[:room]
	}
	r.texts += len(body)
	text, problem := e.decodeText(body)
	if problem != "" {
		r.p.problem("%s", problem)
	}
	part := bodyPart{html: e.mediaType == "text/html", text: text}
	switch e.mediaType {
	case "text/plain":
		r.addEncoded(part.text)
		part.text = r.readable(e, part.text)
		if strings.EqualFold(e.params["format"], "flowed") {
			part.text = unflow(part.text, strings.EqualFold(e.params["delsp"], "yes"))
		}
	case "text/enriched", "text/richtext":
		part.text = htmlText(text) // the tags differ, their form does not (RFC 1896)
	}
	if !part.html || !alternative {
		r.plain = append(r.plain, part)
	}
	if part.html || !alternative {
		r.rich = append(r.rich, part)
	}
}

// fillIn gives each kind of reader what an alternative has for the other one only. An
// empty text is no alternative.
func (r *bodyReader) fillIn(plain, rich int) {
	noPlain, noRich := true, len(r.rich) == rich
	for _, p := range r.plain[plain:] {
		noPlain = noPlain && strings.TrimSpace(p.text) == ""
	}
	newRich := r.rich[rich:]
	if noRich {
		r.rich = append(r.rich, r.plain[plain:]...)
	}
	if noPlain {
		r.plain = append(r.plain[:plain], newRich...)
	}
}

// addEncoded adds the uuencoded files that stand in a text. The text stays as it was sent.
func (r *bodyReader) addEncoded(text string) {
	for _, f := range uudecode(text) {
		r.add(Attachment{Name: shownName(f.name), Type: "application/octet-stream", Content: f.content})
	}
}

// addFile adds an entity as an attachment, and what is in it when it is a winmail.dat.
func (r *bodyReader) addFile(e *entity) {
	if what := hidden(e.name()); what != "" {
		r.p.problem("the name of a file had %s; they are taken out", what)
	}
	a := Attachment{
		Name:      shownName(e.name()),
		Type:      e.mediaType,
		Inline:    e.disposition == "inline",
		ContentID: contentID(e),
		Location:  squeeze(strings.Trim(e.first("Content-Location"), "<>\"")),
		Content:   e.body,
	}
	if len(e.children) == 1 && isMessage(e.mediaType) {
		if a.Name == "" {
			a.Name = shownName(cmp.Or(DecodeHeader(e.children[0].first("Subject")), "message") + ".eml")
		}
		a.Text = r.messageText(e.children[0])
	}
	if a.Name == "" && a.Type == "text/calendar" {
		a.Name = "invite.ics"
	}
	r.add(a)
	if isTNEF(e.body) {
		r.addTNEF(e.body)
	}
}

// addTNEF adds what is in a winmail.dat. The file itself stays: it holds more than can be
// shown.
func (r *bodyReader) addTNEF(b []byte) {
	f, whole := readTNEF(b, 0)
	if !whole {
		r.p.problem("a winmail.dat is damaged")
	}
	for _, a := range f.files {
		r.add(a)
	}
	if len(r.plain)+len(r.rich) > 0 { // Outlook sends the text beside the file too
		return
	}
	text, page := normalText(f.text), normalText(f.html)
	if rtf := unpackRTF(f.rtf); len(rtf) > 0 && text == "" && page == "" {
		r.add(Attachment{Name: "message.rtf", Type: "text/rtf", Content: rtf})
		if read, isHTML := readRTF(rtf); isHTML {
			page = read
		} else {
			text = read
		}
	}
	switch {
	case page != "" && len(page) < textMax:
		r.rich = append(r.rich, bodyPart{html: true, text: page})
	case strings.TrimSpace(text) != "" && len(text) < textMax:
		r.plain = append(r.plain, bodyPart{text: text})
	}
}

func (r *bodyReader) add(a Attachment) {
	if r.inner > 0 {
		return // it stays in the file of the attached message
	}
	if len(r.files) >= partsMax {
		r.p.problem("there are more than %d files; the others are not kept apart", partsMax)
		return
	}
	a.Size = int64(len(a.Content))
	if !r.p.brief {
		sum := sha256.Sum256(a.Content)
		a.SHA256 = hex.EncodeToString(sum[:])
	}
	r.files = append(r.files, a)
}

// contentID is without angle brackets (RFC 2392 section 2 has none in a cid: URL).
func contentID(e *entity) string {
	if ids := MessageIDs(e.first("Content-ID")); len(ids) > 0 {
		return ids[0]
	}
	return squeeze(strings.Trim(e.first("Content-ID"), "<> \t"))
}

// markInline marks the files that the HTML shows, by Content-ID (RFC 2392) or
// Content-Location (RFC 2557), whatever their disposition says.
func markInline(files []Attachment, page string) {
	if page == "" || len(files) == 0 {
		return
	}
	shown := map[string]bool{}
	for rest := page; ; {
		i := indexFold(rest, "cid:")
		if i < 0 {
			break
		}
		rest = rest[i+len("cid:"):]
		n := strings.IndexAny(rest, "\"'<> )\n")
		if n < 0 {
			n = len(rest)
		}
		shown[percentDecode(html.UnescapeString(rest[:n]))] = true
		rest = rest[n:]
	}
	const locationsMax = 100 // the page is searched for each
	locations := 0
	for i, f := range files {
		switch {
		case f.ContentID != "" && shown[f.ContentID], f.ContentID == "" && f.Name != "" && shown[f.Name]:
			files[i].Inline = true
		case f.Location != "" && locations < locationsMax:
			locations++
			files[i].Inline = f.Inline || refersTo(page, f.Location)
		}
	}
}

// refersTo says whether an attribute of the page has this value.
func refersTo(page, location string) bool {
	for _, l := range []string{location, html.EscapeString(location)} {
		for _, before := range []string{`"`, `'`, "="} {
			if strings.Contains(page, before+l) {
				return true
			}
		}
	}
	return false
}

// indexFold finds a lower-case needle that holds a colon.
func indexFold(s, needle string) int {
	for from := 0; ; {
		i := strings.IndexByte(s[from:], ':')
		if i < 0 {
			return -1
		}
		end := from + i + 1
		if end >= len(needle) && strings.EqualFold(s[end-len(needle):end], needle) {
			return end - len(needle)
		}
		from = end
	}
}

// shownName is a file name without directories and controls, and without the characters
// that nobody sees: bidirectional marks show a name other than it is ("exe.txt").
func shownName(s string) string {
	return strings.Trim(fileName(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r) {
			return -1
		}
		return r
	}, s)), " \t\"'")
}

// unflow joins the lines of flowed text (RFC 3676 section 4), each depth of quotes apart.
func unflow(s string, delSp bool) string {
	var b strings.Builder
	depth, open := 0, false
	for line := range strings.SplitSeq(s, "\n") {
		d := len(line) - len(strings.TrimLeft(line, ">"))
		text := strings.TrimPrefix(line[d:], " ") // space-stuffing, section 4.4
		if open && d != depth {
			b.WriteByte('\n')
			open = false
		}
		if !open && d > 0 {
			b.WriteString(strings.Repeat(">", d) + " ")
		} else if !open && strings.HasPrefix(text, ">") {
			b.WriteByte(' ') // stuffed, so that it is no quote
		}
		// The mark of a signature is never flowed (section 4.3).
		soft := strings.HasSuffix(text, " ") && text != "-- "
		if soft && delSp {
			text = text[:len(text)-1]
		}
		b.WriteString(text)
		if !soft {
			b.WriteByte('\n')
		}
		depth, open = d, soft
	}
	return strings.TrimSuffix(b.String(), "\n")
}
