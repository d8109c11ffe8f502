package web

import (
	"context"
	"io"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"postdesk/ticketing"
)

// downloading describes an operation that answers with bytes.
func downloading(o huma.Operation, mediaType string) huma.Operation {
	o.Responses = map[string]*huma.Response{"200": {Description: "The bytes, as a download.",
		Content: map[string]*huma.MediaType{mediaType: {Schema: &huma.Schema{Type: "string", Format: "binary"}}}}}
	return o
}

// sendRaw answers with what the store keeps, as it is read.
func (s *Server) sendRaw(ctx context.Context, f *file, hash ticketing.Hash) (*huma.StreamResponse, error) {
	raw, size, err := s.desk.OpenRaw(ctx, hash)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		defer raw.Close()
		if err := f.send(c, raw, size); err != nil && ctx.Err() == nil {
			s.log.Error("a download was broken off", "error", err)
			panic(http.ErrAbortHandler) // what has gone out must not look whole
		}
	}}, nil
}

// send writes the fields and the bytes.
func (f *file) send(c huma.Context, from io.Reader, size int64) error {
	for name, value := range map[string]string{"Content-Type": f.ContentType, "Content-Disposition": f.ContentDisposition, "X-Content-Type-Options": f.NoSniff,
		"Content-Security-Policy": f.Policy, "Content-Length": strconv.FormatInt(size, 10)} {
		c.SetHeader(name, value)
	}
	c.SetStatus(http.StatusOK)
	_, err := io.Copy(c.BodyWriter(), from)
	return err
}
