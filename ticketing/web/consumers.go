package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"postdesk/ticketing"
)

// Consumer is a named consumer of the feed as the API shows it.
type Consumer struct {
	Name   string           `json:"name" example:"passwords"`
	Seq    int64            `json:"seq" doc:"the last event that it is done with"`
	Behind int64            `json:"behind" doc:"events of the feed after that, whether its filter lets them pass or not"`
	Dead   int              `json:"dead" doc:"events that it could not handle"`
	Filter ticketing.Filter `json:"filter"`
}

// Delivery is an event with what a program needs to act on it.
type Delivery struct {
	Event   ticketing.Event `json:"event"`
	Ticket  *Ticket         `json:"ticket,omitempty" doc:"as it is now"`
	Message *Message        `json:"message,omitempty" doc:"with its words; untrusted text of whoever wrote it"`
	Reason  string          `json:"reason,omitempty" doc:"of a dead letter: why it could not be handled"`
}

// Deliveries is a page for a consumer. Acknowledge next when all of it is done.
type Deliveries struct {
	Items []Delivery `json:"items"`
	Next  int64      `json:"next"`

	cloud string // source of CloudEvents; empty: as they are
}

// MarshalJSON writes what was asked for.
func (d Deliveries) MarshalJSON() ([]byte, error) {
	if d.cloud == "" {
		type plain Deliveries
		return json.Marshal(plain(d))
	}
	var events []ticketing.Event
	for _, item := range d.Items {
		events = append(events, item.Event)
	}
	return json.Marshal(cloudEvents(d.cloud, events))
}

// ContentType says what MarshalJSON writes.
func (d Deliveries) ContentType(mediaType string) string {
	if d.cloud != "" {
		return cloudBatch
	}
	return mediaType
}

type deliveries struct {
	Next int64 `header:"Postdesk-Next" doc:"acknowledge it when all is done"`
	Body Deliveries
}

// ConsumerName is the consumer in a path.
type ConsumerName struct {
	Consumer string `path:"consumer" maxLength:"63" example:"passwords"`
}

func viewConsumer(c ticketing.Lag) Consumer {
	return Consumer{c.Name, c.Seq, c.Behind, c.Dead, c.Filter}
}

type consumerInput struct {
	ConsumerName
	Body struct {
		ticketing.Filter
		After int64 `json:"after,omitempty" minimum:"0" doc:"where a new consumer begins; 0 is the beginning of the feed, and one that is there stays where it is"`
		Now   bool  `json:"now,omitempty" doc:"a new consumer begins at the end of the feed"`
	}
}

type consumerEventsInput struct {
	ConsumerName
	Accepting
	After int64 `query:"after" minimum:"0" doc:"look further than what is acknowledged"`
	Limit int   `query:"limit" default:"50" minimum:"1" maximum:"200"`
	Wait  int   `query:"wait" minimum:"0" maximum:"60" doc:"seconds to wait for an event when there is none"`
}

type acknowledgeInput struct {
	ConsumerName
	Body struct {
		Seq int64 `json:"seq" minimum:"1" doc:"all events up to this one are done with"`
	}
}

type seekInput struct {
	ConsumerName
	Body struct {
		Seq int64 `json:"seq" minimum:"0" doc:"the consumer is done with this event and what was before it; more than there are is the end of the feed"`
	}
}

type consumerStreamInput struct {
	ConsumerName
	StreamQuery
}

type buryInput struct {
	ConsumerName
	Body struct {
		Seq    int64  `json:"seq" minimum:"1"`
		Reason string `json:"reason"`
		Tries  int    `json:"tries,omitempty"`
	}
}

type deadLetterPath struct {
	ConsumerName
	Seq int64 `path:"seq" minimum:"1"`
}

