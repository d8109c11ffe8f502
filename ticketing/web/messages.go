package web

import (
	"bytes"
	"context"
	"fmt"
	"mime"

	"github.com/danielgtaylor/huma/v2"

	"postdesk/ticketing"
)

// MessagePath is the message, token or mail in a path.
type MessagePath struct {
	ID int64 `path:"id" minimum:"1"`
}

type acceptInput struct {
	MessagePath
	Add bool `query:"add_participant" doc:"its author becomes a participant"`
}

type attachmentID struct {
	MessagePath
	Index int `path:"index" minimum:"0" doc:"place in the message's list of attachments, from 0"`
}

// file is a download. Whatever the sender calls it, a browser must neither show it
// nor guess what it is.
type file struct {
	ContentType        string `header:"Content-Type"`
	ContentDisposition string `header:"Content-Disposition"`
	NoSniff            string `header:"X-Content-Type-Options"`
	Policy             string `header:"Content-Security-Policy"`
	Body               []byte
}

func download(name, mediaType string, content []byte) *file {
	disposition := mime.FormatMediaType("attachment", map[string]string{"filename": name})
	if disposition == "" {
		disposition = "attachment"
	}
	return &file{mediaType, disposition, "nosniff", "sandbox; default-src 'none'", content}
}

func (s *Server) messageRoutes(api huma.API) {
	op := func(method, path, id, summary string) huma.Operation {
		verb := ticketing.VerbRead
		if method == "POST" {
			verb = ticketing.VerbJudge
		}
		return route(method, "/messages/{id}"+path, id, summary, verb, ofMessage)
	}
	huma.Register(api, op("GET", "", "getMessage", "One message"), s.getMessage)
	huma.Register(api, downloading(op("GET", "/raw", "getRaw", "The bytes of a mail as they came, or as they go out"), "message/rfc822"), s.getRaw)
	huma.Register(api, downloading(op("GET", "/attachments/{index}", "getAttachment", "The content of an attachment"), "application/octet-stream"), s.getAttachment)
	huma.Register(api, route("GET", "/held", "listHeld", "Messages that wait to be accepted or dismissed, the oldest first", ticketing.VerbRead, ofList), s.listHeld)
	huma.Register(api, op("POST", "/accept", "acceptMessage", "Take a held message into its ticket"),
		func(ctx context.Context, in *acceptInput) (*body[Message], error) {
			if in.Add {
				return s.judged(ctx, &in.MessagePath, s.desk.AcceptAuthor)
			}
			return s.judge(ctx, &in.MessagePath, true)
		})
	huma.Register(api, op("POST", "/dismiss", "dismissMessage", "Turn a held message down"),
		func(ctx context.Context, in *MessagePath) (*body[Message], error) { return s.judge(ctx, in, false) })
}

func (s *Server) getMessage(ctx context.Context, in *MessagePath) (*body[Message], error) {
	m, err := s.desk.Single(ctx, in.ID)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	v, err := s.viewSingle(ctx, m)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return &body[Message]{v}, nil
}

func (s *Server) getRaw(ctx context.Context, in *MessagePath) (*huma.StreamResponse, error) {
	m, t, err := s.desk.Message(ctx, in.ID)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	hash := m.Raw
	if hash.IsZero() {
		one, err := s.desk.Single(ctx, in.ID)
		if err != nil {
			return nil, s.failure(ctx, err)
		}
		if len(one.Outgoing) > 0 {
			hash = one.Outgoing[0].Raw
		}
	}
	if hash.IsZero() {
		return nil, s.failure(ctx, fmt.Errorf("message %d has no mail (yet): %w", in.ID, ticketing.ErrNotFound))
	}
	return s.sendRaw(ctx, download(fmt.Sprintf("%s-%d.eml", t.Name(), m.ID), "message/rfc822", nil), hash)
}

func (s *Server) getAttachment(ctx context.Context, in *attachmentID) (*huma.StreamResponse, error) {
	m, _, err := s.desk.Message(ctx, in.ID)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	if m.Raw.IsZero() {
		f, err := s.fileOf(ctx, m, in.Index)
		if err != nil {
			return nil, err
		}
		return s.sendRaw(ctx, download(f.Name, "application/octet-stream", nil), f.Raw)
	}
	f, err := s.attachment(ctx, m, in.Index)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(c huma.Context) { f.send(c, bytes.NewReader(f.Body), int64(len(f.Body))) }}, nil
}

// attachment gives a file of a mail that came in, or of a reply or a note.
func (s *Server) attachment(ctx context.Context, m ticketing.Message, index int) (*file, error) {
	if m.Raw.IsZero() {
		f, err := s.fileOf(ctx, m, index)
		if err != nil {
			return nil, err
		}
		content, err := s.desk.Raw(ctx, f.Raw)
		if err != nil {
			return nil, s.failure(ctx, err)
		}
		return download(f.Name, "application/octet-stream", content), nil
	}
	c, err := s.desk.Content(ctx, m)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	if index >= len(c.Attachments) {
		return nil, huma.Error404NotFound(fmt.Sprintf("this message has %d attachments", len(c.Attachments)))
	}
	a := c.Attachments[index]
	return download(a.Name, "application/octet-stream", a.Content), nil
}

// fileOf finds a file of a reply or a note.
func (s *Server) fileOf(ctx context.Context, m ticketing.Message, index int) (f ticketing.Attachment, err error) {
	files, err := s.desk.Attachments(ctx, m.ID)
	if err != nil {
		return f, s.failure(ctx, err)
	}
	if index >= len(files) {
		return f, huma.Error404NotFound(fmt.Sprintf("this message has %d attachments", len(files)))
	}
	return files[index], nil
}

func (s *Server) judge(ctx context.Context, in *MessagePath, accept bool) (*body[Message], error) {
	return s.judged(ctx, in, func(ctx context.Context, by ticketing.Actor, id int64) (ticketing.Message, error) {
		return s.desk.Judge(ctx, by, id, accept)
	})
}

func (s *Server) judged(ctx context.Context, in *MessagePath, do func(context.Context, ticketing.Actor, int64) (ticketing.Message, error)) (*body[Message], error) {
	if _, err := do(ctx, actor(ctx), in.ID); err != nil {
		return nil, s.failure(ctx, err)
	}
	return s.getMessage(ctx, in)
}
