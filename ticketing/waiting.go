package ticketing

import "time"

// waitsFor says that somebody waits for staff because of this message. What is held counts:
// a customer is behind it until somebody says otherwise.
func waitsFor(m Message) bool {
	return m.Kind == KindInbound && !m.Automatic && m.Reason != ReasonErased && (m.Visibility == Shown || m.Visibility == StaffOnly || m.Visibility == Held)
}

// waitingSince is since when somebody waits, zero for nobody: the oldest message that no
// answer came after, or the oldest held one, which an answer to others does not settle.
func waitingSince(tx Tx, ticket int64) (time.Time, error) {
	messages, err := tx.Messages(ticket)
	return waitingIn(messages), err
}

// waitingAfter is waitingSince where nothing but a message that came in has changed: while somebody
// waits for longer than that, it is the same.
func waitingAfter(tx Tx, t Ticket, changed Message) (time.Time, error) {
	if !t.Waiting.IsZero() && t.Waiting.Before(changed.Received) {
		return t.Waiting, nil
	}
	return waitingSince(tx, t.ID)
}

func waitingIn(messages []Message) time.Time {
	var since, held time.Time
	for _, m := range messages {
		switch {
		case m.Kind == KindReply:
			since = time.Time{}
		case waitsFor(m) && m.Visibility == Held:
			held = earlier(held, m.Received)
		case waitsFor(m):
			since = earlier(since, m.Received)
		}
	}
	return earlier(since, held)
}

// earlier is the first of two moments; one that is zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// over says that nobody works at a ticket of this status any more.
func (s Status) over() bool {
	switch s {
	case StatusResolved, StatusClosed, StatusRejected, StatusSpam:
		return true
	}
	return false
}
