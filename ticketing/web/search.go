package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
)

// Hit is a message that a search has found, and the ticket it is in.
type Hit struct {
	Message    int64        `json:"message"`
	Kind       string       `json:"kind" enum:"inbound,reply,note,question,acknowledgement,report"`
	Visibility string       `json:"visibility" enum:"shown,held,dismissed,folded,staff-only"`
	From       mail.Address `json:"from"`
	Actor      string       `json:"actor"`
	Subject    string       `json:"subject"`
	Received   time.Time    `json:"received"`
	Ticket     Ticket       `json:"ticket"`
}

// Hits is a page of what a search has found.
type Hits struct {
	List[Hit]
	Filling bool `json:"filling" doc:"the index is being made, so that there may be more"`
}

type searchInput struct {
	Text   string `query:"q" example:"printer \"out of paper\" -solved from:jo queue:SUPPORT status:open invoi*" doc:"words that must all be there, \"phrases\", -without, the beginning of a word*, from:, queue: and status: (several joined by commas)"`
	Cursor string `query:"cursor" doc:"next of the page before"`
	Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"500"`
}

func (s *Server) searchRoutes(api huma.API) {
	search := route("GET", "/search", "searchMessages", "Find messages by their words, newest first", ticketing.VerbRead, ofList)
	search.Description += " Found are words of the author, without quotes, of the subject and of the author's name and address. A page that is not full may have a next one: " +
		"a search that has much to look through goes on there. What is new is found a moment after it came."
	search.Errors = append(search.Errors, http.StatusBadRequest)
	huma.Register(api, search, s.search)
}

func (s *Server) search(ctx context.Context, in *searchInput) (*body[Hits], error) {
	before := int64(0)
	if in.Cursor != "" {
		var err error
		if before, err = strconv.ParseInt(in.Cursor, 10, 64); err != nil || before <= 0 {
			return nil, huma.Error400BadRequest("cursor: not one that a page before has given as next")
		}
	}
	found, next, err := s.desk.Search(ctx, actor(ctx), in.Text, before, in.Limit)
	if errors.Is(err, ticketing.ErrInvalid) {
		return nil, huma.Error400BadRequest(err.Error())
	}
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	out := &body[Hits]{Body: Hits{List[Hit]{Items: []Hit{}}, !s.desk.SearchFilled()}}
	for _, f := range found {
		m := f.Message
		out.Body.Items = append(out.Body.Items, Hit{m.ID, string(m.Kind), string(m.Visibility), m.From, m.Actor, m.Subject, m.Received.UTC(), viewTicket(f.Ticket)})
	}
	if next != 0 {
		out.Body.Next = strconv.FormatInt(next, 10)
	}
	return out, nil
}
