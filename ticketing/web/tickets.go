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
	Ref    string `query:"ref" doc:"only the ticket with this reference to another system" example:"github:owner/repo#12"`
	MsgID  string `query:"message_id" doc:"only tickets that hold a mail with this Message-ID"`
	Alias  string `query:"alias" doc:"only tickets that had this number in another desk" example:"#1234"`
	Cursor string `query:"cursor" doc:"next of the page before"`
	Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"500"`
}

type messagesQuery struct {
	TicketName
	After int64 `query:"after" minimum:"0" doc:"only those with a higher id: next of the page before"`
	Limit int   `query:"limit" default:"500" minimum:"1" maximum:"500"`
}

type replyInput struct {
	TicketName
	IfMatch []string `header:"If-Match" doc:"ETag of the ticket; refused with 412 when it has changed since"`
	Body    struct {
		Text   string   `json:"text" minLength:"1" maxLength:"1000000" doc:"Markdown"`
		Status string   `json:"status,omitempty" doc:"of the ticket after it; waiting when nothing is said"`
		Seen   int64    `json:"seen,omitempty" doc:"newest event you have seen; refused with 409 when somebody else has written since, or a customer"`
		Cc     []string `json:"cc,omitempty" maxItems:"50" doc:"addresses that become participants with this answer"`
		Files  []File   `json:"attachments,omitempty" maxItems:"100" doc:"files that go with it"`
	}
}

// File is an attachment of a reply or a note on its way in.
type File struct {
	Name      string `json:"name" minLength:"1" maxLength:"1000" example:"invoice.pdf"`
	Type      string `json:"type,omitempty" maxLength:"129" doc:"media type; by the name when it is not given" example:"application/pdf"`
	ContentID string `json:"content_id,omitempty" maxLength:"64" doc:"makes it an image of the text, which shows it as ![…](cid:ID)" example:"screen.png"`
	Content   []byte `json:"content" required:"false" doc:"base64"`
	Upload    string `json:"upload,omitempty" maxLength:"100" doc:"of a file that was brought by addUpload, in place of content"`
}

type changeInput struct {
	TicketName
	IfMatch []string `header:"If-Match" doc:"ETag of the ticket; refused with 412 when it has changed since. A change of the requester needs one."`
	Body    struct {
		Status     *ticketing.Status   `json:"status,omitempty" enum:"new,open,waiting,resolved,closed,rejected,spam"`
		Assignee   *string             `json:"assignee,omitempty" maxLength:"100" doc:"name of a member of staff, me, or empty for nobody"`
		Priority   *ticketing.Priority `json:"priority,omitempty" enum:"low,normal,high,urgent"`
		Requester  *string             `json:"requester,omitempty" maxLength:"254" doc:"address of the customer; the one before gets nothing any more"`
		AddTags    []string            `json:"add_tags,omitempty" maxItems:"50"`
		RemoveTags []string            `json:"remove_tags,omitempty" maxItems:"50"`
	}
}

func (s *Server) ticketRoutes(api huma.API) {
	huma.Register(api, route("GET", "/tickets", "listTickets", "Tickets, newest update first", ticketing.VerbRead, ofList), s.listTickets)
	huma.Register(api, route("GET", "/tickets/{name}", "getTicket", "One ticket", ticketing.VerbRead, ofTicket), s.getTicket)
	change := route("PATCH", "/tickets/{name}", "updateTicket", "Change a ticket: all that is named, or nothing", ticketing.VerbChange, ofTicket)
	change.Errors = append(change.Errors, http.StatusPreconditionFailed, http.StatusPreconditionRequired)
	huma.Register(api, change, s.changeTicket)
	huma.Register(api, route("GET", "/tickets/{name}/messages", "listMessages", "Messages of a ticket, the oldest first", ticketing.VerbRead, ofTicket), s.listMessages)
	reply := route("POST", "/tickets/{name}/replies", "addReply", "Answer the requester by mail", ticketing.VerbReply, ofTicket)
	note := route("POST", "/tickets/{name}/notes", "addNote", "Add a note that staff alone see", ticketing.VerbNote, ofTicket)
	open := route("POST", "/tickets", "openTicket", "Begin a conversation: a ticket, and the mail to its requester", ticketing.VerbOpen, ofList)
	for _, o := range []*huma.Operation{&reply, &note, &open} {
		o.DefaultStatus, o.MaxBodyBytes, o.BodyReadTimeout = http.StatusCreated, s.maxReply(), time.Minute
		o.Description += fmt.Sprintf(" The attachments of one reply have at most %d octets together, before base64.", s.desk.MaxAttachmentBytes())
		o.Errors = append(o.Errors, http.StatusConflict, http.StatusPreconditionFailed, http.StatusRequestEntityTooLarge)
	}
	huma.Register(api, open, s.openTicket)
	huma.Register(api, reply, func(ctx context.Context, in *replyInput) (*body[Message], error) { return s.addReply(ctx, in, false) })
	huma.Register(api, note, func(ctx context.Context, in *replyInput) (*body[Message], error) { return s.addReply(ctx, in, true) })
}

// maxReply is the longest request that can be a reply: its text, and its files in base64.
func (s *Server) maxReply() int64 {
	return 4<<20 + int64(base64.StdEncoding.EncodedLen(int(s.desk.MaxAttachmentBytes())))
}

func (s *Server) listTickets(ctx context.Context, in *ticketQuery) (*body[List[Ticket]], error) {
	q := ticketing.TicketQuery{Queue: strings.ToUpper(in.Queue), Held: in.Held, Alias: ticketing.CanonicalAlias(in.Alias), Limit: in.Limit + 1,
		Ref: in.Ref, MessageID: strings.Trim(strings.TrimSpace(in.MsgID), "<>"), Queues: actor(ctx).Queues}
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

func (s *Server) getTicket(ctx context.Context, in *TicketName) (*tagged[TicketDetail], error) {
	c, err := s.desk.TicketHead(ctx, in.Name)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	d := TicketDetail{Ticket: viewTicket(c.Ticket), Follows: c.Linked, Participants: []Person{}, Aliases: append([]string{}, c.Aliases...),
		References: append([]string{}, c.References...)}
	if queue, _, err := ticketing.ParseName(c.Linked); err == nil && !actor(ctx).Sees(queue) {
		d.Follows = ""
	}
	for _, p := range c.Participants {
		d.Participants = append(d.Participants, viewPerson(p))
	}
	cc, err := s.desk.SuggestedCc(ctx, c)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	d.SuggestedCc = append([]mail.Address{}, cc...)
	return &tagged[TicketDetail]{etag(c.Ticket), d}, nil
}

func (s *Server) changeTicket(ctx context.Context, in *changeInput) (*tagged[Ticket], error) {
	by := actor(ctx)
	if in.Body.Requester != nil && len(in.IfMatch) == 0 && by.Origin == "api" {
		// Who was the requester gets nothing any more: not by who has not looked (RFC 6585 section 3).
		return nil, huma.NewError(http.StatusPreconditionRequired, "a change of the requester needs If-Match with the ETag of the ticket")
	}
	versions, err := versions(in.IfMatch)
	if err != nil {
		return nil, err
	}
	t, err := s.desk.ChangeIf(ctx, by, in.Name, versions, ticketing.Change(in.Body))
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return &tagged[Ticket]{etag(t), viewTicket(t)}, nil
}

func (s *Server) listMessages(ctx context.Context, in *messagesQuery) (*body[List[Message]], error) {
	c, err := s.desk.TicketPage(ctx, in.Name, in.After, in.Limit)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	out := &body[List[Message]]{Body: List[Message]{Items: []Message{}}}
	known, before := learnt{}, map[string]ticketing.Message{} // the author's last mail
	note := func(m ticketing.Message) {
		if m.Kind == ticketing.KindInbound {
			before[m.From.Address] = m
		}
	}
	for _, m := range c.Before {
		note(m)
	}
	for _, m := range c.Messages {
		v, err := s.viewMessage(ctx, c.Ticket.Name(), m, c.Outgoing[m.ID], c.Files[m.ID])
		if err != nil {
			return nil, s.failure(ctx, err)
		}
		s.withoutLearnt(ctx, &v, m, before[m.From.Address], known)
		note(m)
		out.Body.Items = append(out.Body.Items, v)
	}
	if len(c.Messages) == in.Limit {
		out.Body.Next = strconv.FormatInt(c.Messages[in.Limit-1].ID, 10)
	}
	return out, nil
}

func (s *Server) addReply(ctx context.Context, in *replyInput, note bool) (*body[Message], error) {
	by := actor(ctx)
	versions, err := versions(in.IfMatch)
	if err != nil {
		return nil, err
	}
	r := ticketing.ReplyRequest{
		Ticket: in.Name, Text: in.Body.Text, Note: note, Status: ticketing.Status(in.Body.Status), Seen: in.Body.Seen, Match: versions,
		Key: by.Key, Cc: in.Body.Cc,
	}
	if r.Files, err = files(in.Body.Files); err != nil {
		return nil, err
	}
	m, _, err := s.desk.Reply(ctx, by, r)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	v, err := s.viewNew(ctx, strings.ToUpper(in.Name), m)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return &body[Message]{v}, nil
}
