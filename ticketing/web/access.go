package web

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"postdesk/ticketing"
)

// reach says what an operation can show or touch, for tokens that are for some queues
// only. The zero value lets none of these pass, so that a route that says nothing is shut.
type reach string

const (
	ofTicket   reach = "ticket"   // the one that {name} names
	ofMessage  reach = "message"  // {id}
	ofOutgoing reach = "outgoing" // {id}
	ofConsumer reach = "consumer" // {consumer}
	ofList     reach = "list"     // the operation itself leaves out what the actor does not see
)

// What route puts into the metadata of an operation.
const (
	verbKey  = "verb"
	reachKey = "reach"
)

// route describes an operation: what a token must be allowed to do for it, and what it
// reaches.
func route(method, path, id, summary string, verb ticketing.Verb, r reach) huma.Operation {
	o := huma.Operation{
		Method: method, Path: "/api/v1" + path, OperationID: id, Summary: summary,
		Description: "Needs a token that may: " + string(verb) + ".",
		Metadata:    map[string]any{verbKey: verb, reachKey: r},
		Errors:      []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusTooManyRequests, http.StatusServiceUnavailable},
	}
	if method == http.MethodPost {
		o.Parameters = append(o.Parameters, &huma.Param{Name: idempotencyKey, In: "header", Schema: &huma.Schema{Type: "string", MaxLength: new(int)},
			Description: "asking again with the same key does nothing twice"})
		*o.Parameters[0].Schema.MaxLength = keyMax
	}
	return o
}

const (
	idempotencyKey = "Idempotency-Key"
	keyMax         = 255
)

type actorKey struct{}

// actor is who makes the request.
func actor(ctx context.Context) ticketing.Actor {
	a, _ := ctx.Value(actorKey{}).(ticketing.Actor)
	return a
}

// secretKey has the token of a request that came by TCP.
type secretKey struct{}

// revoked says that the token of a request was removed since.
func (s *Server) revoked(ctx context.Context) bool {
	secret, bearer := ctx.Value(secretKey{}).(string)
	if !bearer {
		return false
	}
	_, err := s.desk.TokenBySecret(ctx, secret)
	return errors.Is(err, ticketing.ErrNotFound)
}

// controlActor takes the name from the Postdesk-Actor field: whoever may open the
// socket may act for every member of staff.
func (s *Server) controlActor(api huma.API, c huma.Context, next func(huma.Context)) {
	name := c.Header("Postdesk-Actor")
	if name == "" {
		name = "admin"
	}
	who := ticketing.Actor{Kind: "staff", Name: name, Origin: "cli"}
	if program := c.Header("Postdesk-Program"); program != "" {
		who.Kind, who.Name = "program", program // its replies are automatic mail (RFC 3834)
	}
	s.admit(api, c, who, next)
}

// bearer lets a request pass whose token is known, may do it and reaches it.
func (s *Server) bearer(api huma.API, c huma.Context, next func(huma.Context)) {
	secret, ok := strings.CutPrefix(c.Header("Authorization"), "Bearer ")
	if !ok {
		s.stranger(api, c, "", "a token is needed: Authorization: Bearer …; make one with: postdesk token add")
		return
	}
	t, err := s.desk.TokenBySecret(c.Context(), strings.TrimSpace(secret))
	if errors.Is(err, ticketing.ErrNotFound) {
		s.stranger(api, c, `, error="invalid_token"`, "this token is not known")
		return
	}
	if err == nil {
		err = s.tokens.take(strconv.FormatInt(t.ID, 10))
	}
	if err != nil {
		s.refuse(api, c, err)
		return
	}
	verb, _ := c.Operation().Metadata[verbKey].(ticketing.Verb)
	if verb == "" {
		verb = ticketing.VerbAdmin
	}
	if !t.May(verb) {
		c.SetHeader("WWW-Authenticate", `Bearer realm="postdesk", error="insufficient_scope", scope="`+string(verb)+`"`)
		huma.WriteErr(api, c, http.StatusForbidden, "this token may "+t.Scope+", and this needs "+string(verb))
		return
	}
	who := s.desk.Bearer(t)
	// An administrator may act for a member of staff, as by the control socket. A program
	// stays one whatever it says: its replies are automatic mail.
	if name := c.Header("Postdesk-Actor"); name != "" && t.May(ticketing.VerbAdmin) && !t.Program {
		who.Name = name
	}
	s.admit(api, huma.WithValue(c, secretKey{}, strings.TrimSpace(secret)), who, next)
}

// stranger answers who shows no token that is known, and not too often: secrets are not to
// be tried out.
func (s *Server) stranger(api huma.API, c huma.Context, fault, text string) {
	host, _, _ := net.SplitHostPort(c.RemoteAddr())
	if err := s.guests.take(host); err != nil {
		s.refuse(api, c, err)
		return
	}
	c.SetHeader("WWW-Authenticate", `Bearer realm="postdesk"`+fault)
	huma.WriteErr(api, c, http.StatusUnauthorized, text)
}

// refuse answers with what failure makes of an error, before the operation begins.
func (s *Server) refuse(api huma.API, c huma.Context, err error) {
	err = s.failure(c.Context(), err)
	var fields huma.HeadersError
	if errors.As(err, &fields) {
		for name, values := range fields.GetHeaders() {
			c.SetHeader(name, values[0])
		}
	}
	var status huma.StatusError
	if errors.As(err, &status) {
		huma.WriteErr(api, c, status.GetStatus(), status.Error())
	}
}

// admit lets a request pass to what its actor sees. What is hidden looks like what is not
// there.
func (s *Server) admit(api huma.API, c huma.Context, who ticketing.Actor, next func(huma.Context)) {
	if c.Method() == http.MethodPost {
		if who.Key = c.Header(idempotencyKey); len(who.Key) > keyMax {
			huma.WriteErr(api, c, http.StatusUnprocessableEntity, "Idempotency-Key: at most "+strconv.Itoa(keyMax)+" octets")
			return
		}
	}
	if err := s.reaches(c, who); err != nil {
		if errors.Is(err, ticketing.ErrNotFound) || errors.Is(err, ticketing.ErrConflict) {
			huma.WriteErr(api, c, http.StatusNotFound, "not found")
			return
		}
		s.refuse(api, c, err)
		return
	}
	next(huma.WithValue(c, actorKey{}, who))
}

// reaches asks the desk for actors that are for some queues only.
func (s *Server) reaches(c huma.Context, who ticketing.Actor) error {
	if who.Queues == nil {
		return nil
	}
	id, _ := strconv.ParseInt(c.Param("id"), 10, 64) // what is no number is found by nobody
	switch r, _ := c.Operation().Metadata[reachKey].(reach); r {
	case ofTicket:
		return s.desk.See(c.Context(), who, c.Param("name"))
	case ofMessage:
		return s.desk.SeeMessage(c.Context(), who, id)
	case ofOutgoing:
		return s.desk.SeeOutgoing(c.Context(), who, id)
	case ofConsumer:
		return s.desk.SeeConsumer(c.Context(), who, c.Param("consumer"))
	case ofList:
		return nil
	}
	return ticketing.ErrNotFound
}
