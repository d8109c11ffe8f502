package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// github speaks GitHub's API for issues, whose marks are labels: the ticket's, and waits.
type github struct{ remote }

const ticketLabel = "ticket:" // and the ticket's name

type githubIssue struct {
	Number   int                     `json:"number"`
	URL      string                  `json:"html_url"`
	ClosedAt string                  `json:"closed_at"`
	Labels   []struct{ Name string } `json:"labels"`
}

func (g githubIssue) issue() issue {
	i := issue{number: g.Number, url: g.URL, closedAt: g.ClosedAt}
	for _, l := range g.Labels {
		if name, ours := strings.CutPrefix(l.Name, ticketLabel); ours {
			i.tickets = append(i.tickets, name)
		}
	}
	return i
}

// list asks for the list, not for a search: what was made a moment ago is in the list, and
// in an index perhaps not yet.
func (g github) list(ctx context.Context, state, label string) (issues []issue, err error) {
	var found []githubIssue
	err = g.call(ctx, "GET", "/issues?state="+state+"&labels="+url.QueryEscape(label), "", nil, &found)
	for _, f := range found {
		issues = append(issues, f.issue())
	}
	return issues, err
}

func (g github) find(ctx context.Context, ticket string) ([]issue, error) {
	return g.list(ctx, "all", ticketLabel+ticket)
}

func (g github) closed(ctx context.Context) ([]issue, error) { return g.list(ctx, "closed", waits) }

func (g github) create(ctx context.Context, t ticket) (issue, error) {
	var made githubIssue
	err := g.call(ctx, "POST", "/issues", "", map[string]any{"title": t.Subject, "body": "A customer waits for this: ticket " + t.Name + ".",
		"labels": []string{ticketLabel + t.Name, waits}}, &made)
	return made.issue(), err
}

func (g github) told(ctx context.Context, i issue) error {
	err := g.call(ctx, "DELETE", fmt.Sprintf("/issues/%d/labels/%s", i.number, waits), "", nil, nil)
	if isStatus(err, http.StatusNotFound) {
		return nil // taken off already
	}
	return err
}
