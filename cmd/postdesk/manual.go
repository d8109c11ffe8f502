package main

import (
	"embed"
	"fmt"
	"io"
	"reflect"
	"runtime/debug"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

//go:embed man
var manTexts embed.FS

type manCmd struct {
	Section string `arg:"" optional:"" default:"1" enum:"1,5,8" help:"1: the commands; 5: the configuration file; 8: the agent (${default})."`
}

// Help is shown by: postdesk man --help.
func (manCmd) Help() string { return "As in: postdesk man 5 | man -l -" }

func (cmd *manCmd) Run(a *app) error {
	m := &roff{}
	switch cmd.Section {
	case "1":
		parser, err := newParser(&commands{}, io.Discard, io.Discard)
		if err != nil {
			return err
		}
		m.commands(parser.Model)
	case "5":
		m.settings()
	case "8":
		text, err := manTexts.ReadFile("man/postdesk.8")
		if err != nil {
			return err
		}
		m.title("POSTDESK", "8")
		m.WriteString(string(text))
		m.exitCodes()
		m.seeAlso("postdesk(1)", "postdesk.toml(5)", "postfix(1)", "lmtp(8)", "systemd.socket(5)")
	}
	_, err := io.WriteString(a.stdout, m.String())
	return err
}

// roff writes a manual page in the man macros (groff_man(7)).
type roff struct{ strings.Builder }

func (m *roff) line(format string, args ...any) { fmt.Fprintf(m, format+"\n", args...) }

// text writes words of ours: nothing in them is a request or an escape.
func (m *roff) text(s string) {
	for line := range strings.SplitSeq(strings.TrimSpace(s), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			m.line("%s", escape(line))
		}
	}
}

func escape(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "…", "...", "–", `\(en`).Replace(s)
	if strings.HasPrefix(s, ".") {
		s = `\&` + s
	}
	return s
}

func (m *roff) title(name, section string) {
	m.line(`.TH %s %s "%s" "postdesk" ""`, name, section, buildDate())
}

// buildDate is that of the sources, where the toolchain knows it.
func buildDate() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if day, _, found := strings.Cut(s.Value, "T"); found && s.Key == "vcs.time" {
				return day
			}
		}
	}
	return time.Now().UTC().Format(time.DateOnly)
}

func (m *roff) section(name string) { m.line(".SH %q", name) }

// item is a paragraph with its term to the left.
func (m *roff) item(term, text string) {
	m.line(".TP\n\\fB%s\\fR", escape(term))
	m.text(text)
}

func (m *roff) exitCodes() {
	m.section("EXIT STATUS")
	m.text("Those of sysexits.h.")
	for _, e := range exitCodes {
		m.item(fmt.Sprint(e.code), e.text+".")
	}
}

func (m *roff) seeAlso(pages ...string) {
	m.section("SEE ALSO")
	for i, p := range pages {
		name, section, _ := strings.Cut(p, "(")
		end := ","
		if i == len(pages)-1 {
			end = ""
		}
		m.line(".BR %s (%s%s", escape(name), section, end)
	}
}

// commands is postdesk(1), from the model of the command line.
func (m *roff) commands(app *kong.Application) {
	m.title("POSTDESK", "1")
	m.section("NAME")
	m.line(`postdesk \- the mail interface to a problem desk, behind Postfix`)
	m.section("SYNOPSIS")
	m.line(".B postdesk\n.RI [ flags ]\n.I command\n.RI [ arguments ]")
	m.section("DESCRIPTION")
	m.text("Most commands speak to the running agent over its control socket, which lets in root and the agent's own user.")
	m.section("FLAGS OF EVERY COMMAND")
	m.flags(app.Node)
	m.section("COMMANDS")
	for _, child := range app.Children {
		m.command(child)
	}
	m.exitCodes()
	m.section("FILES")
	m.item(defaultFile, "The configuration, see postdesk.toml(5).")
	m.seeAlso("postdesk(8)", "postdesk.toml(5)")
}

