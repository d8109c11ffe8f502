package web

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"postdesk/ticketing"
)

// Token is an API token without its secret.
type Token struct {
	ID      int64     `json:"id"`
	Name    string    `json:"name"`
	Scope   string    `json:"scope" doc:"what it may do, with spaces between"`
	Queues  []string  `json:"queues" doc:"keys of the queues that it is for; none is all"`
	Program bool      `json:"program" doc:"its replies are automatic mail"`
	Secret  string    `json:"secret,omitempty" doc:"shown once, when it is made"`
	Created time.Time `json:"created"`
}

type tokenInput struct {
	Body struct {
		Name    string   `json:"name" minLength:"1" maxLength:"100" doc:"its replies bear it"`
		Scope   string   `json:"scope" maxLength:"200" doc:"one or several of read open reply note change judge people consume send redact, with spaces between; write is all of them; admin is everything" example:"read reply"`
		Queues  []string `json:"queues,omitempty" maxItems:"100" doc:"it sees these alone; none is all"`
		Program bool     `json:"program,omitempty" doc:"a program has it: its replies are automatic mail (RFC 3834)"`
	}
}

func viewToken(t ticketing.Token, secret string) Token {
	return Token{t.ID, t.Name, t.Scope, append([]string{}, t.Queues...), t.Program, secret, t.Created.UTC()}
}

func (s *Server) tokenRoutes(api huma.API) {
	op := func(method, path, id, summary string) huma.Operation {
		return route(method, "/tokens"+path, id, summary, ticketing.VerbAdmin, "")
	}
	huma.Register(api, op("GET", "", "listTokens", "API tokens"), func(ctx context.Context, _ *struct{}) (*body[List[Token]], error) {
		tokens, err := s.desk.Tokens(ctx)
		if err != nil {
			return nil, s.failure(ctx, err)
		}
		out := &body[List[Token]]{Body: List[Token]{Items: []Token{}}}
		for _, t := range tokens {
			out.Body.Items = append(out.Body.Items, viewToken(t, ""))
		}
		return out, nil
	})
	add := op("POST", "", "createToken", "Make an API token")
	add.Description += " A repetition with the same Idempotency-Key gives the token without its secret."
	add.DefaultStatus = http.StatusCreated
	huma.Register(api, add, func(ctx context.Context, in *tokenInput) (*body[Token], error) {
		t, secret, err := s.desk.CreateToken(ctx, actor(ctx), ticketing.Token{Name: strings.TrimSpace(in.Body.Name), Scope: in.Body.Scope, Program: in.Body.Program, Queues: in.Body.Queues})
		if err != nil {
			return nil, s.failure(ctx, err)
		}
		return &body[Token]{viewToken(t, secret)}, nil
	})
	huma.Register(api, op("DELETE", "/{id}", "removeToken", "End an API token"), func(ctx context.Context, in *MessagePath) (*struct{}, error) {
		return s.done(ctx, s.desk.RemoveToken(ctx, in.ID))
	})
}
