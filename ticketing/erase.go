package ticketing

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"postdesk/ticketing/mail"
)

// erasedText stands where somebody's words, subject or name were.
const erasedText = "[erased]"

// purposes of keyed digests.
const (
	digestAddress = "address"
	digestRaw     = "raw"
	digestFold    = "fold"
	digestImport  = "import"
)

// eraser carries out erasures. It needs no Desk: a restored backup has them done before one
// runs on it.
type eraser struct {
	store Store
	write func(context.Context, func(Tx) error) error
	now   func() time.Time
	log   *slog.Logger
}

// FinishErasures does what was noted and not done: begun before a crash, or after the backup
// that the store was restored from.
func FinishErasures(ctx context.Context, store Store, log *slog.Logger) error {
	return eraser{store, store.Write, time.Now, log}.finish(ctx)
}

func (x eraser) finish(ctx context.Context) error {
	all, err := x.store.Erasures()
	if err != nil {
		return err
	}
	for _, e := range all {
		if done, err := x.done(ctx, e); err != nil || done {
			if err != nil {
				return err
			}
			continue
		}
		if _, err := x.run(ctx, e); err != nil {
			return fmt.Errorf("erasure %s: %w", e.ID, err)
		}
	}
	return nil
}

// done says that it was done, and in this database: the list may be newer than that, when
// somebody has put an older one in its place.
func (x eraser) done(ctx context.Context, e Erasure) (told bool, err error) {
	if !e.Done {
		return false, nil
	}
	err = x.store.Read(ctx, func(tx Tx) error {
		_, told, err = tx.Removed(e.ID)
		return err
	})
	return told, err
}

// run carries one out, from wherever it was.
func (x eraser) run(ctx context.Context, e Erasure) (c Certificate, err error) {
	switch e.Kind {
	case ErasePerson:
		err = x.person(ctx, e)
	default:
		err = x.redaction(ctx, e)
	}
	if err == nil {
		err = x.write(ctx, func(tx Tx) error { return x.end(tx, e) })
	}
	if err != nil {
		return c, err
	}
	if c, err = x.certificate(ctx, e); err != nil {
		return c, err
	}
	if c.Disk, err = x.store.Clean(e.Kind == ErasePerson); err != nil {
		return c, err
	}
	if !c.Disk.Written && e.Kind == ErasePerson {
		c.Left = append(c.Left, "copies in pages of the database, which is too large to be written anew while it is used: stop the agent and run postdesk compact")
	}
	e.Done = true
	if err := x.store.NoteErasure(e); err != nil {
		return c, err
	}
	x.log.Info("erased", "erasure", e.label(), "tickets", len(c.Removed.Tickets), "messages", len(c.Removed.Messages), "changed", len(c.Removed.Changed))
	return c, nil
}

func (x eraser) certificate(ctx context.Context, e Erasure) (c Certificate, err error) {
	c = Certificate{Erasure: e.ID, Kind: e.Kind, Digest: e.Digest.String(), Asked: e.At, Finished: x.now().UTC(), Left: left()}
	err = x.store.Read(ctx, func(tx Tx) error {
		c.Removed, _, err = tx.Removed(e.ID)
		return err
	})
	return c, err
}

// left is what an erasure does not reach.
func left() []string {
	return []string{
		"backups and replicas made before: keep them no longer than you must; postdesk restore does this erasure again",
		"logs of the agent and of Postfix, and mail that is in Postfix's queue or in mailboxes",
		"what programs outside keep: the feed tells them with person.erased",
		"what others wrote about the person in their own words, in which no name, address, number or quote of the person was found",
	}
}

// person takes away one person. The mail of others comes first in all tickets, while what is
// looked for in it is still there; then each ticket in one commit.
func (x eraser) person(ctx context.Context, e Erasure) error {
	p, err := x.find(ctx, e)
	if err != nil {
		return err
	}
	for _, id := range p.tickets {
		plan, err := x.plan(ctx, p, id)
		if err == nil {
			err = x.changeOthers(ctx, e, plan)
		}
		if err != nil {
			return err
		}
	}
	for _, id := range p.tickets {
		plan, err := x.plan(ctx, p, id)
		if err == nil {
			err = x.write(ctx, func(tx Tx) error { return x.takeTheirs(tx, e, p, plan) })
		}
		if err != nil {
			return err
		}
	}
	return x.strays(ctx, e, p)
}

// wanted is who or what is to be taken away.
type wanted struct {
	at        time.Time
	addresses []string // as they are written, none for a redaction
	all       []string // every other address that is kept
	tickets   []int64
}

func (w wanted) is(address string) bool {
	return address != "" && slices.ContainsFunc(w.addresses, func(a string) bool { return mail.Lower(a) == mail.Lower(address) })
}

// find finds what a digest means.
func (x eraser) find(ctx context.Context, e Erasure) (w wanted, err error) {
	w.at = e.At
	err = x.store.Read(ctx, func(tx Tx) error {
		w.addresses, w.all = nil, nil
		all, err := tx.Addresses()
		if err != nil {
			return err
		}
		for _, a := range all {
			if x.store.KeyedDigest(digestAddress, mail.Lower(a)) == e.Digest {
				w.addresses = append(w.addresses, a)
			} else {
				w.all = append(w.all, a)
			}
		}
		w.tickets, err = tx.TicketsOf(w.addresses, e.At)
		return err
	})
	return w, err
}

// ticketPlan is what is to be done to one ticket.
type ticketPlan struct {
	ticket   Ticket
	theirs   []Message // whose words go
	others   []Message
	people   []Participant
	outgoing []Outgoing
	files    map[int64][]Attachment
	traces   *mail.Traces
	subject  bool  // they wrote that of the ticket
	opens    int64 // the first message
}

