package main

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"postdesk/ticketing/web"
)

type eventsCmd struct {
	After  int64 `help:"Only events after this number."`
	Follow bool  `short:"f" help:"Go on when the feed is at its end, and print what comes."`
}

// Run prints the feed. A reader that was cut off goes on with --after the last seq it has.
func (cmd *eventsCmd) Run(a *app) error {
	c, err := a.dial("")
	if err != nil {
		return err
	}
	query := url.Values{"limit": {"1000"}}
	if cmd.Follow {
		query.Set("wait", "30")
	}
	for after := cmd.After; ; {
		query.Set("after", strconv.FormatInt(after, 10))
		var page web.Events
		if err := c.get(a.ctx, "/api/v1/events", query, &page); err != nil {
			return err
		}
		if err := printLines(a.stdout, page.Items); err != nil {
			return err
		}
		if len(page.Items) == 0 && !cmd.Follow {
			return nil
		}
		after = page.Next
	}
}

type queueCmd struct {
	List    queueListCmd    `cmd:"" help:"List outgoing mail."`
	Retry   queueRetryCmd   `cmd:"" help:"Submit queued or failed mail now."`
	Cancel  queueCancelCmd  `cmd:"" help:"Take queued mail back, unless it is on its way."`
	Hold    queueHoldCmd    `cmd:"" help:"Keep all outgoing mail back, that of the future too."`
	Release queueReleaseCmd `cmd:"" help:"Let outgoing mail go again."`
}

type queueListCmd struct {
	State []string `placeholder:"STATE" default:"queued,delayed,failed" help:"Of these states (${default}); all is all."`
	JSON  bool     `name:"json" help:"One JSON object a line."`
}

func (cmd *queueListCmd) Run(a *app) error {
	c, err := a.dial("")
	if err != nil {
		return err
	}
	query := url.Values{}
	if states := strings.Join(cmd.State, ","); states != "all" {
		query.Set("state", states)
	}
	out, err := pages[web.Outgoing](a, c, "/api/v1/outgoing", query, "after", 0)
	if err != nil {
		return err
	}
	if cmd.JSON {
		return printLines(a.stdout, out)
	}
	t := newTable(a.stdout, "ID", "STATE", "RECIPIENT", "TRIES", "QUEUE-ID", "LAST")
	for _, o := range out {
		t.row(strconv.FormatInt(o.ID, 10), o.State, o.Recipient, strconv.Itoa(o.Attempts), o.QueueID, o.LastReply)
	}
	return t.flush()
}

type queueHoldCmd struct{}

func (queueHoldCmd) Run(a *app) error { return a.holdQueue(true) }

type queueReleaseCmd struct{}

func (queueReleaseCmd) Run(a *app) error { return a.holdQueue(false) }

func (a *app) holdQueue(hold bool) error {
	c, err := a.dial("")
	if err != nil {
		return err
	}
	return c.do(a.ctx, http.MethodPut, "/api/v1/outgoing/hold", nil, map[string]any{"hold": hold}, nil)
}

type outgoingCmd struct {
	ID int64 `arg:"" help:"As queue list gives it."`
}

type queueRetryCmd struct{ outgoingCmd }

func (cmd *queueRetryCmd) Run(a *app) error { return cmd.post(a, "retry") }

type queueCancelCmd struct{ outgoingCmd }

func (cmd *queueCancelCmd) Run(a *app) error { return cmd.post(a, "cancel") }

func (cmd *outgoingCmd) post(a *app, what string) error {
	c, err := a.dial("")
	if err != nil {
		return err
	}
	return c.do(a.ctx, http.MethodPost, "/api/v1/outgoing/"+strconv.FormatInt(cmd.ID, 10)+"/"+what, nil, nil, nil)
}
