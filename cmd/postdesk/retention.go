package main

import (
	"net/http"
	"strconv"

	"postdesk/ticketing"
)

type retentionCmd struct {
	DryRun bool `help:"Say what would go, and take nothing."`
	JSON   bool `name:"json" help:"Print it as JSON."`
}

// Help is shown by: postdesk retention --help.
func (retentionCmd) Help() string {
	return "Each queue says with retention how long after they were closed its tickets are kept; keep_events says it of the feed. " +
		"A ticket goes with all that belongs to it, but not while a message of it is held or mail of it waits to go out. " +
		"Its events keep their numbers and say no more (event.erased); ticket.removed tells programs. Who follows the feed from before what is kept gets 410 Gone."
}

// Run removes what is over.
func (cmd *retentionCmd) Run(a *app) error {
	c, err := a.dial("")
	if err != nil {
		return err
	}
	var out ticketing.Retention
	if err := c.do(a.ctx, http.MethodPost, "/api/v1/retention", nil, map[string]bool{"dry_run": cmd.DryRun}, &out); err != nil {
		return err
	}
	if cmd.JSON {
		return printJSON(a.stdout, out)
	}
	t := newTable(a.stdout, "QUEUE", "TICKETS", "MESSAGES", "CLOSED SINCE")
	for _, q := range out.Queues {
		t.row(q.Queue, strconv.FormatInt(q.Tickets, 10), strconv.FormatInt(q.Messages, 10), shortTime(q.Oldest))
	}
	if err := t.flush(); err != nil {
		return err
	}
	p := &printer{w: a.stdout}
	did := "removed"
	if cmd.DryRun {
		did = "to be removed"
	}
	p.line("%d events of the beginning of the feed %s", out.Events, did)
	return p.err
}
