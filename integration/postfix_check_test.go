package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postdesk/integration/lab"
)

// finding is one of "postdesk postfix check --json".
type finding struct {
	Severity string `json:"severity"`
	What     string `json:"what"`
	Mend     string `json:"mend"`
}

// site is a desk at a Postfix that was set up by "postdesk postfix print".
type site struct{ *desk }

// sh runs a script as the administrator does. Postfix's programs wait until a file is two
// seconds old, so what it wrote is dated back.
func (s *site) sh(script string) {
	s.t.Helper()
	cmd := exec.CommandContext(s.ctx, "sh", "-e", "-c", script)
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+":/usr/sbin:"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%v: %s\n%s", err, out, script)
	}
	s.age()
}

func (s *site) age() {
	old := time.Now().Add(-time.Minute)
	files, err := filepath.Glob(filepath.Join(s.ConfigDir(), "*"))
	s.must(err)
	for _, f := range files {
		s.must(os.Chtimes(f, old, old))
	}
}

// print follows what is printed, to the letter.
func (s *site) print() {
	s.t.Helper()
	commands, err := s.agent.Command(s.ctx, "postfix", "print", "commands", "--config-dir", s.ConfigDir())
	s.must(err)
	s.sh(s.undelayed(commands))
	again, err := s.agent.Command(s.ctx, "postfix", "print", "commands", "--config-dir", s.ConfigDir())
	if s.must(err); again != "" {
		s.t.Fatalf("a second time is printed:\n%s", again)
	}
}

// check gives the findings, with more variables in the environment.
func (s *site) check(env []string, args ...string) (findings []finding) {
	s.t.Helper()
	cmd := exec.CommandContext(s.ctx, s.agent.Binary, append([]string{"--config", s.agent.Config, "postfix", "check", "--json", "--config-dir", s.ConfigDir()}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	var report struct {
		OK       bool
		Findings []finding
	}
	if err := json.Unmarshal(out, &report); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	if exit := (&exec.ExitError{}); errors.As(err, &exit) == report.OK {
		s.t.Errorf("ok is %t, and the command ends with %v", report.OK, err)
	}
	return report.Findings
}

// fault is planted in a sound site, and must be named with its mend; then the mend is run.
type fault struct {
	name     string
	plant    string // for a shell, with $C for the configuration directory
	env      []string
	live     bool // Postfix must read it, and the check must ask
	severity string
	what     string
	mend     string // for a shell; empty: what the finding says
}

func (s *site) expand(script string) string {
	return strings.NewReplacer("postconf ", "postconf -c "+s.ConfigDir()+" ", "$C", s.ConfigDir(), "$S", s.Submission()+"/inet", "$L", s.Socket, "$D", s.Dir).Replace(script)
}

// undelayed dates the files back between commands; who is told to reload is asked anew anyway.
func (s *site) undelayed(script string) string {
	touch := "touch -d yesterday " + s.ConfigDir() + "/*\n"
	return strings.NewReplacer("; postfix -c "+s.ConfigDir()+" reload", "", "\npostconf", "\n"+touch+"postconf", "; postconf", "\n"+touch+"postconf", "\npostfix", "\n"+touch+"postfix").Replace(script)
}

func (s *site) plant(f fault) {
	s.t.Helper()
	if f.plant != "" {
		s.sh(s.expand(f.plant))
	}
	args := []string{"--no-network"}
	if f.live {
		args = nil
		if f.plant != "" {
			s.reload()
		}
	}
	findings := s.check(f.env, args...)
	i := slices.IndexFunc(findings, func(g finding) bool { return g.Severity == f.severity && strings.Contains(g.What, f.what) })
	if i < 0 {
		s.t.Errorf("%s is not found; what is:", f.name)
		for _, g := range findings {
			s.t.Errorf("  %+v", g)
		}
	}
	switch {
	case f.mend != "":
		s.sh(s.expand(f.mend))
	case f.env == nil && i >= 0:
		s.sh(s.undelayed(findings[i].Mend))
	}
}

// reload waits until a new smtpd answers.
func (s *site) reload() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patient*20*time.Second)
	defer cancel()
	s.must(s.Reload(ctx))
}

