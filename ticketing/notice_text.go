package ticketing

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"postdesk/ticketing/mail"
)

// replyMarker is the first line of a notice. Where the history of an answer is not marked
// as such, what is below this line is still known to be history.
const replyMarker = "=== Write your answer above this line. ==="

// noticeTextMax is how much of a message is in a notice, in octets.
const noticeTextMax = 20000

// readWords gets what people wrote.
func (d *Desk) readWords(ctx context.Context, n *news) (err error) {
	n.newWords = map[int64]string{}
	if n.message.ID != 0 {
		if n.words, err = d.wordsOf(ctx, n.message); err != nil {
			return err
		}
	}
	for _, m := range n.since {
		if n.newWords[m.ID], err = d.wordsOf(ctx, m); err != nil {
			return err
		}
	}
	if n.message.Kind != KindInbound || n.event.Type == StaffActed {
		return nil
	}
	c, err := d.TicketHead(ctx, n.ticket.Name())
	if err != nil {
		return err
	}
	n.cc, err = d.SuggestedCc(ctx, c)
	return err
}

// wordsOf is what a message says, and which files come with it.
func (d *Desk) wordsOf(ctx context.Context, m Message) (string, error) {
	if m.Arrival == 0 || m.Kind != KindInbound {
		return m.Body, nil
	}
	c, err := d.Content(ctx, m)
	if err != nil {
		return "", err
	}
	text := c.NewText
	if len(text) > noticeTextMax {
		text = strings.ToValidUTF8(text[:noticeTextMax], "") + "\n[…]"
	}
	for _, a := range c.Attachments {
		text += fmt.Sprintf("\n[attachment: %s, %s, %d octets]", a.Name, a.Type, a.Size)
	}
	return text, nil
}

// composeNotice makes the mail to one person. What customers wrote is in quotes, in names
// and in the subject alone: those are plain text to Compose, whatever is in them.
func (d *Desk) composeNotice(n news, to recipient) ([]byte, Outgoing, error) {
	q, known := d.addresses.Load().queues[n.ticket.Queue]
	if !known {
		return nil, Outgoing{}, fmt.Errorf("queue %s is not configured any more: put it back, or its key into old_keys of another queue", n.ticket.Queue)
	}
	id := noticeID{n.event.Seq, to.member}
	now := n.event.Time
	o := Outgoing{
		Ticket: n.ticket.ID, Recipient: to.Addresses[0], ReversePath: d.noticeReversePath(q, id),
		MessageID: d.noticeMessageID(n.ticket, id, q.Domain), EnvelopeID: id.String(), State: OutQueued, NextAttempt: now, Created: now,
	}
	reply := n.ticket.Name() + "+" + d.staffToken(n.ticket.ID, to.Name, n.event.Seq) + "@" + q.Domain
	root := d.noticeMessageID(n.ticket, noticeID{0, to.member}, q.Domain)
	draft := mail.Draft{
		From:      mail.Address{Name: d.via(n, q), Address: n.ticket.Name() + "@" + q.Domain},
		To:        mail.Address{Name: to.Display, Address: o.Recipient},
		ReplyTo:   mail.Address{Name: n.ticket.Name(), Address: reply},
		Subject:   n.ticket.Name() + ": " + n.ticket.Subject,
		Date:      now,
		MessageID: o.MessageID, InReplyTo: root, References: []string{root},
		Body: d.noticeBody(n, to), Quote: n.quote(), QuoteHead: d.quoteHead(n), Signature: commandHelp,
		AutoSubmitted: "auto-generated", Suppress: true,
		Headers: []mail.HeaderField{
			{Name: loopField, Value: d.cfg.Domain},
			// RFC 2919 and RFC 2369: for filters, and for the button of mail programs.
			{Name: "List-Id", Value: "<" + strings.ToLower(q.Key) + "." + q.Domain + ">"},
			{Name: "List-Unsubscribe", Value: "<mailto:" + strings.Replace(reply, "+", "%2B", 1) + "?subject=unsubscribe&body=%21unsubscribe>"},
		},
	}
	if n.held() {
		draft.Subject = "HELD " + draft.Subject
		draft.Headers = append(draft.Headers, mail.HeaderField{Name: "Importance", Value: "high"})
	}
	if n.event.Type == StaffActed {
		// An answer by machine: to the null reverse-path (RFC 3834 section 3.3).
		draft.AutoSubmitted, o.ReversePath = "auto-replied", ""
		draft.Subject = mail.ReplySubject(draft.Subject)
		if n.message.MessageID != "" {
			draft.InReplyTo, draft.References = n.message.MessageID, []string{root, n.message.MessageID}
		}
	}
	raw, err := mail.Compose(draft)
	return raw, o, err
}

// via names who is behind the mail: "Jo via Support".
func (d *Desk) via(n news, q Queue) string {
	who := ""
	switch {
	case n.event.Type == StaffActed:
	case n.message.Kind == KindInbound:
		who = displayed(n.message.From)
	case strings.HasPrefix(n.event.Actor, "staff:"):
		who = d.displayName(strings.TrimPrefix(n.event.Actor, "staff:"))
	}
	if who == "" {
		return q.Name
	}
	return who + " via " + q.Name
}

