package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
	"postdesk/ticketing/store"
)

// batch is how many steps share a transaction.
const batch = 4000

// scene is a step with what is written in it.
type scene struct {
	step
	queue, subject, id, customer string
	text                         string // of a reply or note
	raw                          ticketing.Staged
}

// maker fills a store through its verbs, as the desk writes: rows of mail, tickets, messages,
// Message-IDs, participants, events and outgoing mail.
type maker struct {
	db    *store.DB
	words vocabulary
	size  size
	open  map[int]*ticketing.Ticket // those that go on
	done  size
}

// fill makes a desk of years. tell hears how far it is.
func fill(ctx context.Context, db *store.DB, z size, now time.Time, tell func(done size)) (size, error) {
	m := &maker{db: db, words: newVocabulary(), size: z, open: map[int]*ticketing.Ticket{}}
	type work struct {
		scenes []scene
		done   chan error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	todo, order := make(chan *work, 4), make(chan *work, 4)
	var wg sync.WaitGroup
	defer wg.Wait()
	for range 2 {
		wg.Go(func() {
			for w := range todo {
				w.done <- m.write(ctx, w.scenes)
			}
		})
	}
	wg.Go(func() {
		defer close(todo)
		defer close(order)
		w := &work{done: make(chan error, 1)}
		flush := func() bool {
			for _, c := range []chan *work{order, todo} {
				select {
				case c <- w:
				case <-ctx.Done():
					return false
				}
			}
			w = &work{done: make(chan error, 1)}
			return true
		}
		history(z, now, func(s step) bool {
			w.scenes = append(w.scenes, scene{step: s})
			return len(w.scenes) < batch || flush()
		})
		flush()
	})
	for w := range order {
		err := <-w.done
		if err == nil {
			err = db.Write(ctx, func(tx ticketing.Tx) error { return m.play(tx, w.scenes) })
		}
		if err != nil {
			cancel()
			return m.done, err
		}
		tell(m.done)
	}
	return m.done, ctx.Err()
}

// write invents the words of scenes, and compresses the mails.
func (m *maker) write(ctx context.Context, scenes []scene) error {
	for i := range scenes {
		s := &scenes[i]
		who := rand.New(rand.NewPCG(uint64(s.ticket), 3))
		s.queue = queueOf(who.IntN(100))
		s.customer = fmt.Sprintf("c%d@customer%d.example", who.IntN(1+m.size.tickets/4), who.IntN(500))
		s.subject = m.words.words[who.IntN(300)] + " " + m.words.words[who.IntN(len(m.words.words))] + fmt.Sprint(" ", s.ticket)
		if s.what == closed {
			continue
		}
		random := rand.New(rand.NewPCG(uint64(s.ticket), uint64(s.nth)+10))
		text := m.words.text(random, float64(s.ticket)/float64(m.size.tickets))
		s.id = fmt.Sprintf("%d.%d.%x@customer.example", s.ticket, s.nth, random.Uint64())
		if s.what == replied || s.what == noted {
			s.text = text
		}
		if s.what == noted {
			continue
		}
		from, to, subject, more := s.customer, strings.ToLower(s.queue)+"@desk.example", s.subject, ""
		if s.nth > 0 {
			subject, more = "Re: "+s.subject, fmt.Sprintf("In-Reply-To: <%s>\r\nReferences: <%s>\r\n", noise(random, 24), noise(random, 24))
		}
		if s.what == replied {
			from, to = to, from
		}
		var err error
		if s.raw, err = m.db.Stage(ctx, bytes.NewReader(letter(random, from, to, subject, s.id, more, text, s.at))); err != nil {
			return err
		}
	}
	return nil
}

func queueOf(n int) string {
	for _, q := range queues {
		if n -= q.share; n < 0 {
			return q.key
		}
	}
	return queues[0].key
}

func (m *maker) play(tx ticketing.Tx, scenes []scene) error {
	for i := range scenes {
		s := &scenes[i]
		do := map[int]func(ticketing.Tx, *scene) error{opened: m.opening, answered: m.inbound, replied: m.reply, noted: m.note, closed: m.end}[s.what]
		if err := do(tx, s); err != nil {
			return fmt.Errorf("ticket %d, message %d: %w", s.ticket, s.nth, err)
		}
		if s.what != closed {
			m.done.messages++
		}
	}
	// What is history is told to nobody again.
	last, err := tx.LastSeq()
	for _, consumer := range []string{"responder", "notifier"} {
		if err == nil {
			err = tx.SetCursor(consumer, last)
		}
	}
	return err
}

func (m *maker) opening(tx ticketing.Tx, s *scene) error {
	n, err := tx.NextNumber(s.queue, 1)
	if err != nil {
		return err
	}
	t := &ticketing.Ticket{Queue: s.queue, Number: n, Subject: s.subject, Status: ticketing.StatusNew, Requester: s.customer, Created: s.at, Updated: s.at, Waiting: s.at}
	if s.ticket%50 == 7 {
		t.Status, t.Closed, t.Waiting = ticketing.StatusSpam, s.at, time.Time{}
	}
	if err := tx.AddTicket(t); err != nil {
		return err
	}
	m.done.tickets++
	m.open[s.ticket] = t
	if err := tx.AddParticipant(&ticketing.Participant{Ticket: t.ID, Address: s.customer, Role: ticketing.RoleRequester}); err != nil {
		return err
	}
	if s.ticket%97 == 0 {
		if err := tx.AddAlias(fmt.Sprint("#", s.ticket), t.ID); err != nil {
			return err
		}
	}
	if s.ticket%89 == 0 {
		if _, err := tx.PutReference(fmt.Sprint("github:o/r#", s.ticket), t.ID); err != nil {
			return err
		}
	}
	return m.inbound(tx, s)
}

func (m *maker) inbound(tx ticketing.Tx, s *scene) error {
	t := m.open[s.ticket]
	if err := tx.PutRaw(s.raw); err != nil {
		return err
	}
	arrival, _, err := tx.Arrive(s.raw.Hash, mail.Envelope{ReversePath: s.customer, Recipients: []string{strings.ToLower(s.queue) + "@desk.example"}}, s.at)
	if err != nil {
		return err
	}
	if err := tx.UpdateArrival(ticketing.Arrival{ID: arrival}); err != nil {
		return err
	}
	msg := ticketing.Message{Ticket: t.ID, Kind: ticketing.KindInbound, Visibility: ticketing.Shown, Row: "8", Reason: "the author is proven", From: mail.Address{Address: s.customer}, Subject: s.subject,
		MessageID: s.id, Raw: s.raw.Hash, Arrival: arrival, Actor: "mail", Fold: s.raw.Hash.String()[:32], Received: s.at,
		Authentication: mail.Authentication{Author: s.customer, Method: "dkim", DMARC: "pass", Policy: "none", Reason: "signed by customer.example, aligned with the author",
			DKIM: []mail.Signature{{Domain: "customer.example", Selector: "2024", Result: "pass"}}}}
	held := s.ticket > m.size.tickets*95/100 && s.ticket%10 == 0 && s.nth > 0
	kind := ticketing.MessageReceived
	if held {
		msg.Visibility, kind = ticketing.Held, ticketing.MessageHeld
		t.Held++
	}
	if msg.Seq, err = tx.NextSeq(); err != nil {
		return err
	}
	if s.what == opened {
		msg.Seq++
	}
	if err := m.add(tx, &msg); err != nil {
		return err
	}
	if s.what == opened {
		if err := m.event(tx, s, ticketing.TicketCreated, msg.ID, 0, map[string]string{"status": string(t.Status), "row": "8"}); err != nil {
			return err
		}
	}
	facts := map[string]string{"row": "8", "visibility": string(msg.Visibility), "automatic": "false", "author_proven": "dkim"}
	if err := m.event(tx, s, kind, msg.ID, 0, facts); err != nil || s.what == opened || t.Status == ticketing.StatusSpam {
		return err
	}
	if t.Waiting.IsZero() {
		t.Waiting = s.at
	}
	return m.status(tx, s, ticketing.StatusOpen)
}

// add adds a message with its Message-ID.
func (m *maker) add(tx ticketing.Tx, msg *ticketing.Message) error {
	if err := tx.AddMessage(msg); err != nil || msg.MessageID == "" {
		return err
	}
	return tx.AddMessageID(msg.MessageID, msg.Ticket, msg.ID)
}

func (m *maker) event(tx ticketing.Tx, s *scene, kind string, message, outgoing int64, facts map[string]string) error {
	e := ticketing.Event{Time: s.at, Type: kind, Ticket: m.open[s.ticket].ID, Message: message, Outgoing: outgoing, Actor: "mail", Origin: "mail", Facts: facts}
	if s.what != opened && s.what != answered {
		e.Actor, e.Origin = "staff:jane", "api"
	}
	err := tx.Append(&e)
	m.open[s.ticket].LastSeq = e.Seq // UpdateTicket writes it
	return err
}

func (m *maker) status(tx ticketing.Tx, s *scene, to ticketing.Status) error {
	t := m.open[s.ticket]
	was := t.Status
	t.Status, t.Updated = to, s.at
	if err := tx.UpdateTicket(*t); err != nil || was == to {
		return err
	}
	return m.event(tx, s, ticketing.TicketUpdated, 0, 0, map[string]string{"status": string(to), "was": string(was)})
}