// Each fault that is planted in a real Postfix is named, with what mends it; mended, it is
// gone, and nothing else is found meanwhile.
func TestPostfixCheck(t *testing.T) {
	t.Parallel()
	soundSite(t).planted(faults())
}

// So is each that only Postfix itself tells, when it is asked.
func TestPostfixCheckAsks(t *testing.T) {
	t.Parallel()
	s := soundSite(t)
	footer, err := lab.StartFooter()
	s.must(err)
	t.Cleanup(footer.Stop)
	s.planted(liveFaults(footer.Port))
}

// soundSite is a site at which nothing is to be found.
func soundSite(t *testing.T) *site {
	t.Helper()
	s := &site{stoppedDesk(t, 3*time.Minute, lab.Options{WithoutDesk: true, ExtraMain: "relay_domains = second.example\n"}, lab.AgentOptions{WithStaff: true})}
	s.must(s.agent.Start(s.ctx))
	s.print()
	s.reload()
	s.clean("after print")
	return s
}

// planted plants each fault in turn.
func (s *site) planted(faults []fault) {
	s.t.Helper()
	for _, f := range faults {
		start := time.Now()
		s.plant(f)
		s.t.Logf("%-30s %s", f.name, time.Since(start).Round(time.Millisecond))
	}
	s.reload()
	s.clean("after all mends")
}

// clean fails when there is more than a note.
func (s *site) clean(when string) {
	s.t.Helper()
	for _, f := range s.check(nil) {
		if f.Severity != "note" {
			s.t.Errorf("%s: %+v", when, f)
		}
	}
}

