package ticketing

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"postdesk/ticketing/mail"
)

// How the mail of a member of staff ended.
const (
	actDone    = "done"
	actRefused = "refused"  // something in it is wrong; nothing was done
	actMovedOn = "moved-on" // the thread has moved on since the person was told; nothing was done
	actHelp    = "help"
	actAgain   = "again" // the same mail was here before; nothing was done
)

// feedback says that the person hears how their mail was carried out: of everything but a
// plain answer, which went where it should.
func feedback(e Event) bool {
	switch e.Facts["outcome"] {
	case actAgain:
		return false
	case actDone:
		return e.Facts["commands"] == "true"
	}
	return true
}

// staffFacts says whether a member of staff wrote, with the token that was given to that
// person, and with a proof that counts for staff: DKIM that we verified ourselves, or a
// login of our own Postfix that is theirs. Never SPF, since shared clouds can forge it, nor
// what another server says.
func (d *Desk) staffFacts(j *job, t target) (known, token, proof bool) {
	p, known := d.staff.Load().byAddress(author(j.msg))
	if !known || t.ticket.ID != 0 && !p.worksIn(t.ticket.Queue) {
		return false, false, false
	}
	return true, t.staff == p.Name && t.seen > 0, p.proven(j.msg, j.auth)
}

// proven says that this person wrote the mail.
func (p Person) proven(m *mail.Message, auth mail.Authentication) bool {
	sole, ok := m.SoleAuthor()
	return ok && auth.Method == "dkim" && strings.EqualFold(auth.Author, sole.Address) ||
		ok && auth.Login != "" && slices.Contains(p.Logins, auth.Login)
}

// tokenOfStaff verifies the token of an address for the person that From names.
func (d *Desk) tokenOfStaff(tx Tx, j *job, dest Destination, t *target) error {
	p, known := d.staff.Load().byAddress(author(j.msg))
	if !known {
		return nil
	}
	seen, ok := d.staffSeen(dest.Token, t.ticket.ID, p.Name)
	if !ok {
		var err error
		if seen, err = d.seenByMessageID(tx, j.msg, t.ticket, p); err != nil || seen == 0 {
			return err
		}
	}
	t.staff, t.seen = p.Name, seen
	if j.msg.MessageID == "" {
		return nil
	}
	found, err := tx.TicketsByMessageID([]string{j.msg.MessageID})
	t.again = slices.Contains(found, t.ticket.ID)
	return err
}

// seenByMessageID is for mail programs that answer to From: the Message-ID of the notice
// says what the token does, with a MAC as well. 0 is none.
func (d *Desk) seenByMessageID(tx Tx, m *mail.Message, t Ticket, p Person) (seen int64, err error) {
	for _, id := range slices.Concat(m.InReplyTo, m.References) {
		n, ticket, ok := d.ownNoticeID(id)
		if !ok || ticket != t.Name() {
			continue
		}
		members, err := tx.Members()
		if err != nil {
			return 0, err
		}
		if slices.ContainsFunc(members, func(known Member) bool { return known.ID == n.member && known.Name == p.Name }) {
			seen = max(seen, n.event)
		}
	}
	return seen, nil
}

// act carries out what a member of staff wrote (row 13): all of it, or nothing. The mail
// itself is in the ticket already, out of the way; how it ended is told by an event.
func (d *Desk) act(tx Tx, j *job, t target, id int64) error {
	m, err := tx.Message(id)
	if err != nil {
		return err
	}
	p, known := d.staff.Load().byName(t.staff)
	if !known {
		return nil // removed in this moment
	}
	by := p.actor("mail")
	// Filing the mail has written to the ticket.
	if t.ticket, err = tx.Ticket(t.ticket.ID); err != nil {
		return err
	}
	replay, err := replayed(tx, j, &t, by)
	if err != nil {
		return err
	}
	o, outcome, words, err := d.examine(tx, by, j, t)
	if err == nil && outcome == actDone {
		if words, err = d.carryOut(tx, by, p, j, t, o); err == nil && replay != "" {
			err = tx.PutIdempotent(replayScope, replay, Hash{}, m.ID, d.now())
		}
	}
	if err != nil {
		return err
	}
	m.Actor, m.Reason = by.String(), words
	if err := tx.UpdateMessage(m); err != nil {
		return err
	}
	d.log.Info("mail of staff", "ticket", t.ticket.Name(), "message", m.ID, "staff", p.Name, "outcome", outcome)
	return tx.Append(&Event{Time: d.now(), Type: StaffActed, Ticket: m.Ticket, Message: m.ID, Actor: by.String(), Origin: by.Origin,
		Facts: map[string]string{"outcome": outcome, "commands": fmt.Sprint(o.hasCommands), "seen": strconv.FormatInt(t.seen, 10)}})
}

// examine finds all that can be wrong before anything is done.
func (d *Desk) examine(tx Tx, by Actor, j *job, t target) (o order, outcome, words string, err error) {
	if t.again {
		return o, actAgain, "the same mail was here before; nothing is done twice", nil
	}
	text, problem := ownWords(j)
	if problem == "" {
		var problems []string
		o, problems = parseOrder(text)
		problem = strings.Join(problems, " ")
	}
	if problem == "" && o.help {
		return o, actHelp, "This is what you can write on the first lines of an answer.", nil
	}
	if problem == "" {
		problem, err = d.refusal(tx, by, t, &o)
	}
	if err != nil {
		return o, "", "", err
	}
	if problem == "" && o.text != "" {
		problem = j.own.problem
	}
	if problem != "" {
		return o, actRefused, "Nothing was done, and nothing was sent. " + problem, nil
	}
	if o.answers() {
		since, err := sinceSeen(tx, t.ticket.ID, t.seen, by.String())
		if err != nil {
			return o, "", "", err
		}
		if len(since) > 0 {
			return o, actMovedOn, "Your answer was not sent, and nothing was done: the ticket has moved on since the mail that you answered.", nil
		}
	}
	return o, actDone, "", nil
}

