package ticketing

import (
	"errors"
	"fmt"
	netmail "net/mail"
	"slices"
	"strings"
	"unicode"

	"postdesk/ticketing/mail"
)

// order is what a member of staff asks for by mail: the commands on the first lines, and
// the text below them.
type order struct {
	note        bool // the text is for staff alone
	help        bool
	mute        *bool // no more notifications of this ticket, or notifications again
	verdict     *bool // on the message that the notification was about: accept it, or dismiss it
	change      Change
	cc          []string // whom the answer goes to as well
	text        string
	hasCommands bool
}

// commandHelp is at the end of each notification; each line fits a narrow window.
const commandHelp = `!note              the rest is for staff alone
!assign me         or a name, or nobody
!status resolved   or new open waiting closed rejected spam
!prio high         or low normal urgent
!tag x  !untag x   one or several words
!cc a@b            the answer goes to them too, and further ones
!requester a@b     the customer is somebody else
!accept  !dismiss  what is held
!unsubscribe       no more about this ticket; !subscribe again`

// commandWords are what a command may be called.
var commandWords = map[string]func(o *order, argument string) error{
	"note":        (*order).setNote,
	"assign":      (*order).setAssignee,
	"status":      (*order).setStatus,
	"prio":        (*order).setPriority,
	"priority":    (*order).setPriority,
	"tag":         func(o *order, a string) error { return addWords(&o.change.AddTags, "tag", a) },
	"untag":       func(o *order, a string) error { return addWords(&o.change.RemoveTags, "untag", a) },
	"cc":          (*order).addCc,
	"requester":   (*order).setRequester,
	"accept":      func(o *order, a string) error { return setOnce(&o.verdict, true, "accept", a) },
	"dismiss":     func(o *order, a string) error { return setOnce(&o.verdict, false, "dismiss", a) },
	"subscribe":   func(o *order, a string) error { return setOnce(&o.mute, false, "subscribe", a) },
	"unsubscribe": func(o *order, a string) error { return setOnce(&o.mute, true, "unsubscribe", a) },
	"help":        func(o *order, a string) error { o.help = true; return alone("help", a) },
}

// parseOrder reads the commands on the first lines of what somebody wrote. Only there:
// further down "!" is what it is to everybody. What is wrong with each line is said, and
// then nothing of it may be done.
func parseOrder(text string) (o order, problems []string) {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	i := 0
	for ; i < len(lines); i++ {
		line := visible(lines[i])
		if line == "" {
			continue
		}
		word, argument, ok := cutCommand(line)
		if !ok {
			break
		}
		o.hasCommands = true
		set, known := commandWords[strings.ToLower(word)]
		if !known {
			problems = append(problems, fmt.Sprintf("!%s is no command. If it is meant for the customer, put a line of text above it.", word))
			continue
		}
		if err := set(&o, argument); err != nil {
			problems = append(problems, err.Error())
		}
	}
	rest := strings.TrimSpace(strings.Join(lines[i:], "\n"))
	o.text = strings.TrimSpace(o.text + "\n" + rest)
	return o, problems
}

// visible is a line without what nobody sees: white space of every kind, and marks of
// direction or width that mail programs put in.
func visible(line string) string {
	line = strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Cf, r):
			return -1
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, line)
	return strings.TrimSpace(line)
}

// cutCommand splits "!status resolved". The wide exclamation mark of East Asian keyboards
// counts, and so does a line in bold: what is meant as a command must never be sent.
func cutCommand(line string) (word, argument string, ok bool) {
	line = strings.Trim(line, "*_` ")
	rest, ok := strings.CutPrefix(line, "!")
	if !ok {
		rest, ok = strings.CutPrefix(line, "！")
	}
	rest = strings.TrimLeft(rest, " ")
	end := strings.IndexFunc(rest, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '_' })
	if end < 0 {
		end = len(rest)
	}
	if !ok || end == 0 || !unicode.IsLetter([]rune(rest)[0]) {
		return "", "", false
	}
	return rest[:end], strings.TrimSpace(strings.TrimPrefix(rest[end:], ":")), true
}

func (o *order) setNote(argument string) error {
	o.note, o.text = true, argument
	return nil
}

func (o *order) setAssignee(argument string) error {
	name := strings.ToLower(argument)
	switch {
	case name == "" || strings.Contains(name, " "):
		return fmt.Errorf("!assign: want one name, me or nobody")
	case name == "nobody" || name == "none":
		name = ""
	}
	return once(&o.change.Assignee, name, "assign")
}

func (o *order) setStatus(argument string) error {
	s := Status(strings.ToLower(argument))
	if !slices.Contains(Statuses(), s) {
		return fmt.Errorf("!status %s: want one of %s", argument, joined(Statuses()))
	}
	return once(&o.change.Status, s, "status")
}

func (o *order) setPriority(argument string) error {
	p := Priority(strings.ToLower(argument))
	if !slices.Contains(priorities(), p) {
		return fmt.Errorf("!prio %s: want one of %s", argument, joined(priorities()))
	}
	return once(&o.change.Priority, p, "prio")
}

func (o *order) setRequester(argument string) error {
	a, err := netmail.ParseAddress(argument)
	if err != nil {
		return fmt.Errorf("!requester %s: that is no mail address", argument)
	}
	return once(&o.change.Requester, strings.ToLower(a.Address), "requester")
}

// addCc takes a list as in a header.
func (o *order) addCc(argument string) error {
	list := mail.ParseAddressList(argument)
	for _, a := range list {
		if _, _, ok := cutAddress(a.Address); !ok {
			return fmt.Errorf("!cc %s: want mail addresses, with commas between them", argument)
		}
		o.cc = append(o.cc, a.Address)
	}
	if len(list) == 0 {
		return errors.New("!cc: want a mail address")
	}
	return nil
}

func addWords(to *[]string, command, argument string) error {
	words := strings.Fields(strings.ReplaceAll(argument, ",", " "))
	if len(words) == 0 {
		return fmt.Errorf("!%s: want a word", command)
	}
	for _, w := range words {
		tag, err := cleanTag(w)
		if err != nil {
			return fmt.Errorf("!%s %s: %s", command, w, tagRule)
		}
		*to = append(*to, tag)
	}
	return nil
}

// alone is for commands that take no argument: what stands behind may be meant as text.
func alone(command, argument string) error {
	if argument != "" {
		return fmt.Errorf("!%s: nothing can stand behind it; put the text on a line below", command)
	}
	return nil
}

func setOnce[T any](to **T, value T, command, argument string) error {
	if err := alone(command, argument); err != nil {
		return err
	}
	return once(to, value, command)
}

// once refuses a second command about the same thing: which of them is meant?
func once[T any](to **T, value T, command string) error {
	if *to != nil {
		return fmt.Errorf("!%s: said twice", command)
	}
	*to = &value
	return nil
}

func joined[T ~string](values []T) string {
	var out []string
	for _, v := range values {
		out = append(out, string(v))
	}
	return strings.Join(out, " ")
}
