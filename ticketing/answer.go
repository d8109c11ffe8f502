package ticketing

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"postdesk/ticketing/mail"
)

// Above these a mail quotes no more history: nobody reads further down, and each mail
// would be larger than the one before.
const (
	quoteMessages = 20
	quoteMax      = 64 << 10
)

// thread is a ticket as one participant has it in their mail program: their own mail,
// and ours to them. An answer shows nothing else, so that nobody reads what was not
// theirs to see.
type thread struct {
	conversation
	desk   *Desk
	queue  Queue
	to     Participant
	fields TemplateFields

	last   *mail.Message // that was read
	lastID int64
}

func (d *Desk) templateFields(c conversation, q Queue, p Participant) TemplateFields {
	f := TemplateFields{
		Queue: q.Name, Ticket: c.ticket.Name(), Subject: mail.BaseSubject(replySubject(c)), Agent: personName(d.forCustomers(c.reply.Actor)),
		Customer: displayed(mail.Address{Name: p.Name, Address: p.Address}), Address: p.Address, Text: c.reply.Body,
	}
	if f.Queue == "" {
		f.Queue = q.Key
	}
	if f.Agent == "" {
		f.Agent = f.Queue
	}
	return f
}

// write puts in what the desk itself says, by the queue's templates.
func (t *thread) write(draft *mail.Draft) (err error) {
	draft.Body = t.reply.Body
	if t.queue.Reply.String() != "" {
		if draft.Body, err = t.queue.Reply.Render(t.fields); err != nil {
			return err
		}
	}
	draft.Signature, err = t.queue.Signature.Render(t.fields)
	return err
}

// join answers the newest mail of the participant that is shown: they have it. Without
// one it goes on after ours to them, or begins a thread of its own.
func (t *thread) join(ctx context.Context, draft *mail.Draft, o *Outgoing) error {
	draft.ThreadTopic = t.fields.Subject
	draft.ThreadIndex = mail.NewThreadIndex(t.ticket.Created, t.ticket.Name()+"@"+t.queue.Domain)
	for _, m := range slices.Backward(t.messages) {
		if !t.readable(m) {
			continue
		}
		msg, err := t.content(ctx, m)
		if err != nil {
			return err
		}
		answer(draft, msg)
		if len(msg.ReplyTo) == 1 && t.leads(m) && t.desk.checkParticipant(mail.Lower(msg.ReplyTo[0].Address)) == nil {
			draft.To.Address, o.Recipient = msg.ReplyTo[0].Address, msg.ReplyTo[0].Address
		}
		return t.quote(ctx, draft)
	}
	for _, m := range t.messages {
		if ours, ok := t.ours(m); ok {
			draft.InReplyTo = ours.MessageID
			draft.References = append(draft.References, ours.MessageID)
		}
	}
	return t.quote(ctx, draft)
}

// leads says that our answer goes where the Reply-To of this mail says, and no more (RFC
// 5322 section 3.6.2). Who is not proven can have it so only by opening the ticket, which
// is marked then, and not where the author's domain says that it is forged (row 10). Of proven mail the proof must be one of that field too: anybody who has
// such a mail can send it once more, with a Reply-To of their own. And who shares a server
// with the author can pass SPF in their name, but must not read what was said before.
func (t *thread) leads(m Message) bool {
	opened := m.ID == t.messages[0].ID
	if m.Authentication.Author == "" {
		return opened && m.Row != "10"
	}
	return m.Authentication.Covers("reply-to") && (opened || m.Authentication.Method != "spf")
}

// readable passes over what DNS could not decide yet (row 7), as it may turn out to be
// somebody else's words; but not what opened the ticket.
func (t *thread) readable(m Message) bool {
	return t.to.readable(m) && (m.Row != "7" || m.ID == t.messages[0].ID)
}

