package postfix

import (
	"context"
	"fmt"
	"maps"
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
	Note    Severity = "note"    // nothing to mend; good to know
)

// Finding is one fault of a Postfix's configuration.
type Finding struct {
	Severity Severity `json:"severity"`
	What     string   `json:"what"`
	Mend     string   `json:"mend"` // what to do: a command, or a line and its place
}

// Check looks whether a Postfix is set up for the desk: by what postconf(1) says is
// in effect, by the tables, and by the socket; live also by what port 25 answers and what
// its milters do with a sample. It changes nothing and sends no mail.
func Check(ctx context.Context, run Run, s Site, live bool) []Finding {
	c := &checker{instance: newInstance(ctx, run, s)}
	if err := c.load(); err != nil {
		c.add(Error, fmt.Sprintf("Postfix cannot be asked: %v", err),
			"Run this on the machine of the Postfix, as a user who may run postconf.")
		return c.findings
	}
	c.plan = newPlan(c.instance)
	c.findings = append(c.findings, c.plan.Decide...)
	if len(c.plan.Decide) == 0 {
		c.transport()
		c.routes()
		c.domains()
		c.files()
	}
	c.limits()
	c.smtpd()
	c.rewriting()
	c.forgeries()
	c.senders()
	c.socket()
	if live {
		c.port25()
		c.milters()
	}
	c.unread()
	return c.findings
}

type checker struct {
	*instance
	plan     Plan
	findings []Finding
}

// mend is the command that gives a parameter of main.cf what the plan has for it, or else
// what is said. A table must be there before it is named: without it Postfix would defer
// all mail, that of others too. A desk that is not there yet comes as a whole.
func (c *checker) mend(name, otherwise string) string {
	for _, change := range c.plan.Changes {
		if change.Service != "" || change.Name != name {
			continue
		}
		_, alone := c.delivery()
		for _, f := range c.plan.Files {
			alone = alone && !strings.Contains(change.After, f.Path)
		}
		if !alone {
			return c.site.printCommand() + " commands | sh -e"
		}
		return c.site.postconf("-e", name+" = "+change.After) + "; " + c.site.program("postfix", "reload")
	}
	return otherwise
}

func (c *checker) add(severity Severity, what, mend string) {
	f := Finding{severity, what, mend}
	if !slices.Contains(c.findings, f) {
		c.findings = append(c.findings, f)
	}
}

// unread names the tables that could not be asked.
func (c *checker) unread() {
	for _, table := range slices.Sorted(maps.Keys(c.unasked)) {
		_, why, _ := strings.Cut(c.unasked[table].Error(), "fatal: ")
		if os.Geteuid() != 0 {
			c.add(Note, fmt.Sprintf("The table %s cannot be asked by this user: %s", table, why), "Run the check as root.")
			continue
		}
		mend := "Start or mend what has it."
		if kind, file, _ := strings.Cut(table, ":"); slices.Contains([]string{"hash", "btree", "lmdb", "cdb", "dbm", "sdbm"}, kind) {
			mend = c.site.program("postmap", kind+":"+file)
		}
		c.add(Error, fmt.Sprintf("The table %s cannot be asked: %s. Postfix answers 451 to what it needs it for.", table, why), mend)
	}
}

// files looks whether the tables say what they should today, where they are in use.
func (c *checker) files() {
	for _, f := range c.plan.Files {
		if wrong := stale(f.Path, f.Text); f.InUse && wrong != "" {
			c.add(Error, wrong, fmt.Sprintf("%s %s >%s && mv %[3]s %s && %s", c.site.printCommand(), f.What, Quote(f.Path+".new"), Quote(f.Path), c.site.program("postfix", "reload")))
		}
	}
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
