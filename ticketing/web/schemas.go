package web

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/danielgtaylor/huma/v2"

	"postdesk/ticketing"
)

// SchemaOf is the JSON Schema of the events of one type, as the feed gives them. Schemas
// only grow; they let pass what they do not know.
func SchemaOf(t ticketing.EventType) *huma.Schema {
	text := func(doc string, values ...string) *huma.Schema {
		s := &huma.Schema{Type: "string", Description: doc}
		for _, v := range values {
			s.Enum = append(s.Enum, v)
		}
		return s
	}
	number := func(doc string) *huma.Schema {
		return &huma.Schema{Type: "integer", Format: "int64", Description: doc, Minimum: new(float64)}
	}
	facts := &huma.Schema{Type: "object", Description: "what else there is to know; each is text", Properties: map[string]*huma.Schema{}, AdditionalProperties: text("")}
	for _, f := range t.Facts {
		facts.Properties[f.Name] = text(f.Doc, f.Values...)
		if f.Always {
			facts.Required = append(facts.Required, f.Name)
		}
	}
	s := &huma.Schema{Type: "object", Title: t.Type, Description: t.Doc, AdditionalProperties: true, Properties: map[string]*huma.Schema{
		"seq":      number("number in the one sequence of the feed, without gaps"),
		"time":     {Type: "string", Format: "date-time", Description: "RFC 3339, UTC"},
		"type":     text("", t.Type),
		"ticket":   text("name of the ticket, as SUPPORT-7102"),
		"queue":    text("key of the ticket's queue"),
		"message":  number("id of the message"),
		"outgoing": number("id of the mail that goes out"),
		"actor":    text("mail, system, staff:NAME or program:NAME"),
		"origin":   text("", ticketing.Origins()...),
		"facts":    facts,
	}, Required: []string{"seq", "time", "type", "actor"}}
	s.Required = append(s.Required, t.Has...)
	if len(facts.Required) > 0 {
		s.Required = append(s.Required, "facts")
	}
	s.Extensions = map[string]any{"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "/api/v1/schemas/" + t.Type}
	s.PrecomputeMessages()
	facts.PrecomputeMessages()
	return s
}

// EventKind is a type of event in the list of them.
type EventKind struct {
	Type   string `json:"type" example:"message.received"`
	Doc    string `json:"doc"`
	Schema string `json:"schema" doc:"path of its JSON Schema"`
}

type schemaPath struct {
	Type string `path:"type" maxLength:"100" example:"message.received"`
}

// schemaFile is a JSON Schema as it is.
type schemaFile struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (s *Server) schemaRoutes(api huma.API) {
	list := route("GET", "/schemas", "listSchemas", "The types of event", ticketing.VerbRead, ofList)
	huma.Register(api, list, func(context.Context, *struct{}) (*body[List[EventKind]], error) {
		out := &body[List[EventKind]]{}
		for _, t := range ticketing.EventTypes() {
			out.Body.Items = append(out.Body.Items, EventKind{t.Type, t.Doc, "/api/v1/schemas/" + t.Type})
		}
		return out, nil
	})
	one := route("GET", "/schemas/{type}", "getSchema", "JSON Schema of the events of one type; it only grows", ticketing.VerbRead, ofList)
	one.Responses = map[string]*huma.Response{"200": {Description: "JSON Schema 2020-12",
		Content: map[string]*huma.MediaType{"application/schema+json": {Schema: &huma.Schema{Type: "object", AdditionalProperties: true}}}}}
	huma.Register(api, one, func(ctx context.Context, in *schemaPath) (*schemaFile, error) {
		for _, t := range ticketing.EventTypes() {
			if t.Type == in.Type {
				text, err := json.Marshal(SchemaOf(t))
				return &schemaFile{"application/schema+json", text}, err
			}
		}
		return nil, s.failure(ctx, fmt.Errorf("events of the type %q: %w", in.Type, ticketing.ErrNotFound))
	})
}
