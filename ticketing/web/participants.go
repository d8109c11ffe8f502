package web

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
)

// Person is a participant of a ticket.
type Person struct {
	Address string `json:"address"`
	Name    string `json:"name"`
	Role    string `json:"role" enum:"requester,cc,third,removed" doc:"third: asked by staff, sees nothing else"`
	Muted   bool   `json:"muted" doc:"gets no mail"`
}

func viewPerson(p ticketing.Participant) Person { return Person{p.Address, p.Name, p.Role, p.Muted} }

// ParticipantPath is a participant in a path; exported as TicketName is.
type ParticipantPath struct {
	TicketName
	Address string `path:"address" maxLength:"320"`
}

type addParticipantInput struct {
	TicketName
	Body struct {
		Address string `json:"address" minLength:"3" maxLength:"320"`
		Name    string `json:"name,omitempty" maxLength:"200"`
	}
}

type muteInput struct {
	ParticipantPath
	Body struct {
		Muted bool `json:"muted"`
	}
}

func (s *Server) participantRoutes(api huma.API) {
	op := func(method, path, id, summary string) huma.Operation {
		return route(method, "/tickets/{name}/participants"+path, id, summary, ticketing.VerbPeople, ofTicket)
	}
	done := func(ctx context.Context, p ticketing.Participant, err error) (*body[Person], error) {
		if err != nil {
			return nil, s.failure(ctx, err)
		}
		return &body[Person]{viewPerson(p)}, nil
	}
	ask := route("POST", "/tickets/{name}/questions", "addQuestion", "Ask a third party by mail; its answers are for staff alone", ticketing.VerbReply, ofTicket)
	ask.DefaultStatus, ask.MaxBodyBytes, ask.BodyReadTimeout = http.StatusCreated, 4<<20, time.Minute
	huma.Register(api, ask, s.addQuestion)
	add := op("POST", "", "addParticipant", "Confirm a person: they get the answers")
	add.DefaultStatus = http.StatusCreated
	huma.Register(api, add, func(ctx context.Context, in *addParticipantInput) (*body[Person], error) {
		p, err := s.desk.AddParticipant(ctx, actor(ctx), in.Name, mail.Address{Name: in.Body.Name, Address: in.Body.Address})
		return done(ctx, p, err)
	})
	huma.Register(api, op("DELETE", "/{address}", "removeParticipant", "Remove a person: their token ends at once"),
		func(ctx context.Context, in *ParticipantPath) (*body[Person], error) {
			p, err := s.desk.RemoveParticipant(ctx, actor(ctx), in.Name, in.Address)
			return done(ctx, p, err)
		})
	huma.Register(api, op("PATCH", "/{address}", "muteParticipant", "Keep mail from a person, or no longer"),
		func(ctx context.Context, in *muteInput) (*body[Person], error) {
			p, err := s.desk.MuteParticipant(ctx, actor(ctx), in.Name, in.Address, in.Body.Muted)
			return done(ctx, p, err)
		})
	huma.Register(api, op("POST", "/{address}/revoke", "revokeParticipant", "End every token that a person was given until now"),
		func(ctx context.Context, in *ParticipantPath) (*body[Person], error) {
			p, err := s.desk.RevokeParticipant(ctx, actor(ctx), in.Name, in.Address)
			return done(ctx, p, err)
		})
}

type askInput struct {
	TicketName
	Body struct {
		Address string `json:"address" minLength:"3" maxLength:"320"`
		Name    string `json:"name,omitempty" maxLength:"200"`
		Subject string `json:"subject,omitempty" maxLength:"500" doc:"stands after the name of the ticket"`
		Text    string `json:"text" minLength:"1" maxLength:"1000000" doc:"Markdown"`
	}
}

func (s *Server) addQuestion(ctx context.Context, in *askInput) (*body[Message], error) {
	m, _, err := s.desk.Ask(ctx, actor(ctx), ticketing.Question{
		Ticket: in.Name, To: mail.Address{Name: in.Body.Name, Address: in.Body.Address}, Subject: in.Body.Subject, Text: in.Body.Text, Key: actor(ctx).Key,
	})
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	v, err := s.viewNew(ctx, strings.ToUpper(in.Name), m)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return &body[Message]{v}, nil
}

// HeldMessage is a message that waits to be accepted or dismissed.
type HeldMessage struct {
	ID       int64        `json:"id"`
	Ticket   string       `json:"ticket"`
	Assignee string       `json:"assignee"`
	From     mail.Address `json:"from"`
	Subject  string       `json:"subject"`
	Row      string       `json:"row" doc:"of the trust table"`
	Reason   string       `json:"reason" doc:"why it is held"`
	Advice   string       `json:"advice" doc:"what to do with it"`
	Received time.Time    `json:"received"`
}

type heldQuery struct {
	After int64 `query:"after" minimum:"0" doc:"id of the last one you have"`
	Limit int   `query:"limit" default:"100" minimum:"1" maximum:"500"`
}

func (s *Server) listHeld(ctx context.Context, in *heldQuery) (*body[List[HeldMessage]], error) {
	held, err := s.desk.Held(ctx, actor(ctx), in.After, in.Limit)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	out := &body[List[HeldMessage]]{Body: List[HeldMessage]{Items: []HeldMessage{}}}
	for _, h := range held {
		m, t := h.Message, h.Ticket
		out.Body.Items = append(out.Body.Items, HeldMessage{m.ID, t.Name(), t.Assignee, m.From, m.Subject, m.Row, m.Reason, m.Advice, m.Received.UTC()})
	}
	if len(held) == in.Limit {
		out.Body.Next = strconv.FormatInt(held[len(held)-1].Message.ID, 10)
	}
	return out, nil
}

// Key is an HMAC key without its secret.
type Key struct {
	ID      int64     `json:"id"`
	Created time.Time `json:"created"`
	Until   time.Time `json:"until,omitzero" doc:"it goes on verifying until then; absent for the one that signs"`
}

func viewKey(k ticketing.KeyInfo) Key { return Key{k.ID, k.Created.UTC(), k.Until.UTC()} }

func (s *Server) keyRoutes(api huma.API) {
	op := func(method, path, id, summary string) huma.Operation {
		return route(method, "/keys"+path, id, summary, ticketing.VerbAdmin, "")
	}
	huma.Register(api, op("GET", "", "listKeys", "HMAC keys of reply tokens and Message-IDs"), func(context.Context, *struct{}) (*body[List[Key]], error) {
		out := &body[List[Key]]{Body: List[Key]{Items: []Key{}}}
		for _, k := range s.desk.Keys() {
			out.Body.Items = append(out.Body.Items, viewKey(k))
		}
		return out, nil
	})
	huma.Register(api, op("POST", "/rotate", "rotateKey", "Sign with a new key from now on"), func(ctx context.Context, _ *struct{}) (*body[Key], error) {
		k, err := s.desk.RotateKey(ctx, actor(ctx))
		if err != nil {
			return nil, s.failure(ctx, err)
		}
		return &body[Key]{viewKey(k)}, nil
	})
}
