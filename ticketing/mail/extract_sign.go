package mail

import "strings"

// A signature is no longer than this, in lines: what stands below a marker that a person
// may have typed as a rule, and below the marker of RFC 3676.
const (
	looseSignature  = 20
	strictSignature = 60
)

// withoutSignature cuts one part of a text at its signature: below "-- " (RFC 3676
// section 4.3) or what is used in its place, or at a phone's line when nothing follows but
// its like. Rules above a history go, too.
func withoutSignature(part []textLine, bottom bool) []textLine {
	part = trimBlank(part)
	for i := len(part) - 1; i >= 0 && i >= len(part)-strictSignature; i-- {
		if !part[i].code && isMarker(part[i], part[i+1:]) || isListFooter(part, i) {
			part = part[:i]
		}
	}
	for {
		part = trimBlank(part)
		n := len(part)
		if n == 0 {
			return part
		}
		last := part[n-1]
		switch {
		case isFooter(last) && !goesOnFrom(part):
		case last.html == markSignature:
		case isRule(last) && (!bottom || len(last.text) >= 10) && n > 1:
		default:
			return part
		}
		part = part[:n-1]
	}
}

// goesOnFrom says that the last line goes on with the sentence above it.
func goesOnFrom(part []textLine) bool {
	n := len(part)
	if n < 2 || part[n-2].blank() {
		return false
	}
	first, above := part[n-1].text[0], part[n-2].text
	return first >= 'a' && first <= 'z' && !strings.ContainsAny(above[len(above)-1:], ".!?")
}

// isMarker is a line below which a signature stands. Where a person may have typed it, a
// question below it is not a part of one.
func isMarker(l textLine, below []textLine) bool {
	switch strings.TrimRight(l.raw, "\r") {
	case "-- ", "- -- ": // the second inside a signed text (RFC 9580 section 7.1)
		return len(below) <= strictSignature
	}
	if l.text != "--" && l.text != "__" || len(below) > looseSignature {
		return false
	}
	for _, b := range below {
		if strings.HasSuffix(b.text, "?") {
			return false
		}
	}
	return true
}

// isListFooter is what a mailing list puts below a mail.
func isListFooter(part []textLine, i int) bool {
	return i+1 < len(part) && len(part[i].text) >= 40 && strings.Trim(part[i].text, "_") == "" &&
		strings.Contains(part[i+1].low, "mailing list")
}

// unarmor takes off what PGP puts around a text that it signs (RFC 9580 section 7).
func (e *extraction) unarmor() {
	from := 0
	for from < len(e.lines) && e.lines[from].blank() {
		from++
	}
	if from == len(e.lines) || e.lines[from].text != "-----BEGIN PGP SIGNED MESSAGE-----" {
		return
	}
	for from < len(e.lines) && !e.lines[from].blank() {
		from++ // the Hash field, up to the empty line
	}
	for i := from; i < len(e.lines); i++ {
		if e.lines[i].text == "-----BEGIN PGP SIGNATURE-----" {
			e.lines = e.lines[from:i]
			return
		}
	}
}

// WithoutLearnt takes the closing block off a text that earlier texts of the same author
// end with as well: a signature that nothing marks. It needs two lines or more below an
// empty one, and leaves something; one line may be a greeting that is meant.
func WithoutLearnt(text string, earlier []string) string {
	lines := textLines(text)
	best := 0
	for _, old := range earlier {
		best = max(best, sameEnd(lines, textLines(old)))
	}
	for n := best; n >= 2; n-- {
		from := len(lines) - n
		if from > 1 && lines[from-1].blank() && !lines[from].blank() && notBlank(lines[from:]) >= 2 {
			if rest := trimBlank(lines[:from]); len(rest) > 0 {
				return joinRaw(rest)
			}
		}
	}
	return text
}

// sameEnd counts the lines at the end that two texts share, as many as a signature has.
func sameEnd(a, b []textLine) int {
	n := 0
	for n < len(a) && n < len(b) && n < looseSignature && a[len(a)-1-n].text == b[len(b)-1-n].text {
		n++
	}
	return n
}

func notBlank(lines []textLine) int {
	n := 0
	for _, l := range lines {
		if !l.blank() {
			n++
		}
	}
	return n
}

func joinRaw(lines []textLine) string {
	raw := make([]string, len(lines))
	for i, l := range lines {
		raw[i] = l.raw
	}
	return strings.Join(raw, "\n")
}
