package postfix

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The patterns are of the shape that the desk gives.
func ownSite() Site {
	return Site{
		Patterns: []string{
			`^support-([0-9]{1,18})(\+(.*))?@support-ticket\.example$`,
			`^support-bounces\+(()(.*))@support-ticket\.example$`,
			`^new()(\+(.*))?@support-ticket\.example$`,
			`^(postmaster|abuse)(\+(.*))?@support-ticket\.example$`,
		},
		Socket:         "unix:/run/postdesk/lmtp.sock",
		OwnDomains:     []string{"support-ticket.example"},
		TablePath:      "/etc/postfix/postdesk_recipients",
		Samples:        []string{"new@support-ticket.example", "support-1@support-ticket.example", "support-bounces+1@support-ticket.example"},
		Senders:        []string{"support-1@support-ticket.example", "support-bounces+1@support-ticket.example"},
		SubmissionUser: "desk", SubmissionServer: "127.0.0.1:587",
	}
}

func sharedSite() Site {
	s := ownSite()
	s.OwnDomains = nil
	s.SharedDomains = []string{"example.com"}
	s.Samples = []string{"first.last@example.com", "sales-1@example.com", "sales-bounces+1@example.com"}
	s.Senders = s.Samples[1:]
	s.Patterns = []string{
		`^sales-([0-9]{1,18})(\+(.*))?@example\.com$`,
		`^sales-bounces\+(()(.*))@example\.com$`,
		`^first\.last()(\+(.*))?@example\.com$`,
		`^in/out()(\+(.*))?@example\.com$`,
		`^\$100()(\+(.*))?@example\.com$`,
	}
	return s
}

func bothSite() Site {
	s, shared := ownSite(), sharedSite()
	s.SharedDomains = shared.SharedDomains
	s.Patterns = append(s.Patterns, shared.Patterns...)
	s.Samples, s.Senders = append(s.Samples, shared.Samples...), append(s.Senders, shared.Senders...)
	s.Socket = "inet:127.0.0.1:24"
	s.MessageSizeLimit = 50 << 20
	s.AuthservID, s.SpamHeader, s.FieldsBelow = "mx.Example", "X-Spam: Yes", true
	return s
}

func sites() map[string]Site {
	return map[string]Site{"own": ownSite(), "shared": sharedSite(), "both": bothSite()}
}

func TestGolden(t *testing.T) {
	for name, s := range sites() {
		for kind, got := range map[string]string{
			"recipients": RecipientTable(s), "transport": TransportTable(s), "senders": SubmissionAccount(s), "headers": HeaderTable(s),
			"aliases": AliasTable(s), "others": OtherTable(s), "master.cf": MasterCF(s),
		} {
			file := filepath.Join("testdata", name+"."+kind)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s is not what is printed (go test -update writes it):\n%s", file, got)
			}
		}
	}
}

func TestNoSubmissionUser(t *testing.T) {
	s := ownSite()
	s.SubmissionUser = ""
	if got := SubmissionAccount(s); got != "" {
		t.Errorf("a table for nobody: %s", got)
	}
}

// run runs a program, and fails on what it says on standard error: Postfix's programs
// warn there.
func run(t *testing.T) Run {
	return func(ctx context.Context, input, name string, args ...string) (string, error) {
		path, err := exec.LookPath("/usr/sbin/" + name)
		if err != nil {
			t.Fatalf("%s is missing: install the Debian package postfix", name)
		}
		out, said, err := output(ctx, input, path, args)
		if said != "" {
			t.Errorf("%s %s: %s", name, strings.Join(args, " "), said)
		}
		return out, err
	}
}

// quiet runs a program whose warnings are expected.
func quiet(ctx context.Context, input, name string, args ...string) (string, error) {
	out, _, err := output(ctx, input, "/usr/sbin/"+name, args)
	return out, err
}

func output(ctx context.Context, input, name string, args []string) (out, said string, err error) {
	var o, e bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(input)
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	return o.String(), e.String(), err
}

const baseMain = "compatibility_level = 3.6\nmyhostname = mx.example\nmydestination =\nalias_maps =\n"
const baseMaster = "smtp inet n - y - - smtpd\nsubmission inet n - y - - smtpd\n  -o smtpd_sender_login_maps=inline:{jane@example.com=jane}\n  -o smtpd_sender_restrictions=reject_sender_login_mismatch\n"

// before are the site's values until the desk comes.
var before = map[string]map[string]string{
	"own": {"transport_maps": "", "relay_domains": "", "relay_recipient_maps": "", "smtpd_forbid_bare_newline": "no"},
	"shared": {"transport_maps": "inline:{ example.org=smtp:[192.0.2.1] }", "virtual_mailbox_domains": "example.com",
		"virtual_mailbox_maps": "inline:{ jane@example.com=jane/ }", "smtpd_forbid_bare_newline": "no"},
	"both": {"transport_maps": "", "relay_domains": "other.example", "relay_recipient_maps": "",
		"virtual_mailbox_domains": "example.com", "virtual_mailbox_maps": "inline:{ jane@example.com=jane/ }",
		"smtpd_forbid_bare_newline": "no", "message_size_limit": "10240000", "header_checks": ""},
}

// install writes a private configuration, follows what is printed for a site, and gives
// the site as it is there.
func install(t *testing.T, name string) Site {
	t.Helper()
	return installSite(t, sites()[name], before[name])
}

