package web

import (
	"context"
	"fmt"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
)

// displayPolicy is for HTML of strangers. Nothing is fetched but images of our own, and
// "sandbox" takes scripts, forms and our origin from it, whatever may have been left in.
// A link may open a page of its own.
const displayPolicy = "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; " +
	"sandbox allow-popups allow-popups-to-escape-sandbox"

type displayInput struct {
	MessagePath
	Images string `query:"images" enum:"embed,link" default:"embed" doc:"embed: images of the message are in the page, as a sandboxed page has no cookie to fetch them with; link: they are at parts/{index}"`
}

// display is a page to be shown in a frame.
type display struct {
	ContentType string `header:"Content-Type"`
	Policy      string `header:"Content-Security-Policy"`
	NoSniff     string `header:"X-Content-Type-Options"`
	Referrer    string `header:"Referrer-Policy"`
	Cache       string `header:"Cache-Control"`
	Blocked     string `header:"Postdesk-Blocked" doc:"how many things the message would have fetched from afar"`
	Body        []byte
}

func (s *Server) displayRoutes(api huma.API) {
	op := func(path, id, summary string) huma.Operation {
		return route("GET", "/messages/{id}"+path, id, summary, ticketing.VerbRead, ofMessage)
	}
	huma.Register(api, op("/html", "getHTML", "The message as a page that is safe to show in a frame"), s.getHTML)
	huma.Register(api, op("/parts/{index}", "getPart", "An attachment: an image to be shown, anything else as a download"), s.getPart)
}

func (s *Server) getHTML(ctx context.Context, in *displayInput) (*display, error) {
	m, _, err := s.desk.Message(ctx, in.ID)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	c := &mail.Message{Text: m.Body}
	if m.Arrival != 0 {
		if c, err = s.desk.Content(ctx, m); err != nil {
			return nil, s.failure(ctx, err)
		}
	}
	partURL := ""
	if in.Images == "link" {
		partURL = fmt.Sprintf("/api/v1/messages/%d/parts/", in.ID)
	}
	safe := mail.SafeHTML(c, partURL)
	page := "<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<body>\n" + safe.HTML + "\n"
	return &display{"text/html; charset=utf-8", displayPolicy, "nosniff", "no-referrer", "private, max-age=3600",
		strconv.Itoa(safe.Blocked), []byte(page)}, nil
}

// getPart looks at the content of a part, never at what the sender calls it.
func (s *Server) getPart(ctx context.Context, in *attachmentID) (*file, error) {
	m, _, err := s.desk.Message(ctx, in.ID)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	f, err := s.attachment(ctx, m, in.Index)
	if err != nil {
		return nil, err
	}
	if mediaType, ok := mail.ImageType(f.Body); ok {
		f.ContentType, f.ContentDisposition = mediaType, "inline"
	}
	return f, nil
}
