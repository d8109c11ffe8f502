package postfix

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Severity is how bad a Finding is.
type Severity string

// The severities of a Finding.
const (
	Error   Severity = "error"   // mail is lost, refused, changed, or open to others
	Warning Severity = "warning" // works, with a risk
)

// Finding is one fault of a Postfix's configuration.
type Finding struct {
	Severity Severity `json:"severity"`
	What     string   `json:"what"`
	Mend     string   `json:"mend"` // what to do: a command, or a line and its place
}

// Run runs a program and gives its standard output. An exit code that is not 0 is an error.
type Run func(ctx context.Context, name string, args ...string) (string, error)

// Check looks whether a Postfix is set up for the desk: by what postconf(1) says is
// in effect, by the tables, and by the socket. It changes nothing.
func Check(ctx context.Context, run Run, s Site) []Finding {
	s.OwnDomains, s.SharedDomains = lower(s.OwnDomains), lower(s.SharedDomains)
	c := &checker{ctx: ctx, runner: run, site: s}
	if err := c.load(); err != nil {
		c.add(Error, fmt.Sprintf("Postfix cannot be asked: %v", err),
			"Run this on the machine of the Postfix, as a user who may run postconf.")
		return c.findings
	}
	c.transport()
	c.routes()
	c.domains()
	c.tables()
	c.limits()
	c.smtpd()
	c.rewriting()
	c.forgeries()
	c.senders()
	c.socket()
	return c.findings
}

func lower(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = strings.ToLower(n)
	}
	return out
}

type checker struct {
	ctx      context.Context
	runner   Run
	site     Site
	values   map[string]string // of main.cf with the defaults, expanded
	services []service         // of master.cf
	findings []Finding
}

// service is an entry of master.cf(5).
type service struct {
	name, kind, chroot, command string
	options                     map[string]string // its "-o name=value"
}

func (c *checker) add(severity Severity, what, mend string) {
	f := Finding{severity, what, mend}
	if !slices.Contains(c.findings, f) {
		c.findings = append(c.findings, f)
	}
}

// ask runs one of Postfix's programs on the site's configuration directory.
func (c *checker) ask(name string, args ...string) (string, error) {
	if c.site.ConfigDir != "" {
		args = append([]string{"-c", c.site.ConfigDir}, args...)
	}
	return c.runner(c.ctx, name, args...)
}

// load reads all of main.cf and master.cf.
func (c *checker) load() error {
	main, err := c.ask("postconf", "-x")
	if err != nil {
		return err
	}
	c.values = map[string]string{}
	for line := range strings.SplitSeq(main, "\n") {
		if name, value, ok := strings.Cut(line, " ="); ok {
			c.values[name] = strings.TrimSpace(value)
		}
	}
	master, err := c.ask("postconf", "-M")
	if err != nil {
		return err
	}
	for line := range strings.SplitSeq(master, "\n") {
		// name type private unpriv chroot wakeup maxproc command, then its arguments.
		if f := strings.Fields(line); len(f) >= 8 {
			c.services = append(c.services, service{name: f[0], kind: f[1], chroot: f[4], command: f[7], options: map[string]string{}})
		}
	}
	options, err := c.ask("postconf", "-Px")
	if err != nil {
		return err
	}
	for line := range strings.SplitSeq(options, "\n") {
		c.option(line)
	}
	return nil
}

// option reads "name/type/parameter = value".
func (c *checker) option(line string) {
	path, value, ok := strings.Cut(line, " =")
	if !ok {
		return
	}
	for _, s := range c.services {
		if name, ok := strings.CutPrefix(path, s.name+"/"+s.kind+"/"); ok {
			s.options[name] = strings.TrimSpace(value)
		}
	}
}

// value is what a service has for a parameter.
func (c *checker) value(s service, name string) string {
	if v, ok := s.options[name]; ok {
		return v
	}
	return c.values[name]
}

