package web

import (
	"context"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"postdesk/ticketing"
)

type outgoingQuery struct {
	State string `query:"state" doc:"one or several, joined by commas"`
	After int64  `query:"after" minimum:"0" doc:"id of the last one you have"`
	Limit int    `query:"limit" default:"100" minimum:"1" maximum:"1000"`
}

func (s *Server) outgoingRoutes(api huma.API) {
	huma.Register(api, route("GET", "/outgoing", "listOutgoing", "Outgoing mail", ticketing.VerbRead, ofList), func(ctx context.Context, in *outgoingQuery) (*body[List[Outgoing]], error) {
		var states []ticketing.OutgoingState
		for _, st := range strings.Split(in.State, ",") {
			if st = strings.TrimSpace(st); st != "" {
				states = append(states, ticketing.OutgoingState(st))
			}
		}
		list, err := s.desk.OutgoingFor(ctx, actor(ctx), states, in.After, in.Limit)
		if err != nil {
			return nil, s.failure(ctx, err)
		}
		out := &body[List[Outgoing]]{Body: List[Outgoing]{Items: []Outgoing{}}}
		for _, o := range list {
			out.Body.Items = append(out.Body.Items, viewOutgoing(o))
		}
		if len(list) == in.Limit {
			out.Body.Next = strconv.FormatInt(list[len(list)-1].ID, 10)
		}
		return out, nil
	})
	act := func(path, id, summary string, do func(context.Context, ticketing.Actor, int64) error) {
		o := route("POST", "/outgoing/{id}/"+path, id, summary, ticketing.VerbSend, ofOutgoing)
		huma.Register(api, o, func(ctx context.Context, in *MessagePath) (*struct{}, error) {
			return s.done(ctx, do(ctx, actor(ctx), in.ID))
		})
	}
	act("retry", "retryOutgoing", "Submit it now", s.desk.RetryOutgoing)
	act("cancel", "cancelOutgoing", "Take it back, unless it is on its way", s.desk.CancelOutgoing)
}
