package main

import (
	"context"
	"fmt"
	"log"
	"net/url"
	"slices"
	"strings"
)

// redmine speaks Redmine's REST API as a user who may see, add and edit the project's
// issues. It has no labels, and a custom field would be the administrator's work: the
// ticket's mark is at the start of the subject, and waits is in the description.
type redmine struct {
	remote
	project string // the path of the project below the base
}

const subjectRoom = 255 // characters; a longer one is refused

func newRedmine(address, key string) redmine {
	root, name, ok := strings.Cut(strings.TrimRight(address, "/"), "/projects/")
	if !ok {
		log.Fatalf("TRACKER_URL is %q: a Redmine's is https://HOST/projects/NAME", address)
	}
	return redmine{remote{root, "X-Redmine-API-Key", key}, "/projects/" + name}
}

type redmineIssue struct {
	ID          int    `json:"id"`
	Subject     string `json:"subject"`
	Description string `json:"description"`
	ClosedOn    string `json:"closed_on"`
}

func (r redmine) issue(f redmineIssue) issue {
	i := issue{number: f.ID, url: fmt.Sprintf("%s/issues/%d", r.base, f.ID), closedAt: f.ClosedOn, text: f.Description}
	if mark, _, ends := strings.Cut(f.Subject, "]"); ends && strings.HasPrefix(mark, "[") {
		i.tickets = []string{mark[1:]}
	}
	return i
}

func (r redmine) list(ctx context.Context, filter url.Values) (issues []issue, err error) {
	var page struct{ Issues []redmineIssue }
	filter.Set("limit", "100")
	err = r.call(ctx, "GET", r.project+"/issues.json?"+filter.Encode(), "", nil, &page)
	for _, f := range page.Issues {
		issues = append(issues, r.issue(f))
	}
	return issues, err
}

func (r redmine) find(ctx context.Context, ticket string) (found []issue, err error) {
	all, err := r.list(ctx, url.Values{"status_id": {"*"}, "subject": {"~[" + ticket + "]"}})
	for _, i := range all {
		if slices.Contains(i.tickets, ticket) { // and not somewhere in a customer's words
			found = append(found, i)
		}
	}
	return found, err
}

func (r redmine) closed(ctx context.Context) ([]issue, error) {
	return r.list(ctx, url.Values{"status_id": {"closed"}, "description": {"~" + waits}})
}

func (r redmine) create(ctx context.Context, t ticket) (issue, error) {
	subject := []rune("[" + t.Name + "] " + t.Subject)
	var made struct{ Issue redmineIssue }
	err := r.call(ctx, "POST", r.project+"/issues.json", "", map[string]any{"issue": map[string]string{
		"subject": string(subject[:min(len(subject), subjectRoom)]), "description": "Ticket " + t.Name + ": " + waits + "."}}, &made)
	return r.issue(made.Issue), err
}

func (r redmine) told(ctx context.Context, i issue) error {
	text := strings.ReplaceAll(i.text, waits, "customer-told")
	return r.call(ctx, "PUT", fmt.Sprintf("/issues/%d.json", i.number), "", map[string]any{"issue": map[string]string{"description": text}}, nil)
}
