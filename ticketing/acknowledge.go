package ticketing

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"postdesk/ticketing/mail"
)

// An acknowledgement says that a mail became a ticket. It is how desks are misused to send
// mail to strangers, so that all of this must hold: the author is proven, so that the
// domain itself vouches for where it goes; a person wrote; nothing asks for silence; and
// neither the sender nor the ticket has had its share (RFC 3834).

// What Queue.Acknowledge says.
const (
	AcknowledgeProven = "proven" // to proven authors; the default
	AcknowledgeOff    = "off"
)

const (
	acknowledgePause = 10 * time.Minute // between two acknowledgements to one sender
	acknowledgeDaily = 10               // of them to one sender
	// acknowledgeWithin is how old a mail may be: what comes after is no help any more.
	acknowledgeWithin = time.Hour
	// automaticShare is how much mail goes out by machine in automaticSpan, to one address
	// and about one ticket, whatever it is.
	automaticShare = 10
	automaticSpan  = time.Hour
)

// The fact by which an event asks for an acknowledgement, and its value.
const (
	acknowledgeFact = "acknowledge"
	acknowledgeDue  = "due"
)

// silence is why nothing goes out by machine: a word for events, a sentence for people, and
// when it may be otherwise; zero where time changes nothing.
type silence struct {
	word, text string
	until      time.Time
}

// Busy says that there is too much of something for now.
type Busy struct {
	Text  string
	After time.Duration // when it is of use to ask again
}

func (b Busy) Error() string { return b.Text }

// acknowledgement says whether a mail that opens a ticket is to be acknowledged: due, or
// the reason why not, or neither where nobody expects one.
func (d *Desk) acknowledgement(a Arrival, j *job, dec Decision, queue string) (due bool, why silence) {
	from := author(j.msg)
	local, _, _ := strings.Cut(from, "@")
	_, notOurs := d.Directory().Lookup(from)
	switch auto := j.msg.Automatic; {
	case d.queueOf(queue).Acknowledge == AcknowledgeOff:
		return false, silence{}
	case dec.Spam:
		return false, silence{word: "spam", text: "not acknowledged: it is taken for spam"}
	case !dec.Acknowledge:
		return false, silence{word: "row " + dec.Row, text: "not acknowledged: " + notAcknowledged(dec)}
	case nobodyReads(local):
		return false, silence{word: "unread address", text: "not acknowledged: the author's address looks like one that nobody reads"}
	case auto.Automatic || auto.Suppress || a.ReversePath == "":
		return false, silence{word: "asked", text: "not acknowledged: the mail asks for no automatic answer (" + auto.Why + ")"}
	case notOurs == nil:
		return false, silence{word: "own address", text: "not acknowledged: it bears an address of this desk"}
	case d.now().Sub(a.Received) > acknowledgeWithin:
		return false, silence{word: "late", text: "not acknowledged: it is more than an hour old"}
	}
	return true, silence{}
}

func notAcknowledged(dec Decision) string {
	switch dec.Row {
	case "7":
		return "DNS could not say who wrote it"
	case "8b":
		return "nobody has proven the address that was typed into the form"
	case "11a", "14":
		return dec.Reason
	case "8", "8a", "1", "5":
		return "a mailing list passed it on"
	}
	return "nothing proves the author, and it would go to whoever is named in From"
}

// nobodyReads knows the addresses of RFC 3834 section 2 and RFC 2142 behind which there are programs.
func nobodyReads(local string) bool {
	switch local {
	case "mailer-daemon", "postmaster", "listserv", "majordomo", "mailman", "bounce", "bounces":
		return true
	}
	for _, mark := range []string{"noreply", "no-reply", "no_reply", "donotreply", "do-not-reply", "owner-"} {
		if strings.HasPrefix(local, mark) {
			return true
		}
	}
	return strings.HasSuffix(local, "-request") || strings.HasSuffix(local, "-owner") || strings.HasPrefix(local, "bounce-") || strings.HasPrefix(local, "bounce+")
}

