package mail

import "strings"

// headLines is how far a header goes that a program put above what it quotes.
const headLines = 14

// startsHistory says that all from line i on is history: below a separator, or below the
// header of another message, nothing is marked.
func startsHistory(lines []textLine, i int) bool {
	l := lines[i]
	return isSeparator(l) || isHeader(lines, i)
}

// isAboveThis is a line that asks to answer above it.
func isAboveThis(l textLine) bool {
	return strings.IndexByte(l.low, ' ') > 0 && containsAny(l.low, aboveThis[:])
}

// isGroupWise is for ">>> Jo Doe <jo@…> 3/3/2026 10:00 AM >>>", below which nothing is marked.
func isGroupWise(l textLine) bool {
	inside, ok := strings.CutPrefix(l.low, ">>> ")
	inside, ends := strings.CutSuffix(inside, " >>>")
	if !ok || !ends {
		return false
	}
	date, time, _ := dateSigns(inside)
	return date && time
}

// isSeparator is for "-----Original Message-----" and its like.
func isSeparator(l textLine) bool {
	const marks = "-_=*~#<> –—"
	core := strings.TrimLeft(l.low, marks)
	lead := len(l.low) - len(core)
	if lead < 2 {
		return forwards()[strings.TrimRight(strings.Trim(core, "*_ "), " :：")]
	}
	if !strings.ContainsAny(l.low[:lead], "-_=*~–—") {
		return false
	}
	if i := strings.Index(core, "--"); i > 0 {
		core = core[:i]
	}
	core = strings.Trim(core, marks+":：")
	if separators()[core] || forwards()[core] {
		return true
	}
	for _, start := range []string{"forwarded by ", "original message from ", "forwarded message from "} {
		if strings.HasPrefix(core, start) && lead >= 4 {
			return true
		}
	}
	return false
}

// label gives which field of a header a line is, 0 for none, and its value.
func (l textLine) label() (kind int, value string) {
	s := strings.TrimLeft(l.low, "*_> ")
	n := strings.IndexByte(s, ':')
	wide := strings.Index(s, "：")
	if n < 0 || wide >= 0 && wide < n {
		n = wide
	}
	if n <= 0 || n > 48 {
		return 0, ""
	}
	name := strings.Trim(s[:n], "*_ ")
	return labelTable()[name], strings.Trim(strings.TrimPrefix(strings.TrimPrefix(s[n:], ":"), "："), "*_ ")
}

// isHeader wants the fields of a header close together. People write "From:" and "To:" of
// a journey as well, so that an address or a subject must be among them.
func isHeader(lines []textLine, i int) bool {
	first, _ := lines[i].label()
	if first == 0 {
		return false
	}
	h := headerSigns{ruled: i > 0 && isRule(lastText(lines, i))}
	if h.ruled && first&labelFrom != 0 {
		_, value := lines[i].label()
		if hasMailbox(value) {
			return true
		}
	}
	others := 0 // lines in a row that are no fields
	for _, l := range lines[i:min(len(lines), i+headLines)] {
		kind, value := l.label()
		if l.low == "" || l.quoted || kind == 0 {
			if others++; others > 2 {
				break
			}
			h.more(l.low)
			continue
		}
		others = 0
		h.add(kind, value)
	}
	return h.enough(first)
}

// headerSigns are what a block of fields has.
type headerSigns struct {
	kinds        int
	fields       int
	last         int
	ruled        bool // stands below a rule
	mail, moment bool // a value that is an address; a date with a time
	zone         bool // a date as programs write it (RFC 5322 section 3.3)
	fromMail     bool
}

func (h *headerSigns) add(kind int, value string) {
	// A word that names two fields ("data", "od") is the one that is not there yet.
	if fresh := kind &^ h.kinds; fresh != 0 {
		kind = fresh & -fresh
		h.fields++
	}
	h.kinds |= kind
	h.last = kind
	h.more(value)
}

// more takes in a value, or the next line of one.
func (h *headerSigns) more(value string) {
	if hasMailbox(value) {
		h.mail = true
		h.fromMail = h.fromMail || h.last&labelFrom != 0
	}
	if date, time, _ := dateSigns(value); h.last&labelDate != 0 && date && time {
		h.moment = true
		h.zone = h.zone || strings.Contains(value, " +0") || strings.Contains(value, " -0") || strings.Contains(value, " +1") || strings.Contains(value, " -1")
	}
}

func (h *headerSigns) enough(first int) bool {
	from, subject := h.kinds&labelFrom != 0, h.kinds&labelSubject != 0
	date, to := h.kinds&labelDate != 0, h.kinds&labelTo != 0
	if h.fields >= 3 && (from || first&labelDate != 0) && (h.mail || subject && (date || h.ruled)) {
		return true
	}
	// Two are enough when their values can be nothing else.
	return h.fields == 2 && h.moment && (h.fromMail || h.zone && h.mail && first&labelDate != 0 && to)
}

// lastText is the last line above i that is not empty, at most two lines up.
func lastText(lines []textLine, i int) textLine {
	for j := i - 1; j >= 0 && j >= i-2; j-- {
		if !lines[j].blank() {
			return lines[j]
		}
	}
	return textLine{}
}

// isRule is a line of dashes or the like.
func isRule(l textLine) bool {
	return len(l.text) >= 3 && strings.Trim(l.text, "-_=*~─—–") == "" && !strings.Contains(l.text, " ")
}
