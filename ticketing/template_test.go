package ticketing

import (
	"errors"
	"strings"
	"testing"
)

func TestTemplateRenders(t *testing.T) {
	fields := TemplateFields{Queue: "Support", Ticket: "SUPPORT-7102", Subject: "I can't login!", Agent: "Jane", Customer: "Jo", Text: "{{.Agent}} & <b>"}
	for source, want := range map[string]string{
		"":                                    "",
		"no text":                             "no text",
		"{{.Agent}}\n{{.Queue}}, {{.Ticket}}": "Jane\nSupport, SUPPORT-7102",
		"{{.Text}}":                           "{{.Agent}} & <b>",
		"{{if .Agent}}a {{.Agent}}{{else}}b{{end}}":                   "a Jane",
		"{{if .Address}}a{{else if .Customer}}{{.Customer}}{{end}}":   "Jo",
		`{{if and (ne .Agent .Queue) (eq .Customer "Jo")}}yes{{end}}`: "yes",
		"{{if not .Address}}none{{end}}{{/* not shown */}}":           "none",
		"a {{- .Agent -}} b": "aJaneb",
	} {
		tmpl, err := NewTemplate(source)
		if err != nil {
			t.Errorf("%q: %v", source, err)
			continue
		}
		if got, err := tmpl.Render(fields); err != nil || got != want || tmpl.String() != source {
			t.Errorf("%q gave %q, %v; want %q", source, got, err, want)
		}
	}
	if got, err := (Template{}).Render(fields); got != "" || err != nil {
		t.Errorf("the zero template gave %q, %v", got, err)
	}
}

// Whatever can be wrong is found when the template is read, in the choice that is not
// taken as well, and nothing in it can run for long or make much.
func TestTemplateMistakes(t *testing.T) {
	for source, want := range map[string]struct {
		line int
		says string
	}{
		"Hello\n{{.Tickt}}":                      {2, "there is no field {{.Tickt}}; there are {{.Queue}} {{.Ticket}}"},
		"{{if .Agent}}{{else}}\n\n{{.X}}{{end}}": {3, "{{.X}}"},
		"{{.Agent.Name}}":                        {1, "there is no field"},
		"{{if .Agent}}\nx":                       {2, "unexpected EOF"},
		"a\n{{.Agent":                            {2, "unclosed action"},
		"{{range 1000000000}}x{{end}}":           {1, "not for these templates"},
		`{{printf "%1000000000s" .Agent}}`:       {1, `there is no function "printf"`},
		"{{nofunction}}":                         {1, `function "nofunction" not defined`},
		"{{with .Agent}}{{.}}{{end}}":            {1, "not for these templates"},
		"{{$x := .Agent}}{{$x}}":                 {1, "variables"},
		`{{define "a"}}x{{end}}{{template "a"}}`: {1, "define"},
		"{{.}}":                                  {1, "not for these templates"},
		`{{eq .Agent 1}}`:                        {1, "not for these templates"},
		`{{eq .Agent true}}`:                     {1, "incompatible types"},
		`{{if .Agent "x"}}{{end}}`:               {1, ""},
		`{{not .Agent .Queue}}`:                  {1, "wrong number of args"},
	} {
		_, err := NewTemplate(source)
		var wrong TemplateError
		if !errors.As(err, &wrong) {
			t.Errorf("%q: got %v", source, err)
			continue
		}
		if wrong.Line != want.line || !strings.Contains(wrong.Text, want.says) {
			t.Errorf("%q: got line %d: %s", source, wrong.Line, wrong.Text)
		}
	}
}

func TestTemplateUses(t *testing.T) {
	for source, want := range map[string]bool{
		"{{.Text}}": true, "": false, "Text": false, "{{.Agent}}": false, "{{if .Text}}x{{end}}": false,
		"{{if .Agent}}x{{else}}a {{.Text}}{{end}}": true, `{{or .Text "x"}}`: true,
	} {
		tmpl, err := NewTemplate(source)
		if err != nil || tmpl.Uses("Text") != want {
			t.Errorf("%q uses Text: %v, %v", source, tmpl.Uses("Text"), err)
		}
	}
}
