package web

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"postdesk/ticketing"
)

// Hold says whether outgoing mail is kept back.
type Hold struct {
	Hold bool `json:"hold"`
}

// holdRoutes keep outgoing mail back, and let it go.
func (s *Server) holdRoutes(api huma.API) {
	op := func(method, id, summary string) huma.Operation {
		return route(method, "/outgoing/hold", id, summary, ticketing.VerbAdmin, "")
	}
	huma.Register(api, op("GET", "outgoingHold", "Whether outgoing mail is kept back"), func(ctx context.Context, _ *struct{}) (*body[Hold], error) {
		hold, err := s.desk.OutgoingHeld(ctx)
		if err != nil {
			return nil, s.failure(ctx, err)
		}
		return &body[Hold]{Body: Hold{hold}}, nil
	})
	huma.Register(api, op("PUT", "holdOutgoing", "Keep outgoing mail back, or let it go"), func(ctx context.Context, in *struct{ Body Hold }) (*struct{}, error) {
		if err := s.desk.HoldOutgoing(ctx, in.Body.Hold); err != nil {
			return nil, s.failure(ctx, err)
		}
		return nil, nil
	})
}
