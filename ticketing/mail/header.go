package mail

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// header splits an entity into its fields and its body (RFC 5322 section 2.2). Lines that
// are no fields are passed over when more fields follow, and begin the body otherwise.
func (p *parsing) header(raw []byte) ([]field, []byte) {
	h := headerScan{p: p, raw: raw, lastField: -1}
	pos := 0
	for pos < len(raw) {
		end := lineEnd(raw, pos)
		line := bytes.TrimRight(raw[pos:end], "\r\n")
		if end > headerMax && len(h.names) > 0 && len(line) > 0 || len(h.names) >= fieldsMax {
			p.problem("the header is longer than %d octets or %d fields; the others are not read", headerMax, fieldsMax)
			pos = endOfHeader(raw, pos)
			break
		}
		if h.isEnd(line, pos, end) {
			if len(bytes.TrimSpace(line)) == 0 {
				pos = end
			} else if len(h.names) > 0 {
				p.problem("there is no empty line behind the header")
			}
			break
		}
		h.take(line[:min(len(line), headerMax)], pos)
		pos = end
	}
	return h.fields(), raw[pos:]
}

// endOfHeader is the index behind the first empty line.
func endOfHeader(raw []byte, pos int) int {
	for pos < len(raw) {
		end := lineEnd(raw, pos)
		if len(bytes.TrimRight(raw[pos:end], "\r\n")) == 0 {
			return end
		}
		pos = end
	}
	return pos
}

// headerScan collects fields as octets, since their charset is known only at the end.
type headerScan struct {
	p         *parsing
	raw       []byte
	names     []string
	values    [][]byte
	skipped   bool // the line before was no field: what continues it is none either
	lastField int  // where the last well-known field begins, -1 while not looked for
}

// isEnd says whether the header ends before or at this line.
func (h *headerScan) isEnd(line []byte, pos, end int) bool {
	switch {
	case len(line) == 0:
		// Empty lines above the first field of a message are an accident.
		return len(h.names) > 0 || h.p.parts > 1 || !startsWithField(h.raw[end:])
	case len(bytes.TrimSpace(line)) == 0:
		return !startsWithField(h.raw[end:])
	case fieldName(line) != "" || pos == 0 && isFromLine(line):
		return false
	case line[0] == ' ' || line[0] == '\t':
		return len(h.names) == 0 && !h.skipped
	case h.continues():
		return false
	}
	return pos > h.lastKnown(pos)
}

// isFromLine is the first line of a message out of an mbox file (RFC 4155).
func isFromLine(line []byte) bool {
	return bytes.HasPrefix(line, []byte("From ")) || bytes.HasPrefix(line, []byte(">From "))
}

// continues is for a parameter list that was folded without the space.
func (h *headerScan) continues() bool {
	if len(h.values) == 0 || h.skipped {
		return false
	}
	v := bytes.TrimRight(h.values[len(h.values)-1], " \t")
	return bytes.HasSuffix(v, []byte(";")) || bytes.HasSuffix(v, []byte(","))
}

// lastKnown looks once for the last field that mail is known to have.
func (h *headerScan) lastKnown(pos int) int {
	if h.lastField >= 0 {
		return h.lastField
	}
	h.lastField = 0
	for pos < len(h.raw) && pos < headerMax {
		end := lineEnd(h.raw, pos)
		line := bytes.TrimRight(h.raw[pos:end], "\r\n")
		if len(line) == 0 {
			break
		}
		if isKnownField(fieldName(line)) {
			h.lastField = pos
		}
		pos = end
	}
	return h.lastField
}

func isKnownField(name string) bool {
	name = strings.ToLower(name)
	switch name {
	case "from", "to", "cc", "subject", "date", "message-id", "received", "return-path", "reply-to", "sender",
		"mime-version", "in-reply-to", "references", "dkim-signature", "delivered-to", "authentication-results":
		return true
	}
	return strings.HasPrefix(name, "content-") || strings.HasPrefix(name, "x-") || strings.HasPrefix(name, "list-")
}

// take adds a line to what is there.
func (h *headerScan) take(line []byte, pos int) {
	name, last := fieldName(line), len(h.values)-1
	switch {
	case len(bytes.TrimSpace(line)) == 0:
	case line[0] == ' ' || line[0] == '\t':
		if !h.skipped && last >= 0 {
			h.values[last] = append(h.values[last], line...)
		}
	case name != "":
		h.skipped = false
		value := bytes.TrimLeft(line[bytes.IndexByte(line, ':')+1:], " \t")
		h.names = append(h.names, name)
		h.values = append(h.values, append([]byte(nil), value...))
	case pos == 0 && isFromLine(line):
	case h.continues():
		h.p.problem("a header field is folded without a space")
		h.values[last] = append(append(h.values[last], ' '), line...)
	default:
		h.skipped = true
		h.p.problem("the header has a line that is no field: %q", clip(string(line)))
	}
}

