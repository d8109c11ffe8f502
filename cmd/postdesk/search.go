package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"postdesk/ticketing/web"
)

type searchCmd struct {
	Text  []string `arg:"" help:"Words that must all be there."`
	Limit int      `default:"50" help:"At most so many; 0 is all."`
	JSON  bool     `name:"json" help:"One JSON object a line."`
}

// Help is shown by: postdesk search --help.
func (searchCmd) Help() string {
	return "Also: '\"a phrase\"', 'this -without', 'begin*', from:jo@acme.example, queue:SUPPORT, status:open,waiting. " +
		"Found are words of authors, without quotes, of subjects and of authors' names and addresses."
}

func (cmd *searchCmd) Run(a *app) error {
	c, err := a.dial("")
	if err != nil {
		return err
	}
	query := url.Values{"q": {strings.Join(cmd.Text, " ")}}
	var hits []web.Hit
	for page := (web.Hits{}); ; query.Set("cursor", page.Next) {
		query.Set("limit", "500")
		if cmd.Limit > 0 {
			query.Set("limit", strconv.Itoa(min(cmd.Limit-len(hits), 500)))
		}
		page = web.Hits{}
		if err := c.get(a.ctx, "/api/v1/search", query, &page); err != nil {
			return err
		}
		hits = append(hits, page.Items...)
		if page.Next != "" && (cmd.Limit == 0 || len(hits) < cmd.Limit) {
			continue
		}
		if page.Filling {
			fmt.Fprintln(a.stderr, "postdesk: the index is being made; there may be more")
		}
		break
	}
	if cmd.JSON {
		return printLines(a.stdout, hits)
	}
	t := newTable(a.stdout, "TICKET", "STATUS", "MESSAGE", "KIND", "RECEIVED", "FROM", "SUBJECT")
	for _, h := range hits {
		who := h.From.Address
		if who == "" {
			who = h.Actor
		}
		subject := h.Subject
		if subject == "" {
			subject = h.Ticket.Subject
		}
		t.row(h.Ticket.Name, h.Ticket.Status, strconv.FormatInt(h.Message, 10), h.Kind, shortTime(h.Received), who, subject)
	}
	return t.flush()
}
