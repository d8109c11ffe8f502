package mail

import "strings"

// said is a line of a report with what it says of a failure.
type said struct {
	text   string
	lower  string
	status string // in figures
	code   int
	names  bool // there is an address in it
	known  bool // phrase was looked for
	phrase int  // of the words that it has, the first in the table; -1 for none
}

// says is what each line says, found once.
func (d *reading) says() []*said {
	if d.spoken == nil {
		for _, line := range d.lines {
			line = line[:min(len(line), reportLineMax)]
			s := &said{text: line, lower: strings.ToLower(line), status: firstStatus(line), code: firstCode(line), names: address().MatchString(line)}
			if strings.HasPrefix(s.status, "2") {
				s.status = ""
			}
			if strings.Contains(s.lower, "message-id") {
				s.code = 0
			}
			d.spoken = append(d.spoken, s)
		}
	}
	return d.spoken
}

func (s *said) coded() bool { return s.status != "" || s.code != 0 }

// why is the place in the table of phrases of what a line says, -1 for nothing.
func (s *said) why() int {
	if !s.known {
		s.known, s.phrase = true, phraseOf(s.lower)
	}
	return s.phrase
}

// plainest is the line that gives the most particular reason in words, nil for none.
func plainest(lines []*said) *said {
	var best *said
	for _, s := range lines[:min(len(lines), 60)] {
		if n := s.why(); n >= 0 && (best == nil || n < best.phrase) {
			best = s
		}
	}
	return best
}

// segment gives the lines that tell of one recipient: those that name it with a code, then
// its own line and those below it up to the next one, then those that name nobody else.
func (d *reading) segment(h hit, failed []hit) []*said {
	var named, below, others, coded []*said
	end := len(d.lines)
	for _, o := range failed {
		if o.line > h.line && o.line < end {
			end = o.line
		}
	}
	lower := strings.ToLower(h.address)
	for i, s := range d.says() {
		has := s.names && strings.Contains(s.lower, lower)
		switch {
		case has && s.coded():
			named = append(named, s)
		case h.line >= 0 && i >= h.line && i < end:
			below = append(below, s)
		case has || len(failed) == 1 || !s.names:
			others = append(others, s)
		case s.coded():
			coded = append(coded, s)
		}
	}
	if len(coded) > 1 {
		coded = nil // one reply alone can be meant for all of them
	}
	return append(append(append(named, below...), others...), coded...)
}

// add notes a recipient, with the codes and the reason that its lines give.
func (d *reading) add(r *Report, a string, lines []*said) {
	rec := ReportRecipient{Address: a, Action: "failed"}
	if d.late {
		rec.Action = "delayed"
	}
	for _, s := range lines {
		if s.coded() && rec.Diagnostic == "" {
			rec.Diagnostic = trimLine(s.text)
		}
		if rec.Status == "" && s.status != "" {
			rec.Status, rec.Diagnostic = s.status, trimLine(s.text)
		}
		if rec.ReplyCode == 0 {
			rec.ReplyCode = s.code
		}
		if rec.Status != "" && rec.ReplyCode != 0 {
			break
		}
	}
	rec.settle(rec.Diagnostic)
	if s := plainest(lines); s != nil && (rec.Status == "" || rec.Diagnostic == "") {
		if rec.Diagnostic == "" {
			rec.Diagnostic = trimLine(s.text)
		}
		rec.settle(s.text)
	}
	r.Recipients = append(r.Recipients, rec)
}

func trimLine(s string) string {
	s = cleanText(strings.TrimSpace(s))
	return strings.ToValidUTF8(s[:min(len(s), 500)], "")
}