// transport looks at the entry in master.cf.
func (c *checker) transport() {
	i := slices.IndexFunc(c.services, func(s service) bool { return s.name == transportName && s.kind == "unix" })
	if i < 0 {
		c.add(Error, "master.cf has no transport "+transportName+".", "Add to master.cf:\n"+MasterCF(c.site))
		return
	}
	s := c.services[i]
	if s.command != "lmtp" {
		c.add(Error, fmt.Sprintf("The transport %s in master.cf runs %s, not lmtp.", transportName, s.command), "Write it in master.cf as:\n"+MasterCF(c.site))
		return
	}
	c.transportOptions(s)
	// "-" meant chrooted before compatibility level 1 (Postfix 3.0).
	chrooted := s.chroot == "y" || s.chroot == "-" && c.number("compatibility_level") < 1
	if chrooted && strings.HasPrefix(c.site.unixSocket(), "/") {
		c.add(Error, fmt.Sprintf("The transport is chrooted in %s and cannot reach %s.", c.values["queue_directory"], c.site.unixSocket()),
			fmt.Sprintf("postconf -F %s/unix/chroot=n", transportName))
	}
	const limit = transportName + "_destination_recipient_limit"
	if _, there := s.options[limit]; there {
		c.add(Warning, limit+" stands in master.cf, where the queue manager does not see it.",
			fmt.Sprintf("postconf -PX %s/unix/%s; postconf -e %s=50", transportName, limit, limit))
	}
	if c.values[limit] == "1" {
		c.add(Warning, limit+" is 1: a mail to two addresses of the desk is delivered twice.", "postconf -e "+limit+"=50")
	}
}

func (c *checker) transportOptions(s service) {
	set := func(name, value string) string {
		return fmt.Sprintf("postconf -P %s/unix/%s=%s", transportName, name, value)
	}
	if v := c.value(s, "lmtp_line_length_limit"); v != "0" {
		c.add(Error, "lmtp_line_length_limit is "+v+": longer lines are broken up, and their DKIM signatures fail.", set("lmtp_line_length_limit", "0"))
	}
	if v := c.value(s, "disable_mime_output_conversion"); v != "yes" {
		c.add(Error, "disable_mime_output_conversion is "+v+": mail may be converted, and its DKIM signature fails.", set("disable_mime_output_conversion", "yes"))
	}
	words := strings.FieldsFunc(strings.ToLower(c.value(s, "lmtp_discard_lhlo_keywords")), isListSpace)
	if !slices.Contains(words, "dsn") {
		words = append(words, "dsn")
		c.add(Warning, "lmtp_discard_lhlo_keywords does not name dsn: the agent does not offer it, and is not to be asked.",
			set("lmtp_discard_lhlo_keywords", strings.Join(words, ",")))
	}
	// The agent takes up to 30 s before it says "try again" by itself.
	if v := c.value(s, "lmtp_data_done_timeout"); seconds(v) < 60 {
		c.add(Warning, "lmtp_data_done_timeout is "+v+": Postfix gives up while the agent still writes, and delivers again.", set("lmtp_data_done_timeout", "120s"))
	}
}

// tables looks whether the files say what they should today.
func (c *checker) tables() {
	c.file(c.site.TablePath, RecipientTable(c.site))
	if c.inMaps(c.values["transport_maps"], c.site.transportMap()) {
		c.file(c.site.TransportPath(), TransportTable(c.site))
	}
}

func (c *checker) file(path, want string) {
	got, err := os.ReadFile(path)
	switch {
	case err != nil:
		c.add(Error, fmt.Sprintf("The table cannot be read: %v.", err), "Print the tables of postdesk to their files, then: postfix reload")
	case entries(string(got)) != entries(want):
		c.add(Error, path+" is not what postdesk would print today: mail is refused, or goes astray.", "Print it again, then: postfix reload")
	}
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

func (c *checker) number(name string) int64 {
	v, _, _ := strings.Cut(c.values[name], ".") // compatibility_level may be 3.6
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// seconds reads a time of postconf(5): "600s", "2m", or seconds without a unit.
func seconds(v string) int64 {
	unit := map[byte]int64{'s': 1, 'm': 60, 'h': 3600, 'd': 86400, 'w': 604800}
	factor := int64(1)
	if v != "" && unit[v[len(v)-1]] > 0 {
		factor, v = unit[v[len(v)-1]], v[:len(v)-1]
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		return 0
	}
	return n * factor
}

func isListSpace(r rune) bool { return r == ',' || r == ' ' || r == '\t' }
