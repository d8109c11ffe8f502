package postfix

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Run runs a program with a standard input and gives its standard output. An exit code that
// is not 0 is an error.
type Run func(ctx context.Context, input, name string, args ...string) (string, error)

// instance is a Postfix as postconf(1) tells of it.
type instance struct {
	ctx      context.Context
	runner   Run
	site     Site
	values   map[string]string // of main.cf with the defaults, expanded
	raw      map[string]string // the same, as written
	set      []string          // the lines of "postconf -n": what main.cf itself says
	services []service         // of master.cf
	tables   map[string]string // what was looked up: "table key"
	unasked  map[string]error  // tables that could not be asked, and why
}

// service is an entry of master.cf(5).
type service struct {
	name, kind, chroot, command string
	line                        string            // as "postconf -M" has it
	options                     map[string]string // its "-o name=value", expanded
	raw                         map[string]string // the same, as written
}

func (s service) path() string { return s.name + "/" + s.kind }

func newInstance(ctx context.Context, run Run, s Site) *instance {
	s.OwnDomains, s.SharedDomains = lower(s.OwnDomains), lower(s.SharedDomains)
	return &instance{ctx: ctx, runner: run, site: s, values: map[string]string{}, raw: map[string]string{}, tables: map[string]string{}, unasked: map[string]error{}}
}

func lower(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = strings.ToLower(n)
	}
	return out
}

// ask runs one of Postfix's programs on the site's configuration directory.
func (c *instance) ask(input, name string, args ...string) (string, error) {
	if c.site.ConfigDir != "" {
		args = append([]string{"-c", c.site.ConfigDir}, args...)
	}
	return c.runner(c.ctx, input, name, args...)
}

// load reads all of main.cf and master.cf.
func (c *instance) load() error {
	var said [6]string
	for i, flags := range [][]string{{"-x"}, nil, {"-n"}, {"-M"}, {"-Px"}, {"-P"}} {
		var err error
		if said[i], err = c.ask("", "postconf", flags...); err != nil {
			return err
		}
	}
	for i, values := range []map[string]string{c.values, c.raw} {
		for line := range strings.SplitSeq(said[i], "\n") {
			if name, value, ok := strings.Cut(line, " ="); ok {
				values[name] = strings.TrimSpace(value)
			}
		}
	}
	for line := range strings.SplitSeq(said[2], "\n") {
		name, value, ok := strings.Cut(line, " =")
		// What -c says stands there too, but not in the file.
		if ok && (name != "config_directory" || c.site.ConfigDir == "") {
			c.set = append(c.set, strings.TrimRight(name+" = "+strings.TrimSpace(value), " "))
			c.keep(name, value)
		}
	}
	for line := range strings.SplitSeq(said[3], "\n") {
		// name type private unpriv chroot wakeup maxproc command, then its arguments.
		if f := strings.Fields(line); len(f) >= 8 {
			c.services = append(c.services, service{f[0], f[1], f[4], f[7], line, map[string]string{}, map[string]string{}})
		}
	}
	for i, expanded := range []bool{true, false} {
		for line := range strings.SplitSeq(said[4+i], "\n") {
			c.option(line, expanded)
		}
	}
	return nil
}

// keep takes a parameter that only the site knows, which postconf tells with -n alone.
func (c *instance) keep(name, value string) {
	if _, known := c.raw[name]; !known {
		c.raw[name], c.values[name] = strings.TrimSpace(value), strings.TrimSpace(value)
	}
}

// option reads "name/type/parameter = value".
func (c *instance) option(line string, expanded bool) {
	path, value, ok := strings.Cut(line, " =")
	if !ok {
		return
	}
	for _, s := range c.services {
		if name, ok := strings.CutPrefix(path, s.path()+"/"); ok {
			values := s.raw
			if expanded {
				values = s.options
			}
			values[name] = strings.TrimSpace(value)
		}
	}
}

// isSet says whether main.cf itself names a parameter.
func (c *instance) isSet(name string) bool {
	return slices.ContainsFunc(c.set, func(line string) bool { return strings.HasPrefix(line, name+" =") })
}

// value is what a service has for a parameter.
func (c *instance) value(s service, name string) string {
	if v, ok := s.options[name]; ok {
		return v
	}
	return c.values[name]
}

