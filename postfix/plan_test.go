package postfix

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// busy is a site that serves others in every class before the desk comes.
func busy() map[string]string {
	return map[string]string{
		"relay_domains": "other.example, second.example", "relay_recipient_maps": "",
		"virtual_mailbox_domains": "example.com", "virtual_mailbox_maps": "inline:{ jane@example.com=jane/ }",
		"virtual_alias_maps": "inline:{ @example.com=jane@example.com, sales@example.com=jane@example.com }",
		"transport_maps":     "inline:{ other.example=smtp:[192.0.2.1] }", "recipient_delimiter": "-",
		"smtpd_recipient_restrictions": "check_sender_access inline:{ spammer.example=REJECT }, reject_unlisted_recipient",
		"smtpd_forbid_bare_newline":    "no", "header_checks": "regexp:/dev/null", "smtpd_milters": "inet:127.0.0.1:1",
	}
}

// What the site has stays; the desk is added to it; a second time nothing is left to do.
func TestPlanAdds(t *testing.T) {
	s := bothSite()
	s.StaffLogins = true
	s = installSite(t, s, busy())
	plan, err := NewPlan(t.Context(), run(t), s)
	if err != nil || !plan.Empty() || plan.Diff() != "" || plan.Commands() != "" {
		t.Errorf("%v, after it was followed:\n%s%s", err, plan.Diff(), plan.Commands())
	}
	text, err := os.ReadFile(filepath.Join(s.ConfigDir, "main.cf"))
	if err != nil {
		t.Fatal(err)
	}
	main := strings.ReplaceAll(string(text), s.ConfigDir+"/", "")
	for _, line := range []string{
		"relay_domains = other.example, second.example, support-ticket.example",
		"relay_recipient_maps = regexp:postdesk_recipients, regexp:postdesk_others",
		"virtual_mailbox_maps = inline:{ jane@example.com=jane/ }, regexp:postdesk_recipients",
		"virtual_alias_maps = regexp:postdesk_aliases, inline:{ @example.com=jane@example.com, sales@example.com=jane@example.com }",
		"transport_maps = regexp:postdesk_transport, inline:{ other.example=smtp:[192.0.2.1] }",
		"header_checks = regexp:postdesk_headers, regexp:/dev/null",
		"smtpd_forbid_bare_newline = normalize", "enable_long_queue_ids = yes", "recipient_delimiter = -",
	} {
		if !strings.Contains(main, "\n"+line+"\n") {
			t.Errorf("no line %q in\n%s", line, main)
		}
	}
	changed := []string{"relay_domains", "relay_recipient_maps", "virtual_mailbox_maps", "virtual_alias_maps", "transport_maps", "header_checks", "smtpd_forbid_bare_newline"}
	for name, value := range busy() {
		if !slices.Contains(changed, name) && !strings.Contains(main, "\n"+name+" = "+value+"\n") {
			t.Errorf("%s is not what it was:\n%s", name, main)
		}
	}
}

// The diff shows each change with its reason, the line as it is and as it will be.
func TestPlanDiff(t *testing.T) {
	s := sharedSite()
	dir := t.TempDir()
	s.ConfigDir, s.TablePath = dir, filepath.Join(dir, "postdesk_recipients")
	main := baseMain + "virtual_mailbox_domains = example.com\nvirtual_mailbox_maps = hash:/x hash:/y\n"
	for name, text := range map[string]string{"main.cf": main, "master.cf": baseMaster} {
		if err := write(filepath.Join(dir, name), text); err != nil {
			t.Fatal(err)
		}
	}
	plan, err := NewPlan(t.Context(), run(t), s)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.ReplaceAll(plan.Diff(), dir, "/etc/postfix")
	const file = "testdata/plan.diff"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(file); err != nil || got != string(want) {
		t.Errorf("%v; %s is not what is printed (go test -update writes it):\n%s", err, file, got)
	}
}

// Where the desk would take the mail of others, nothing is printed but the question.
func TestPlanDecides(t *testing.T) {
	for _, c := range []struct {
		name, site, what, mend string
		values                 map[string]string
	}{
		{"mailboxes", "own", "stands in virtual_mailbox_domains", "shared_domains", map[string]string{"virtual_mailbox_domains": "support-ticket.example"}},
		{"local", "own", "stands in mydestination", "shared_domains", map[string]string{"mydestination": "support-ticket.example"}},
		{"relayed", "own", `its mail goes to "smtp:[192.0.2.1]"`, "shared_domains",
			map[string]string{"relay_domains": "support-ticket.example", "transport_maps": "inline:{ support-ticket.example=smtp:[192.0.2.1] }"}},
		{"aliases", "own", "stands in virtual_alias_domains", "Take it out", map[string]string{"virtual_alias_domains": "support-ticket.example"}},
		{"aliases, shared", "shared", "stands in virtual_alias_domains", "a domain of its own", map[string]string{"virtual_alias_domains": "example.com"}},
		{"nobody's", "shared", "stands in no address class", "shared_domains", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := sites()[c.site]
			s.ConfigDir = t.TempDir()
			main := baseMain
			for name, value := range c.values {
				main += name + " = " + value + "\n"
			}
			for name, text := range map[string]string{"main.cf": main, "master.cf": baseMaster} {
				if err := write(filepath.Join(s.ConfigDir, name), text); err != nil {
					t.Fatal(err)
				}
			}
			plan, err := NewPlan(t.Context(), quiet, s)
			if err != nil || len(plan.Decide) != 1 || !strings.Contains(plan.Decide[0].What, c.what) || !strings.Contains(plan.Decide[0].Mend, c.mend) || plan.Commands() != "" {
				t.Errorf("%v: %+v", err, plan.Decide)
			}
		})
	}
}

