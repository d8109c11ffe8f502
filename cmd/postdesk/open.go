package main

import (
	"net/http"
	"net/url"
	"strings"

	"postdesk/ticketing/web"
)

type ticketOpenCmd struct {
	Queue   string   `required:"" placeholder:"KEY" help:"Whose ticket it is."`
	To      string   `required:"" placeholder:"ADDRESS" help:"Whom we write to: the requester of the ticket."`
	ToName  string   `placeholder:"NAME" help:"What they are called."`
	Subject string   `required:"" help:"Of the mail and of the ticket."`
	Text    string   `help:"Markdown; read from standard input when it is not given."`
	Attach  []string `placeholder:"FILE" sep:"none" help:"A file that goes with it; can be given several times."`
	Inline  []string `placeholder:"FILE" sep:"none" help:"An image that the text shows as ![words](cid:NAME), NAME being the file's."`
	Status  string   `placeholder:"STATUS" help:"Of the ticket after it; waiting when nothing is said."`
	Cc      []string `placeholder:"ADDRESS" help:"People who become participants."`
	Ref     []string `placeholder:"REF" help:"What it is called in another system, as github:owner/repo#12."`
	As      string   `placeholder:"NAME" help:"Who writes; you, when nothing is said."`
	Key     string   `placeholder:"KEY" env:"POSTDESK_IDEMPOTENCY_KEY" help:"Asking again with the same key does nothing twice."`
	JSON    bool     `name:"json" help:"Print ticket and message as JSON."`
}

// Run begins a conversation.
func (cmd *ticketOpenCmd) Run(a *app) error {
	reply := replyCmd{Text: cmd.Text, Attach: cmd.Attach, Inline: cmd.Inline, Status: cmd.Status, Cc: cmd.Cc}
	in, err := reply.request(a)
	if err != nil {
		return err
	}
	in["queue"], in["to"], in["subject"] = cmd.Queue, cmd.To, cmd.Subject
	if cmd.ToName != "" {
		in["name"] = cmd.ToName
	}
	if len(cmd.Ref) > 0 {
		in["references"] = cmd.Ref
	}
	c, err := a.dial(cmd.As)
	if err != nil {
		return err
	}
	var out web.Opened
	if err := c.do(a.ctx, http.MethodPost, "/api/v1/tickets", withKey(cmd.Key), in, &out); err != nil {
		return err
	}
	if cmd.JSON {
		return printJSON(a.stdout, out)
	}
	p := &printer{w: a.stdout}
	p.line("%s", out.Ticket.Name)
	return p.err
}

// withKey is the field that makes a request safe to repeat.
func withKey(key string) http.Header {
	header := http.Header{}
	if key != "" {
		header.Set("Idempotency-Key", key)
	}
	return header
}

type refCmd struct {
	changed
	Refs   []string `arg:"" help:"What the ticket is called in other systems, as github:owner/repo#12."`
	Remove bool     `help:"Take them off."`
}

// Run ties references to a ticket, or unties them.
func (cmd *refCmd) Run(a *app) error {
	c, err := a.dial(cmd.As)
	if err != nil {
		return err
	}
	path := "/api/v1/tickets/" + url.PathEscape(cmd.Name) + "/references"
	var out web.References
	for _, ref := range cmd.Refs {
		if cmd.Remove {
			err = c.do(a.ctx, http.MethodDelete, path+"?"+url.Values{"ref": {ref}}.Encode(), nil, nil, &out)
		} else {
			err = c.do(a.ctx, http.MethodPost, path, nil, map[string]string{"reference": ref}, &out)
		}
		if err != nil {
			return err
		}
	}
	if cmd.JSON {
		return printJSON(a.stdout, out)
	}
	p := &printer{w: a.stdout}
	p.line("%s: %s", cmd.Name, strings.Join(append([]string{"references"}, out.References...), " "))
	return p.err
}
