package web

import (
	"context"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
)

// learnt keeps what authors wrote with their signatures, by message: that is what later
// mail is compared with.
type learnt map[int64]string

// withoutLearnt takes off the signature that the author's mail before this one in the
// ticket ends with as well. The whole text stays in Text; what cannot be compared is shown.
func (s *Server) withoutLearnt(ctx context.Context, v *Message, m ticketing.Message, all []ticketing.Message, known learnt) {
	if m.Kind != ticketing.KindInbound {
		return
	}
	known[m.ID] = v.NewText
	before, ok := mailBefore(all, m)
	if !ok {
		return
	}
	text, ok := known[before.ID]
	if !ok {
		c, err := s.desk.Content(ctx, before)
		if err != nil {
			return
		}
		text = c.NewText
		known[before.ID] = text
	}
	v.NewText = mail.WithoutLearnt(v.NewText, []string{text})
}

// mailBefore is the last mail of the same author before m.
func mailBefore(all []ticketing.Message, m ticketing.Message) (before ticketing.Message, found bool) {
	for i := len(all) - 1; i >= 0; i-- {
		if b := all[i]; b.ID < m.ID && b.Kind == ticketing.KindInbound && b.From.Address == m.From.Address {
			return b, true
		}
	}
	return before, false
}
