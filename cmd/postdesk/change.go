package main

import (
	"net/http"
	"net/url"
	"strings"

	"postdesk/ticketing/web"
)

// changed is what every command that changes a ticket is told and prints.
type changed struct {
	Name string `arg:"" help:"As SUPPORT-7102."`
	As   string `placeholder:"NAME" help:"Who does it; you, when nothing is said."`
	JSON bool   `name:"json" help:"Print the ticket as JSON."`
}

func (cmd *changed) change(a *app, in map[string]any, say func(web.Ticket) string) error {
	c, err := a.dial(cmd.As)
	if err != nil {
		return err
	}
	var t web.Ticket
	if err := c.do(a.ctx, http.MethodPatch, "/api/v1/tickets/"+url.PathEscape(cmd.Name), nil, in, &t); err != nil {
		return err
	}
	if cmd.JSON {
		return printJSON(a.stdout, t)
	}
	p := &printer{w: a.stdout}
	p.line("%s: %s", t.Name, say(t))
	return p.err
}

type statusCmd struct {
	changed
	Status string `arg:"" help:"new, open, waiting, resolved, closed, rejected or spam."`
}

func (cmd *statusCmd) Run(a *app) error {
	return cmd.change(a, map[string]any{"status": cmd.Status}, func(t web.Ticket) string { return t.Status })
}

type assignCmd struct {
	changed
	Assignee string `arg:"" help:"Name of a member of staff, me, or nobody."`
}

func (cmd *assignCmd) Run(a *app) error {
	name := cmd.Assignee
	if name == "nobody" {
		name = ""
	}
	return cmd.change(a, map[string]any{"assignee": name}, func(t web.Ticket) string {
		if t.Assignee == "" {
			return "assigned to nobody"
		}
		return "assigned to " + t.Assignee
	})
}

type prioCmd struct {
	changed
	Priority string `arg:"" help:"low, normal, high or urgent."`
}

func (cmd *prioCmd) Run(a *app) error {
	return cmd.change(a, map[string]any{"priority": cmd.Priority}, func(t web.Ticket) string { return "priority " + t.Priority })
}

type tagCmd struct {
	changed
	Tags   []string `arg:"" help:"One or several."`
	Remove bool     `help:"Take them off."`
}

func (cmd *tagCmd) Run(a *app) error {
	in := map[string]any{"add_tags": cmd.Tags}
	if cmd.Remove {
		in = map[string]any{"remove_tags": cmd.Tags}
	}
	return cmd.change(a, in, func(t web.Ticket) string { return strings.Join(append([]string{"tags"}, t.Tags...), " ") })
}
