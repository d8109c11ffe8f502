package web

import (
	"context"
	"io"
	"net/http"
	"os"

	"github.com/danielgtaylor/huma/v2"

	"postdesk/ticketing"
)

type personInput struct {
	Body struct {
		Address string `json:"address" minLength:"3" maxLength:"254"`
	}
}

type eraseInput struct {
	Body struct {
		Address string `json:"address" minLength:"3" maxLength:"254"`
		DryRun  bool   `json:"dry_run,omitempty" doc:"say what would go, and take nothing"`
	}
}

type retireInput struct {
	Body struct {
		DryRun bool `json:"dry_run,omitempty" doc:"say what would go, and take nothing"`
	}
}

type redactInput struct {
	MessagePath
	Body struct {
		Attachment int    `json:"attachment,omitempty" minimum:"0" doc:"place of a file from 1; the text and all files when it is not given"`
		Subject    bool   `json:"subject,omitempty" doc:"the subject too, and that of the ticket when this message opened it"`
		Why        string `json:"why" minLength:"1" maxLength:"500" doc:"for the record, which the feed shows; without the words that are taken away"`
	}
}

// privacyRoutes show and take away what the desk holds of a person.
func (s *Server) privacyRoutes(api huma.API) {
	export := route("POST", "/people/export", "exportPerson", "All that the desk holds of a person, as a zip archive", ticketing.VerbAdmin, "")
	export.Description += " " + ticketing.ExportRule
	huma.Register(api, downloading(export, "application/zip"), s.exportPerson)
	erase := route("POST", "/people/erase", "erasePerson", "Take away for good what the desk holds of a person", ticketing.VerbAdmin, "")
	erase.Description += " The answer is a certificate that names nobody. Asked again it goes on, or finds nothing."
	huma.Register(api, erase, s.erasePerson)
	retire := route("POST", "/retention", "retire", "Remove tickets and events whose time is over, or say which", ticketing.VerbAdmin, "")
	huma.Register(api, retire, s.retire)
	redact := route("POST", "/messages/{id}/redact", "redactMessage", "Take away for good the words of a message, or one file", ticketing.VerbRedact, ofMessage)
	redact.Description += " Readers see [redacted]; so does whoever quotes it in the ticket. What brings it and waits to go out is cancelled."
	redact.Errors = append(redact.Errors, http.StatusConflict)
	huma.Register(api, redact, s.redactMessage)
}

// exportPerson makes the archive before it answers: what is wrong is an error then, and no
// archive that ends in the middle.
func (s *Server) exportPerson(ctx context.Context, in *personInput) (*huma.StreamResponse, error) {
	f, err := os.CreateTemp("", "postdesk-export-")
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	err = os.Remove(f.Name()) // it is open, and nobody else's
	if err == nil {
		err = s.desk.ExportPerson(ctx, in.Body.Address, f)
	}
	var size int64
	if err == nil {
		size, err = f.Seek(0, io.SeekCurrent)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = f.Close()
		return nil, s.failure(ctx, err)
	}
	head := download("person.zip", "application/zip", nil)
	return &huma.StreamResponse{Body: func(c huma.Context) {
		defer f.Close()
		head.send(c, f, size)
	}}, nil
}

func (s *Server) erasePerson(ctx context.Context, in *eraseInput) (*body[ticketing.Certificate], error) {
	if in.Body.DryRun {
		c, err := s.desk.WouldErase(ctx, in.Body.Address)
		return s.certified(ctx, c, err)
	}
	// Whoever asked may go away: what was begun is done.
	c, err := s.desk.ErasePerson(context.WithoutCancel(ctx), actor(ctx), in.Body.Address)
	return s.certified(ctx, c, err)
}

func (s *Server) retire(ctx context.Context, in *retireInput) (*body[ticketing.Retention], error) {
	do := s.desk.Retire
	if in.Body.DryRun {
		do = s.desk.Expired
	}
	r, err := do(ctx)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return &body[ticketing.Retention]{r}, nil
}

func (s *Server) redactMessage(ctx context.Context, in *redactInput) (*body[ticketing.Certificate], error) {
	c, err := s.desk.Redact(context.WithoutCancel(ctx), actor(ctx), ticketing.Redaction{Message: in.ID, Part: in.Body.Attachment, Subject: in.Body.Subject, Why: in.Body.Why})
	return s.certified(ctx, c, err)
}

// certified gives lists that are empty, and never null.
func (s *Server) certified(ctx context.Context, c ticketing.Certificate, err error) (*body[ticketing.Certificate], error) {
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	r := &c.Removed
	r.Tickets, r.Raw, c.Left = append([]string{}, r.Tickets...), append([]string{}, r.Raw...), append([]string{}, c.Left...)
	r.Messages, r.Changed, r.Outgoing = append([]int64{}, r.Messages...), append([]int64{}, r.Changed...), append([]int64{}, r.Outgoing...)
	return &body[ticketing.Certificate]{c}, nil
}