// fields brings the values to UTF-8. Octets that name no charset are guessed by the one
// that the body has.
func (h *headerScan) fields() []field {
	hint := h.p.hint
	for i, n := range h.names {
		if hint == "" && equalFold(n, "Content-Type") {
			_, params := parseParams(string(h.values[i]))
			hint = params["charset"]
		}
	}
	if hint == "" && slices.ContainsFunc(h.values, func(v []byte) bool { return !utf8.Valid(v) }) {
		hint = anyCharset(h.raw)
	}
	out := make([]field, len(h.names))
	for i, n := range h.names {
		s, problem := toUTF8(h.values[i], "", hint)
		if problem != "" {
			h.p.problem("the field %s: %s", clip(n), problem)
		}
		out[i] = field{n, strings.TrimRight(oneLine(s), " \t")}
	}
	return out
}

// charsetPattern finds what the parts of a message name as their charset.
var charsetPattern = pattern(`(?i)charset\s*=\s*["']?([\w.:-]{2,40})`)

// anyCharset is the first charset that is named in a message and says something.
func anyCharset(raw []byte) string {
	for _, m := range charsetPattern().FindAllSubmatch(raw[:min(len(raw), 64<<10)], 10) {
		if cs := findCharset(string(m[1])); cs.known() && cs.name != "us-ascii" {
			return string(m[1])
		}
	}
	return ""
}

// oneLine takes NUL and line ends from a raw value and leaves the rest as it stood.
func oneLine(s string) string {
	if !strings.ContainsAny(s, "\x00\r\n") {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(s, "\x00", ""), "\r", " "), "\n", " ")
}

// fieldName is the name in front of the colon, empty when the line is no field. A space
// before the colon is obsolete and allowed (RFC 5322 section 4.5).
func fieldName(line []byte) string {
	colon := bytes.IndexByte(line[:min(len(line), 200)], ':')
	if colon <= 0 || bytes.HasPrefix(line[colon:], []byte("://")) {
		return ""
	}
	name := bytes.TrimRight(line[:colon], " \t")
	for _, c := range name {
		if c <= ' ' || c > '~' {
			return ""
		}
	}
	return string(name)
}

func startsWithField(raw []byte) bool {
	return fieldName(raw[:lineEnd(raw, 0)]) != ""
}

// readFields fills in what the header of the message says.
func (p *parsing) readFields(root *entity) {
	m := p.m
	m.Subject = DecodeHeader(root.first("Subject"))
	m.Date = parseDate(root.first("Date"))
	if date := root.first("Date"); m.Date.IsZero() && date != "" {
		p.problem("the date %q is not understood", clip(date))
	}
	for _, v := range m.Header("From") {
		list, group := parseAddresses(v)
		m.From = append(m.From, list...)
		m.FromGroup = m.FromGroup || group
		m.FromFields++
	}
	for name, to := range map[string]*[]Address{"Sender": &m.Sender, "Reply-To": &m.ReplyTo, "To": &m.To, "Cc": &m.Cc} {
		for _, v := range m.Header(name) {
			*to = append(*to, ParseAddressList(v)...)
		}
	}
	if ids := MessageIDs(root.first("Message-ID")); len(ids) > 0 {
		m.MessageID = ids[0]
	}
	m.InReplyTo = MessageIDs(strings.Join(m.Header("In-Reply-To"), " "))
	m.References = MessageIDs(strings.Join(m.Header("References"), " "))
	m.Received = len(m.Header("Received"))
	if m.FromFields == 0 {
		p.problem("there is no From field")
	} else if len(m.From) == 0 {
		p.problem("the From field names nobody")
	}
	p.checkSingletons()
	p.checkDeception()
}

// checkSingletons looks for fields of which there may be one (RFC 5322 section 3.6): two
// of them let two programs read two messages out of one.
func (p *parsing) checkSingletons() {
	for _, name := range []string{"Date", "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Message-ID", "In-Reply-To",
		"References", "Subject", "MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Content-Disposition"} {
		if n := len(p.m.Header(name)); n > 1 {
			p.m.Duplicates = append(p.m.Duplicates, name)
			p.problem("the field %s is there %d times", name, n)
		}
	}
}