func installSite(t *testing.T, s Site, values map[string]string) Site {
	t.Helper()
	dir := t.TempDir()
	s.ConfigDir, s.TablePath = dir, filepath.Join(dir, "postdesk_recipients")
	main := baseMain
	if _, own := values["mydestination"]; own {
		main = strings.Replace(main, "mydestination =\n", "", 1)
	}
	for _, parameter := range slices.Sorted(maps.Keys(values)) {
		main += parameter + " = " + values[parameter] + "\n"
	}
	if err := errors.Join(write(filepath.Join(dir, "main.cf"), main), write(filepath.Join(dir, "master.cf"), baseMaster)); err != nil {
		t.Fatal(err)
	}
	follow(t, s)
	return s
}

// follow runs the printed commands, without those that need a running Postfix.
func follow(t *testing.T, s Site) {
	t.Helper()
	plan, err := NewPlan(t.Context(), run(t), s)
	if err != nil || len(plan.Decide) > 0 {
		t.Fatal(err, plan.Decide)
	}
	var script strings.Builder
	for line := range strings.SplitAfterSeq(plan.Commands(), "\n") {
		if !strings.HasPrefix(line, "postfix ") && !strings.HasPrefix(line, "for f in") {
			// A program of Postfix waits until a file is two seconds old.
			script.WriteString(strings.ReplaceAll(line, "postconf -c", "touch -d '1 minute ago' "+s.ConfigDir+"/*; /usr/sbin/postconf -c"))
		}
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", script.String()+"touch -d '1 minute ago' "+s.ConfigDir+"/*")
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v: %s\n%s", err, out, script.String())
	}
}

// write dates a file back: Postfix's programs wait until a file is two seconds old.
func write(path, text string) error {
	old := time.Now().Add(-time.Minute)
	return errors.Join(os.WriteFile(path, []byte(text), 0o644), os.Chtimes(path, old, old))
}

// Postfix itself must read every printed line, and without a warning.
func TestPostfixReadsIt(t *testing.T) {
	for name := range sites() {
		t.Run(name, func(t *testing.T) {
			s := install(t, name)
			for _, args := range [][]string{{"-n"}, {"-M"}, {"-P"}} {
				if out, err := run(t)(t.Context(), "", "postconf", append([]string{"-c", s.ConfigDir}, args...)...); err != nil {
					t.Errorf("postconf %v: %v: %s", args, err, out)
				}
			}
			out, err := run(t)(t.Context(), "", "postconf", "-c", s.ConfigDir, "-P", transportName+"/unix/*")
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range transportOptions() {
				if want := fmt.Sprintf("%s/unix/%s = %s\n", transportName, o.name, o.value); !strings.Contains(out, want) {
					t.Errorf("no %q in %q", want, out)
				}
			}
		})
	}
}

// Postfix must find our addresses in the tables, and nobody else's.
func TestTablesInPostfix(t *testing.T) {
	socket := map[string]string{"own": "postdesk:unix:/run/postdesk/lmtp.sock", "shared": "postdesk:unix:/run/postdesk/lmtp.sock", "both": "postdesk:inet:127.0.0.1:24"}
	own := []string{"SUPPORT-7102@support-ticket.example", "support-7102+tok@Support-Ticket.Example", "support-bounces+9.0ab@support-ticket.example",
		"new@support-ticket.example", "abuse@support-ticket.example"}
	shared := []string{"sales-7@example.com", "SALES-7+k@example.com", "first.last@example.com", "in/out@example.com", "$100@example.com"}
	unlisted := []string{"nobody@support-ticket.example"} // of the own domain: to the agent, though refused at port 25
	others := []string{"jane@example.com", "firstxlast@example.com", "sales-7x@example.com", "sales-7@example.com.org", "a@support-ticketxexample",
		"a@sub.support-ticket.example", "in@example.com"}
	for name := range sites() {
		t.Run(name, func(t *testing.T) {
			s := install(t, name)
			check := func(table, want string, addresses []string) {
				t.Helper()
				got := ask(t, s.ConfigDir, table, addresses)
				for _, a := range addresses {
					if got[a] != want {
						t.Errorf("%s has %q for %s, want %q", filepath.Base(table), got[a], a, want)
					}
				}
			}
			mine, foreign := own, append(shared, unlisted...)
			if name == "shared" {
				mine, foreign = shared, append(own, unlisted...)
			} else if name == "both" {
				mine, foreign = append(own, shared...), unlisted
			}
			check(s.TablePath, "OK", mine)
			check(s.TablePath, "", append(foreign, others...))
			check(s.TransportPath(), socket[name], mine)
			check(s.TransportPath(), "", others)
			check(s.SenderPath(), "desk", mine)
			check(s.SenderPath(), "", others)
			if name == "both" {
				check(s.OthersPath(), "OK", others[:1])
				check(s.OthersPath(), "", append([]string{"other.example", "@support-ticket.example"}, own...))
			}
			if name != "shared" {
				check(s.TransportPath(), socket[name], unlisted)
			}
		})
	}
}

// ask looks up many keys in one table.
func ask(t *testing.T, dir, table string, keys []string) map[string]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/sbin/postmap", "-c", dir, "-q", "-", "regexp:"+table)
	cmd.Stdin = strings.NewReader(strings.Join(keys, "\n") + "\n")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	var exit *exec.ExitError
	if said.Len() > 0 || err != nil && !errors.As(err, &exit) { // exit 1: some key is not in the table
		t.Fatalf("postmap: %v: %s", err, said.String())
	}
	found := map[string]string{}
	for line := range strings.SplitSeq(string(out), "\n") {
		key, value, _ := strings.Cut(line, "\t")
		found[key] = value
	}
	return found
}