func faults() []fault {
	const reset = "postconf -X "
	return []fault{
		{name: "no transport", plant: "postconf -MX postdesk/unix", severity: "error", what: "master.cf has no transport"},
		{name: "long lines", plant: "postconf -P postdesk/unix/lmtp_line_length_limit=998", severity: "error", what: "lmtp_line_length_limit is 998"},
		{name: "dsn", plant: "postconf -P postdesk/unix/lmtp_discard_lhlo_keywords=chunking", severity: "warning", what: "does not name dsn"},
		{name: "limit in master.cf", plant: "postconf -P postdesk/unix/postdesk_destination_recipient_limit=50", severity: "warning", what: "stands in master.cf"},
		{name: "chroot", plant: "postconf -F postdesk/unix/chroot=y", severity: "error", what: "is chrooted"},
		{name: "no class", plant: "postconf -e relay_domains=second.example", severity: "error", what: "is in no address class"},
		{name: "two classes", plant: "postconf -e mydestination=" + lab.Domain, severity: "warning", what: "stands in mydestination and in relay_domains", mend: "postconf -e mydestination="},
		{name: "no route", plant: "postconf -X transport_maps", severity: "error", what: "goes to \"relay\""},
		{name: "another route", plant: "postconf -e \"transport_maps=inline:{ new@" + lab.Domain + "=discard }, $(postconf -h transport_maps)\"", severity: "error",
			what: "an earlier table of transport_maps takes it", mend: "postconf -e \"transport_maps=regexp:$C/postdesk_transport\""},
		{name: "no recipients", plant: "postconf -e relay_recipient_maps=inline:{x@y=z}", severity: "error", what: "relay_recipient_maps lacks the desk's table",
			mend: "postconf -e 'relay_recipient_maps=regexp:$C/postdesk_recipients, regexp:$C/postdesk_others'"},
		{name: "others cut off", plant: "postconf -e relay_recipient_maps=regexp:$C/postdesk_recipients", severity: "error", what: "other domains of relay_domains are refused"},
		{name: "stale table", plant: "sed -i '/bounces/d' $C/postdesk_recipients", severity: "error", what: "postdesk_recipients is not what postdesk would print"},
		{name: "smuggling", plant: "postconf -e smtpd_forbid_bare_newline=no", severity: "error", what: "SMTP smuggling"},
		{name: "unlisted", plant: "postconf -e smtpd_reject_unlisted_recipient=no smtpd_recipient_restrictions=reject_unauth_destination", severity: "warning", what: "smtpd_reject_unlisted_recipient is no"},
		{name: "short queue ids", plant: "postconf -X enable_long_queue_ids", severity: "warning", what: "enable_long_queue_ids is no"},
		{name: "delimiter", plant: "postconf -e recipient_delimiter=- 'virtual_alias_maps=inline:{ support@" + lab.Domain + "=jane@second.example }'", severity: "error",
			what: "support-7102@" + lab.Domain + " goes to jane@second.example", mend: reset + "recipient_delimiter virtual_alias_maps"},
		{name: "catch-all", plant: "postconf -e virtual_alias_maps=inline:{@" + lab.Domain + "=jane@second.example}", severity: "error", what: "goes to jane@second.example", mend: reset + "virtual_alias_maps"},
		{name: "canonical", plant: "postconf -e canonical_maps=inline:{new@" + lab.Domain + "=jane@second.example}", severity: "error", what: "canonical_maps makes jane@second.example of new@", mend: reset + "canonical_maps"},
		{name: "generic", plant: "postconf -e smtp_generic_maps=inline:{@" + lab.Domain + "=jane@second.example}", severity: "error", what: "answers leave with another address", mend: reset + "smtp_generic_maps"},
		{name: "srs", plant: "postconf -e sender_canonical_maps=static:SRS0@second.example sender_canonical_classes=envelope_sender,header_sender", severity: "error", what: "in From too",
			mend: reset + "sender_canonical_maps sender_canonical_classes"},
		{name: "masquerade", plant: "postconf -e masquerade_domains=example", severity: "error", what: "masquerade_domains makes example of " + lab.Domain, mend: ""},
		{name: "copies", plant: reset + "masquerade_domains; touch -d yesterday $C/main.cf; postconf -e always_bcc=new@" + lab.Domain, severity: "error", what: "each opens a ticket", mend: reset + "always_bcc"},
		{name: "content filter", plant: "postconf -e content_filter=smtp:[127.0.0.1]:10025", severity: "note", what: "content_filter (smtp:[127.0.0.1]:10025)", mend: reset + "content_filter"},
		{name: "table not made", plant: "postconf -e transport_maps=regexp:$C/postdesk_transport,hash:$C/sender_login", severity: "error", what: "sender_login cannot be asked"},
		{name: "size", env: []string{"POSTDESK_LMTP_MAX_MESSAGE_BYTES=1000000"}, severity: "error", what: "what is between waits in the queue and bounces"},
		{name: "open relay", plant: "postconf -e smtpd_relay_restrictions=permit,reject_unauth_destination", severity: "error", what: "has permit before reject_unauth_destination",
			mend: "postconf -e smtpd_relay_restrictions=permit_sasl_authenticated,reject_unauth_destination"},
		{name: "closed to all", plant: "postconf -e smtpd_relay_restrictions=permit_mynetworks,reject", severity: "error", what: "customers cannot write",
			mend: "postconf -e smtpd_relay_restrictions=permit_sasl_authenticated,reject_unauth_destination"},
		{name: "whole world", plant: "postconf -e mynetworks=0.0.0.0/0", severity: "error", what: "the whole world may send", mend: "postconf -e mynetworks="},
		{name: "no login in Received", plant: "postconf -X smtpd_sasl_authenticated_header", severity: "error", what: "smtpd_sasl_authenticated_header is no"},
		{name: "forged results", env: []string{"POSTDESK_TRUST_AUTHSERV_ID=mx.example", "POSTDESK_TRUST_AUTHSERV_PLACE=below"}, severity: "error", what: "header_checks does not strip"},
		{name: "jailed socketmap", plant: "postconf -F '*/inet/chroot=y'; touch -d yesterday $C/*; postconf -e transport_maps=regexp:$C/postdesk_transport,socketmap:unix:/run/x:y", severity: "error",
			what: "is chrooted in", mend: "postconf -F '*/inet/chroot=n'; touch -d yesterday $C/*; postconf -e transport_maps=regexp:$C/postdesk_transport"},
		{name: "open socket", plant: "chmod 0666 $L", severity: "error", what: "any user of this machine can hand in mail"},
		{name: "closed socket", plant: "chmod 0600 $L", severity: "error", what: "may not write to", mend: "chmod 0660 $L"},
		{name: "closed folder", plant: "chmod 0700 $D/postdesk", severity: "error", what: "may not search", mend: "chmod 2750 $D/postdesk"},
	}
}