// delivery is the service in master.cf that hands mail to the agent.
func (c *instance) delivery() (service, bool) {
	i := slices.IndexFunc(c.services, func(s service) bool { return s.name == transportName && s.kind == "unix" })
	if i < 0 {
		return service{}, false
	}
	return c.services[i], true
}

// chrooted: "-" meant so before compatibility level 1 (Postfix 3.0).
func (c *instance) chrooted(s service) bool {
	return s.chroot == "y" || s.chroot == "-" && c.number("compatibility_level") < 1
}

func (c *instance) number(name string) int64 {
	v, _, _ := strings.Cut(c.values[name], ".") // compatibility_level may be 3.6
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// lookup asks a table for one key; what it does not have, or cannot be asked, is empty.
func (c *instance) lookup(table, key string) string {
	c.lookups(table, []string{key})
	return c.tables[table+" "+key]
}

// lookups asks a table for many keys at once, and each of them once.
func (c *instance) lookups(table string, keys []string) {
	var input strings.Builder
	for _, key := range keys {
		if _, known := c.tables[table+" "+key]; !known {
			c.tables[table+" "+key] = ""
			input.WriteString(key + "\n")
		}
	}
	if input.Len() == 0 {
		return
	}
	// proxymap(8) would answer only while Postfix runs. The exit code is 1 for a key that is
	// not there, and for a table that cannot be asked: that has words too.
	out, err := c.ask(input.String(), "postmap", "-q", "-", strings.TrimPrefix(table, "proxy:"))
	if err != nil && strings.Contains(err.Error(), "fatal: ") {
		c.unasked[table] = err
	}
	for line := range strings.SplitSeq(out, "\n") {
		if key, value, ok := strings.Cut(line, "\t"); ok {
			c.tables[table+" "+key] = strings.TrimSpace(value)
		}
	}
}

// keys are what Postfix looks an address up by: whole, without what stands behind the
// delimiter, and by its domain alone.
func (c *instance) keys(address string) []string {
	address = strings.ToLower(address)
	local, domain, _ := strings.Cut(address, "@")
	keys := []string{address}
	if i := strings.IndexAny(local, c.values["recipient_delimiter"]); i > 0 {
		keys = append(keys, local[:i]+"@"+domain)
	}
	return append(keys, "@"+domain)
}

// find looks an address up in a list of maps, and says which table has it.
func (c *instance) find(maps, address string) (result, table string) {
	for _, key := range c.keys(address) {
		for _, table := range splitList(maps) {
			if got := c.lookup(table, key); got != "" {
				return got, table
			}
		}
	}
	return "", ""
}

// learn looks up all addresses of the desk in the tables of some maps, so that find need
// not start a program for each.
func (c *instance) learn(maps string, addresses []string) {
	var keys []string
	for _, a := range addresses {
		keys = append(keys, c.keys(a)...)
	}
	for _, table := range splitList(maps) {
		c.lookups(table, keys)
	}
}

// inMaps finds a table in a list of maps, also behind proxy:, under another name of
// the same file.
func inMaps(maps, table string) bool {
	for _, m := range splitList(maps) {
		kind, file, _ := strings.Cut(strings.TrimPrefix(m, "proxy:"), ":")
		if kind+":"+filepath.Clean(file) == table {
			return true
		}
	}
	return false
}

// stale says what is wrong with a file that should be as printed; empty when nothing is.
func stale(path, want string) string {
	got, err := os.ReadFile(path)
	switch {
	case err != nil:
		return fmt.Sprintf("The table cannot be read: %v.", err)
	case entries(string(got)) != entries(want):
		return path + " is not what postdesk would print today: mail is refused, or goes astray."
	}
	return ""
}

// entries is a table without comments and blank lines.
func entries(table string) string {
	var out strings.Builder
	for line := range strings.SplitSeq(table, "\n") {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}

func joinList(items ...string) string {
	return strings.Join(slices.DeleteFunc(items, func(s string) bool { return strings.TrimSpace(s) == "" }), ", ")
}

// splitList splits at commas and white space, but not within braces ("inline:{ a=b, c=d }").
func splitList(s string) []string {
	depth := 0
	return strings.FieldsFunc(s, func(r rune) bool {
		switch r {
		case '{':
			depth++
		case '}':
			depth--
		}
		return depth == 0 && isListSpace(r)
	})
}

func isListSpace(r rune) bool { return r == ',' || r == ' ' || r == '\t' }