// A list with white space in it cannot be written into master.cf; it gets a name in main.cf.
func TestPlanLongLoginMaps(t *testing.T) {
	s := ownSite()
	dir := t.TempDir()
	s.ConfigDir, s.TablePath = dir, filepath.Join(dir, "postdesk_recipients")
	master := strings.Replace(baseMaster, "smtpd_sender_login_maps=inline:{jane@example.com=jane}", "{ smtpd_sender_login_maps = inline:{ jane@example.com=jane } inline:{ sam@example.com=sam } }", 1)
	for name, text := range map[string]string{"main.cf": baseMain, "master.cf": master} {
		if err := write(filepath.Join(dir, name), text); err != nil {
			t.Fatal(err)
		}
	}
	follow(t, s)
	plan, err := NewPlan(t.Context(), quiet, s)
	if err != nil || !plan.Empty() {
		t.Errorf("%v, after it was followed:\n%s", err, plan.Diff())
	}
	s.SubmissionUser = "another"
	if plan, err = NewPlan(t.Context(), quiet, s); err != nil || len(plan.Changes) != 0 || len(plan.Files) != 1 {
		t.Errorf("%v, for another login:\n%s", err, plan.Diff())
	}
	out, _ := run(t)(t.Context(), "", "postconf", "-c", dir, "-Px")
	if want := "submission/inet/smtpd_sender_login_maps = inline:{ jane@example.com=jane }, inline:{ sam@example.com=sam }, " + s.senderMap() + "\n"; !strings.Contains(out, want) {
		t.Errorf("no %q in %s", want, out)
	}
}

// Single addresses in a domain of local users, or in one that is relayed to another server:
// the map of who exists in that class has the desk's addresses, and no other has.
func TestPlanShared(t *testing.T) {
	for name, c := range map[string]struct {
		values map[string]string
		want   string
	}{
		"local":            {map[string]string{"mydestination": "example.com", "local_recipient_maps": "inline:{ jane=x }"}, "local_recipient_maps = inline:{ jane=x }, TABLE"},
		"local by default": {map[string]string{"mydestination": "example.com"}, "local_recipient_maps = proxy:unix:passwd.byname $alias_maps, TABLE"},
		"relayed": {map[string]string{"relay_domains": "example.com, other.example", "relay_recipient_maps": "inline:{ jane@example.com=x }"},
			"relay_recipient_maps = inline:{ jane@example.com=x }, TABLE"},
		"relayed all": {map[string]string{"relay_domains": "example.com, other.example"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := installSite(t, sharedSite(), c.values)
			text, err := os.ReadFile(filepath.Join(s.ConfigDir, "main.cf"))
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.ReplaceAll(c.want, "TABLE", s.recipientMap()); c.want != "" && !strings.Contains(string(text), "\n"+want+"\n") {
				t.Errorf("no line %q in\n%s", want, text)
			}
			if c.want == "" && strings.Contains(string(text), s.recipientMap()) {
				t.Errorf("a list of who exists, where all are taken:\n%s", text)
			}
			if plan, err := NewPlan(t.Context(), quiet, s); err != nil || !plan.Empty() {
				t.Errorf("%v, after it was followed:\n%s", err, plan.Diff())
			}
		})
	}
}

// A subdomain of a domain that is relayed is nobody's until the desk has it.
func TestPlanSubdomain(t *testing.T) {
	s := installSite(t, ownSite(), map[string]string{"relay_domains": "example", "relay_recipient_maps": "inline:{ jane@example=x }", "transport_maps": "inline:{ .example=smtp:[192.0.2.1] }"})
	plan, err := NewPlan(t.Context(), quiet, s)
	if err != nil || !plan.Empty() {
		t.Errorf("%v, after it was followed: %v\n%s", err, plan.Decide, plan.Diff())
	}
	if got := plan.instance.route("new@support-ticket.example"); got != s.transport() {
		t.Errorf("its mail goes to %q", got)
	}
}