// acknowledge is what the responder does for an event that asks for it.
func (d *Desk) acknowledge(ctx context.Context, e Event) (effect, error) {
	var opened, ack Message
	var c conversation
	var why silence
	look := func(tx Tx) (err error) {
		if opened, err = tx.Message(e.Message); err != nil {
			return err
		}
		if c.ticket, err = tx.Ticket(opened.Ticket); err != nil {
			return err
		}
		ack, why, err = d.dueAcknowledgement(tx, c.ticket)
		return err
	}
	err := d.store.Read(ctx, look) // most often it is a limit, and there is nothing to write yet
	if err == nil && why == (silence{}) {
		err = d.store.Write(ctx, func(tx Tx) error {
			if err := look(tx); err != nil || why != (silence{}) {
				return err
			}
			if ack.ID == 0 {
				if err := tx.AddMessage(&ack); err != nil {
					return err
				}
			}
			c, err = readConversation(tx, ack.ID)
			return err
		})
	}
	if err != nil {
		return effect{}, err
	}
	if why == (silence{}) && (len(c.people) == 0 || c.people[0].Role != RoleRequester) {
		why = silence{word: "muted", text: "not acknowledged: the requester gets no mail"}
	}
	if why != (silence{}) {
		return effect{write: func(tx Tx) error { return d.keepSilent(tx, opened, why) }, silent: true}, nil
	}
	raw, o, err := d.composeAcknowledgement(ctx, c, opened, c.people[0])
	if err != nil {
		return effect{}, err
	}
	s, err := d.store.Stage(ctx, bytes.NewReader(raw))
	if err != nil {
		return effect{}, err
	}
	o.Raw = s.Hash
	e.Actor = "system"
	return effect{write: func(tx Tx) error { return d.queue(tx, e, []Staged{s}, []Outgoing{o}) }}, nil
}

// dueAcknowledgement gives the message of it, that of an earlier try or one to be added: its
// number stands in the Message-ID, so that it must be there before the mail is made.
func (d *Desk) dueAcknowledgement(tx Tx, t Ticket) (Message, silence, error) {
	all, err := tx.Messages(t.ID)
	if err != nil {
		return Message{}, silence{}, err
	}
	for _, m := range all {
		if m.Kind == KindAcknowledgement {
			return m, silence{}, nil
		}
	}
	if why, err := d.limited(tx, t); err != nil || why != (silence{}) {
		return Message{}, why, err
	}
	m := Message{Ticket: t.ID, Kind: KindAcknowledgement, Visibility: Shown, Subject: t.Subject, Actor: "system", Automatic: true, Received: d.now()}
	m.Body, err = d.acknowledgementText(t)
	return m, silence{}, err
}

// limited says that the requester has had their share of acknowledgements, or of mail by
// machine at all.
func (d *Desk) limited(tx Tx, t Ticket) (silence, error) {
	now := d.now()
	recent, err := tx.CountOutgoing(KindAcknowledgement, t.Requester, now.Add(-acknowledgePause))
	if err != nil {
		return silence{}, err
	}
	daily, err := tx.CountOutgoing(KindAcknowledgement, t.Requester, now.Add(-24*time.Hour))
	switch {
	case err != nil:
		return silence{}, err
	case recent > 0:
		return silence{word: "limit", text: "not acknowledged: this sender had an acknowledgement within 10 minutes"}, nil
	case daily >= acknowledgeDaily:
		return silence{word: "limit", text: "not acknowledged: this sender had 10 acknowledgements within a day"}, nil
	}
	return d.shareSpent(tx, t.Requester, t.ID)
}

// shareSpent is for everything that goes out by machine.
func (d *Desk) shareSpent(tx Tx, recipient string, ticket int64) (silence, error) {
	to, about, err := tx.CountAutomatic(recipient, ticket, d.now().Add(-automaticSpan))
	switch {
	case err != nil:
		return silence{}, err
	case to.Mails >= automaticShare:
		return silence{"limit", fmt.Sprintf("nothing was sent by machine: this address had %d such mails within an hour", to.Mails), to.Oldest.Add(automaticSpan)}, nil
	case about.Mails >= automaticShare:
		return silence{"limit", fmt.Sprintf("nothing was sent by machine: %d such mails went out for this ticket within an hour", about.Mails), about.Oldest.Add(automaticSpan)}, nil
	}
	return silence{}, nil
}

// keepSilent says on the message, and on the feed, that nothing went out and why.
func (d *Desk) keepSilent(tx Tx, m Message, why silence) error {
	if err := tx.Suppress(m.ID, why.text); err != nil {
		return err
	}
	return tx.Append(&Event{Time: d.now(), Type: MessageSuppressed, Ticket: m.Ticket, Message: m.ID, Actor: "system", Origin: "system",
		Facts: map[string]string{"what": string(KindAcknowledgement), "why": why.word}})
}

// defaultAcknowledgement is for queues that have no text of their own. It repeats nothing
// of the mail: what a stranger wrote is not carried anywhere by it.
const defaultAcknowledgement = `Your message has arrived at {{.Queue}} and has the number **{{.Ticket}}**.

If you want to add something, answer to this mail.`