// liveFaults are found by asking: port 25, the milters and the submission server.
func liveFaults(footer int) []fault {
	const host = "mx." + lab.Domain
	return []fault{
		{name: "wrong password", plant: "printf wrong >$D/password", live: true, severity: "error", what: "refuses the password", mend: "printf " + lab.Password + " >$D/password"},
		{name: "not its address", plant: "postconf -P $S/smtpd_sender_login_maps=static:nobody", live: true, severity: "error", what: "does not let desk@" + host + " send by a ticket address",
			mend: "postconf -P $S/smtpd_sender_login_maps=texthash:$C/sender_login,regexp:$C/postdesk_senders"},
		{name: "another name", env: []string{"POSTDESK_SUBMISSION_TLS_NAME=other.example"}, live: true, severity: "error", what: "is for " + host + ", localhost, not for other.example"},
		{name: "unknown authority", env: []string{"POSTDESK_SUBMISSION_CA_FILE="}, live: true, severity: "error", what: "by an authority that is not known here"},
		{name: "no TLS", plant: "postconf -P $S/smtpd_tls_security_level=none", live: true, severity: "error", what: "offers no STARTTLS", mend: "postconf -P $S/smtpd_tls_security_level=encrypt"},
		{name: "no AUTH", plant: "postconf -P $S/smtpd_sasl_auth_enable=no", live: true, severity: "error", what: "offers no AUTH PLAIN", mend: "postconf -P $S/smtpd_sasl_auth_enable=yes"},
		{name: "no relaying", plant: "postconf -P $S/smtpd_relay_restrictions=reject_unauth_destination", live: true, severity: "error", what: "does not let the desk send to others",
			mend: "postconf -P $S/smtpd_relay_restrictions=permit_sasl_authenticated,reject"},
		{name: "no server", env: []string{"POSTDESK_SUBMISSION_SERVER=127.0.0.1:1"}, live: true, severity: "error", what: "127.0.0.1:1 does not answer"},
		{name: "footer", plant: fmt.Sprintf("postconf -e smtpd_milters=inet:127.0.0.1:%d", footer), live: true, severity: "error", what: "changes the text of mail that arrives", mend: "postconf -X smtpd_milters"},
		{name: "results of another", plant: fmt.Sprintf("postconf -e smtpd_milters=inet:127.0.0.1:%d header_checks=regexp:$C/postdesk_headers; : >$C/postdesk_headers", footer),
			env: []string{"POSTDESK_TRUST_AUTHSERV_ID=mx.other.example"}, live: true, severity: "warning", what: "as mx.example, but the desk believes mx.other.example", mend: "postconf -X smtpd_milters header_checks"},
		{name: "results that nobody believes", plant: fmt.Sprintf("postconf -e smtpd_milters=inet:127.0.0.1:%d", footer), live: true, severity: "note", what: "which the desk does not believe", mend: "postconf -X smtpd_milters"},
		{name: "milter is down", plant: "postconf -e smtpd_milters=inet:127.0.0.1:1", live: true, severity: "warning", what: "inet:127.0.0.1:1 (smtpd_milters) cannot be asked", mend: "postconf -X smtpd_milters"},
		{name: "refused by a restriction", plant: "postconf -e 'smtpd_recipient_restrictions=check_recipient_access inline:{ new@" + lab.Domain + "=REJECT }, reject_unauth_destination'", live: true, severity: "error",
			what: "Port 25 refuses new@" + lab.Domain, mend: "postconf -e smtpd_recipient_restrictions=reject_unauth_destination"},
		{name: "unsigned", plant: "postconf -X relayhost", live: true, severity: "warning", what: "Answers are not signed for " + lab.Domain, mend: "postconf -e relayhost=[127.0.0.1]:9"},
	}
}