func (s *Server) consumerRoutes(api huma.API) {
	op := func(method, path, id, summary string) huma.Operation {
		o := route(method, "/consumers"+path, id, summary, ticketing.VerbConsume, ofConsumer)
		if method == "GET" {
			o.Errors = append(o.Errors, http.StatusGone)
		}
		if path == "" || method == "PUT" {
			o.Metadata[reachKey] = ofList
		}
		return o
	}
	huma.Register(api, op("GET", "", "listConsumers", "Named consumers of the feed, and how far behind they are"), s.listConsumers)
	huma.Register(api, op("PUT", "/{consumer}", "putConsumer", "Make a consumer, or change its filter"), s.putConsumer)
	huma.Register(api, op("DELETE", "/{consumer}", "removeConsumer", "Forget a consumer"), func(ctx context.Context, in *ConsumerName) (*struct{}, error) {
		return s.done(ctx, s.desk.RemoveConsumer(ctx, in.Consumer))
	})
	huma.Register(api, op("GET", "/{consumer}/events", "consumerEvents", "What a consumer has not acknowledged, by long poll"), s.consumerEvents)
	huma.Register(api, streaming(op("GET", "/{consumer}/stream", "streamConsumer", "What a consumer has not acknowledged, by server-sent events")), s.streamConsumer)
	huma.Register(api, op("POST", "/{consumer}/seek", "seekConsumer", "Set the place of a consumer, back or on"), func(ctx context.Context, in *seekInput) (*body[Consumer], error) {
		c, err := s.desk.MoveConsumer(ctx, actor(ctx), in.Consumer, in.Body.Seq)
		if err != nil {
			return nil, s.failure(ctx, err)
		}
		return &body[Consumer]{viewConsumer(ticketing.Lag{Consumer: c})}, nil
	})
	huma.Register(api, op("POST", "/{consumer}/acknowledge", "acknowledge", "Say that events are done with"), func(ctx context.Context, in *acknowledgeInput) (*struct{}, error) {
		return s.done(ctx, s.desk.Acknowledge(ctx, in.Consumer, in.Body.Seq))
	})
	huma.Register(api, op("GET", "/{consumer}/dead", "listDeadLetters", "Events that a consumer could not handle"), s.listDeadLetters)
	huma.Register(api, op("POST", "/{consumer}/dead", "buryEvent", "Put an event aside that cannot be handled"), func(ctx context.Context, in *buryInput) (*struct{}, error) {
		return s.done(ctx, s.desk.Bury(ctx, actor(ctx), ticketing.DeadLetter{Consumer: in.Consumer, Seq: in.Body.Seq, Reason: in.Body.Reason, Tries: in.Body.Tries}))
	})
	huma.Register(api, op("DELETE", "/{consumer}/dead/{seq}", "removeDeadLetter", "Forget a dead letter that was handled after all"), func(ctx context.Context, in *deadLetterPath) (*struct{}, error) {
		return s.done(ctx, s.desk.Unbury(ctx, in.Consumer, in.Seq))
	})
}

// done is the answer where there is nothing to show.
func (s *Server) done(ctx context.Context, err error) (*struct{}, error) {
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return nil, nil
}

func (s *Server) listConsumers(ctx context.Context, _ *struct{}) (*body[List[Consumer]], error) {
	all, err := s.desk.Consumers(ctx, actor(ctx))
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	out := &body[List[Consumer]]{Body: List[Consumer]{Items: []Consumer{}}}
	for _, c := range all {
		out.Body.Items = append(out.Body.Items, viewConsumer(c))
	}
	return out, nil
}

func (s *Server) putConsumer(ctx context.Context, in *consumerInput) (*body[Consumer], error) {
	after := in.Body.After
	if in.Body.Now {
		var err error
		if after, err = s.desk.LastSeq(ctx); err != nil {
			return nil, s.failure(ctx, err)
		}
	}
	c, err := s.desk.PutConsumer(ctx, actor(ctx), in.Consumer, in.Body.Filter, after)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return &body[Consumer]{viewConsumer(ticketing.Lag{Consumer: c})}, nil
}