// answer ties a draft to the mail that it answers (RFC 5322 section 3.6.4), for Outlook too.
func answer(draft *mail.Draft, msg *mail.Message) {
	draft.InReplyTo = msg.MessageID
	before := msg.References
	if len(before) == 0 {
		before = msg.InReplyTo
	}
	draft.References = slices.Clone(before)
	if msg.MessageID != "" {
		draft.References = append(draft.References, msg.MessageID)
	}
	if index := first(msg.Header("Thread-Index")); index != "" {
		draft.ThreadIndex = index
	}
	if topic := mail.DecodeHeader(first(msg.Header("Thread-Topic"))); topic != "" {
		draft.ThreadTopic = topic
	}
}

// ours gives the mail that brought a reply to the participant.
func (t *thread) ours(m Message) (Outgoing, bool) {
	for _, o := range t.outgoing[m.ID] {
		id, ok := parseOutgoingID(o.EnvelopeID)
		if ok && id.participant == t.to.ID && o.State != OutFailed && o.State != OutCancelled {
			return o, true
		}
	}
	return Outgoing{}, false
}

// quote puts in the history as the queue wants it: each older message one level deeper.
func (t *thread) quote(ctx context.Context, draft *mail.Draft) error {
	var b strings.Builder
	depth := 0
	for _, m := range t.quoted() {
		text, err := t.words(ctx, m)
		if err != nil {
			return err
		}
		if strings.TrimSpace(text) == "" {
			continue // files alone
		}
		head, err := t.head(m)
		if err != nil {
			return err
		}
		if depth > 0 && b.Len()+len(text)+2*depth*strings.Count(text, "\n") > quoteMax {
			break
		}
		if depth == 0 {
			draft.QuoteHead = head
		} else {
			writeMarked(&b, depth-1, "\n"+head)
		}
		writeMarked(&b, depth, text)
		depth++
	}
	draft.Quote = b.String()
	return nil
}

// quoted are the messages to be quoted, the newest first.
func (t *thread) quoted() (all []Message) {
	for _, m := range slices.Backward(t.messages) {
		o, ours := t.ours(m)
		// What waits in the queue has not been seen by anybody.
		ours = ours && o.State != OutQueued
		switch t.queue.Quote {
		case QuoteNone:
		case QuoteFull:
			if ours || t.readable(m) {
				all = append(all, m)
			}
		default:
			if t.readable(m) {
				return []Message{m}
			}
		}
		if len(all) == quoteMessages {
			break
		}
	}
	return all
}

// words are what somebody wrote, without what it quotes.
func (t *thread) words(ctx context.Context, m Message) (string, error) {
	if m.Raw.IsZero() {
		return m.Body, nil
	}
	msg, err := t.content(ctx, m)
	if err != nil {
		return "", err
	}
	return msg.NewText, nil
}

// content keeps the one that was read last: what is followed is what is quoted first.
func (t *thread) content(ctx context.Context, m Message) (*mail.Message, error) {
	if t.last != nil && t.lastID == m.ID {
		return t.last, nil
	}
	var err error
	t.last, err = t.desk.Content(ctx, m)
	t.lastID = m.ID
	return t.last, err
}

// head is the line above a quote.
func (t *thread) head(m Message) (string, error) {
	f := t.fields
	f.Date, f.Author = m.Received.UTC().Format("2 January 2006 15:04 UTC"), displayed(m.From)
	if m.Kind != KindInbound {
		f.Author = senderName(t.desk.forCustomers(m.Actor), t.queue)
	}
	if t.queue.QuoteHead.String() == "" {
		return fmt.Sprintf("On %s, %s wrote:", f.Date, f.Author), nil
	}
	return t.queue.QuoteHead.Render(f)
}

// writeMarked writes text with so many marks of a quote before each line.
func writeMarked(b *strings.Builder, depth int, text string) {
	for line := range strings.SplitSeq(strings.TrimRight(text, "\r\n "), "\n") {
		line = strings.TrimRight(line, "\r")
		if depth > 0 && !strings.HasPrefix(line, ">") {
			line = strings.TrimRight(" "+line, " ")
		}
		b.WriteString(strings.Repeat(">", depth) + line + "\n")
	}
}

func displayed(a mail.Address) string {
	if a.Name != "" {
		return a.Name
	}
	return a.Address
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return strings.TrimSpace(values[0])
}