// parseDate reads a date (RFC 5322 sections 3.3 and 4.3) by what its words look like, as
// many programs write it in an order of their own.
func parseDate(s string) time.Time {
	d := dateWords{zone: time.UTC}
	s = s[:min(len(s), 200)]
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" \t,()", r) }) {
		d.word(w)
	}
	return d.time()
}

// dateWords is what was found of a date so far.
type dateWords struct {
	day, year, hour, min, sec int
	month                     time.Month
	clock                     bool
	zone                      *time.Location
}

func (d *dateWords) word(w string) {
	n, err := strconv.Atoi(w)
	switch {
	case strings.Contains(w, ":"):
		d.readClock(w)
	case err == nil && (w[0] == '+' || w[0] == '-'):
		d.readZone(w)
	case err == nil && len(w) <= 2 && d.day == 0:
		d.day = n
	case err == nil:
		if d.year == 0 {
			d.year = fullYear(n, len(w))
		}
	case strings.Count(w, "-") == 2:
		d.readDashes(strings.Split(w, "-"))
	default:
		d.readName(strings.ToLower(w))
	}
}

// fullYear follows RFC 5322 section 4.3 for years of two and three digits.
func fullYear(n, digits int) int {
	switch {
	case digits <= 2 && n < 50:
		return 2000 + n
	case digits <= 3:
		return 1900 + n
	}
	return n
}

// readDashes is for "12-Mar-2024" and, of ISO 8601, "2024-03-12" with the time behind it.
func (d *dateWords) readDashes(parts []string) {
	if len(parts[0]) == 4 {
		parts[0], parts[2] = parts[2], parts[0]
	}
	d.day, _ = strconv.Atoi(parts[0])
	if n, err := strconv.Atoi(parts[1]); err == nil {
		d.month = time.Month(n)
	} else {
		d.readName(strings.ToLower(parts[1]))
	}
	n, _ := strconv.Atoi(parts[2])
	d.year = fullYear(n, len(parts[2]))
}

func (d *dateWords) readClock(w string) {
	if day, clock, ok := strings.Cut(w, "T"); ok && strings.Count(day, "-") == 2 {
		d.readDashes(strings.Split(day, "-"))
		w = clock
	}
	// "10:20:30+0100" and "10:20:30Z" hold a zone too.
	if i := strings.IndexAny(w, "+-Zz"); i > 0 {
		d.clock = true
		d.readZone(w[i:])
		w = w[:i]
	}
	to := []*int{&d.hour, &d.min, &d.sec}
	for i, part := range strings.Split(w, ":") {
		if i < len(to) {
			part, _, _ = strings.Cut(part, ".")
			*to[i], _ = strconv.Atoi(part)
		}
	}
	d.clock = true
}

func (d *dateWords) readZone(w string) {
	n, err := strconv.Atoi(strings.ReplaceAll(w, ":", ""))
	if err != nil || n > 1400 || n < -1400 || !d.clock {
		return
	}
	d.zone = time.FixedZone("", (n/100*60+n%100)*60)
}

// readName takes the name of a month, of a zone of the United States (RFC 5322 section
// 4.3), or "pm"; the name of a day says nothing new.
func (d *dateWords) readName(w string) {
	if len(w) >= 3 && d.month == 0 {
		if i := strings.Index("janfebmaraprmayjunjulaugsepoctnovdec", w[:3]); i >= 0 && i%3 == 0 {
			d.month = time.Month(i/3 + 1)
			return
		}
	}
	west := map[string]int{"edt": 4, "est": 5, "cdt": 5, "cst": 6, "mdt": 6, "mst": 7, "pdt": 7, "pst": 8}
	if hours, ok := west[w]; ok && d.zone == time.UTC {
		d.zone = time.FixedZone("", -hours*3600)
	}
	if w == "pm" && d.hour < 12 {
		d.hour += 12
	}
}

// time is zero for what is no date of mail.
func (d *dateWords) time() time.Time {
	if d.day < 1 || d.day > 31 || d.month < 1 || d.month > 12 || d.year < 1970 || d.year > 9999 ||
		d.hour > 23 || d.min > 59 || d.sec > 60 || d.hour < 0 || d.min < 0 || d.sec < 0 {
		return time.Time{}
	}
	return time.Date(d.year, d.month, d.day, d.hour, d.min, d.sec, 0, d.zone)
}
