package mail

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Invitation is what a calendar part asks or tells (RFC 5545, RFC 5546).
type Invitation struct {
	Method    string `json:"method,omitempty"` // REQUEST, CANCEL, REPLY …
	UID       string `json:"uid,omitempty"`
	Summary   string `json:"summary"`
	Start     string `json:"start"`          // "2026-03-05 10:00", a date alone for whole days
	End       string `json:"end,omitempty"`  // as Start; of whole days the last one
	Zone      string `json:"zone,omitempty"` // as the sender names it; UTC; empty is the reader's own
	Location  string `json:"location,omitempty"`
	Organizer string `json:"organizer,omitempty"`
	Repeats   string `json:"repeats,omitempty"`  // in words
	Attendee  string `json:"attendee,omitempty"` // who answers
	Answer    string `json:"answer,omitempty"`   // accepted, declined, tentative
	Line      string `json:"line"`               // all of it in words

	description string
	duration    time.Duration
	start, end  time.Time
	days        bool // whole days
	cancelled   bool
}

const calendarLines = 10000 // more are not read

// readCalendar reads the first event of a calendar, false when there is none. method is
// what the Content-Type says.
func readCalendar(s, method string) (Invitation, bool) {
	v := Invitation{Method: strings.ToUpper(method)}
	inside, skip, lines := "", "", 0
	for rest := strings.NewReplacer("\n ", "", "\n\t", "").Replace(s); rest != "" && lines < calendarLines; lines++ {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		name, params, value := calendarField(line)
		upper := strings.ToUpper(strings.TrimSpace(value))
		switch {
		case skip != "": // an alarm, a time zone: they have fields of the same names
			if name == "END" && upper == skip {
				skip = ""
			}
		case name == "BEGIN" && inside == "" && (upper == "VEVENT" || upper == "VTODO"):
			inside = upper
		case name == "BEGIN" && upper != "VCALENDAR":
			skip = upper
		case name == "END" && inside != "" && upper == inside:
			return v.finish()
		case name == "METHOD" && v.Method == "":
			v.Method = upper
		case inside != "":
			v.field(name, params, value)
		}
	}
	return v.finish()
}

// calendarField cuts a content line (RFC 5545 section 3.1): a colon in quotes is no end.
func calendarField(line string) (name, params, value string) {
	quoted := false
	for i := 0; i < len(line); i++ {
		if line[i] == '"' {
			quoted = !quoted
		} else if line[i] == ':' && !quoted {
			name, params, _ = strings.Cut(line[:i], ";")
			return strings.ToUpper(strings.TrimSpace(name)), params, line[i+1:]
		}
	}
	return "", "", ""
}

// calendarParam is one parameter of a content line.
func calendarParam(params, name string) string {
	_, all := parseParams("x; " + params)
	return all[strings.ToLower(name)]
}

