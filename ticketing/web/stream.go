package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"postdesk/ticketing"
)

// StreamQuery is where a stream begins; exported as TicketName is.
type StreamQuery struct {
	Accepting
	After       int64  `query:"after" minimum:"0"`
	LastEventID string `header:"Last-Event-ID" doc:"wins over after"`
}

// place is where a follower wants to go on.
func (in StreamQuery) place() (int64, error) {
	if in.LastEventID == "" {
		return in.After, nil
	}
	n, err := strconv.ParseInt(strings.TrimSpace(in.LastEventID), 10, 64)
	if err != nil || n < 0 {
		return 0, huma.Error422UnprocessableEntity("Last-Event-ID: not a sequence number")
	}
	return n, nil
}

// streaming describes an operation that answers with server-sent events.
func streaming(o huma.Operation) huma.Operation {
	o.Responses = map[string]*huma.Response{"200": {
		Description: "Each event has the sequence number as its id, its type as its name and JSON as its data. A frame with an id alone tells how far the feed was looked through.",
		Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: "string"}}},
	}}
	return o
}

// frame is one event of a stream.
type frame struct {
	id   int64
	name string
	data any
}

func newFrame(e ticketing.Event, data any) frame { return frame{e.Seq, e.Type, data} }

func (f frame) write(b *strings.Builder) error {
	data, err := json.Marshal(f.data)
	fmt.Fprintf(b, "id: %d\nevent: %s\ndata: %s\n\n", f.id, f.name, data)
	return err
}

// pageEvery is the pace of a stream: of mail that comes one after the other each is seen at once.
const pageEvery = 10 * time.Millisecond

// reading gives what is after a place, waiting for it for a while, and how far it looked.
type reading func(ctx context.Context, after int64, wait time.Duration) (frames []frame, next int64, err error)

// streamFrom answers with a stream. What is wrong from the beginning is an answer of its
// own: it can be no part of one.
func (s *Server) streamFrom(ctx context.Context, after int64, read reading) (*huma.StreamResponse, error) {
	frames, next, err := read(ctx, after, 0)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		_, w := humago.Unwrap(c)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		out := http.NewResponseController(w)
		if send(out, w, ": postdesk\n\n") && s.sendFrames(out, w, frames, after, next) {
			s.stream(ctx, w, next, read)
		}
	}}, nil
}

// stream writes events until the follower leaves or the agent stops. A comment now and
// then shows both sides that the other is there.
func (s *Server) stream(ctx context.Context, w http.ResponseWriter, after int64, read reading) {
	out := http.NewResponseController(w)
	for pace := (ticketing.Pace{Every: pageEvery}); pace.Wait(ctx); {
		frames, next, err := read(ctx, after, s.cfg.Heartbeat)
		var gone ticketing.Gone
		if errors.As(err, &gone) {
			frames = []frame{{after, "gone", newGone(gone)}}
			s.sendFrames(out, w, frames, after, after)
			return
		}
		if ctx.Err() != nil || err != nil {
			return // the follower comes back with Last-Event-ID
		}
		if s.revoked(ctx) {
			return
		}
		if !s.sendFrames(out, w, frames, after, next) {
			return
		}
		after = next
	}
}

// sendFrames also moves the follower's Last-Event-ID over what was left out, so that it
// does not come back to it.
func (s *Server) sendFrames(out *http.ResponseController, w http.ResponseWriter, frames []frame, after, next int64) bool {
	var b strings.Builder
	for _, f := range frames {
		if f.write(&b) != nil {
			return false
		}
		after = f.id
	}
	switch {
	case next > after:
		fmt.Fprintf(&b, "id: %d\n\n", next)
	case len(frames) == 0:
		b.WriteString(": still here\n\n")
	}
	return send(out, w, b.String())
}

// send gives a follower that does not read half a minute, and then lets it go.
func send(out *http.ResponseController, w http.ResponseWriter, text string) bool {
	out.SetWriteDeadline(time.Now().Add(30 * time.Second))
	if _, err := w.Write([]byte(text)); err != nil {
		return false
	}
	return out.Flush() == nil
}
