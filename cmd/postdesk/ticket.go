package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"postdesk/ticketing"
	"postdesk/ticketing/web"
)

type ticketCmd struct {
	List ticketListCmd `cmd:"" help:"List tickets, newest update first."`
	Show ticketShowCmd `cmd:"" help:"Show a ticket with all its messages."`
	Open ticketOpenCmd `cmd:"" help:"Begin a conversation: a ticket, and the mail to its requester."`

	Redact ticketRedactCmd `cmd:"" help:"Take away for good the words of a message, or one file: a password, a photo."`
}

type ticketListCmd struct {
	Queue  string   `placeholder:"KEY" help:"Only of this queue."`
	Status []string `placeholder:"STATUS" help:"Only with these statuses."`
	Held   bool     `help:"Only with messages that wait to be accepted or dismissed."`
	Alias  string   `placeholder:"NUMBER" help:"Only with this number of another desk, as #1234."`
	Ref    string   `placeholder:"REF" help:"Only the one with this reference to another system, as github:owner/repo#12."`
	MsgID  string   `name:"message-id" placeholder:"ID" help:"Only those that hold a mail with this Message-ID."`
	Limit  int      `default:"50" help:"At most so many; 0 is all."`
	JSON   bool     `name:"json" help:"One JSON object a line."`
}

func (cmd *ticketListCmd) Run(a *app) error {
	c, err := a.dial("")
	if err != nil {
		return err
	}
	query := url.Values{}
	set := func(name, value string) {
		if value != "" {
			query.Set(name, value)
		}
	}
	set("queue", cmd.Queue)
	set("status", strings.Join(cmd.Status, ","))
	set("alias", cmd.Alias)
	set("ref", cmd.Ref)
	set("message_id", cmd.MsgID)
	if cmd.Held {
		set("held", "true")
	}
	tickets, err := pages[web.Ticket](a, c, "/api/v1/tickets", query, "cursor", cmd.Limit)
	if err != nil {
		return err
	}
	if cmd.JSON {
		return printLines(a.stdout, tickets)
	}
	t := newTable(a.stdout, "TICKET", "STATUS", "UPDATED", "REQUESTER", "MARKS", "SUBJECT")
	for _, k := range tickets {
		t.row(k.Name, k.Status, shortTime(k.Updated), k.Requester, ticketMarks(k), k.Subject)
	}
	return t.flush()
}

func ticketMarks(t web.Ticket) string {
	var marks []string
	if t.Held > 0 {
		marks = append(marks, fmt.Sprintf("held:%d", t.Held))
	}
	if t.Unverified {
		marks = append(marks, "unverified")
	}
	if t.Suspicious {
		marks = append(marks, "suspicious")
	}
	if t.Priority != string(ticketing.PriorityNormal) {
		marks = append(marks, t.Priority)
	}
	if t.Assignee != "" {
		marks = append(marks, "assignee:"+t.Assignee)
	}
	for _, tag := range t.Tags {
		marks = append(marks, "#"+tag)
	}
	return strings.Join(marks, ",")
}

type ticketShowCmd struct {
	Name string `arg:"" help:"As SUPPORT-7102, or its number in another desk, as #1234."`
	JSON bool   `name:"json" help:"One JSON object: the ticket with its messages."`
}

func (cmd *ticketShowCmd) Run(a *app) error {
	c, err := a.dial("")
	if err != nil {
		return err
	}
	path := "/api/v1/tickets/" + url.PathEscape(cmd.Name)
	var out struct {
		web.TicketDetail
		Messages []web.Message `json:"messages"`
	}
	if err := c.get(a.ctx, path, nil, &out.TicketDetail); err != nil {
		return err
	}
	out.Messages = []web.Message{}
	for next := "0"; next != ""; {
		var page web.List[web.Message]
		if err := c.get(a.ctx, path+"/messages", url.Values{"after": {next}}, &page); err != nil {
			return err
		}
		out.Messages, next = append(out.Messages, page.Items...), page.Next
	}
	if cmd.JSON {
		return printJSON(a.stdout, out)
	}
	p := &printer{w: a.stdout}
	p.line("%s  %s  %s", out.Name, out.Status, out.Subject)
	p.line("requester: %s %s  marks: %s  newest event: %d", out.RequesterName, out.Requester, ticketMarks(out.Ticket), out.Seq)
	if out.Follows != "" {
		p.line("follows: %s", out.Follows)
	}
	if !out.Waiting.IsZero() {
		p.line("waiting since: %s", shortTime(out.Waiting))
	}
	for _, s := range out.SuggestedCc {
		p.line("suggested cc: %s %s", s.Name, s.Address)
	}
	if len(out.References) > 0 {
		p.line("references: %s", strings.Join(out.References, " "))
	}
	if len(out.Aliases) > 0 {
		p.line("elsewhere: %s", strings.Join(out.Aliases, " "))
	}
	for _, m := range out.Messages {
		p.message(m)
	}
	return p.err
}

