package mail

import (
	"slices"
	"strings"
	"time"
)

// reportMax is how much of a report's own words is read; more is a message that came back.
const reportMax = 32 << 10

// recipientsMax is how many recipients of one report are kept.
const recipientsMax = 100

// reading is the work on one report: what it is made of, and what was found.
type reading struct {
	m        *Message
	subject  string    // of the report, no more than a report has
	status   []*entity // the machine-readable parts (RFC 3464 section 2, RFC 6533 section 3)
	returned *entity   // the message or the header that comes back
	texts    []*entity // what is said to people
	lines    []string  // the words for people, without the message that comes back
	rest     []string  // that message, when it stands in the text
	found    []hit     // the addresses in lines, once they are looked for
	spoken   []*said   // what each of lines says, once it is looked for
	late     bool      // the report says that delivery will be tried again
}

// readReport reads a delivery report: one with a machine-readable part (RFC 3464), or one
// in words. It is nil when the message is neither.
func readReport(m *Message, root *entity) *Report {
	if m.notReport(root) {
		return nil
	}
	d := &reading{m: m, subject: strings.ToValidUTF8(m.Subject[:min(len(m.Subject), 500)], "")}
	d.collect(root)
	if len(d.status) == 0 && !d.mayBeWords(root) {
		return nil
	}
	r := &Report{Recipients: []ReportRecipient{}}
	for _, e := range d.status {
		r.readStatus(e.text())
	}
	if len(r.Recipients) == 0 {
		d.split()
		if len(d.status) == 0 && !d.isReport(root) {
			return nil
		}
		d.words(r)
	}
	d.findOriginal(r)
	return r
}

// notReport is for the reports of other kinds: feedback (RFC 5965) and receipts (RFC 8098),
// unless a receipt tells that the mail was refused (RFC 5429 section 2.1).
func (m *Message) notReport(root *entity) bool {
	if root.mediaType != "multipart/report" {
		return false
	}
	switch strings.ToLower(root.params["report-type"]) {
	case "feedback-report":
		return true
	case "disposition-notification":
		return !slices.ContainsFunc(m.Header("Auto-Submitted"), func(v string) bool {
			return strings.Contains(strings.ToLower(v), "reject")
		})
	}
	return false
}

// collect finds the parts of a report. What lies inside the message that comes back is not
// the report's.
func (d *reading) collect(root *entity) {
	root.walk(func(e *entity) bool {
		switch e.mediaType {
		case "message/delivery-status", "message/global-delivery-status":
			d.status = append(d.status, e)
		case "message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global", "message/global-headers", "message/news":
			if d.returned == nil {
				d.returned = e
			}
			return false
		case "text/plain", "text/html":
			d.texts = append(d.texts, e)
		}
		return true
	})
}

// split brings the words for people to lines, and cuts off the message that comes back.
func (d *reading) split() {
	text := d.text("text/plain")
	if strings.TrimSpace(text) == "" {
		text = d.text("text/html")
	}
	lines := strings.Split(text, "\n")
	d.lines, d.rest = lines, nil
	for i, l := range lines {
		if i > 0 && beginsCopy(l) {
			d.lines, d.rest = lines[:i], lines[i:]
			break
		}
	}
}

// isLate says whether the reporter goes on trying.
func (d *reading) isLate() bool {
	all := d.subject + "\n" + strings.Join(d.lines, "\n")
	return willRetry().MatchString(all) && !noMore().MatchString(all) && (warningOnly().MatchString(all) || !hasGivenUp().MatchString(all))
}

func (d *reading) text(mediaType string) string {
	var b strings.Builder
	for _, e := range d.texts {
		if e.mediaType != mediaType || b.Len() >= reportMax {
			continue
		}
		s := e.text()
		if mediaType == "text/html" && isMarkup(s) {
			s = htmlText(s)
		}
		b.WriteString(s + "\n")
	}
	s := b.String()
	return strings.ToValidUTF8(s[:min(len(s), reportMax)], "")
}

// isMarkup says whether a text has any tag: some reports are plain text that is called HTML.
func isMarkup(s string) bool {
	for i := strings.IndexByte(s, '<'); i >= 0 && i+1 < len(s); {
		if c := s[i+1] | 0x20; c >= 'a' && c <= 'z' || s[i+1] == '!' || s[i+1] == '/' {
			if end := strings.IndexAny(s[i+1:], "<>@"); end >= 0 && s[i+1+end] == '>' {
				return true
			}
		}
		next := strings.IndexByte(s[i+1:], '<')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return false
}

// words reads what a report says to people: names of fields as RFC 3464 has them, or
// addresses with codes and reasons beside them.
func (d *reading) words(r *Report) {
	d.late = d.isLate()
	r.readStatus(strings.Join(d.lines, "\n"))
	if len(r.Recipients) == 0 {
		d.scan(r)
	}
	// A gateway may wrap the report that it got into one of its own.
	if d.returned != nil && len(r.Recipients) == 0 && len(d.returned.children) > 0 {
		inner := &reading{m: d.m, subject: d.subject}
		inner.collect(d.returned.children[0])
		if inner.returned != nil {
			d.returned = inner.returned
		}
		for _, e := range inner.status {
			r.readStatus(e.text())
		}
		if len(r.Recipients) == 0 && len(inner.status) > 0 {
			inner.split()
			inner.late = inner.isLate()
			inner.scan(r)
		}
	}
	if len(r.Recipients) == 0 {
		d.fromReturned(r)
	}
}

// findOriginal notes the Message-ID of the mail that the report is about.
func (d *reading) findOriginal(r *Report) {
	if d.returned != nil {
		fields, _ := headerOf(d.returned.body)
		if ids := MessageIDs(get(fields, "Message-ID")); len(ids) > 0 {
			r.OriginalMessageID = ids[0]
			return
		}
	}
	if d.lines == nil {
		d.split()
	}
	for _, lines := range [][]string{d.rest, d.lines} {
		for _, line := range lines {
			name, value, ok := strings.Cut(line, ":")
			if !ok || !strings.EqualFold(strings.Trim(name, " >|*\t"), "Message-ID") {
				continue
			}
			if ids := MessageIDs(value); len(ids) > 0 {
				r.OriginalMessageID = ids[0]
				return
			}
		}
	}
}

// fromReturned takes the recipient that the returned message names, when it names one alone:
// some reports say no more than that.
func (d *reading) fromReturned(r *Report) {
	var to []Address
	if d.returned != nil {
		fields, _ := headerOf(d.returned.body)
		to = append(ParseAddressList(get(fields, "To")), ParseAddressList(get(fields, "Cc"))...)
	}
	for _, line := range append(slices.Clone(d.lines), d.rest...) {
		name, value, ok := strings.Cut(line, ":")
		if ok && len(to) == 0 && strings.EqualFold(strings.Trim(name, " >\t"), "To") {
			to = ParseAddressList(value)
		}
	}
	if len(to) == 1 && to[0].Address != "" {
		d.add(r, to[0].Address, d.says())
	}
}

// headerOf reads the fields at the head of a block, with no message to complain about.
func headerOf(raw []byte) ([]field, []byte) {
	p := &parsing{m: &Message{}, deadline: time.Now().Add(timeMax), seen: map[string]bool{}}
	return p.header(raw)
}

func get(fields []field, name string) string {
	for _, f := range fields {
		if equalFold(f.name, name) {
			return f.value
		}
	}
	return ""
}
