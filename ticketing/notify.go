package ticketing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"postdesk/ticketing/mail"
)

// noticesAnHour is how many mails one person gets in an hour: a storm must not bury the
// one who has to end it. The tickets are on the desk all the same.
const noticesAnHour = 100

// StaffActed tells how the mail of a member of staff was carried out.
const StaffActed = "staff.acted"

// notify is the consumer that tells staff. The mails and the cursor share a commit, and a
// mail that is there already is not made again: each person is told of an event once.
func (d *Desk) notify(ctx context.Context, e Event) (effect, error) {
	people := d.staff.Load().people
	if len(people) == 0 || e.Ticket == 0 || e.Origin == OriginImport || !slices.Contains(toldEvents, e.Type) {
		return effect{}, nil
	}
	var n news
	err := d.store.Read(ctx, func(tx Tx) (err error) {
		n, err = d.readNews(tx, e, people)
		return err
	})
	if err != nil || len(n.to) == 0 {
		return effect{}, err
	}
	if err := d.readWords(ctx, &n); err != nil {
		return effect{}, err
	}
	var staged []Staged
	var out []Outgoing
	for _, to := range n.to {
		raw, o, err := d.composeNotice(n, to)
		if err != nil {
			return effect{}, fmt.Errorf("to %s: %w", to.Name, err)
		}
		s, err := d.store.Stage(ctx, bytes.NewReader(raw))
		if err != nil {
			return effect{}, err
		}
		o.Raw = s.Hash
		staged, out = append(staged, s), append(out, o)
	}
	return effect{write: func(tx Tx) error { return d.queueNotices(tx, e, staged, out) }}, nil
}

// toldEvents are the events that somebody may want to hear of.
var toldEvents = []string{TicketCreated, TicketUpdated, MessageReceived, MessageHeld, MessageAccepted, MessageVerified, ReplyAdded, NoteAdded, QuestionAdded, StaffActed}

// recipient is a person with the number that the store has for them.
type recipient struct {
	Person
	member int64
	last   bool // no more in this hour
}

// news is all that the mails about one event need.
type news struct {
	event    Event
	ticket   Ticket
	message  Message   // that the event is about; ID 0 for none
	since    []Message // what came since the event that the person had seen, for an answer that was too late
	to       []recipient
	words    string           // what message says
	newWords map[int64]string // what those in since say
	cc       []mail.Address   // whom the customer put into Cc
}

// readNews finds who is to be told.
func (d *Desk) readNews(tx Tx, e Event, people []Person) (n news, err error) {
	n.event = e
	if n.ticket, err = tx.Ticket(e.Ticket); err != nil {
		return n, err
	}
	opens := false
	if e.Message != 0 {
		if n.message, err = tx.Message(e.Message); err != nil {
			return n, err
		}
		first, err := tx.FirstMessage(e.Ticket)
		if err != nil {
			return n, err
		}
		opens = first == e.Message
	}
	members, err := tx.Members()
	if err != nil {
		return n, err
	}
	muted, err := tx.Muted(e.Ticket)
	if err != nil {
		return n, err
	}
	for _, p := range people {
		i := slices.IndexFunc(members, func(m Member) bool { return m.Name == p.Name })
		if i < 0 || e.Seq <= members[i].Since || !d.concerns(n, opens, p, slices.Contains(muted, members[i].ID)) {
			continue
		}
		count, err := tx.CountNotices(p.Addresses[0], d.now().Add(-time.Hour))
		if err != nil {
			return n, err
		}
		if count >= noticesAnHour {
			d.log.Warn("not told: too many mails to this person in an hour", "staff", p.Name, "event", e.Seq, "ticket", e.Name)
			continue
		}
		n.to = append(n.to, recipient{p, members[i].ID, count == noticesAnHour-1})
	}
	if e.Type == StaffActed && e.Facts["outcome"] == actMovedOn {
		n.since, err = sinceSeen(tx, e.Ticket, seenOf(e), e.Actor)
	}
	return n, err
}

