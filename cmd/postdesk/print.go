package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"postdesk/ticketing/web"
)

// pages reads a list page by page, at most limit items of it.
func pages[T any](a *app, c *client, path string, query url.Values, cursor string, limit int) (items []T, err error) {
	for {
		query.Set("limit", "500")
		if limit > 0 {
			query.Set("limit", strconv.Itoa(min(limit-len(items), 500)))
		}
		var page web.List[T]
		if err := c.get(a.ctx, path, query, &page); err != nil {
			return nil, err
		}
		items = append(items, page.Items...)
		if page.Next == "" || limit > 0 && len(items) >= limit {
			return items, nil
		}
		query.Set(cursor, page.Next)
	}
}

// printer writes lines of text that came from strangers, and keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = printable(s)
		}
	}
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// text prints what a person wrote, line by line.
func (p *printer) text(s string) {
	for line := range strings.SplitSeq(strings.TrimSpace(s), "\n") {
		p.line("%s", line)
	}
}

// printable takes out what could command a terminal: a subject is written by anybody.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return '�'
		}
		return r
	}, s)
}

// table prints columns.
type table struct {
	tab *tabwriter.Writer
	p   printer
}

func newTable(w io.Writer, head ...string) *table {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	t := &table{tab, printer{w: tab}}
	t.row(head...)
	return t
}

func (t *table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = printable(c)
		if c == "" {
			cells[i] = "-"
		}
	}
	if t.p.err == nil {
		_, t.p.err = fmt.Fprintln(t.tab, strings.Join(cells, "\t"))
	}
}

func (t *table) flush() error {
	if t.p.err != nil {
		return t.p.err
	}
	return t.tab.Flush()
}

func shortTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }

func printJSON(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }

func printLines[T any](w io.Writer, items []T) error {
	for _, item := range items {
		if err := printJSON(w, item); err != nil {
			return err
		}
	}
	return nil
}
