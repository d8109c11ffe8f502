package web

import (
	"strconv"
	"strings"
	"time"

	"postdesk/ticketing"
)

// The media types of CloudEvents 1.0: one, and several.
const (
	cloudType  = "application/cloudevents+json"
	cloudBatch = "application/cloudevents-batch+json"
)

// Accepting is an operation that can give CloudEvents; exported as TicketName is.
type Accepting struct {
	Accept string `header:"Accept" doc:"application/cloudevents+json gives CloudEvents 1.0: one event as it is called, several as application/cloudevents-batch+json, and in a stream each one as its data"`
}

// CloudEvent is an event in the JSON format of CloudEvents 1.0.
type CloudEvent struct {
	SpecVersion string          `json:"specversion"`
	ID          string          `json:"id"`
	Source      string          `json:"source"`
	Type        string          `json:"type"`
	Time        time.Time       `json:"time"`
	Subject     string          `json:"subject,omitempty"`
	ContentType string          `json:"datacontenttype"`
	Schema      string          `json:"dataschema"`
	Data        ticketing.Event `json:"data"`
}

// cloudSource is the source of events where CloudEvents are asked for, empty where not.
func (s *Server) cloudSource(accept string) string {
	if !strings.Contains(accept, "application/cloudevents") {
		return ""
	}
	return "//" + s.desk.Domain() + "/postdesk"
}

func cloudEvents(source string, events []ticketing.Event) []CloudEvent {
	out := []CloudEvent{}
	for _, e := range events {
		out = append(out, CloudEvent{"1.0", strconv.FormatInt(e.Seq, 10), source, "postdesk." + e.Type, e.Time.UTC(), e.Name,
			"application/json", "/api/v1/schemas/" + e.Type, e})
	}
	return out
}
