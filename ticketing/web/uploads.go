package web

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"postdesk/ticketing"
)

// Upload is a file that waits for its reply.
type Upload struct {
	Upload  string    `json:"upload" doc:"name it in an attachment, in place of content"`
	Name    string    `json:"name"`
	Type    string    `json:"type"`
	Size    int64     `json:"size"`
	SHA256  string    `json:"sha256"`
	Expires time.Time `json:"expires"`
}

type uploadInput struct {
	Name string `query:"name" required:"true" minLength:"1" maxLength:"1000" example:"invoice.pdf"`
	Type string `query:"type" maxLength:"129" doc:"media type; by the name when it is not given" example:"application/pdf"`

	r io.Reader
}

// Resolve takes the body before huma would: it is stored as it comes.
func (u *uploadInput) Resolve(c huma.Context) []error {
	u.r = c.BodyReader()
	_ = c.SetReadDeadline(time.Now().Add(15 * time.Minute)) // a slow line may bring it, a silent one not hold us
	return nil
}

func (s *Server) uploadRoutes(api huma.API) {
	o := route("POST", "/uploads", "addUpload", "Bring a file that goes with a reply, as a stream", ticketing.VerbReply, ofList)
	o.Description += " It waits a day for a reply of the same token that names it."
	o.DefaultStatus = http.StatusCreated
	o.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: "string", Format: "binary"}}}}
	o.Errors = append(o.Errors, http.StatusRequestEntityTooLarge)
	huma.Register(api, o, func(ctx context.Context, in *uploadInput) (*body[Upload], error) {
		u, err := s.desk.Upload(ctx, actor(ctx), in.Name, in.Type, in.r)
		if err != nil {
			return nil, s.failure(ctx, err)
		}
		return &body[Upload]{Upload{u.Secret, u.Name, u.Type, u.Size, u.Raw.String(), u.Created.Add(ticketing.UploadLife).UTC()}}, nil
	})
}
