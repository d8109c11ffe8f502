package postfix

import (
	"fmt"
	"slices"
	"strings"
)

// Empty says that the site has everything already.
func (p Plan) Empty() bool {
	return len(p.Decide) == 0 && len(p.Changes) == 0 && p.Entry == "" && len(p.Files) == 0
}

// Diff shows what changes in what "postconf -n", "postconf -P" and "postconf -Mf" print, as
// a unified diff without context, with the reason before each place.
func (p Plan) Diff() string {
	var main, options []Change
	for _, c := range p.Changes {
		if c.Service == "" {
			main = append(main, c)
		} else {
			options = append(options, c)
		}
	}
	var b strings.Builder
	if len(main) > 0 {
		diff(&b, "main.cf (postconf -n)", p.instance.set, main, func(c Change) string { return c.Name })
	}
	if p.Entry != "" {
		p.diffEntry(&b)
	}
	if len(options) > 0 {
		var lines []string
		for _, s := range p.instance.services {
			for name, value := range s.raw {
				lines = append(lines, strings.TrimRight(s.path()+"/"+name+" = "+value, " "))
			}
		}
		slices.Sort(lines)
		diff(&b, "master.cf (postconf -P)", lines, options, func(c Change) string { return c.Service + "/" + c.Name })
	}
	return b.String()
}

// diff writes hunks over sorted lines of "name = value".
func diff(b *strings.Builder, title string, lines []string, changes []Change, name func(Change) string) {
	fmt.Fprintf(b, "--- %s\n+++ %[1]s with the desk\n", title)
	sorted := slices.SortedFunc(slices.Values(changes), func(x, y Change) int { return strings.Compare(name(x), name(y)) })
	added := 0
	for _, c := range sorted {
		after := strings.TrimRight(name(c)+" = "+c.After, " ")
		at := slices.IndexFunc(lines, func(l string) bool { return l == name(c)+" =" || strings.HasPrefix(l, name(c)+" = ") })
		comment(b, c.Why)
		if at >= 0 {
			fmt.Fprintf(b, "@@ -%d +%d @@\n-%s\n+%s\n", at+1, at+1+added, lines[at], after)
			continue
		}
		before := 0 // so many lines stand above it
		for before < len(lines) && lines[before] < after {
			before++
		}
		added++
		fmt.Fprintf(b, "@@ -%d,0 +%d @@\n+%s\n", before, before+added, after)
	}
	b.WriteString("\n")
}

// diffEntry shows the entry of the transport in master.cf.
func (p Plan) diffEntry(b *strings.Builder) {
	b.WriteString("--- master.cf (postconf -Mf)\n+++ master.cf (postconf -Mf) with the desk\n")
	comment(b, "How Postfix hands mail to the desk.")
	if strings.Contains(p.Entry, " n - - lmtp") && strings.HasPrefix(p.instance.site.unixSocket(), "/") {
		comment(b, "Not chrooted (the fifth column): the socket is outside of Postfix's queue directory.")
	}
	for _, o := range transportOptions() {
		comment(b, o.name+": "+o.why)
	}
	var before, after []string
	if s, ok := p.instance.delivery(); ok {
		before = fold(s.line)
	}
	after = fold(p.Entry)
	fmt.Fprintf(b, "@@ -%d,%d +%d,%d @@\n", min(len(before), 1), len(before), 1, len(after))
	for _, line := range before {
		b.WriteString("-" + line + "\n")
	}
	for _, line := range after {
		b.WriteString("+" + line + "\n")
	}
	b.WriteString("\n")
}

// fold puts each option on a line of its own.
func fold(entry string) []string {
	parts := strings.Split(entry, " -o ")
	for i := range parts[1:] {
		parts[i+1] = "    -o " + parts[i+1]
	}
	return parts
}

// Commands are lines for a shell that make the change; there are none when nothing is to do.
// The tables come first, then what hands the mail over, then what sends mail there.
func (p Plan) Commands() string {
	if p.Empty() || len(p.Decide) > 0 {
		return ""
	}
	s := p.instance.site
	var b strings.Builder
	if p.Entry != "" || len(p.Changes) > 0 {
		dir := Quote(p.instance.values["config_directory"])
		fmt.Fprintf(&b, "for f in main.cf master.cf; do cp -p %s/$f %[1]s/$f.$(date +%%Y%%m%%dT%%H%%M%%S); done   # to go back to\n", dir)
	}
	if len(p.Files) > 0 {
		b.WriteString("# Tables of regular expressions are read as they are, without postmap.\n")
	}
	for _, f := range p.Files {
		fmt.Fprintf(&b, "cat >%s <<'POSTDESK'\n%sPOSTDESK\n", Quote(f.Path), f.Text)
	}
	if p.Entry != "" {
		b.WriteString(s.postconf("-M", transportName+"/unix="+p.Entry) + "\n")
	}
	var main []string
	for _, c := range p.Changes {
		if c.Service == "" {
			main = append(main, c.Name+" = "+c.After)
		}
	}
	if len(main) > 0 {
		b.WriteString(s.postconf("-e", main...) + "\n")
	}
	for _, c := range p.Changes {
		if c.Service != "" {
			b.WriteString(s.postconf("-P", c.Service+"/"+c.Name+"="+c.After) + "\n")
		}
	}
	b.WriteString(s.program("postfix", "check") + "\n" + s.program("postfix", "reload") + "\n")
	return b.String()
}

// postconf is a command line of postconf(1), each assignment on a line of its own.
func (s Site) postconf(flag string, assignments ...string) string {
	out := s.program("postconf", flag)
	for _, a := range assignments {
		if len(assignments) > 1 {
			out += " \\\n "
		}
		out += " " + Quote(a)
	}
	return out
}

// program is the beginning of a command line of one of Postfix's programs.
func (s Site) program(name string, args ...string) string {
	if s.ConfigDir != "" {
		name += " -c " + Quote(s.ConfigDir)
	}
	return strings.Join(append([]string{name}, args...), " ")
}

// Quote is a word for a shell.
func Quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-+=/.,:@%", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
