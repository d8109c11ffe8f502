package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"postdesk/ticketing"
	"postdesk/ticketing/web"
)

// explain asks the running agent what would become of a mail: only it knows the tickets.
func (c *client) explain(a *app, to []string, reversePath string, raw []byte) ([]web.Explanation, error) {
	query := url.Values{"to": {strings.Join(to, ",")}, "reverse_path": {reversePath}}
	req, err := http.NewRequestWithContext(a.ctx, http.MethodPost, "http://postdesk/api/v1/explain?"+query.Encode(), bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "message/rfc822")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		return nil, refused(res)
	}
	var list web.List[web.Explanation]
	if err := json.NewDecoder(res.Body).Decode(&list); err != nil {
		return nil, c.unreachable(err)
	}
	return list.Items, nil
}

// asDelivery prints what each file would meet as a delivery.
func (cmd *inspectCmd) asDelivery(a *app) error {
	c, err := a.dial("")
	if err != nil {
		return err
	}
	for _, file := range cmd.Files {
		raw, err := readMail(file, a.stdin)
		if err != nil {
			return fault{exitNoInput, err.Error()}
		}
		found, err := c.explain(a, cmd.AsDelivery, cmd.Envelope, raw)
		if err != nil {
			return err
		}
		if cmd.JSON {
			err = printLines(a.stdout, found)
		} else {
			err = printExplanations(a.stdout, file, found)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func printExplanations(w io.Writer, file string, found []web.Explanation) error {
	p := &printer{w: w}
	p.line("%s", file)
	for _, e := range found {
		place := "a new ticket of " + e.Queue
		if e.Ticket != "" {
			place = e.Ticket
		}
		p.line("  row %s (%s) at %s: %s", e.Row, e.Effect, place, e.Reason)
		for _, line := range []string{e.Advice, e.Warning, e.Suppressed} {
			if line != "" {
				p.line("    %s", line)
			}
		}
		if e.Acknowledged {
			p.line("    acknowledged, unless the sender has had its share")
		}
		p.line("  proof:    author %q by %q, dmarc %s, policy %q: %s", e.Authentication.Author, e.Authentication.Method,
			string(e.Authentication.DMARC), e.Authentication.Policy, e.Authentication.Reason)
		p.line("  facts:    %s", factsInWords(e.Facts))
	}
	return p.err
}

// factsInWords names the facts that hold.
func factsInWords(f ticketing.Facts) string {
	var names []string
	v := reflect.ValueOf(f)
	for i := range v.NumField() {
		if v.Field(i).Bool() {
			names = append(names, v.Type().Field(i).Name)
		}
	}
	if len(names) == 0 {
		return "none holds"
	}
	return strings.Join(names, ", ")
}