func (d *Desk) acknowledgementText(t Ticket) (string, error) {
	q := d.queueOf(t.Queue)
	text := q.Acknowledgement
	if text.String() == "" {
		var err error
		if text, err = NewTemplate(defaultAcknowledgement); err != nil {
			return "", err
		}
	}
	customer := t.RequesterName
	if customer == "" {
		customer = t.Requester
	}
	return text.Render(TemplateFields{Queue: senderName("", q), Ticket: t.Name(), Subject: t.Subject, Agent: senderName("", q), Customer: customer, Address: t.Requester})
}

// composeAcknowledgement makes the mail. It goes to the proven author and nowhere else:
// neither Reply-To nor the reverse-path is proven (RFC 3834 section 4 would take the latter,
// of a mail that nobody has verified).
func (d *Desk) composeAcknowledgement(ctx context.Context, c conversation, opened Message, p Participant) ([]byte, Outgoing, error) {
	q, known := d.addresses.Load().queues[c.ticket.Queue]
	if !known {
		return nil, Outgoing{}, fmt.Errorf("queue %s is not configured any more: put it back, or its key into old_keys of another queue", c.ticket.Queue)
	}
	raw, err := d.store.Raw(ctx, opened.Raw)
	if err != nil {
		return nil, Outgoing{}, err
	}
	msg := mail.Intake(raw)
	id := outgoingID{c.reply.ID, p.ID, p.Generation}
	o := Outgoing{
		Ticket: c.ticket.ID, Message: c.reply.ID, Recipient: p.Address,
		// The null reverse-path: nothing may answer it (RFC 3834 section 3.3).
		ReversePath: "", MessageID: d.messageID(c.ticket, id, q.Domain), EnvelopeID: id.String(),
		State: OutQueued, NextAttempt: c.reply.Received, Created: c.reply.Received,
	}
	draft := mail.Draft{
		From:       mail.Address{Name: senderName("", q), Address: c.ticket.Name() + "@" + q.Domain},
		ReplyTo:    mail.Address{Name: q.Name, Address: c.ticket.Name() + "+" + d.replyToken(p) + "@" + q.Domain},
		To:         mail.Address{Name: p.Name, Address: p.Address},
		Subject:    "Auto: " + shortened(c.ticket.Subject, 200), // RFC 3834 section 3.1.5
		Date:       c.reply.Received,
		MessageID:  o.MessageID,
		InReplyTo:  msg.MessageID, // section 3.1.6
		References: append(append([]string{}, msg.References...), msg.MessageID),
		Body:       c.reply.Body,
		Headers:    []mail.HeaderField{{Name: loopField, Value: d.cfg.Domain}},
		// Section 3.1.7, and the same for Exchange.
		AutoSubmitted: "auto-replied", SuppressAll: true,
	}
	out, err := mail.Compose(draft)
	return out, o, err
}

// shortened cuts a text between two characters.
func shortened(s string, most int) string {
	runes := []rune(s)
	if len(runes) <= most {
		return s
	}
	return string(runes[:most]) + "…"
}

// mayAnswer says whether a program's reply may go out: never to automatic mail
// (ErrConflict), and within the share of everything that goes out by machine (Busy).
func (d *Desk) mayAnswer(tx Tx, t Ticket) error {
	all, err := tx.Messages(t.ID)
	if err != nil {
		return err
	}
	since := d.now().Add(-automaticSpan)
	var sent []time.Time
	var lastIn Message
	for _, m := range all {
		if m.Kind == KindInbound {
			lastIn = m
		}
		if m.Kind == KindReply && m.Automatic && m.Received.After(since) {
			sent = append(sent, m.Received) // also those whose mail is not made yet
		}
	}
	switch n := len(sent); {
	case lastIn.Automatic:
		err = fmt.Errorf("%w: the newest mail of %s is automatic, and a program does not answer it (RFC 3834)", ErrConflict, t.Name())
	case n >= automaticShare:
		err = d.busyUntil(sent[n-automaticShare].Add(automaticSpan), fmt.Sprintf("programs have answered %d times in %s within an hour", n, t.Name()))
	default:
		var why silence
		if why, err = d.shareSpent(tx, t.Requester, t.ID); err == nil && why != (silence{}) {
			err = d.busyUntil(why.until, why.text)
		}
	}
	if err != nil {
		d.log.Warn("a program's reply is refused", "ticket", t.Name(), "why", err.Error())
	}
	return err
}

func (d *Desk) busyUntil(at time.Time, text string) error {
	return Busy{text, max(at.Sub(d.now()), time.Second)}
}
