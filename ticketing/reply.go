package ticketing

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"postdesk/ticketing/mail"
)

// Actor is who asks the desk to do something.
type Actor struct {
	Kind   string // "staff" or "program"
	Name   string
	Origin string // "api" or "cli"
	// Queues are the keys of the queues that the actor has to do with; nil is all.
	Queues []string
	// Key makes this request safe to repeat: asked again with the same key it does nothing
	// twice. Empty for none. A ReplyRequest and the like have one of their own.
	Key string
}

func (a Actor) String() string { return a.Kind + ":" + a.Name }

// ReplyRequest is an answer or a note to be added to a ticket.
type ReplyRequest struct {
	Ticket string // SUPPORT-7102
	Text   string // Markdown
	Note   bool   // for staff alone: nothing goes out
	Status Status // after it; empty: waiting for a reply, unchanged for a note
	// Seen is the newest event of the ticket that the author has seen; 0 does not ask.
	// When something has come since that a person must know (see Event.Tells) and that is
	// not the author's own doing, the reply is refused with ErrConflict.
	Seen int64
	// Match are the versions of the ticket that this reply is for, none for any;
	// ErrPrecondition when it is another one.
	Match []int64
	// Cc become participants with this answer. Addresses are as in a header.
	Cc []string
	// Key makes it safe to ask again: the same key of the same actor gives the same
	// message, and nothing is done twice.
	Key string
	// Files go with it: all together at most Config.MaxAttachmentBytes.
	Files []File
}

// Statuses are all that there are, in the order of a ticket's life. An Index may keep the place of
// each here: another order is another layout of it.
func Statuses() []Status {
	return []Status{StatusNew, StatusOpen, StatusWaiting, StatusResolved, StatusClosed, StatusRejected, StatusSpam}
}

func checkStatus(s Status) error {
	if !slices.Contains(Statuses(), s) {
		return fmt.Errorf("%w: status %q is none of %v", ErrInvalid, s, Statuses())
	}
	return nil
}

// Reply adds an answer or a note. The answer goes out by mail once its event has been
// consumed. again says that this key was used before.
func (d *Desk) Reply(ctx context.Context, by Actor, r ReplyRequest) (m Message, again bool, err error) {
	if strings.TrimSpace(r.Text) == "" {
		return m, false, fmt.Errorf("%w: the text is empty", ErrInvalid)
	}
	if r.Note && len(r.Cc) > 0 {
		return m, false, fmt.Errorf("%w: a note goes to nobody, so it has no cc", ErrInvalid)
	}
	if r.Status != "" {
		if err := checkStatus(r.Status); err != nil {
			return m, false, err
		}
	}
	files, err := d.stageFiles(ctx, by, r.Files)
	if err != nil {
		return m, false, err
	}
	request := requestHash(r, files)
	m, again, err = d.onceMessage(ctx, by, r.Key, request, func(tx Tx) (Message, error) { return d.addReply(tx, by, r, files) })
	if err == nil && !again {
		d.log.Info("reply added", "ticket", r.Ticket, "message", m.ID, "kind", m.Kind, "actor", by.String())
	}
	return m, again, err
}

// onceMessage is once for what makes a message, and gives it.
func (d *Desk) onceMessage(ctx context.Context, by Actor, key string, request Hash, create func(Tx) (Message, error)) (m Message, again bool, err error) {
	id, again, err := d.once(ctx, by, key, request, func(tx Tx) (int64, error) {
		var err error
		m, err = create(tx)
		return m.ID, err
	})
	if err == nil && again {
		m, _, err = d.Message(ctx, id)
	}
	return m, again, err
}

// once does something and gives its number, or that of what was done with this key before:
// again. An empty key is that of no other request.
func (d *Desk) once(ctx context.Context, by Actor, key string, request Hash, do func(Tx) (int64, error)) (id int64, again bool, err error) {
	err = d.write(ctx, func(tx Tx) (err error) {
		if again = false; key == "" {
			id, err = do(tx)
			return err
		}
		if id, err = idempotent(tx, by.String(), key, request); err != nil {
			return err
		}
		if again = id != 0; again {
			return nil
		}
		if id, err = do(tx); err != nil {
			return err
		}
		return tx.PutIdempotent(by.String(), key, request, id, d.now())
	})
	return id, again, err
}

// requested tells a request that is made again from another one with the same key.
func requested(parts ...any) Hash { return sha256.Sum256(fmt.Appendf(nil, "%#v", parts)) }

