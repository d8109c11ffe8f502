package ticketing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"postdesk/ticketing/mail"
)

// OriginImport marks the events of a history that was brought in. Those who act on events
// must not act on these: they are long past.
const OriginImport = "import"

// rowImport stands where the trust table's row stands: nobody's proof was asked.
const rowImport = "import"

// ImportOptions say how a history is brought in.
type ImportOptions struct {
	Queue  string
	Status Status   // of the tickets that are made
	Ours   []string // addresses and domains of the desk's own side, beside those of the queues
	Alias  []string // patterns of old ticket numbers in subjects; none: the usual ones
}

// ImportMail is one mail of a history. Mails come in order: the first of a thread first.
type ImportMail struct {
	Key    Hash // ImportKey of it
	Anchor Hash // of a mail before it in its thread; its own key or none when it begins one
	Date   time.Time
	Raw    []byte
}

// ImportResult counts what became of some mails.
type ImportResult struct {
	Added   int `json:"added"`
	Known   int `json:"known"`   // that were there already
	Tickets int `json:"tickets"` // that were made
}

// Import brings a history in. Nothing is sent for it.
type Import struct {
	d       *Desk
	by      Actor
	o       ImportOptions
	first   int64
	ours    func(address string) bool
	aliases Aliases
}

// NewImport checks the options.
func (d *Desk) NewImport(by Actor, o ImportOptions) (*Import, error) {
	o.Queue = strings.ToUpper(o.Queue)
	here := d.addresses.Load()
	q, known := here.queues[o.Queue]
	if !known || q.Key != o.Queue {
		return nil, fmt.Errorf("%w: no queue has the key %q", ErrInvalid, o.Queue)
	}
	switch o.Status {
	case StatusClosed, StatusResolved, StatusOpen:
	default:
		return nil, fmt.Errorf("%w: tickets are imported as closed, resolved or open, not as %q", ErrInvalid, o.Status)
	}
	i := &Import{d: d, by: by, o: o, first: q.FirstNumber}
	var err error
	if i.aliases, err = NewAliases(o.Alias); err != nil {
		return nil, err
	}
	i.ours, err = NewOurs(here.dir.Patterns(), o.Ours)
	return i, err
}

