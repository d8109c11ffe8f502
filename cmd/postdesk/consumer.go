package main

import (
	"math"
	"net/http"
	"net/url"
	"strconv"

	"postdesk/ticketing/web"
)

type consumerCmd struct {
	List   consumerListCmd   `cmd:"" help:"List the consumers, and how far behind they are."`
	Seek   consumerSeekCmd   `cmd:"" help:"Set the place of a consumer, back or on."`
	Remove consumerRemoveCmd `cmd:"" help:"Forget a consumer and its dead letters."`
}

type consumerListCmd struct {
	JSON bool `name:"json" help:"One JSON object a line."`
}

func (cmd *consumerListCmd) Run(a *app) error {
	c, err := a.dial("")
	if err != nil {
		return err
	}
	var list web.List[web.Consumer]
	if err := c.get(a.ctx, "/api/v1/consumers", nil, &list); err != nil {
		return err
	}
	if cmd.JSON {
		return printLines(a.stdout, list.Items)
	}
	t := newTable(a.stdout, "NAME", "SEQ", "BEHIND", "DEAD")
	for _, k := range list.Items {
		t.row(k.Name, strconv.FormatInt(k.Seq, 10), strconv.FormatInt(k.Behind, 10), strconv.Itoa(k.Dead))
	}
	return t.flush()
}

type consumerRemoveCmd struct {
	Name string `arg:"" help:"As consumer list gives it."`
}

func (cmd *consumerRemoveCmd) Run(a *app) error {
	c, err := a.dial("")
	if err != nil {
		return err
	}
	return c.do(a.ctx, http.MethodDelete, "/api/v1/consumers/"+url.PathEscape(cmd.Name), nil, nil, nil)
}

type consumerSeekCmd struct {
	Name string `arg:"" help:"As consumer list gives it."`
	To   string `arg:"" help:"Number of the event that it is done with, start, or end."`
}

func (cmd *consumerSeekCmd) Run(a *app) error {
	seq, err := strconv.ParseInt(cmd.To, 10, 64)
	switch {
	case cmd.To == "start":
		seq = 0
	case cmd.To == "end":
		seq = math.MaxInt64 // the agent takes the end of the feed
	case err != nil || seq < 0:
		return fault{exitUsage, "name the number of an event, start, or end"}
	}
	c, err := a.dial("")
	if err != nil {
		return err
	}
	var k web.Consumer
	if err := c.do(a.ctx, http.MethodPost, "/api/v1/consumers/"+url.PathEscape(cmd.Name)+"/seek", nil, map[string]int64{"seq": seq}, &k); err != nil {
		return err
	}
	p := &printer{w: a.stdout}
	p.line("%s: goes on after event %d", k.Name, k.Seq)
	return p.err
}