// idempotent gives what was made with this key before, 0 for nothing.
func idempotent(tx Tx, scope, key string, request Hash) (int64, error) {
	known, id, err := tx.Idempotent(scope, key)
	switch {
	case errors.Is(err, ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, err
	case known != request:
		return 0, fmt.Errorf("%w: this Idempotency-Key was used for another request", ErrConflict)
	}
	return id, nil
}

// stillFits refuses an answer to a thread that has moved on.
func (d *Desk) stillFits(tx Tx, by Actor, t Ticket, r ReplyRequest) error {
	if err := t.matches(r.Match); err != nil {
		return err
	}
	if r.Seen == 0 || r.Seen >= t.Version {
		return nil
	}
	since, err := sinceSeen(tx, t.ID, r.Seen, by.String())
	if err != nil || len(since) == 0 {
		return err
	}
	return fmt.Errorf("%w: the ticket has moved on since event %d: message %d has come; the newest event is %d", ErrConflict, r.Seen, since[0].ID, t.LastSeq)
}

// matches refuses what was meant for the ticket as it was before.
func (t Ticket) matches(versions []int64) error {
	if len(versions) == 0 || slices.Contains(versions, t.Version) {
		return nil
	}
	return fmt.Errorf("%w: %s is at version %d now: look at it again", ErrPrecondition, t.Name(), t.Version)
}

func (d *Desk) addReply(tx Tx, by Actor, r ReplyRequest, files []stagedFile) (Message, error) {
	t, err := d.ticketByName(tx, r.Ticket)
	if err != nil {
		return Message{}, err
	}
	if err := d.stillFits(tx, by, t, r); err != nil {
		return Message{}, err
	}
	kind, event := KindReply, ReplyAdded
	if r.Note {
		kind, event = KindNote, NoteAdded
	} else if t.Requester == "" {
		return Message{}, fmt.Errorf("%w: nobody to answer: the mail that opened %s names no author", ErrInvalid, t.Name())
	}
	if by.Kind == "program" && !r.Note {
		if err := d.mayAnswer(tx, t); err != nil {
			return Message{}, err
		}
	}
	for _, cc := range r.Cc {
		for _, a := range mail.ParseAddressList(cc) {
			if _, err := d.addParticipant(tx, by, t, a, RoleCc); err != nil {
				return Message{}, err
			}
		}
	}
	m := Message{Ticket: t.ID, Kind: kind, Visibility: Shown, Subject: t.Subject, Actor: by.String(), Body: r.Text,
		Automatic: by.Kind == "program", Received: d.now()}
	if m.Seq, err = tx.NextSeq(); err != nil {
		return m, err
	}
	if err := tx.AddMessage(&m); err != nil {
		return m, err
	}
	if err := addFiles(tx, m.ID, files); err != nil {
		return m, err
	}
	e := Event{Time: m.Received, Type: event, Ticket: t.ID, Message: m.ID, Actor: by.String(), Origin: by.Origin}
	if err := tx.Append(&e); err != nil {
		return m, err
	}
	if t, err = tx.Ticket(t.ID); err != nil {
		return m, err
	}
	t.Updated = m.Received
	if t.Waiting, err = waitingSince(tx, t.ID); err != nil {
		return m, err
	}
	to := r.Status
	if to == "" && !r.Note && (t.Status == StatusNew || t.Status == StatusOpen) {
		to = StatusWaiting
	}
	if to == "" || to == t.Status {
		return m, tx.UpdateTicket(t)
	}
	return m, d.changeStatus(tx, t, to, by.String(), by.Origin)
}

// SetStatus moves a ticket.
func (d *Desk) SetStatus(ctx context.Context, by Actor, ticket string, to Status) (t Ticket, err error) {
	if err := checkStatus(to); err != nil {
		return t, err
	}
	err = d.write(ctx, func(tx Tx) error {
		var err error
		if t, err = d.ticketByName(tx, ticket); err != nil || t.Status == to {
			return err
		}
		if err = d.changeStatus(tx, t, to, by.String(), by.Origin); err != nil {
			return err
		}
		t, err = tx.Ticket(t.ID)
		return err
	})
	return t, err
}

// Judge accepts a held message into its ticket, or dismisses it.
func (d *Desk) Judge(ctx context.Context, by Actor, message int64, accept bool) (m Message, err error) {
	return d.judgeOnce(ctx, by, message, accept, false)
}

// AcceptAuthor accepts a held message and makes its author a participant.
func (d *Desk) AcceptAuthor(ctx context.Context, by Actor, message int64) (m Message, err error) {
	return d.judgeOnce(ctx, by, message, true, true)
}

func (d *Desk) judgeOnce(ctx context.Context, by Actor, message int64, accept, add bool) (m Message, err error) {
	m, _, err = d.onceMessage(ctx, by, by.Key, requested("judge", message, accept, add), func(tx Tx) (Message, error) {
		return d.judge(tx, by, message, accept, add)
	})
	return m, err
}

func (d *Desk) judge(tx Tx, by Actor, message int64, accept, add bool) (Message, error) {
	m, err := tx.Message(message)
	if err != nil {
		return m, err
	}
	if m.Visibility != Held {
		return m, fmt.Errorf("%w: message %d is not held, it is %s", ErrConflict, message, m.Visibility)
	}
	event := MessageDismissed
	m.Visibility = Dismissed
	if accept {
		event = MessageAccepted
		if m.Visibility, err = d.acceptedAs(tx, m); err != nil {
			return m, err
		}
	}
	m.Advice = ""
	if m.Row == "7" { // DNS has no say any more
		m.Row, m.Reason, m.Authentication.Temporary = "6", "decided by staff before DNS could say who wrote it", false
	}
	if err := tx.UpdateMessage(m); err != nil {
		return m, err
	}
	if err := tx.Append(&Event{Time: d.now(), Type: event, Ticket: m.Ticket, Message: m.ID, Actor: by.String(), Origin: by.Origin}); err != nil {
		return m, err
	}
	t, err := tx.Ticket(m.Ticket)
	if err != nil {
		return m, err
	}
	if add {
		if _, err := d.addParticipant(tx, by, t, m.From, RoleCc); err != nil {
			return m, err
		}
		if t, err = tx.Ticket(m.Ticket); err != nil {
			return m, err
		}
	}
	t.Held, t.Updated = t.Held-1, d.now()
	if t.Waiting, err = waitingAfter(tx, t, m); err != nil {
		return m, err
	}
	if accept {
		return m, d.reopen(tx, t, by.String(), by.Origin)
	}
	return m, tx.UpdateTicket(t)
}

// acceptedAs is how a held message stands once it is accepted: what a third party wrote
// stays with staff.
func (d *Desk) acceptedAs(tx Tx, m Message) (Visibility, error) {
	people, err := present(tx, m.Ticket)
	for _, p := range people {
		if p.Role == RoleThird && strings.EqualFold(p.Address, m.From.Address) {
			return StaffOnly, err
		}
	}
	return Shown, err
}
