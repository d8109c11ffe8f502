package web

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"postdesk/ticketing"
)

// failure makes an HTTP error of a desk's. What is not known is not shown.
func (s *Server) failure(ctx context.Context, err error) error {
	var gone ticketing.Gone
	var busy ticketing.Busy
	switch {
	case errors.As(err, &busy):
		return tooMany(busy)
	case errors.As(err, &gone):
		return newGone(gone)
	case errors.Is(err, ticketing.ErrNotFound):
		return huma.Error404NotFound(err.Error())
	case errors.Is(err, ticketing.ErrConflict):
		return huma.Error409Conflict(err.Error())
	case errors.Is(err, ticketing.ErrPrecondition):
		return huma.Error412PreconditionFailed(err.Error())
	case errors.Is(err, ticketing.ErrTooLarge):
		return huma.NewError(http.StatusRequestEntityTooLarge, err.Error())
	case errors.Is(err, ticketing.ErrInvalid):
		return huma.Error422UnprocessableEntity(err.Error())
	}
	if ctx.Err() == nil {
		s.log.Error("a request failed", "error", err)
	}
	return huma.Error503ServiceUnavailable("temporary failure, try again later")
}

// tooMany says when it is of use to come back (RFC 6585 section 4).
func tooMany(b ticketing.Busy) error {
	seconds := int64(math.Ceil(b.After.Seconds()))
	return huma.ErrorWithHeaders(huma.Error429TooManyRequests(b.Text), http.Header{"Retry-After": {strconv.FormatInt(seconds, 10)}})
}

// GoneProblem is the answer to who asks for events that are not kept any more (RFC 9457).
type GoneProblem struct {
	huma.ErrorModel
	Oldest int64 `json:"oldest" doc:"the first event that is there"`
	After  int64 `json:"after" doc:"go on after this place; what was before it is lost to you"`
}

func newGone(g ticketing.Gone) *GoneProblem {
	p := &GoneProblem{Oldest: g.Oldest, After: g.Oldest - 1}
	p.Status, p.Title = http.StatusGone, http.StatusText(http.StatusGone)
	p.Detail = fmt.Sprintf("%s. Go on with after=%d; a named consumer with POST /api/v1/consumers/{consumer}/seek {\"seq\": %[2]d}, or: postdesk consumer seek NAME %[2]d. "+
		"The tickets as they are now are at /api/v1/tickets.", g.Error(), p.After)
	return p
}