// Known says of each key whether its mail is in the queue's history already.
func (i *Import) Known(ctx context.Context, keys []Hash) ([]bool, error) {
	known := make([]bool, len(keys))
	err := i.d.store.Read(ctx, func(tx Tx) error {
		for n, key := range keys {
			switch _, err := tx.Imported(i.o.Queue, key); {
			case err == nil:
				known[n] = true
			case !errors.Is(err, ErrNotFound):
				return err
			default:
				if known[n], err = tx.Forgotten(i.d.store.KeyedDigest(digestImport, i.o.Queue+key.String())); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return known, err
}

// imported is one mail on its way.
type imported struct {
	ImportMail
	staged Staged
	msg    *mail.Message
	own    bool // from the desk's own side
}

// Add adds mails to their tickets, all in one commit or none. What is there already is
// passed over, so that it may be asked again.
func (i *Import) Add(ctx context.Context, mails []ImportMail) (sum ImportResult, err error) {
	items := make([]imported, len(mails))
	errs := make([]error, len(mails))
	var wg sync.WaitGroup
	slots := make(chan struct{}, i.d.cfg.Workers)
	for n := range mails {
		slots <- struct{}{}
		wg.Go(func() {
			items[n], errs[n] = i.prepare(ctx, mails[n])
			<-slots
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return sum, err
	}
	err = i.d.write(ctx, func(tx Tx) error {
		sum = ImportResult{}
		for _, m := range items {
			if err := i.add(tx, m, &sum); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && sum.Added > 0 {
		i.d.log.Info("mail imported", "queue", i.o.Queue, "added", sum.Added, "known", sum.Known, "tickets", sum.Tickets, "actor", i.by.String())
	}
	return sum, err
}

// prepare does what needs no transaction.
func (i *Import) prepare(ctx context.Context, m ImportMail) (p imported, err error) {
	p = imported{ImportMail: m, msg: mail.Intake(m.Raw)}
	if len(p.msg.From) > 0 {
		p.own = i.ours(p.msg.From[0].Address)
	}
	p.staged, err = i.d.store.Stage(ctx, bytes.NewReader(m.Raw))
	return p, err
}

func (i *Import) add(tx Tx, p imported, sum *ImportResult) error {
	switch _, err := tx.Imported(i.o.Queue, p.Key); {
	case err == nil:
		sum.Known++
		return nil
	case !errors.Is(err, ErrNotFound):
		return err
	}
	if erased, err := tx.Forgotten(i.d.store.KeyedDigest(digestImport, i.o.Queue+p.Key.String())); err != nil || erased {
		sum.Known++ // it was here, and is not wanted back
		return err
	}
	t, known, err := i.place(tx, p)
	if err != nil {
		return err
	}
	if known != 0 {
		sum.Known++
		return tx.AddImported(i.o.Queue, p.Key, known)
	}
	opens := t.ID == 0
	if opens {
		if t, err = i.open(tx, p); err != nil {
			return err
		}
		sum.Tickets++
	}
	sum.Added++
	return i.file(tx, t, p, opens)
}

// place finds the ticket of a mail, none for a new one. known is the message that the
// mail has become when it was delivered: some sites run two desks for a while.
func (i *Import) place(tx Tx, p imported) (t Ticket, known int64, err error) {
	if known, err = i.delivered(tx, p.msg); err != nil || known != 0 {
		return t, known, err
	}
	if p.Anchor != p.Key && !p.Anchor.IsZero() {
		id, err := tx.Imported(i.o.Queue, p.Anchor)
		if err == nil {
			m, err := tx.Message(id)
			if err != nil {
				return t, 0, err
			}
			t, err = tx.Ticket(m.Ticket)
			return t, 0, err
		}
		if !errors.Is(err, ErrNotFound) {
			return t, 0, err
		}
	}
	tickets, err := i.holders(tx, threadRefs(p.msg))
	if err != nil || len(tickets) != 1 { // ids on more than one ticket say nothing
		return Ticket{}, 0, err
	}
	return tickets[0], 0, nil
}

// holders are the queue's tickets that hold any of these msg-ids.
func (i *Import) holders(tx Tx, ids []string) (tickets []Ticket, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	found, err := tx.TicketsByMessageID(ids)
	for _, id := range found {
		t, err := tx.Ticket(id)
		if err != nil {
			return nil, err
		}
		if t.Queue == i.o.Queue {
			tickets = append(tickets, t)
		}
	}
	return tickets, err
}

// delivered finds a mail that Postfix has delivered here: one with the same Message-ID,
// author and subject.
func (i *Import) delivered(tx Tx, m *mail.Message) (int64, error) {
	if m.MessageID == "" || len(m.From) == 0 {
		return 0, nil
	}
	tickets, err := i.holders(tx, []string{m.MessageID})
	for _, t := range tickets {
		messages, err := tx.Messages(t.ID)
		if err != nil {
			return 0, err
		}
		for _, have := range messages {
			if have.Arrival != 0 && have.MessageID == m.MessageID && have.Subject == m.Subject && strings.EqualFold(have.From.Address, m.From[0].Address) {
				return have.ID, nil
			}
		}
	}
	return 0, err
}

// open makes a ticket that is as old as its first mail.
func (i *Import) open(tx Tx, p imported) (Ticket, error) {
	n, err := tx.NextNumber(i.o.Queue, i.first)
	if err != nil {
		return Ticket{}, err
	}
	t := Ticket{Queue: i.o.Queue, Number: n, Subject: p.msg.Subject, Status: i.o.Status, Unverified: true, Created: p.Date, Updated: p.Date}
	if err := tx.AddTicket(&t); err != nil {
		return t, err
	}
	e := Event{Time: i.d.now(), Type: TicketCreated, Ticket: t.ID, Actor: i.by.String(), Origin: OriginImport,
		Facts: map[string]string{"status": string(t.Status), "row": rowImport}}
	err = tx.Append(&e)
	t.LastSeq = e.Seq
	return t, err
}

// file adds the mail to its ticket, which it may have opened.
func (i *Import) file(tx Tx, t Ticket, p imported, opens bool) error {
	if err := tx.PutRaw(p.staged); err != nil {
		return err
	}
	m := i.message(p, opens)
	m.Ticket = t.ID
	var err error
	if m.Seq, err = tx.NextSeq(); err != nil {
		return err
	}
	if err := tx.AddMessage(&m); err != nil {
		return err
	}
	e := Event{Time: i.d.now(), Type: MessageReceived, Ticket: t.ID, Message: m.ID, Actor: i.by.String(), Origin: OriginImport,
		Facts: map[string]string{"row": rowImport, "visibility": string(m.Visibility), "automatic": fmt.Sprint(m.Automatic)}}
	if p.own {
		e.Type = ReplyAdded
	}
	if err := tx.Append(&e); err != nil {
		return err
	}
	t.LastSeq = e.Seq
	if m.MessageID != "" {
		if err := tx.AddMessageID(m.MessageID, t.ID, m.ID); err != nil {
			return err
		}
	}
	_, numbers := i.aliases.Split(m.Subject)
	for _, name := range numbers {
		if err := tx.AddAlias(name, t.ID); err != nil {
			return err
		}
	}
	if err := tx.AddImported(i.o.Queue, p.Key, m.ID); err != nil {
		return err
	}
	return i.update(tx, t, m, p)
}

// message is the row of a mail. Who wrote for the desk is named, and no proof is claimed.
func (i *Import) message(p imported, opens bool) Message {
	m := Message{
		Kind: KindInbound, Visibility: Shown, Row: rowImport, Reason: "imported; nobody's proof was asked", Subject: p.msg.Subject, MessageID: p.msg.MessageID,
		Raw: p.staged.Hash, Actor: "mail", Automatic: p.msg.Automatic.Automatic, Problems: p.msg.Problems, Received: p.Date,
	}
	if len(p.msg.From) > 0 {
		m.From = p.msg.From[0]
	}
	switch {
	case p.own && m.Automatic:
		m.Kind = KindAcknowledgement
	case p.own:
		m.Kind = KindReply
	case m.Automatic && !opens:
		m.Visibility = Folded
	}
	return m
}

// update brings the ticket up to a mail. Its status stays: what is imported happened before.
func (i *Import) update(tx Tx, t Ticket, m Message, p imported) error {
	if m.Received.After(t.Updated) {
		t.Updated = m.Received
	}
	switch {
	case t.Status.over():
		if t.Updated.After(t.Closed) {
			t.Closed = t.Updated
		}
	case m.Kind == KindReply:
		t.Waiting = time.Time{}
	case waitsFor(m):
		t.Waiting = earlier(t.Waiting, m.Received)
	}
	if t.Requester == "" {
		if a := i.requester(p); a.Address != "" {
			t.Requester, t.RequesterName = mail.Lower(a.Address), a.Name
			if err := tx.AddParticipant(&Participant{Ticket: t.ID, Address: t.Requester, Name: t.RequesterName, Role: RoleRequester}); err != nil {
				return err
			}
		}
	}
	return tx.UpdateTicket(t)
}

// requester is who wrote to the desk, or to whom the desk wrote first.
func (i *Import) requester(p imported) mail.Address {
	if !p.own {
		if len(p.msg.From) > 0 {
			return p.msg.From[0]
		}
		return mail.Address{}
	}
	for _, list := range [][]mail.Address{p.msg.To, p.msg.Cc} {
		for _, a := range list {
			if a.Address != "" && !i.ours(a.Address) {
				return a
			}
		}
	}
	return mail.Address{}
}
