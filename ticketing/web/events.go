package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"postdesk/ticketing"
)

type eventsInput struct {
	Accepting
	After int64 `query:"after" minimum:"0" doc:"sequence number of the last event you have; 0 is the beginning of what there is"`
	Limit int   `query:"limit" default:"100" minimum:"1" maximum:"1000"`
	Wait  int   `query:"wait" minimum:"0" maximum:"60" doc:"seconds to wait for an event when there is none (long poll)"`
}

// Events is a page of the feed. Next is the place to go on from, given when nothing
// new is there too.
type Events struct {
	Items []ticketing.Event `json:"items"`
	Next  int64             `json:"next"`

	cloud string // source of CloudEvents; empty: as they are
}

// MarshalJSON writes what was asked for.
func (e Events) MarshalJSON() ([]byte, error) {
	if e.cloud == "" {
		type plain Events
		return json.Marshal(plain(e))
	}
	return json.Marshal(cloudEvents(e.cloud, e.Items))
}

// ContentType says what MarshalJSON writes.
func (e Events) ContentType(mediaType string) string {
	if e.cloud != "" {
		return cloudBatch
	}
	return mediaType
}

// page is an answer that says where to go on in a field too: a batch of CloudEvents has no
// place for it.
type page struct {
	Next int64 `header:"Postdesk-Next" doc:"the place to go on from"`
	Body Events
}

type ticketEventsInput struct {
	TicketName
	Accepting
	After int64 `query:"after" minimum:"0"`
	Limit int   `query:"limit" default:"100" minimum:"1" maximum:"1000"`
}

type eventInput struct {
	Accepting
	Seq int64 `path:"seq" minimum:"1"`
}

// oneEvent is an event alone, as it is or as a CloudEvent.
type oneEvent struct {
	ticketing.Event

	cloud string
}

// MarshalJSON writes what was asked for.
func (e oneEvent) MarshalJSON() ([]byte, error) {
	if e.cloud == "" {
		return json.Marshal(e.Event)
	}
	return json.Marshal(cloudEvents(e.cloud, []ticketing.Event{e.Event})[0])
}

// ContentType says what MarshalJSON writes.
func (e oneEvent) ContentType(mediaType string) string {
	if e.cloud != "" {
		return cloudType
	}
	return mediaType
}

func (s *Server) eventRoutes(api huma.API) {
	op := func(path, id, summary string, r reach) huma.Operation {
		o := route("GET", path, id, summary, ticketing.VerbRead, r)
		o.Errors = append(o.Errors, http.StatusGone)
		return o
	}
	list, one := op("/events", "listEvents", "The event feed, by long poll", ofList), op("/events/{seq}", "getEvent", "One event", ofList)
	ofOne := op("/tickets/{name}/events", "listTicketEvents", "The events of one ticket", ofTicket)
	huma.Register(api, list, s.listEvents)
	huma.Register(api, one, s.getEvent)
	huma.Register(api, ofOne, s.listTicketEvents)
	huma.Register(api, streaming(op("/events/stream", "streamEvents", "The event feed, by server-sent events", ofList)), s.streamEvents)
}

func (s *Server) page(accept string, events []ticketing.Event, next int64) *page {
	return &page{next, Events{append([]ticketing.Event{}, events...), next, s.cloudSource(accept)}}
}

func (s *Server) listEvents(ctx context.Context, in *eventsInput) (*page, error) {
	list, next, err := s.desk.EventsFor(ctx, actor(ctx), in.After, in.Limit, time.Duration(in.Wait)*time.Second)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return s.page(in.Accept, list, next), nil
}

func (s *Server) getEvent(ctx context.Context, in *eventInput) (*body[oneEvent], error) {
	list, err := s.desk.Events(ctx, in.Seq-1, 1)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	if len(list) == 0 || list[0].Seq != in.Seq || !actor(ctx).Sees(list[0].Queue) {
		return nil, s.failure(ctx, fmt.Errorf("event %d: %w", in.Seq, ticketing.ErrNotFound))
	}
	return &body[oneEvent]{oneEvent{list[0], s.cloudSource(in.Accept)}}, nil
}

func (s *Server) listTicketEvents(ctx context.Context, in *ticketEventsInput) (*page, error) {
	list, err := s.desk.EventsOf(ctx, in.Name, in.After, in.Limit)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	next := in.After
	for _, e := range list {
		next = e.Seq
	}
	return s.page(in.Accept, list, next), nil
}

func (s *Server) streamEvents(ctx context.Context, in *StreamQuery) (*huma.StreamResponse, error) {
	after, err := in.place()
	if err != nil {
		return nil, err
	}
	by, source := actor(ctx), s.cloudSource(in.Accept)
	return s.streamFrom(ctx, after, func(ctx context.Context, after int64, wait time.Duration) (frames []frame, next int64, err error) {
		events, next, err := s.desk.EventsFor(ctx, by, after, 500, wait)
		for _, e := range events {
			frames = append(frames, newFrame(e, oneEvent{e, source}))
		}
		return frames, next, err
	})
}
