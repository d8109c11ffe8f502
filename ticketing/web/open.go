package web

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
)

// tagged is an answer with the version of its ticket. The tag changes with what somebody
// who works at the ticket must know, and not with every step of a mail that goes out: it
// is there to be given back in If-Match, not to keep copies by.
type tagged[T any] struct {
	ETag string `header:"ETag" doc:"give it back in If-Match"`
	Body T
}

func etag(t ticketing.Ticket) string { return `"` + strconv.FormatInt(t.Version, 10) + `"` }

// versions reads If-Match (RFC 9110 section 13.1.1): nil for any.
func versions(ifMatch []string) (out []int64, err error) {
	for _, tag := range ifMatch {
		if tag = strings.TrimSpace(tag); tag == "*" {
			return nil, nil
		}
		n, err := strconv.ParseInt(strings.Trim(tag, `"`), 10, 64)
		if err != nil {
			n = -1 // none of ours, a weak one also: it matches nothing
		}
		out = append(out, n)
	}
	return out, nil
}

// files wants of each its content, if it is empty, or an upload.
func files(in []File) (out []ticketing.File, err error) {
	for i, f := range in {
		if (f.Upload == "") == (f.Content == nil) {
			return nil, huma.Error422UnprocessableEntity(fmt.Sprintf("attachment %d: want content or upload", i+1))
		}
		out = append(out, ticketing.File(f))
	}
	return out, nil
}

type openInput struct {
	Body struct {
		Queue   string   `json:"queue" maxLength:"60" doc:"key" example:"SUPPORT"`
		To      string   `json:"to" minLength:"3" maxLength:"320" doc:"address of whom we write to: the requester of the ticket"`
		Name    string   `json:"name,omitempty" maxLength:"200" doc:"of the requester"`
		Subject string   `json:"subject" minLength:"1" maxLength:"500"`
		Text    string   `json:"text" minLength:"1" maxLength:"1000000" doc:"Markdown"`
		Status  string   `json:"status,omitempty" doc:"of the ticket after it; waiting when nothing is said"`
		Cc      []string `json:"cc,omitempty" maxItems:"50" doc:"addresses that become participants"`
		Refs    []string `json:"references,omitempty" maxItems:"50" doc:"references to other systems; refused with 409 when another ticket has one of them" example:"github:owner/repo#12"`
		Files   []File   `json:"attachments,omitempty" maxItems:"100" doc:"files that go with it"`
	}
}

// Opened is a conversation that was begun.
type Opened struct {
	Ticket  Ticket  `json:"ticket"`
	Message Message `json:"message" doc:"the reply that goes out"`
}

func (s *Server) openTicket(ctx context.Context, in *openInput) (*tagged[Opened], error) {
	by, b := actor(ctx), in.Body
	with, err := files(b.Files)
	if err != nil {
		return nil, err
	}
	t, m, _, err := s.desk.Open(ctx, by, ticketing.Opening{
		Queue: b.Queue, To: mail.Address{Name: b.Name, Address: b.To}, Subject: b.Subject, Text: b.Text, Status: ticketing.Status(b.Status),
		Cc: b.Cc, Refs: b.Refs, Files: with, Key: by.Key,
	})
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	v, err := s.viewNew(ctx, t.Name(), m)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return &tagged[Opened]{etag(t), Opened{viewTicket(t), v}}, nil
}

// References are what a ticket is called in other systems.
type References struct {
	References []string `json:"references"`
}

type referenceInput struct {
	TicketName
	Body struct {
		Reference string `json:"reference" minLength:"3" maxLength:"300" example:"github:owner/repo#12"`
	}
}

type referenceQuery struct {
	TicketName
	Reference string `query:"ref" required:"true" maxLength:"300" example:"github:owner/repo#12"`
}

func (s *Server) referenceRoutes(api huma.API) {
	done := func(ctx context.Context, refs []string, err error) (*body[References], error) {
		if err != nil {
			return nil, s.failure(ctx, err)
		}
		return &body[References]{References{append([]string{}, refs...)}}, nil
	}
	add := route("POST", "/tickets/{name}/references", "addReference", "Tie what the ticket is called in another system to it; 409 when another ticket has it", ticketing.VerbChange, ofTicket)
	add.Errors = append(add.Errors, http.StatusConflict)
	huma.Register(api, add, func(ctx context.Context, in *referenceInput) (*body[References], error) {
		refs, err := s.desk.AddReference(ctx, actor(ctx), in.Name, in.Body.Reference)
		return done(ctx, refs, err)
	})
	remove := route("DELETE", "/tickets/{name}/references", "removeReference", "Untie it", ticketing.VerbChange, ofTicket)
	huma.Register(api, remove, func(ctx context.Context, in *referenceQuery) (*body[References], error) {
		refs, err := s.desk.RemoveReference(ctx, actor(ctx), in.Name, in.Reference)
		return done(ctx, refs, err)
	})
}
