package main

import (
	"errors"
	"slices"
	"strings"

	"postdesk/ticketing"
)

// template is of a text that has been checked.
func template(source string) ticketing.Template {
	t, _ := ticketing.NewTemplate(source)
	return t
}

// checkWords finds what is wrong in what a queue puts into mail.
func checkWords(setting string, q queueConfig) error {
	for _, c := range []struct{ name, source string }{{"reply_template", q.ReplyTemplate}, {"signature", q.Signature}, {"quote_head", q.QuoteHead}} {
		name, source := c.name, c.source
		t, err := ticketing.NewTemplate(source)
		var fault ticketing.TemplateError
		if errors.As(err, &fault) {
			return settingError{setting + name, fault.Text, fault.Line}
		}
		if err != nil {
			return wrong(setting+name, "%s", err)
		}
		if name == "reply_template" && source != "" && !t.Uses("Text") {
			return wrong(setting+name, "{{.Text}} is missing: the place of what was written")
		}
		if name == "quote_head" && strings.Contains(strings.TrimSpace(source), "\n") {
			return wrong(setting+name, "want one line, as: On {{.Date}}, {{.Author}} wrote:")
		}
	}
	if !slices.Contains([]string{ticketing.QuoteLast, ticketing.QuoteFull, ticketing.QuoteNone}, q.Quote) {
		return wrong(setting+"quote", "%q is none of last, full, none", q.Quote)
	}
	return nil
}

// lineBelow is how far below the line of a setting a line of its value is. TOML drops a
// line end right behind the opening quotes.
func lineBelow(text []byte, row, line int) int {
	first := strings.TrimSpace(strings.Split(string(text), "\n")[row-1])
	switch _, value, several := cutQuotes(first); {
	case !several || line < 1:
		return 0
	case value == "":
		return line
	}
	return line - 1
}

// cutQuotes cuts a line at the quotes that open or close a text of several lines.
func cutQuotes(line string) (before, after string, found bool) {
	i := strings.IndexFunc(line, func(r rune) bool { return r == '"' || r == '\'' })
	if i < 0 || !strings.HasPrefix(line[i:], strings.Repeat(line[i:i+1], 3)) {
		return line, "", false
	}
	return line[:i], line[i+3:], true
}