func (n news) held() bool { return n.message.Visibility == Held && n.event.Type != StaffActed }

// noticeBody is what we say ourselves.
func (d *Desk) noticeBody(n news, to recipient) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n\n", args...) }
	line(replyMarker)
	switch n.event.Type {
	case StaffActed:
		line("%s", n.message.Reason)
		if n.event.Facts["outcome"] == actMovedOn {
			line("Read what is new below, and answer to this mail.")
		}
	case TicketUpdated:
		line("%s is yours now.", n.ticket.Name())
	case NoteAdded:
		line("A note for staff alone. The customer has not seen it.")
	case ReplyAdded:
		line("This answer went to the customer.")
	case QuestionAdded:
		line("This question went to a third party. The customer has not seen it.")
	case MessageAccepted:
		line("This was held, and has been accepted.")
	}
	if n.held() {
		line("THIS MAIL IS HELD: %s.", strings.TrimSuffix(n.message.Reason, "."))
		line("%s", n.message.Advice)
		line("Until somebody decides, its sender waits and learns nothing. Answer with !accept or !dismiss on the first line.")
	}
	line("%s", n.facts())
	if len(n.cc) > 0 {
		line("The customer wrote to others as well. They get your answer when its first line is:")
		line("!cc %s", addressList(n.cc))
	}
	if to.last {
		line("You have had %d mails of the desk in an hour. There will be no more in this hour; look at the desk itself.", noticesAnHour)
	}
	return strings.TrimSpace(b.String())
}

func addressList(list []mail.Address) string {
	var out []string
	for _, a := range list {
		out = append(out, a.Address)
	}
	return strings.Join(out, ", ")
}

// facts are where the ticket stands, and whether the author is who From says.
func (n news) facts() string {
	t := n.ticket
	words := []string{"status " + string(t.Status)}
	if t.Assignee == "" {
		words = append(words, "assigned to nobody")
	} else {
		words = append(words, "assigned to "+t.Assignee)
	}
	if t.Priority != PriorityNormal {
		words = append(words, "priority "+string(t.Priority))
	}
	if len(t.Tags) > 0 {
		words = append(words, "tags "+strings.Join(t.Tags, " "))
	}
	text := t.Name() + ": " + strings.Join(words, ", ") + "."
	switch m := n.message; {
	case m.Kind != KindInbound || n.event.Type == StaffActed:
	case m.Authentication.Author != "":
		text += " The author is proven."
	default:
		text += " Nothing proves the author: do not trust the name alone."
	}
	return text
}

// quote is what people wrote: the message, or for an answer that was too late what is new
// and then the answer.
func (n news) quote() string {
	if n.event.Type == StaffActed && n.event.Facts["outcome"] == actDone {
		return ""
	}
	var b strings.Builder
	for _, m := range n.since {
		fmt.Fprintf(&b, "New, from %s at %s:\n\n%s\n\n", who(m), shortTime(m.Received), n.newWords[m.ID])
	}
	if len(n.since) > 0 {
		b.WriteString("What you wrote:\n\n")
	}
	b.WriteString(n.words)
	return b.String()
}

func who(m Message) string {
	if m.Kind == KindInbound {
		return displayed(m.From)
	}
	return m.Actor
}

func (d *Desk) quoteHead(n news) string {
	switch {
	case n.quote() == "":
		return ""
	case len(n.since) > 0:
		return "What is new:"
	case n.event.Type == StaffActed:
		return "What you wrote:"
	case n.message.Kind == KindInbound:
		return fmt.Sprintf("On %s, %s <%s> wrote:", shortTime(n.message.Received), n.message.From.Name, n.message.From.Address)
	}
	return fmt.Sprintf("On %s, %s wrote:", shortTime(n.message.Received), strings.TrimPrefix(n.message.Actor, "staff:"))
}

// sinceSeen are the messages that somebody who saw the ticket up to an event does not
// know: what customers wrote and was shown, and what colleagues answered or noted.
func sinceSeen(tx Tx, ticket, seen int64, actor string) (messages []Message, err error) {
	events, err := tx.EventsOf(ticket, seen-1, 1000)
	if err != nil {
		return nil, err
	}
	var told int64 // the message that the event was about, which is no news
	for _, e := range events {
		if e.Seq == seen {
			told = e.Message
			continue
		}
		news := e.Type == MessageReceived && e.Facts["visibility"] != string(Folded) && e.Facts["automatic"] != "true" ||
			e.Type == MessageAccepted || released(e) || e.Type == ReplyAdded || e.Type == NoteAdded
		if !news || e.Actor == actor || e.Message == told || slices.ContainsFunc(messages, func(m Message) bool { return m.ID == e.Message }) {
			continue
		}
		m, err := tx.Message(e.Message)
		if err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	return messages, nil
}

// shortTime is for people.
func shortTime(t time.Time) string { return t.UTC().Format("2 January 2006 15:04 UTC") }
