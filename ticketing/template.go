package ticketing

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
)

// TemplateFields are what a template may show. What a mail does not have is empty: Text
// where nobody wrote one, Author and Date where nothing is quoted.
type TemplateFields struct {
	Queue    string // name of the queue
	Ticket   string // SUPPORT-7102
	Subject  string // of the ticket
	Agent    string // who answers; the name of the queue when a program does
	Customer string // name of the recipient, or the address
	Address  string // of the recipient
	Text     string // what was written, Markdown
	Author   string // who wrote what is quoted
	Date     string // of what is quoted: 2 January 2006 15:04 UTC
}

// Template is a text with fields, as {{.Ticket}}, and choices between texts, as
// {{if .Agent}}…{{else}}…{{end}}. The zero value is the empty text.
type Template struct {
	source string
	parsed *template.Template
}

// TemplateError is what is wrong with a template, and in which line of it, from 1.
type TemplateError struct {
	Line int
	Text string
}

func (e TemplateError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Text) }

// syntaxError is how text/template names a place: "template: x:3: …".
var syntaxError = pattern(`(?s)^template: [^:]*:(\d+):(?:\d+:)? ?(.*)$`)

// templateFunctions are all that a template may call. There are no loops either: so
// what a template makes is no longer than what it was given.
var templateFunctions = []string{"and", "or", "not", "eq", "ne"}

// NewTemplate reads a template and finds everything that can be wrong with it: what it
// takes cannot fail when a mail is to go out. The error is a TemplateError.
func NewTemplate(source string) (Template, error) {
	t, err := template.New("template").Parse(source)
	if err != nil {
		return Template{}, templateError(err)
	}
	if len(t.Templates()) > 1 {
		return Template{}, TemplateError{1, "{{define}} and {{block}} are not for these templates"}
	}
	if t.Tree != nil {
		if err := checkNode(source, t.Root); err != nil {
			return Template{}, err
		}
	}
	// Comparing a text with a number is found by comparing. Each choice is taken once.
	for _, value := range []string{"", "x"} {
		if err := t.Execute(io.Discard, filledFields(value)); err != nil {
			return Template{}, templateError(err)
		}
	}
	return Template{source, t}, nil
}

func templateError(err error) error {
	var known TemplateError
	if errors.As(err, &known) {
		return known
	}
	m := syntaxError().FindStringSubmatch(err.Error())
	if m == nil {
		return TemplateError{1, err.Error()}
	}
	line, _ := strconv.Atoi(m[1])
	return TemplateError{line, m[2]}
}

// filledFields has the same value in each field.
func filledFields(value string) (f TemplateFields) {
	for v, i := reflect.ValueOf(&f).Elem(), 0; i < v.NumField(); i++ {
		v.Field(i).SetString(value)
	}
	return f
}

// checkNode lets through what is documented. Executing would find a wrong field only
// in the choice that is taken.
func checkNode(source string, n parse.Node) error {
	wrong := func(format string, args ...any) error {
		return TemplateError{1 + strings.Count(source[:n.Position()], "\n"), fmt.Sprintf(format, args...)}
	}
	var below []parse.Node
	switch n := n.(type) {
	case *parse.TextNode, *parse.CommentNode, *parse.StringNode, *parse.BoolNode:
	case *parse.ListNode:
		if n != nil {
			below = n.Nodes
		}
	case *parse.ActionNode:
		below = []parse.Node{n.Pipe}
	case *parse.IfNode:
		below = []parse.Node{n.Pipe, n.List}
		if n.ElseList != nil {
			below = append(below, n.ElseList)
		}
	case *parse.PipeNode:
		if len(n.Decl) > 0 {
			return wrong("variables are not for these templates")
		}
		for _, c := range n.Cmds {
			below = append(below, c)
		}
	case *parse.CommandNode:
		below = n.Args
	case *parse.FieldNode:
		if _, known := reflect.TypeFor[TemplateFields]().FieldByName(n.Ident[0]); !known || len(n.Ident) > 1 {
			return wrong("there is no field {{%s}}; there are %s", n, strings.Join(fieldNames(), " "))
		}
	case *parse.IdentifierNode:
		if !slices.Contains(templateFunctions, n.Ident) {
			return wrong("there is no function %q; there are %s", n.Ident, strings.Join(templateFunctions, " "))
		}
	default:
		return wrong("%q is not for these templates: they know fields, {{if}} and {{else}}", n)
	}
	for _, b := range below {
		if err := checkNode(source, b); err != nil {
			return err
		}
	}
	return nil
}

func fieldNames() (names []string) {
	for _, f := range reflect.VisibleFields(reflect.TypeFor[TemplateFields]()) {
		names = append(names, "{{."+f.Name+"}}")
	}
	return names
}

// String is the template as it was written.
func (t Template) String() string { return t.source }

// Uses says whether the template has a field in it, as "Text", in any choice.
func (t Template) Uses(field string) bool {
	return t.parsed != nil && t.parsed.Tree != nil && usesField(t.parsed.Root, field)
}

func usesField(n parse.Node, field string) bool {
	switch n := n.(type) {
	case *parse.ListNode:
		return n != nil && slices.ContainsFunc(n.Nodes, func(n parse.Node) bool { return usesField(n, field) })
	case *parse.ActionNode:
		return usesField(n.Pipe, field)
	case *parse.IfNode:
		return usesField(n.List, field) || usesField(n.ElseList, field)
	case *parse.PipeNode:
		return slices.ContainsFunc(n.Cmds, func(c *parse.CommandNode) bool { return usesField(c, field) })
	case *parse.CommandNode:
		return slices.ContainsFunc(n.Args, func(n parse.Node) bool { return usesField(n, field) })
	case *parse.FieldNode:
		return n.Ident[0] == field
	}
	return false
}

// Render puts the fields in. Their values are text: nothing in them is read as a template.
func (t Template) Render(f TemplateFields) (string, error) {
	if t.parsed == nil {
		return "", nil
	}
	var b strings.Builder
	if err := t.parsed.Execute(&b, f); err != nil {
		return "", fmt.Errorf("template: %w", err)
	}
	return b.String(), nil
}
