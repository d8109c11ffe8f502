package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"postdesk/ticketing"
)

type eventsInput struct {
	After int64 `query:"after" minimum:"0" doc:"sequence number of the last event you have"`
	Limit int   `query:"limit" default:"100" minimum:"1" maximum:"1000"`
	Wait  int   `query:"wait" minimum:"0" maximum:"60" doc:"seconds to wait for an event when there is none (long poll)"`
}

// Events is a page of the feed. Next is the place to go on from, given when nothing
// new is there too.
type Events struct {
	Items []ticketing.Event `json:"items"`
	Next  int64             `json:"next"`
}

type ticketEventsInput struct {
	TicketName
	After int64 `query:"after" minimum:"0"`
	Limit int   `query:"limit" default:"100" minimum:"1" maximum:"1000"`
}

type streamInput struct {
	After       int64  `query:"after" minimum:"0"`
	LastEventID string `header:"Last-Event-ID" doc:"wins over after"`
}

func (s *Server) eventRoutes(api huma.API) {
	op := func(path, id, summary string) huma.Operation {
		return huma.Operation{Method: "GET", Path: "/api/v1" + path, OperationID: id, Summary: summary}
	}
	huma.Register(api, op("/events", "listEvents", "The event feed, by long poll"), s.listEvents)
	huma.Register(api, op("/tickets/{name}/events", "listTicketEvents", "The events of one ticket"), s.listTicketEvents)
	stream := op("/events/stream", "streamEvents", "The event feed, by server-sent events")
	stream.Responses = map[string]*huma.Response{"200": {
		Description: "Each event has the sequence number as its id and the JSON of the feed as its data.",
		Content:     map[string]*huma.MediaType{"text/event-stream": {}},
	}}
	huma.Register(api, stream, s.streamEvents)
}

func events(after int64, list []ticketing.Event) *body[Events] {
	out := &body[Events]{Events{Items: []ticketing.Event{}, Next: after}}
	for _, e := range list {
		out.Body.Items = append(out.Body.Items, e)
		out.Body.Next = e.Seq
	}
	return out
}

func (s *Server) listEvents(ctx context.Context, in *eventsInput) (*body[Events], error) {
	list, err := s.desk.Events(ctx, in.After, in.Limit)
	if err == nil && len(list) == 0 && in.Wait > 0 {
		wait, cancel := context.WithTimeout(ctx, time.Duration(in.Wait)*time.Second)
		defer cancel()
		list, err = s.desk.WaitEvents(wait, in.After, in.Limit)
	}
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return events(in.After, list), nil
}

func (s *Server) listTicketEvents(ctx context.Context, in *ticketEventsInput) (*body[Events], error) {
	list, err := s.desk.EventsOf(ctx, in.Name, in.After, in.Limit)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return events(in.After, list), nil
}

func (s *Server) streamEvents(ctx context.Context, in *streamInput) (*huma.StreamResponse, error) {
	after := in.After
	if in.LastEventID != "" {
		n, err := strconv.ParseInt(strings.TrimSpace(in.LastEventID), 10, 64)
		if err != nil || n < 0 {
			return nil, huma.Error422UnprocessableEntity("Last-Event-ID: not a sequence number")
		}
		after = n
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		_, w := humago.Unwrap(c)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		s.stream(ctx, w, after)
	}}, nil
}

// stream writes events until the follower leaves or the agent stops. A comment now and
// then shows both sides that the other is there.
func (s *Server) stream(ctx context.Context, w http.ResponseWriter, after int64) {
	out := http.NewResponseController(w)
	for beat := ": postdesk\n\n"; ; beat = ": still here\n\n" {
		if !send(out, w, beat) {
			return
		}
		wait, cancel := context.WithTimeout(ctx, s.cfg.Heartbeat)
		list, err := s.desk.WaitEvents(wait, after, 500)
		cancel()
		if ctx.Err() != nil || err != nil {
			return // the follower comes back with Last-Event-ID
		}
		if s.revoked(ctx) {
			return
		}
		for len(list) > 0 {
			var b strings.Builder
			for _, e := range list {
				data, err := json.Marshal(e)
				if err != nil {
					return
				}
				fmt.Fprintf(&b, "id: %d\nevent: %s\ndata: %s\n\n", e.Seq, e.Type, data)
				after = e.Seq
			}
			if !send(out, w, b.String()) {
				return
			}
			if list, err = s.desk.Events(ctx, after, 500); err != nil {
				return
			}
		}
	}
}

// send gives a follower that does not read half a minute, and then lets it go.
func send(out *http.ResponseController, w http.ResponseWriter, text string) bool {
	out.SetWriteDeadline(time.Now().Add(30 * time.Second))
	if _, err := w.Write([]byte(text)); err != nil {
		return false
	}
	return out.Flush() == nil
}

type outgoingQuery struct {
	State string `query:"state" doc:"one or several, joined by commas"`
	After int64  `query:"after" minimum:"0" doc:"id of the last one you have"`
	Limit int    `query:"limit" default:"100" minimum:"1" maximum:"1000"`
}

func (s *Server) outgoingRoutes(api huma.API) {
	op := func(method, path, id, summary string) huma.Operation {
		return huma.Operation{Method: method, Path: "/api/v1/outgoing" + path, OperationID: id, Summary: summary}
	}
	huma.Register(api, op("GET", "", "listOutgoing", "Outgoing mail"), func(ctx context.Context, in *outgoingQuery) (*body[List[Outgoing]], error) {
		var states []ticketing.OutgoingState
		for _, st := range strings.Split(in.State, ",") {
			if st = strings.TrimSpace(st); st != "" {
				states = append(states, ticketing.OutgoingState(st))
			}
		}
		list, err := s.desk.Outgoing(ctx, states, in.After, in.Limit)
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
	act := func(path, id, summary string, do func(context.Context, int64) error) {
		huma.Register(api, op("POST", "/{id}/"+path, id, summary), func(ctx context.Context, in *MessagePath) (*struct{}, error) {
			if err := do(ctx, in.ID); err != nil {
				return nil, s.failure(ctx, err)
			}
			return nil, nil
		})
	}
	act("retry", "retryOutgoing", "Submit it now", s.desk.RetryOutgoing)
	act("cancel", "cancelOutgoing", "Take it back, unless it is on its way", s.desk.CancelOutgoing)
}
