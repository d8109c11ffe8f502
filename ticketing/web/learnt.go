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
// ticket, which has ID 0 when there is none, ends with as well. The whole text stays in Text; what
// cannot be compared is shown.
func (s *Server) withoutLearnt(ctx context.Context, v *Message, m, before ticketing.Message, known learnt) {
	if m.Kind != ticketing.KindInbound {
		return
	}
	known[m.ID] = v.NewText
	if before.ID == 0 {
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