func (m *roff) command(n *kong.Node) {
	if n.Hidden || n.Type != kong.CommandNode {
		return
	}
	for _, child := range n.Children {
		m.command(child)
	}
	if len(n.Children) > 0 {
		return
	}
	m.line(".SS %q", escape(n.FullPath()))
	for _, p := range n.Positional {
		m.line("\\fI%s\\fR", escape(p.Summary()))
	}
	if len(n.Positional) > 0 {
		m.line(".PP")
	}
	m.text(n.Help)
	m.text(n.Detail)
	for _, p := range n.Positional {
		m.item(p.Name, p.Help)
	}
	m.flags(n)
}

func (m *roff) flags(n *kong.Node) {
	for _, f := range n.Flags {
		if f.Hidden || f.Name == "help" && n.Parent != nil {
			continue
		}
		term := "--" + f.Name
		if f.Short != 0 {
			term = fmt.Sprintf("-%c, %s", f.Short, term)
		}
		if !f.IsBool() {
			term += "=" + f.FormatPlaceHolder()
		}
		text := f.Help
		if len(f.Envs) > 0 {
			text += " Also: $" + strings.Join(f.Envs, ", $") + "."
		}
		m.item(term, text)
	}
}

// settings is postdesk.toml(5), from the settings themselves.
func (m *roff) settings() {
	m.title("POSTDESK.TOML", "5")
	m.section("NAME")
	m.line(`postdesk.toml \- configuration of postdesk`)
	m.section("SYNOPSIS")
	m.line(".I %s", escape(defaultFile))
	m.section("DESCRIPTION")
	m.text("The file is TOML and read strictly: a setting that does not exist is an error that shows its line. " +
		"SIGHUP reads it again and keeps the old one when the new one is wrong.")
	m.line(".PP")
	m.text("Each setting can be overridden by the environment: POSTDESK_ and its name in capitals, with underscores for dots; " +
		"for a queue its key stands between, as in POSTDESK_QUEUE_SUPPORT_NAME, for a member of staff the name. Lists are joined by commas.")
	d := defaults()
	root := reflect.TypeOf(d)
	m.section("SETTINGS")
	block := ""
	for _, s := range settingsOf(reflect.ValueOf(d), "") {
		if section, _, in := strings.Cut(s.name, "."); in && section != block {
			block = section
			m.line(".SS %q", escape("["+section+"]"))
			m.text(sectionHelp(root, section))
		}
		m.setting(s)
	}
	q := queueDefaults("", "")
	for _, b := range []struct {
		name  string
		value any
	}{{"queue", q}, {"staff", staffDefaults()}} {
		m.line(".SS %q", escape("[["+b.name+"]]"))
		m.text(sectionHelp(root, b.name))
		for _, s := range settingsOf(reflect.ValueOf(b.value), b.name+".") {
			m.setting(s)
		}
	}
	m.section("TEMPLATES")
	m.text("They know {{.Queue}} {{.Ticket}} {{.Subject}} {{.Agent}} {{.Customer}} {{.Address}} {{.Text}} {{.Author}} {{.Date}} " +
		"and {{if}} {{else}} {{end}} with eq, ne, and, or, not.")
	m.section("EXAMPLE")
	m.line(".nf")
	m.WriteString(escapeLines(exampleConfig()))
	m.line(".fi")
	m.seeAlso("postdesk(1)", "postdesk(8)")
}

func sectionHelp(root reflect.Type, name string) string {
	for i := range root.NumField() {
		if f := root.Field(i); f.Tag.Get("toml") == name {
			return f.Tag.Get("help")
		}
	}
	return ""
}

func (m *roff) setting(s setting) {
	text := s.help
	if !s.value.IsZero() {
		text += " Default: " + tomlValue(s.value) + "."
	}
	m.item(s.name+" = "+kindOf(s.value.Type()), text)
}

// kindOf says what a value is, for people.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "number"
	case reflect.Slice:
		return "list of texts"
	case reflect.Map:
		return "table"
	}
	return "text"
}

func escapeLines(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if line = strings.TrimSuffix(line, "\n"); line == "" {
			line = `\&`
		} else {
			line = escape(line)
		}
		out.WriteString(line + "\n")
	}
	return out.String()
}