// answers says that something goes to the customer.
func (o order) answers() bool { return o.text != "" && !o.note }

// refusal says why an order cannot be carried out, empty when it can.
func (d *Desk) refusal(tx Tx, by Actor, t target, o *order) (string, error) {
	switch {
	case o.note && o.text == "":
		return "!note: there is no text for the note.", nil
	case o.text == "" && !o.hasCommands:
		return "There is no text of yours in it.", nil
	case o.answers() && t.ticket.Requester == "" && o.change.Requester == nil:
		return "There is nobody to answer: the mail that opened the ticket names no author. Say who it is with !requester.", nil
	case o.answers() && anyStaffToken().MatchString(o.text):
		return "The text holds an address that is yours alone. Delete the part of our mail that is in it.", nil
	}
	if len(o.cc) > 0 && !o.answers() {
		return "!cc: it goes with an answer, and there is no text for one.", nil
	}
	people, err := tx.Participants(t.ticket.ID)
	if err != nil {
		return "", err
	}
	for _, address := range o.cc {
		if err := d.checkCc(people, t.ticket, strings.ToLower(address), len(o.cc)); err != nil {
			return "!cc: " + saidPlainly(err), nil
		}
	}
	if err := d.checkChange(by, t.ticket, &o.change); err != nil {
		return saidPlainly(err), nil
	}
	if o.verdict == nil {
		return "", nil
	}
	m, err := toldMessage(tx, t.ticket.ID, t.seen)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return "", err
	}
	if m.Visibility != Held {
		return "Your mail answers one that is not about a held message, or somebody has decided already.", nil
	}
	return "", nil
}

// saidPlainly is the text of an ErrInvalid for a person.
func saidPlainly(err error) string {
	return strings.TrimPrefix(err.Error(), ErrInvalid.Error()+": ") + "."
}

// toldMessage is the message that an event is about.
func toldMessage(tx Tx, ticket, seen int64) (Message, error) {
	events, err := tx.EventsOf(ticket, seen-1, 1)
	if err != nil {
		return Message{}, err
	}
	if len(events) == 0 || events[0].Seq != seen {
		return Message{}, ErrNotFound
	}
	return tx.Message(events[0].Message)
}

// carryOut does what examine has let through, and says what was done.
func (d *Desk) carryOut(tx Tx, by Actor, p Person, j *job, t target, o order) (words string, err error) {
	var done []string
	status := o.change.Status
	if o.text != "" {
		o.change.Status = nil // it goes with the text
	}
	if err := d.change(tx, t.ticket, by, o.change); err != nil {
		return "", err
	}
	done = append(done, o.change.words()...)
	if o.verdict != nil {
		m, err := toldMessage(tx, t.ticket.ID, t.seen)
		if err == nil {
			_, err = d.judge(tx, by, m.ID, *o.verdict, false)
		}
		if err != nil {
			return "", err
		}
		done = append(done, map[bool]string{true: "accepted", false: "dismissed"}[*o.verdict])
	}
	if o.mute != nil {
		if err := d.mute(tx, p, t.ticket.ID, *o.mute); err != nil {
			return "", err
		}
		done = append(done, map[bool]string{true: "you hear no more of this ticket", false: "you hear of this ticket again"}[*o.mute])
	}
	if o.text != "" {
		r := ReplyRequest{Ticket: t.ticket.Name(), Text: o.text, Note: o.note, Cc: o.cc}
		if status != nil {
			r.Status = *status
			done = append(done, "status "+string(*status))
		}
		if _, err := d.addReply(tx, by, r, j.own.files); err != nil {
			return "", err
		}
		done = append(done, map[bool]string{true: "note added", false: "answer sent"}[o.note])
	}
	return "Done: " + strings.Join(done, ", ") + ".", nil
}

// words tell a change to the one who asked for it.
func (c Change) words() (words []string) {
	if c.Assignee != nil {
		words = append(words, "assigned to "+orNobody(*c.Assignee))
	}
	if c.Status != nil {
		words = append(words, "status "+string(*c.Status))
	}
	if c.Priority != nil {
		words = append(words, "priority "+string(*c.Priority))
	}
	if len(c.AddTags) > 0 {
		words = append(words, "tagged "+strings.Join(c.AddTags, " "))
	}
	if len(c.RemoveTags) > 0 {
		words = append(words, "tags removed: "+strings.Join(c.RemoveTags, " "))
	}
	if c.Requester != nil {
		words = append(words, "the customer is now "+*c.Requester)
	}
	return words
}

func orNobody(name string) string {
	if name == "" {
		return "nobody"
	}
	return name
}

func (d *Desk) mute(tx Tx, p Person, ticket int64, mute bool) error {
	m := Member{Name: p.Name}
	if err := tx.AddMember(&m); err != nil {
		return err
	}
	return tx.SetMute(m.ID, ticket, mute)
}

// ownWords is what the person wrote themselves. When the history cannot be told from it,
// nothing is sent: a customer must not read what was between us.
func ownWords(j *job) (text, problem string) {
	text = j.own.text
	if i := strings.Index(text, replyMarker); i >= 0 {
		text = text[:i]
	}
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), ">") {
			return "", "What you wrote cannot be told from what is quoted, or there is no text of yours in it. Write it above the quotes, or delete them."
		}
	}
	return strings.TrimSpace(text), ""
}

// seenOf is the event that the answer was to.
func seenOf(e Event) int64 {
	seen, _ := strconv.ParseInt(e.Facts["seen"], 10, 64) // 0, the beginning, when it is not there
	return seen
}