// plan reads a ticket, and those that it goes on from: what was written there is quoted here.
func (x eraser) plan(ctx context.Context, w wanted, ticket int64) (p ticketPlan, err error) {
	if p, err = x.readPlan(ctx, w, ticket); err != nil {
		return p, err
	}
	for _, a := range w.addresses {
		p.traces.AddAddress(a)
	}
	if err := x.learn(ctx, p, p.traces); err != nil {
		return p, err
	}
	const before = 5
	for id, n := p.ticket.Linked, 0; id != 0 && n < before; n++ {
		q, err := x.readPlan(ctx, w, id)
		if err == nil {
			err = x.learn(ctx, q, p.traces)
		}
		if err != nil {
			return p, err
		}
		id = q.ticket.Linked
	}
	return p, nil
}

func (x eraser) readPlan(ctx context.Context, w wanted, ticket int64) (p ticketPlan, err error) {
	err = x.store.Read(ctx, func(tx Tx) error {
		p = ticketPlan{files: map[int64][]Attachment{}, traces: &mail.Traces{}}
		if p.ticket, err = tx.Ticket(ticket); err != nil {
			return err
		}
		if p.people, err = tx.Participants(ticket); err != nil {
			return err
		}
		if p.outgoing, err = tx.OutgoingOfTicket(ticket); err != nil {
			return err
		}
		messages, err := tx.Messages(ticket)
		if err != nil {
			return err
		}
		for i, m := range messages {
			theirs := !m.Received.After(w.at) && m.Reason != ReasonErased && p.isTheirs(w, m, i == 0)
			if i == 0 {
				p.subject, p.opens = theirs, m.ID
			}
			if theirs {
				p.theirs = append(p.theirs, m)
			} else {
				p.others = append(p.others, m)
			}
			if p.files[m.ID], err = tx.Attachments(m.ID); err != nil {
				return err
			}
		}
		return nil
	})
	return p, err
}

// isTheirs says that a message is what the person wrote, also by a contact form, or what was
// written to the person and to nobody else.
func (p ticketPlan) isTheirs(w wanted, m Message, opens bool) bool {
	if m.Kind == KindInbound && (w.is(m.From.Address) || opens && m.Row == "8b" && w.is(p.ticket.Requester)) {
		return true
	}
	if m.Kind == KindInbound || m.Kind == KindNote || m.Kind == KindReport {
		return false
	}
	to := 0
	for _, o := range p.outgoing {
		if o.Message == m.ID {
			if to++; !w.is(o.Recipient) {
				return false
			}
		}
	}
	// One that was imported has no outgoing mail: the ticket is of one person, or it is not.
	alone := m.Row == rowImport && len(p.people) == 1 && w.is(p.people[0].Address)
	return to > 0 || alone || w.is(m.From.Address)
}

// learn takes up by what their words are known again.
func (x eraser) learn(ctx context.Context, p ticketPlan, t *mail.Traces) error {
	for _, m := range p.theirs {
		if m.Kind != KindInbound {
			continue // our words: those of staff to them are quoted by nobody else
		}
		t.AddName(m.From.Name)
		t.AddID(m.MessageID)
		raw, err := x.store.Raw(ctx, m.Raw)
		if err != nil {
			return err
		}
		msg := mail.Parse(raw)
		t.AddText(msg.NewText)
		t.AddText(signature(msg.Text))
		for _, a := range msg.Attachments {
			t.AddFile(a.SHA256)
		}
	}
	return nil
}

// signature is what stands below the sign of one (RFC 3676 section 4.3), up to a quote.
func signature(text string) string {
	_, after, ok := strings.Cut(strings.ReplaceAll(text, "\r\n", "\n"), "\n-- \n")
	if !ok {
		return ""
	}
	before, _, _ := strings.Cut(after, "\n>")
	return before
}

// changeOthers takes the traces of the person out of what others wrote in a ticket: one
// commit for each message, since each has to be read and written anew.
func (x eraser) changeOthers(ctx context.Context, e Erasure, p ticketPlan) error {
	r := p.reduction()
	for _, m := range p.others {
		if err := x.changeOther(ctx, e, p, r, m); err != nil {
			return err
		}
	}
	for _, o := range p.outgoing {
		if o.Raw.IsZero() || p.traces.HasAddress(o.Recipient) {
			continue // mail to them goes with all that is theirs
		}
		staged, hash, needs, err := x.reduced(ctx, r, o.Raw)
		if err != nil {
			return err
		}
		if !needs && (o.Message != 0 || !p.subject) {
			continue
		}
		if err := x.write(ctx, func(tx Tx) error { return x.changeOutgoing(tx, e, o.ID, staged, hash) }); err != nil {
			return err
		}
	}
	return nil
}

// reduction is what is taken out of the mail of others.
func (p ticketPlan) reduction() mail.Reduction {
	r := mail.Reduction{Traces: p.traces, Instead: erasedText}
	if base := mail.BaseSubject(p.ticket.Subject); p.subject && base != erasedText {
		r.Subject = base
	}
	return r
}

// reduced stages what is left of a mail.
func (x eraser) reduced(ctx context.Context, r mail.Reduction, h Hash) (s Staged, was Hash, needs bool, err error) {
	if h.IsZero() {
		return s, h, false, nil
	}
	raw, err := x.store.Raw(ctx, h)
	if err != nil {
		return s, h, false, err
	}
	msg := mail.Parse(raw)
	if needs = r.Needs(msg, raw); !needs {
		return s, h, false, nil
	}
	s, err = x.store.Stage(ctx, bytes.NewReader(r.Reduce(msg)))
	return s, h, true, err
}
