package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"postdesk/ticketing/web"
)

type heldCmd struct {
	Limit int  `default:"100" help:"At most so many; 0 is all."`
	JSON  bool `name:"json" help:"One JSON object a line."`
}

// Run lists what waits for staff, the oldest first: a customer may be behind each.
func (cmd *heldCmd) Run(a *app) error {
	c, err := a.dial("")
	if err != nil {
		return err
	}
	held, err := pages[web.HeldMessage](a, c, "/api/v1/held", url.Values{}, "after", cmd.Limit)
	if err != nil {
		return err
	}
	if cmd.JSON {
		return printLines(a.stdout, held)
	}
	p := &printer{w: a.stdout}
	for _, m := range held {
		p.line("%d  %s  since %s  %s  %s", m.ID, m.Ticket, shortTime(m.Received), m.From.Address, m.Subject)
		p.line("    held by row %s: %s", m.Row, m.Reason)
		if m.Advice != "" {
			p.line("    %s", m.Advice)
		}
	}
	if len(held) > 0 {
		p.line("")
		p.line("postdesk accept ID, accept --add ID (its author becomes a participant), or dismiss ID")
	}
	return p.err
}

type participantCmd struct {
	List   participantListCmd   `cmd:"" help:"List the participants of a ticket."`
	Add    participantAddCmd    `cmd:"" help:"Confirm a person: they get the answers."`
	Remove participantRemoveCmd `cmd:"" help:"Remove a person: their token ends at once."`
	Mute   participantMuteCmd   `cmd:"" help:"Keep mail from a person."`
	Unmute participantUnmuteCmd `cmd:"" help:"Let mail go to a person again."`
	Revoke participantRevokeCmd `cmd:"" help:"End every token that a person was given until now; the next answer brings a new one."`
}

type participantListCmd struct {
	Ticket string `arg:"" help:"As SUPPORT-7102."`
	JSON   bool   `name:"json" help:"One JSON object a line."`
}

func (cmd *participantListCmd) Run(a *app) error {
	c, err := a.dial("")
	if err != nil {
		return err
	}
	var t web.TicketDetail
	if err := c.get(a.ctx, "/api/v1/tickets/"+url.PathEscape(cmd.Ticket), nil, &t); err != nil {
		return err
	}
	if cmd.JSON {
		return printLines(a.stdout, t.Participants)
	}
	tab := newTable(a.stdout, "ADDRESS", "ROLE", "MARKS", "NAME")
	for _, p := range t.Participants {
		marks := ""
		if p.Muted {
			marks = "muted"
		}
		tab.row(p.Address, p.Role, marks, p.Name)
	}
	for _, s := range t.SuggestedCc {
		tab.row(s.Address, "", "suggested", s.Name)
	}
	return tab.flush()
}

type participantAct struct {
	Ticket  string `arg:"" help:"As SUPPORT-7102."`
	Address string `arg:"" help:"The mail address."`
	As      string `placeholder:"NAME" help:"Who does it; you, when nothing is said."`
}

func (cmd *participantAct) send(a *app, method, below string, in any) error {
	c, err := a.dial(cmd.As)
	if err != nil {
		return err
	}
	path := "/api/v1/tickets/" + url.PathEscape(cmd.Ticket) + "/participants"
	if method != http.MethodPost || below != "" {
		path += "/" + url.PathEscape(cmd.Address) + below
	}
	var p web.Person
	if err := c.do(a.ctx, method, path, nil, in, &p); err != nil {
		return err
	}
	out := &printer{w: a.stdout}
	state := p.Role
	if p.Muted {
		state += ", muted"
	}
	out.line("%s: %s", p.Address, state)
	return out.err
}

type participantAddCmd struct {
	participantAct
	Name string `placeholder:"NAME" help:"Display name."`
}

func (cmd *participantAddCmd) Run(a *app) error {
	return cmd.send(a, http.MethodPost, "", map[string]string{"address": cmd.Address, "name": cmd.Name})
}

