package main

import (
	"fmt"
	"strings"
	"time"

	"postdesk/ticketing"
)

// reply is an answer of staff with the mail that carries it, and what became of that.
func (m *maker) reply(tx ticketing.Tx, s *scene) error {
	t := m.open[s.ticket]
	msg := ticketing.Message{Ticket: t.ID, Kind: ticketing.KindReply, Visibility: ticketing.Shown, Subject: s.subject, MessageID: s.id, Actor: "staff:jane", Body: s.text, Received: s.at}
	var err error
	if msg.Seq, err = tx.NextSeq(); err != nil {
		return err
	}
	if err := m.add(tx, &msg); err != nil {
		return err
	}
	if err := m.event(tx, s, ticketing.ReplyAdded, msg.ID, 0, nil); err != nil {
		return err
	}
	if err := tx.PutRaw(s.raw); err != nil {
		return err
	}
	o := ticketing.Outgoing{Ticket: t.ID, Message: msg.ID, Recipient: s.customer, ReversePath: fmt.Sprintf("b-%d-%x@desk.example", s.ticket, s.raw.Hash[:8]), MessageID: s.id,
		EnvelopeID: fmt.Sprintf("%x", s.raw.Hash[:12]), Raw: s.raw.Hash, State: ticketing.OutRelayed, Attempts: 1, NextAttempt: s.at, LastReply: "250 2.0.0 Ok: queued as " + strings.ToUpper(s.raw.Hash.String()[:10]),
		QueueID: strings.ToUpper(s.raw.Hash.String()[:10]), Created: s.at}
	if err := tx.AddOutgoing(&o); err != nil {
		return err
	}
	for _, kind := range []string{ticketing.MessageQueued, ticketing.MessageSubmitted, ticketing.MessageRelayed} {
		var facts map[string]string
		if kind == ticketing.MessageSubmitted {
			facts = map[string]string{"queue_id": o.QueueID}
		}
		if err := m.event(tx, s, kind, msg.ID, o.ID, facts); err != nil {
			return err
		}
	}
	t.Waiting = time.Time{}
	return m.status(tx, s, ticketing.StatusWaiting)
}

func (m *maker) note(tx ticketing.Tx, s *scene) error {
	msg := ticketing.Message{Ticket: m.open[s.ticket].ID, Kind: ticketing.KindNote, Visibility: ticketing.Shown, Actor: "staff:jane", Body: s.text, Received: s.at}
	var err error
	if msg.Seq, err = tx.NextSeq(); err != nil {
		return err
	}
	if err := m.add(tx, &msg); err != nil {
		return err
	}
	return m.event(tx, s, ticketing.NoteAdded, msg.ID, 0, nil)
}

func (m *maker) end(tx ticketing.Tx, s *scene) error {
	t := m.open[s.ticket]
	t.Closed, t.Waiting = s.at, time.Time{}
	to := ticketing.StatusClosed
	switch {
	case t.Status == ticketing.StatusSpam:
		to = t.Status
	case s.ticket%20 == 3:
		to = ticketing.StatusResolved
	case s.ticket%60 == 8:
		to = ticketing.StatusRejected
	}
	err := m.status(tx, s, to)
	delete(m.open, s.ticket)
	return err
}