func (s *Server) consumerEvents(ctx context.Context, in *consumerEventsInput) (*deliveries, error) {
	events, next, err := s.desk.ConsumerEvents(ctx, actor(ctx), in.Consumer, in.After, in.Limit, time.Duration(in.Wait)*time.Second)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	out := &deliveries{next, Deliveries{Items: []Delivery{}, Next: next, cloud: s.cloudSource(in.Accept)}}
	for _, e := range events {
		item, err := s.delivery(ctx, e)
		if err != nil {
			return nil, s.failure(ctx, err)
		}
		out.Body.Items = append(out.Body.Items, item)
	}
	return out, nil
}

// streamConsumer gives what consumerEvents does. The program acknowledges by itself; when
// it comes back it goes on after what it has acknowledged or seen, whichever is later.
func (s *Server) streamConsumer(ctx context.Context, in *consumerStreamInput) (*huma.StreamResponse, error) {
	after, err := in.place()
	if err != nil {
		return nil, err
	}
	by, source := actor(ctx), s.cloudSource(in.Accept)
	return s.streamFrom(ctx, after, func(ctx context.Context, after int64, wait time.Duration) (frames []frame, next int64, err error) {
		events, next, err := s.desk.ConsumerEvents(ctx, by, in.Consumer, after, 50, wait)
		for _, e := range events {
			f := newFrame(e, oneEvent{e, source})
			if source == "" {
				if f.data, err = s.delivery(ctx, e); err != nil {
					return nil, 0, err
				}
			}
			frames = append(frames, f)
		}
		return frames, next, err
	})
}

func (s *Server) listDeadLetters(ctx context.Context, in *consumerEventsInput) (*body[Deliveries], error) {
	letters, events, err := s.desk.DeadLetters(ctx, in.Consumer, in.After, in.Limit)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	out := &body[Deliveries]{Deliveries{Items: []Delivery{}, Next: in.After}}
	for i, e := range events {
		if !actor(ctx).Sees(e.Queue) {
			continue
		}
		item, err := s.delivery(ctx, e)
		if err != nil {
			return nil, s.failure(ctx, err)
		}
		item.Reason, out.Body.Next = letters[i].Reason, e.Seq
		out.Body.Items = append(out.Body.Items, item)
	}
	return out, nil
}

// delivery joins ticket and message to an event, as they are now.
func (s *Server) delivery(ctx context.Context, e ticketing.Event) (Delivery, error) {
	out := Delivery{Event: e}
	if e.Name == "" {
		return out, nil
	}
	ticket, err := s.desk.TicketOf(ctx, e)
	if errors.Is(err, ticketing.ErrNotFound) {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	t := viewTicket(ticket)
	if out.Ticket = &t; e.Message == 0 {
		return out, nil
	}
	m, err := s.desk.Single(ctx, e.Message)
	if errors.Is(err, ticketing.ErrNotFound) || err == nil && m.Ticket.ID != e.Ticket {
		return out, nil // it was taken away, or went elsewhere
	}
	if err != nil {
		return out, err
	}
	v, err := s.viewSingle(ctx, m)
	out.Message = &v
	return out, err
}

// lag tells how far behind each consumer is.
type lag struct {
	desk         *ticketing.Desk
	behind, dead *prometheus.Desc
}

func (l lag) Describe(to chan<- *prometheus.Desc) { to <- l.behind; to <- l.dead }

func (l lag) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	all, err := l.desk.Consumers(ctx, ticketing.Actor{})
	if err != nil {
		to <- prometheus.NewInvalidMetric(l.behind, err)
		return
	}
	for _, c := range all {
		to <- prometheus.MustNewConstMetric(l.behind, prometheus.GaugeValue, float64(c.Behind), c.Name)
		to <- prometheus.MustNewConstMetric(l.dead, prometheus.GaugeValue, float64(c.Dead), c.Name)
	}
}
