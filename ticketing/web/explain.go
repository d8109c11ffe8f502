package web

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
)

// Explanation is what would become of a mail.
type Explanation struct {
	Ticket         string              `json:"ticket,omitempty" doc:"absent: a new one"`
	Queue          string              `json:"queue"`
	Row            string              `json:"row" doc:"of the trust table"`
	Effect         string              `json:"effect"`
	Reason         string              `json:"reason"`
	Advice         string              `json:"advice,omitempty"`
	Warning        string              `json:"warning,omitempty"`
	Acknowledged   bool                `json:"acknowledged"`
	Suppressed     string              `json:"suppressed,omitempty" doc:"why it would not be acknowledged"`
	Facts          ticketing.Facts     `json:"facts" doc:"all that the decision depends on"`
	Authentication mail.Authentication `json:"authentication"`
}

type explainInput struct {
	To          []string `query:"to" required:"true" doc:"recipients of the envelope"`
	ReversePath string   `query:"reverse_path" doc:"of the envelope; empty is the null reverse-path"`
	RawBody     []byte   `contentType:"message/rfc822"`
}

// explainRoutes are for administrators: the mail that is asked about may be anybody's, and
// the answer says which addresses take part in a ticket.
func (s *Server) explainRoutes(api huma.API) {
	op := route("POST", "/explain", "explain", "What would become of a mail", ticketing.VerbAdmin, "")
	op.MaxBodyBytes, op.BodyReadTimeout = 256<<20, time.Minute
	huma.Register(api, op, func(ctx context.Context, in *explainInput) (*body[List[Explanation]], error) {
		found, err := s.desk.Explain(ctx, mail.Envelope{ReversePath: in.ReversePath, Recipients: in.To}, in.RawBody)
		if err != nil {
			return nil, s.failure(ctx, err)
		}
		out := &body[List[Explanation]]{Body: List[Explanation]{Items: []Explanation{}}}
		for _, e := range found {
			d := e.Decision
			out.Body.Items = append(out.Body.Items, Explanation{e.Ticket, e.Queue, d.Row, string(d.Effect), d.Reason, d.Advice, d.Warning,
				e.Acknowledged, e.Suppressed, e.Facts, e.Authentication})
		}
		return out, nil
	})
}