// concerns says whether a person is told of the event: never of what they did themselves,
// and nobody of automatic mail, spam and what is suspicious.
func (d *Desk) concerns(n news, opens bool, p Person, muted bool) bool {
	e, t := n.event, n.ticket
	self := e.Actor == p.actor("").String()
	if e.Type == StaffActed {
		return self && feedback(e)
	}
	mine := t.Assignee == p.Name
	held := e.Type == MessageHeld || e.Type == MessageVerified && e.Facts["visibility"] == string(Held)
	// What is held may be theirs: they took it for sent.
	wrote := !held && slices.Contains(p.Addresses, mail.Lower(n.message.From.Address))
	if self || !p.worksIn(t.Queue) || wrote ||
		t.Status == StatusSpam || t.Suspicious && !mine {
		return false
	}
	if e.Type == TicketUpdated {
		return e.Facts["assignee"] == p.Name && p.toldOf(t.Queue, TopicAssigned)
	}
	switch {
	case muted:
		return false
	case held && mine:
		return true // somebody waits for this person
	case held && t.Assignee == "":
		return p.toldOf(t.Queue, TopicHeld, TopicNew)
	case held:
		return p.toldOf(t.Queue, TopicHeld)
	case mine && p.toldOf(t.Queue, TopicAssigned) && e.Type != TicketCreated:
		return e.Type != MessageReceived || told(e)
	}
	switch e.Type {
	case TicketCreated:
		return e.Message == 0 && p.toldOf(t.Queue, TopicNew) // by mail, what opened it tells of it
	case MessageReceived:
		topic := TopicAnswers
		if opens {
			topic = TopicNew
		}
		return told(e) && p.toldOf(t.Queue, topic)
	case MessageAccepted:
		return p.toldOf(t.Queue, TopicAnswers)
	case MessageVerified:
		return released(e) && p.toldOf(t.Queue, TopicAnswers)
	case ReplyAdded, NoteAdded, QuestionAdded:
		return p.toldOf(t.Queue) // TopicAll
	}
	return false
}

// released says that what was held until DNS answered is shown now.
func released(e Event) bool {
	return e.Type == MessageVerified && e.Facts["was"] == string(Held) && (e.Facts["visibility"] == string(Shown) || e.Facts["visibility"] == string(StaffOnly))
}

// told says that a message that came in is one of a person, and not out of the way.
func told(e Event) bool {
	return e.Facts["automatic"] != "true" && e.Facts["visibility"] != string(Folded)
}

// queueNotices writes the mails. They are of no interest to who follows the ticket, so no
// event tells of them; a mail that cannot be delivered does get one.
func (d *Desk) queueNotices(tx Tx, e Event, staged []Staged, out []Outgoing) error {
	for i, o := range out {
		if _, err := tx.NoticeByEnvelope(o.EnvelopeID); !errors.Is(err, ErrNotFound) {
			if err != nil {
				return err
			}
			continue
		}
		if err := tx.PutRaw(staged[i]); err != nil {
			return err
		}
		if err := tx.AddOutgoing(&o); err != nil {
			return err
		}
		d.log.Info("staff told", "ticket", e.Name, "event", e.Seq, "outgoing", o.ID, "message_id", o.MessageID)
	}
	return nil
}

// noticeSettled records only what somebody should know: that a person was not reached.
func (d *Desk) noticeSettled(tx Tx, o Outgoing, actor string, facts map[string]string) error {
	if o.State != OutFailed {
		return nil
	}
	d.log.Error("a member of staff was not reached", "outgoing", o.ID, "reply", o.LastReply)
	return tx.Append(&Event{Time: d.now(), Type: MessageFailed, Ticket: o.Ticket, Outgoing: o.ID, Actor: actor, Origin: actor, Facts: facts})
}
