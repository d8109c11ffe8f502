package web

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
)

// List is a page of something. Next is given back as the cursor; empty is the end.
type List[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

type body[T any] struct{ Body T }

// TicketName is the ticket in a path. It is exported since huma fills exported fields alone.
type TicketName struct {
	Name string `path:"name" example:"SUPPORT-7102" maxLength:"60"`
}

type ticketQuery struct {
	Queue  string `query:"queue"`
	Status string `query:"status" doc:"one or several, joined by commas"`
	Held   bool   `query:"held" doc:"only tickets with held messages"`
	Alias  string `query:"alias" doc:"only tickets that had this number in another desk" example:"#1234"`
	Cursor string `query:"cursor" doc:"next of the page before"`
	Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"500"`
}

type replyInput struct {
	TicketName
	Key  string `header:"Idempotency-Key" maxLength:"255" doc:"asking again with the same key does nothing twice"`
	Body struct {
		Text   string   `json:"text" minLength:"1" maxLength:"1000000" doc:"Markdown"`
		Status string   `json:"status,omitempty" doc:"of the ticket after it; waiting when nothing is said"`
		Seen   int64    `json:"seen,omitempty" doc:"newest event you have seen; refused with 409 when the ticket has moved on since"`
		Cc     []string `json:"cc,omitempty" maxItems:"50" doc:"addresses that become participants with this answer"`
		Files  []File   `json:"attachments,omitempty" maxItems:"100" doc:"files that go with it"`
	}
}

// File is an attachment of a reply or a note on its way in.
type File struct {
	Name      string `json:"name" minLength:"1" maxLength:"1000" example:"invoice.pdf"`
	Type      string `json:"type,omitempty" maxLength:"129" doc:"media type; by the name when it is not given" example:"application/pdf"`
	ContentID string `json:"content_id,omitempty" maxLength:"64" doc:"makes it an image of the text, which shows it as ![…](cid:ID)" example:"screen.png"`
	Content   []byte `json:"content" doc:"base64"`
}

type changeInput struct {
	TicketName
	Body struct {
		Status     *ticketing.Status   `json:"status,omitempty" enum:"new,open,waiting,resolved,closed,rejected,spam"`
		Assignee   *string             `json:"assignee,omitempty" maxLength:"100" doc:"name of a member of staff, me, or empty for nobody"`
		Priority   *ticketing.Priority `json:"priority,omitempty" enum:"low,normal,high,urgent"`
		Requester  *string             `json:"requester,omitempty" maxLength:"254" doc:"address of the customer; the one before gets nothing any more"`
		AddTags    []string            `json:"add_tags,omitempty" maxItems:"50"`
		RemoveTags []string            `json:"remove_tags,omitempty" maxItems:"50"`
	}
}

func (s *Server) ticketRoutes(api huma.API) {
	op := func(method, path, id, summary string) huma.Operation {
		return huma.Operation{Method: method, Path: "/api/v1" + path, OperationID: id, Summary: summary}
	}
	huma.Register(api, op("GET", "/tickets", "listTickets", "Tickets, newest update first"), s.listTickets)
	huma.Register(api, op("GET", "/tickets/{name}", "getTicket", "One ticket"), s.getTicket)
	huma.Register(api, op("PATCH", "/tickets/{name}", "updateTicket", "Change a ticket: all that is named, or nothing"), s.changeTicket)
	huma.Register(api, op("GET", "/tickets/{name}/messages", "listMessages", "All messages of a ticket"), s.listMessages)
	reply := op("POST", "/tickets/{name}/replies", "addReply", "Answer the requester by mail")
	note := op("POST", "/tickets/{name}/notes", "addNote", "Add a note that staff alone see")
	for _, o := range []*huma.Operation{&reply, &note} {
		o.DefaultStatus, o.MaxBodyBytes, o.BodyReadTimeout = http.StatusCreated, s.maxReply(), time.Minute
		o.Description = fmt.Sprintf("The attachments of one reply have at most %d octets together, before base64.", s.desk.MaxAttachmentBytes())
	}
	huma.Register(api, reply, func(ctx context.Context, in *replyInput) (*body[Message], error) { return s.addReply(ctx, in, false) })
	huma.Register(api, note, func(ctx context.Context, in *replyInput) (*body[Message], error) { return s.addReply(ctx, in, true) })
}

// maxReply is the longest request that can be a reply: its text, and its files in base64.
func (s *Server) maxReply() int64 {
	return 4<<20 + int64(base64.StdEncoding.EncodedLen(int(s.desk.MaxAttachmentBytes())))
}

func (s *Server) listTickets(ctx context.Context, in *ticketQuery) (*body[List[Ticket]], error) {
	q := ticketing.TicketQuery{Queue: strings.ToUpper(in.Queue), Held: in.Held, Alias: ticketing.CanonicalAlias(in.Alias), Limit: in.Limit + 1}
	for _, st := range strings.Split(in.Status, ",") {
		if st = strings.TrimSpace(st); st != "" {
			q.Statuses = append(q.Statuses, ticketing.Status(st))
		}
	}
	if in.Cursor != "" {
		var err error
		if q.BeforeUpdated, q.BeforeID, err = readCursor(in.Cursor); err != nil {
			return nil, huma.Error422UnprocessableEntity("cursor: not one that a page before has given as next")
		}
	}
	tickets, err := s.desk.Tickets(ctx, q)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	out := &body[List[Ticket]]{Body: List[Ticket]{Items: []Ticket{}}}
	for i, t := range tickets {
		if i == in.Limit {
			out.Body.Next = writeCursor(tickets[i-1])
			break
		}
		out.Body.Items = append(out.Body.Items, viewTicket(t))
	}
	return out, nil
}

// A cursor is the place in the order, so that pages neither repeat nor skip a ticket
// that stays where it is.
func writeCursor(t ticketing.Ticket) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d", t.Updated.UnixMicro(), t.ID))
}

func readCursor(c string) (updated time.Time, id int64, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(c)
	if err != nil {
		return updated, 0, err
	}
	a, b, _ := strings.Cut(string(raw), ".")
	micro, err := strconv.ParseInt(a, 10, 64)
	if err != nil {
		return updated, 0, err
	}
	id, err = strconv.ParseInt(b, 10, 64)
	return time.UnixMicro(micro), id, err
}

func (s *Server) getTicket(ctx context.Context, in *TicketName) (*body[TicketDetail], error) {
	c, err := s.desk.Ticket(ctx, in.Name)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	d := TicketDetail{Ticket: viewTicket(c.Ticket), Follows: c.Linked, Participants: []Person{}, Aliases: append([]string{}, c.Aliases...)}
	for _, p := range c.Participants {
		d.Participants = append(d.Participants, viewPerson(p))
	}
	cc, err := s.desk.SuggestedCc(ctx, c)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	d.SuggestedCc = append([]mail.Address{}, cc...)
	return &body[TicketDetail]{d}, nil
}

func (s *Server) changeTicket(ctx context.Context, in *changeInput) (*body[Ticket], error) {
	t, err := s.desk.Change(ctx, actor(ctx), in.Name, ticketing.Change(in.Body))
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return &body[Ticket]{viewTicket(t)}, nil
}

func (s *Server) listMessages(ctx context.Context, in *TicketName) (*body[List[Message]], error) {
	c, err := s.desk.Ticket(ctx, in.Name)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	out := &body[List[Message]]{Body: List[Message]{Items: []Message{}}}
	known := learnt{}
	for _, m := range c.Messages {
		v, err := s.viewMessage(ctx, c.Ticket.Name(), m, c.Outgoing[m.ID])
		if err != nil {
			return nil, s.failure(ctx, err)
		}
		s.withoutLearnt(ctx, &v, m, c.Messages, known)
		out.Body.Items = append(out.Body.Items, v)
	}
	return out, nil
}

func (s *Server) addReply(ctx context.Context, in *replyInput, note bool) (*body[Message], error) {
	r := ticketing.ReplyRequest{
		Ticket: in.Name, Text: in.Body.Text, Note: note, Status: ticketing.Status(in.Body.Status), Seen: in.Body.Seen, Key: in.Key, Cc: in.Body.Cc,
	}
	for _, f := range in.Body.Files {
		r.Files = append(r.Files, ticketing.File(f))
	}
	m, _, err := s.desk.Reply(ctx, actor(ctx), r)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	v, err := s.viewMessage(ctx, strings.ToUpper(in.Name), m, nil)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return &body[Message]{v}, nil
}