type participantRemoveCmd struct{ participantAct }

func (cmd *participantRemoveCmd) Run(a *app) error { return cmd.send(a, http.MethodDelete, "", nil) }

type participantMuteCmd struct{ participantAct }

func (cmd *participantMuteCmd) Run(a *app) error {
	return cmd.send(a, http.MethodPatch, "", map[string]bool{"muted": true})
}

type participantUnmuteCmd struct{ participantAct }

func (cmd *participantUnmuteCmd) Run(a *app) error {
	return cmd.send(a, http.MethodPatch, "", map[string]bool{"muted": false})
}

type participantRevokeCmd struct{ participantAct }

func (cmd *participantRevokeCmd) Run(a *app) error {
	return cmd.send(a, http.MethodPost, "/revoke", nil)
}

type askCmd struct {
	Ticket  string `arg:"" help:"As SUPPORT-7102."`
	Address string `arg:"" help:"Of the third party, as a supplier."`
	Name    string `placeholder:"NAME" help:"Display name of the third party."`
	Subject string `help:"Stands after the name of the ticket; the ticket's own subject is not shown."`
	Text    string `help:"Markdown; read from standard input when it is not given."`
	As      string `placeholder:"NAME" help:"Who asks; you, when nothing is said."`
	Key     string `placeholder:"KEY" help:"Asking again with the same key does nothing twice."`
}

// Run asks somebody who sees nothing of the conversation.
func (cmd *askCmd) Run(a *app) error {
	text := cmd.Text
	if text == "" {
		data, err := io.ReadAll(a.stdin)
		if err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
		text = string(data)
	}
	if strings.TrimSpace(text) == "" {
		return fault{exitUsage, "the text is empty; give --text or standard input"}
	}
	c, err := a.dial(cmd.As)
	if err != nil {
		return err
	}
	header := http.Header{}
	if cmd.Key != "" {
		header.Set("Idempotency-Key", cmd.Key)
	}
	in := map[string]string{"address": cmd.Address, "name": cmd.Name, "subject": cmd.Subject, "text": text}
	var m web.Message
	if err := c.do(a.ctx, http.MethodPost, "/api/v1/tickets/"+url.PathEscape(cmd.Ticket)+"/questions", header, in, &m); err != nil {
		return err
	}
	return a.added(m)
}

type keyCmd struct {
	List   keyListCmd   `cmd:"" help:"List the keys of reply tokens and Message-IDs."`
	Rotate keyRotateCmd `cmd:"" help:"Sign with a new key; older ones verify for 180 days more."`
}

type keyListCmd struct {
	JSON bool `name:"json" help:"One JSON object a line."`
}

func (cmd *keyListCmd) Run(a *app) error {
	c, err := a.dial("")
	if err != nil {
		return err
	}
	var list web.List[web.Key]
	if err := c.get(a.ctx, "/api/v1/keys", nil, &list); err != nil {
		return err
	}
	if cmd.JSON {
		return printLines(a.stdout, list.Items)
	}
	t := newTable(a.stdout, "ID", "CREATED", "STATE")
	for _, k := range list.Items {
		state := "signs"
		if !k.Until.IsZero() {
			state = "verifies until " + shortTime(k.Until)
		}
		t.row(strconv.FormatInt(k.ID, 10), shortTime(k.Created), state)
	}
	return t.flush()
}

type keyRotateCmd struct{}

func (keyRotateCmd) Run(a *app) error {
	c, err := a.dial("")
	if err != nil {
		return err
	}
	var k web.Key
	if err := c.do(a.ctx, http.MethodPost, "/api/v1/keys/rotate", nil, nil, &k); err != nil {
		return err
	}
	p := &printer{w: a.stdout}
	p.line("%s", fmt.Sprintf("key %d signs from now on; mail that is out there goes on working for 180 days", k.ID))
	return p.err
}