// message prints one message: its head in a line or two, then its new text.
func (p *printer) message(m web.Message) {
	who := m.Actor
	if m.From.Address != "" {
		who = m.From.Address
	}
	p.line("")
	p.line("-- %d  %s  %s  %s  %s", m.ID, m.Kind, m.Visibility, shortTime(m.Received), who)
	if m.Reason != "" {
		p.line("   row %s: %s", m.Row, m.Reason)
	}
	if m.Authentication.Reason != "" {
		p.line("   %s", m.Authentication.Reason)
	}
	for _, line := range append([]string{m.Advice, m.Suppressed}, m.Problems...) {
		if line != "" {
			p.line("   %s", line)
		}
	}
	for _, problem := range m.Problems {
		p.line("   ! %s", problem)
	}
	for _, o := range m.Outgoing {
		p.line("   to %s: %s", o.Recipient, fate(o))
	}
	for _, att := range m.Attachments {
		p.line("   attachment: %s (%s, %d octets)", att.Name, att.Type, att.Size)
	}
	p.line("")
	p.text(m.NewText)
}

// fate says how a mail fares: what failed for good, what may be tried again and what is
// being tried again are different things to whoever wrote it.
func fate(o web.Outgoing) string {
	s := o.State
	switch {
	case o.State == "failed" && o.Permanent:
		s = "failed for good"
	case o.State == "failed":
		s = fmt.Sprintf("failed for now; postdesk queue retry %d sends it again", o.ID)
	case o.State == "delayed":
		s = "delayed; the next server goes on trying"
	case o.State == "queued" && o.Resubmitted > 0:
		s = "failed for now; goes out again at " + shortTime(o.NextAttempt)
	}
	if o.Status != "" && !strings.Contains(o.LastReply, o.Status) {
		s += " (" + o.Status + ")"
	}
	if o.LastReply != "" {
		s += ": " + o.LastReply
	}
	return s
}

type replyCmd struct {
	Name   string   `arg:"" help:"As SUPPORT-7102."`
	Text   string   `help:"Markdown; read from standard input when it is not given."`
	Attach []string `placeholder:"FILE" sep:"none" help:"A file that goes with it; can be given several times."`
	Inline []string `placeholder:"FILE" sep:"none" help:"An image that the text shows as ![words](cid:NAME), NAME being the file's."`
	Status string   `placeholder:"STATUS" help:"Of the ticket after it; waiting when nothing is said."`
	As     string   `placeholder:"NAME" help:"Who answers; you, when nothing is said."`
	Key    string   `placeholder:"KEY" env:"POSTDESK_IDEMPOTENCY_KEY" help:"Asking again with the same key does nothing twice."`
	Cc     []string `placeholder:"ADDRESS" help:"People who become participants with this answer."`
	Seen   int64    `placeholder:"N" help:"Newest event you have seen; refused when the ticket has moved on since."`
	JSON   bool     `name:"json" help:"Print the message as JSON."`
}

func (cmd *replyCmd) Run(a *app) error { return cmd.send(a, "replies") }

type noteCmd struct{ replyCmd }

func (cmd *noteCmd) Run(a *app) error { return cmd.send(a, "notes") }

// request is what a reply, a note and a conversation that we begin have in common.
func (cmd *replyCmd) request(a *app) (map[string]any, error) {
	text := cmd.Text
	if text == "" {
		data, err := io.ReadAll(a.stdin)
		if err != nil {
			return nil, fmt.Errorf("standard input: %w", err)
		}
		text = string(data)
	}
	if strings.TrimSpace(text) == "" {
		return nil, fault{exitUsage, "the text is empty; give --text or standard input"}
	}
	files, err := cmd.files()
	if err != nil {
		return nil, err
	}
	in := map[string]any{"text": text}
	if cmd.Status != "" {
		in["status"] = cmd.Status
	}
	if len(cmd.Cc) > 0 {
		in["cc"] = cmd.Cc
	}
	if cmd.Seen != 0 {
		in["seen"] = cmd.Seen
	}
	if len(files) > 0 {
		in["attachments"] = files
	}
	return in, nil
}

func (cmd *replyCmd) send(a *app, where string) error {
	in, err := cmd.request(a)
	if err != nil {
		return err
	}
	c, err := a.dial(cmd.As)
	if err != nil {
		return err
	}
	var m web.Message
	if err := c.do(a.ctx, http.MethodPost, "/api/v1/tickets/"+url.PathEscape(cmd.Name)+"/"+where, withKey(cmd.Key), in, &m); err != nil {
		return err
	}
	if cmd.JSON {
		return printJSON(a.stdout, m)
	}
	return a.added(m)
}

func (a *app) added(m web.Message) error {
	p := &printer{w: a.stdout}
	p.line("%s: %s %d added", m.Ticket, m.Kind, m.ID)
	return p.err
}

type judgeCmd struct {
	ID int64  `arg:"" help:"Of the message, as ticket show gives it."`
	As string `placeholder:"NAME" help:"Who does it; you, when nothing is said."`
}

type acceptCmd struct {
	judgeCmd
	Add bool `help:"Make its author a participant of the ticket, too."`
}

func (cmd *acceptCmd) Run(a *app) error {
	if cmd.Add {
		return cmd.judge(a, "accept?add_participant=true")
	}
	return cmd.judge(a, "accept")
}

type dismissCmd struct{ judgeCmd }

func (cmd *dismissCmd) Run(a *app) error { return cmd.judge(a, "dismiss") }

func (cmd *judgeCmd) judge(a *app, verdict string) error {
	c, err := a.dial(cmd.As)
	if err != nil {
		return err
	}
	var m web.Message
	if err := c.do(a.ctx, http.MethodPost, fmt.Sprintf("/api/v1/messages/%d/%s", cmd.ID, verdict), nil, nil, &m); err != nil {
		return err
	}
	p := &printer{w: a.stdout}
	p.line("%s: message %d %s", m.Ticket, m.ID, m.Visibility)
	return p.err
}