// field takes the first of each.
func (v *Invitation) field(name, params, value string) {
	text := func(to *string) {
		if *to == "" {
			*to = calendarText(value)
		}
	}
	switch name {
	case "UID":
		text(&v.UID)
	case "SUMMARY":
		text(&v.Summary)
	case "LOCATION":
		text(&v.Location)
	case "DESCRIPTION":
		if v.description == "" {
			v.description = strings.NewReplacer(`\n`, "\n", `\N`, "\n", `\,`, ",", `\;`, ";", `\\`, `\`).Replace(value)
		}
	case "DTSTART", "DUE":
		v.setStart(params, value)
	case "DTEND":
		v.end, _ = calendarTime(value)
	case "DURATION":
		v.duration = calendarDuration(value)
	case "RRULE":
		if v.Repeats == "" {
			v.Repeats = calendarRule(value)
		}
	case "STATUS":
		v.cancelled = strings.EqualFold(strings.TrimSpace(value), "CANCELLED")
	case "ORGANIZER":
		v.Organizer = cmp.Or(v.Organizer, calendarPerson(params, value))
	case "ATTENDEE":
		if v.Attendee == "" {
			v.Attendee = calendarPerson(params, value)
			v.Answer = strings.ToLower(calendarParam(params, "PARTSTAT"))
		}
	}
}

func (v *Invitation) setStart(params, value string) {
	if v.Start != "" {
		return
	}
	v.start, v.days = calendarTime(value)
	v.Start = calendarText(value)
	v.Zone = cleanText(calendarParam(params, "TZID"))
	if strings.HasSuffix(strings.TrimSpace(value), "Z") {
		v.Zone = "UTC"
	}
}

func calendarPerson(params, value string) string {
	if name := calendarParam(params, "CN"); name != "" {
		return cleanText(name)
	}
	value = strings.TrimSpace(value)
	if len(value) > 7 && strings.EqualFold(value[:7], "mailto:") {
		value = value[7:]
	}
	return cleanText(value)
}

// finish writes the line.
func (v Invitation) finish() (Invitation, bool) {
	if v.Summary == "" && v.Start == "" {
		return v, false
	}
	if v.Method != "REPLY" {
		v.Attendee, v.Answer = "", "" // one of many who are asked
	}
	when := v.when()
	line := v.kind() + ": " + strings.Join(nonEmpty(v.Summary, when, v.Repeats, v.Location), ", ")
	if v.Organizer != "" && v.Method != "REPLY" {
		line += ", by " + v.Organizer
	}
	v.Line = cleanText(line)
	return v, true
}

func nonEmpty(words ...string) []string {
	var out []string
	for _, w := range words {
		if w != "" {
			out = append(out, w)
		}
	}
	return out
}

func (v *Invitation) kind() string {
	switch {
	case v.Method == "CANCEL" || v.cancelled:
		return "Cancelled"
	case v.Method == "REPLY":
		return strings.Join(nonEmpty("Answer to an invitation", strings.TrimSpace(v.Attendee+" "+strings.ReplaceAll(v.Answer, "-", " "))), ", ")
	case v.Method == "COUNTER":
		return "Another time is proposed"
	case v.Method == "REQUEST":
		return "Invitation"
	}
	return "Event"
}

// when sets Start and End in words and gives both as one.
func (v *Invitation) when() string {
	if v.start.IsZero() {
		return v.Start
	}
	if v.end.IsZero() && v.duration > 0 {
		v.end = v.start.Add(v.duration)
	}
	const day, minute = "2006-01-02", "2006-01-02 15:04"
	if v.days {
		v.Start, v.Zone = v.start.Format(day), ""
		out := v.Start
		if last := v.end.AddDate(0, 0, -1); last.After(v.start) { // DTEND is the day after (section 3.6.1)
			v.End = last.Format(day)
			out += " to " + v.End
		}
		return out + " (all day)"
	}
	v.Start = v.start.Format(minute)
	out := v.Start
	if v.end.After(v.start) {
		v.End = v.end.Format(minute)
		if v.end.Format(day) == v.start.Format(day) {
			out += " to " + v.end.Format("15:04")
		} else {
			out += " to " + v.End
		}
	}
	if v.Zone != "" {
		out += " (" + v.Zone + ")"
	}
	return out
}

func calendarText(s string) string {
	return cleanText(strings.TrimSpace(strings.NewReplacer(`\n`, " ", `\N`, " ", `\,`, ",", `\;`, ";", `\\`, `\`).Replace(s)))
}

// calendarTime reads "20260301T100000" and "20260301" (RFC 5545 sections 3.3.4 and 3.3.5).
func calendarTime(s string) (t time.Time, day bool) {
	s = strings.TrimSuffix(strings.TrimSpace(s), "Z")
	for _, layout := range []string{"20060102T150405", "20060102T1504", "20060102"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, layout == "20060102"
		}
	}
	return time.Time{}, false
}

// calendarDuration reads "PT1H30M" and "P1D" (section 3.3.6).
func calendarDuration(s string) time.Duration {
	units := map[byte]time.Duration{'W': 7 * 24 * time.Hour, 'D': 24 * time.Hour, 'H': time.Hour, 'M': time.Minute, 'S': time.Second}
	var sum time.Duration
	n := 0
	for i := 0; i < len(s) && i < 30; i++ {
		if c := s[i]; c >= '0' && c <= '9' {
			n = min(n*10+int(c-'0'), 100000)
		} else {
			sum += time.Duration(n) * units[c]
			n = 0
		}
	}
	return sum
}

// calendarRule says in words how an event comes again (section 3.3.10).
func calendarRule(s string) string {
	rule := map[string]string{}
	for part := range strings.SplitSeq(s, ";") {
		name, value, _ := strings.Cut(part, "=")
		rule[strings.ToUpper(strings.TrimSpace(name))] = strings.ToUpper(strings.TrimSpace(value))
	}
	unit := map[string]string{"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year", "HOURLY": "hour"}[rule["FREQ"]]
	if unit == "" {
		return "repeated"
	}
	out := "every " + unit
	if n, _ := strconv.Atoi(rule["INTERVAL"]); n > 1 {
		out = fmt.Sprintf("every %d %ss", n, unit)
	}
	if days := calendarDays(rule["BYDAY"]); days != "" {
		out += " on " + days
	}
	if n, _ := strconv.Atoi(rule["COUNT"]); n > 0 {
		out += fmt.Sprintf(", %d times", n)
	} else if until, _ := calendarTime(rule["UNTIL"]); !until.IsZero() {
		out += " until " + until.Format("2006-01-02")
	}
	return out
}

// calendarDays makes "Mon, Wed" of "MO,WE"; "2MO" is the second of a month.
func calendarDays(s string) string {
	names := map[string]string{"MO": "Mon", "TU": "Tue", "WE": "Wed", "TH": "Thu", "FR": "Fri", "SA": "Sat", "SU": "Sun"}
	var out []string
	for d := range strings.SplitSeq(s, ",") {
		name := names[d[max(0, len(d)-2):]]
		if name == "" || len(out) == 7 {
			return strings.Join(out, ", ")
		}
		switch n, _ := strconv.Atoi(d[:len(d)-2]); {
		case n > 0:
			name = fmt.Sprintf("%s no. %d", name, n)
		case n < 0:
			name = "the last " + name
		}
		out = append(out, name)
	}
	return strings.Join(out, ", ")
}
