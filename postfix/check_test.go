package postfix

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// withSocket lets an agent listen where Postfix can reach it: in a folder that the
// user postfix may search, with a path that is short enough.
func withSocket(t *testing.T, s *Site, mode fs.FileMode) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "postdesk-check")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	owner, err := user.Lookup("postfix")
	if err != nil {
		t.Fatal("there is no user postfix: install the Debian package postfix")
	}
	gid, _ := strconv.Atoi(owner.Gid)
	path := filepath.Join(dir, "lmtp.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if err := errors.Join(os.Chown(dir, 0, gid), os.Chmod(dir, 0o710), os.Chown(path, 0, gid), os.Chmod(path, mode)); err != nil {
		t.Fatalf("this test gives files to the group postfix, so it needs root: %v", err)
	}
	s.Socket = "unix:" + path
}

// sound is a site at which nothing is to be found.
func sound(t *testing.T, name string) Site {
	t.Helper()
	s := sites()[name]
	if s.unixSocket() != "" {
		withSocket(t, &s, 0o660)
	}
	return installSite(t, s, before[name])
}

// another is a copy of a sound site, with a socket of its own.
func another(t *testing.T, s Site) Site {
	t.Helper()
	out, dir := s, t.TempDir()
	out.ConfigDir, out.TablePath = dir, filepath.Join(dir, filepath.Base(s.TablePath))
	if s.unixSocket() != "" {
		withSocket(t, &out, 0o660)
	}
	files, err := os.ReadDir(s.ConfigDir)
	if err != nil {
		t.Fatal(err)
	}
	r := strings.NewReplacer(s.ConfigDir, dir, s.Socket, out.Socket)
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(s.ConfigDir, f.Name()))
		if err := errors.Join(err, write(filepath.Join(dir, f.Name()), r.Replace(string(text)))); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// edit replaces in a file of the site, and fails when there is nothing to replace.
func edit(t *testing.T, s Site, file, old, new string) {
	t.Helper()
	path := filepath.Join(s.ConfigDir, file)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("no %q in %s:\n%s", old, file, text)
	}
	if err := write(path, strings.Replace(string(text), old, new, 1)); err != nil {
		t.Fatal(err)
	}
}

func addMain(line string) func(*testing.T, *Site) {
	return func(t *testing.T, s *Site) {
		edit(t, *s, "main.cf", baseMain, baseMain+line+"\n")
	}
}

func inMain(old, new string) func(*testing.T, *Site) {
	return func(t *testing.T, s *Site) { edit(t, *s, "main.cf", old, new) }
}

func inMaster(old, new string) func(*testing.T, *Site) {
	return func(t *testing.T, s *Site) { edit(t, *s, "master.cf", old, new) }
}

func TestCheckFindsNothing(t *testing.T) {
	for name := range sites() {
		t.Run(name, func(t *testing.T) {
			s := sound(t, name)
			for _, f := range Check(t.Context(), run(t), s, false) {
				if name == "both" && strings.Contains(f.What, "listens on TCP") {
					continue
				}
				t.Errorf("%+v", f)
			}
		})
	}
}

// A site may send its only relay domain to the desk by relay_transport.
func TestCheckTakesRelayTransport(t *testing.T) {
	s := sound(t, "own")
	edit(t, s, "main.cf", "transport_maps = "+s.transportMap(), "relay_transport = "+s.transport())
	if plan, err := NewPlan(t.Context(), run(t), s); err != nil || !plan.Empty() {
		t.Errorf("%v, %s", err, plan.Diff())
	}
	for _, f := range Check(t.Context(), run(t), s, false) {
		t.Errorf("%+v", f)
	}
}

// Each fault is planted in a sound configuration; Check must name it, with a mend.
func TestCheckFinds(t *testing.T) {
	const table = "regexp:/etc/postfix/postdesk_recipients"
	good := map[string]Site{}
	for name := range sites() {
		good[name] = sound(t, name)
	}
	for _, c := range []struct {
		name, site string
		plant      func(*testing.T, *Site)
		severity   Severity
		what, mend string
	}{
		{"no transport", "own", inMaster("postdesk   unix", "other     unix"), Error, "master.cf has no transport postdesk", "lmtp_line_length_limit=0"},
		{"another program", "own", inMaster("lmtp\n", "smtp\n"), Error, "runs smtp, not lmtp", "postconf -M"},
		{"chrooted", "own", inMaster("postdesk   unix  -       -       n", "postdesk  unix  -       -       y"), Error, "is chrooted", "postconf -F postdesk/unix/chroot=n"},
		{"chrooted by an old default", "own", func(t *testing.T, s *Site) {
			inMaster("postdesk   unix  -       -       n", "postdesk  unix  -       -       -")(t, s)
			inMain("compatibility_level = 3.6", "compatibility_level = 0")(t, s)
		}, Error, "is chrooted", "chroot=n"},
		{"line length", "own", inMaster("-o lmtp_line_length_limit=0", "-o lmtp_line_length_limit=998"), Error, "lmtp_line_length_limit is 998", "postconf -P postdesk/unix/lmtp_line_length_limit=0"},
		{"line length by default", "own", inMaster("    -o lmtp_line_length_limit=0\n", ""), Error, "lmtp_line_length_limit is 99", "postconf -P"},
		{"conversion", "own", inMaster("    -o disable_mime_output_conversion=yes\n", ""), Error, "disable_mime_output_conversion is no", "=yes"},
		{"dsn", "own", inMaster("lmtp_discard_lhlo_keywords=dsn", "lmtp_discard_lhlo_keywords=chunking"), Warning, "does not name dsn", "lmtp_discard_lhlo_keywords=chunking,dsn"},
		{"no patience", "own", inMaster("lmtp_data_done_timeout=120s", "lmtp_data_done_timeout=20s"), Warning, "lmtp_data_done_timeout is 20s", "=120s"},
		{"recipient limit in master.cf", "own", inMaster("    -o lmtp_line_length_limit=0\n", "  -o lmtp_line_length_limit=0\n  -o postdesk_destination_recipient_limit=50\n"), Warning, "stands in master.cf", "postconf -e 'postdesk_destination_recipient_limit = 50'"},
		{"one recipient", "own", addMain("default_destination_recipient_limit = 1"), Warning, "destination_recipient_limit is 1", "= 50"},
		{"no transport map", "own", inMain("transport_maps =", "#"), Error, "goes to \"relay\"", "postconf -e 'transport_maps = regexp:/etc/postfix/postdesk_transport'"},
		{"no transport map, shared", "shared", inMain("regexp:/etc/postfix/postdesk_transport, ", ""), Error, "example.com do not reach it", "postdesk_transport, inline:"},
		{"another table first", "shared", inMain("transport_maps = regexp:/etc/postfix/postdesk_transport, inline:{ example.org=smtp:[192.0.2.1] }",
			"transport_maps = static:discard, inline:{ example.org=smtp:[192.0.2.1] }, regexp:/etc/postfix/postdesk_transport"), Error, "an earlier table of transport_maps takes it", "first"},
		{"no class", "own", inMain("relay_domains = ", "relay_domains = x"), Error, "support-ticket.example is in no address class", "'relay_domains = xsupport-ticket.example, support-ticket.example'"},
		{"no class, shared", "shared", inMain("virtual_mailbox_domains = example.com", ""), Error, "example.com is one of shared_domains", "run the desk at the Postfix"},
		{"local class", "own", inMain("mydestination =", "mydestination = support-ticket.example"), Warning, "stands in mydestination", "Take it out of mydestination"},
		{"alias class", "own", addMain("virtual_alias_domains = support-ticket.example"), Error, "stands in virtual_alias_domains", "Take it out there"},
		{"no table", "both", inMain("relay_recipient_maps = "+table, "relay_recipient_maps = inline:{ @other.example=OK }"), Error, "relay_recipient_maps lacks the desk's table", "postdesk_others, " + table},
		{"no table, shared", "shared", inMain(", "+table, ""), Error, "virtual_mailbox_maps lacks the desk's table", "jane/ }, " + table},
		{"all are taken", "own", inMain("relay_recipient_maps", "#"), Error, "relay_recipient_maps is empty", "relay_recipient_maps = " + table},
		{"other domains are cut off", "both", inMain("relay_recipient_maps = "+table+", regexp:/etc/postfix/postdesk_others", "relay_recipient_maps = "+table), Error, "other domains of relay_domains are refused", table + ", regexp:/etc/postfix/postdesk_others"},
		{"table not written", "own", func(t *testing.T, s *Site) { _ = os.Remove(s.TablePath) }, Error, "cannot be read", "postfix reload"},
		{"table out of date", "own", func(_ *testing.T, s *Site) { s.Patterns = append(s.Patterns, `^late@support-ticket\.example$`) }, Error, "postdesk_recipients is not what", "print recipients >/etc/postfix/postdesk_recipients.new && mv"},
		{"transport table out of date", "own", func(t *testing.T, s *Site) { withSocket(t, s, 0o660) }, Error, "postdesk_transport is not what", "print transport >"},
		{"sender table out of date", "own", func(_ *testing.T, s *Site) { s.SubmissionUser = "other" }, Error, "postdesk_senders is not what", "print senders >"},
		{"no sender table", "own", inMaster(",regexp:/etc/postfix/postdesk_senders", ""), Error, "does not let desk send", "postdesk postfix print"},
		{"pattern of no domain", "shared", func(_ *testing.T, s *Site) { s.SharedDomains = []string{"example.org"} }, Error, "neither own nor shared", "Name the domain"},
		{"any size at both", "own", addMain("message_size_limit = 0"), Warning, "takes mail of any size (message_size_limit = 0), and so does the agent", "postconf -e message_size_limit=52428800"},
		{"larger than the agent takes", "own", func(_ *testing.T, s *Site) { s.MessageSizeLimit = 10240001 }, Error, "takes mail of 10240000 octets", "Raise the agent's limit to 10305536"},
		{"size without limit", "own", func(t *testing.T, s *Site) {
			addMain("message_size_limit = 0")(t, s)
			s.MessageSizeLimit = 10 << 20
		}, Error, "takes mail of any size", "message_size_limit=10420224"},
		{"smuggling", "own", inMain("smtpd_forbid_bare_newline = normalize", "smtpd_forbid_bare_newline = no"), Error, "smtpd_forbid_bare_newline is no", "normalize"},
		{"smuggling at one service", "own", inMaster("smtp inet n - y - - smtpd\n", "smtp inet n - y - - smtpd\n  -o smtpd_forbid_bare_newline=no\n"), Error, "The service smtp has", "postconf -PX smtp/inet/smtpd_forbid_bare_newline"},
		{"unlisted recipients", "own", addMain("smtpd_reject_unlisted_recipient = no"), Warning, "unknown addresses", "= yes"},
		{"delimiter", "own", addMain("recipient_delimiter = +-\nvirtual_alias_maps = inline:{ support@support-ticket.example=jane@example.org }"), Error, "support-1@support-ticket.example goes to jane@example.org", "commands | sh -e"},
		{"catch-all", "own", addMain("virtual_alias_maps = inline:{ @support-ticket.example=jane@example.org }"), Error, "new@support-ticket.example goes to jane@example.org", "commands | sh -e"},
		{"no socket", "own", func(_ *testing.T, s *Site) { _ = os.Remove(s.unixSocket()) }, Warning, "The socket cannot be seen", "Start postdesk"},
		{"a file", "own", func(_ *testing.T, s *Site) {
			_ = os.Remove(s.unixSocket())
			_ = write(s.unixSocket(), "")
		}, Error, "is no socket", "Move that file away"},
		{"open socket", "own", func(_ *testing.T, s *Site) { _ = os.Chmod(s.unixSocket(), 0o666) }, Error, "has mode 0666", "chmod 0660"},
		{"closed socket", "own", func(_ *testing.T, s *Site) { _ = os.Chmod(s.unixSocket(), 0o600) }, Error, "postfix may not write to", "0660"},
		{"closed folder", "own", func(_ *testing.T, s *Site) { _ = os.Chmod(filepath.Dir(s.unixSocket()), 0o700) }, Error, "postfix may not search", "chgrp postfix"},
		{"long path", "own", func(_ *testing.T, s *Site) { s.Socket = "unix:/" + strings.Repeat("x", 120) }, Error, "has 121 octets", "shorter"},
		{"no such socket", "own", func(_ *testing.T, s *Site) { s.Socket = "127.0.0.1:24" }, Error, "is no socket of lmtp(8)", "inet:127.0.0.1:24"},
		{"the network", "own", func(_ *testing.T, s *Site) { s.Socket = "inet:192.0.2.1:24" }, Error, "listens on 192.0.2.1", "Unix socket"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := another(t, good[c.site])
			// The printed lines name the usual paths, and so do the faults; Postfix reads
			// its own.
			usual := sites()[c.site]
			localize(t, s, true)
			c.plant(t, &s)
			localize(t, s, false)
			var said []string
			for _, f := range Check(t.Context(), quiet, s, false) {
				dir := strings.NewReplacer(" -c "+s.ConfigDir, "", filepath.Dir(s.TablePath), filepath.Dir(usual.TablePath))
				if f.Severity == c.severity && strings.Contains(dir.Replace(f.What), c.what) && strings.Contains(dir.Replace(f.Mend), c.mend) && f.Mend != "" {
					return
				}
				said = append(said, fmt.Sprintf("%+v", f))
			}
			t.Errorf("not found; what is:\n%s", strings.Join(said, "\n"))
		})
	}
}

// localize writes the usual paths in place of the private ones, or the other way.
func localize(t *testing.T, s Site, usual bool) {
	t.Helper()
	r := strings.NewReplacer("/etc/postfix/postdesk_", s.ConfigDir+"/postdesk_")
	if usual {
		r = strings.NewReplacer(s.ConfigDir+"/postdesk_", "/etc/postfix/postdesk_")
	}
	for _, name := range []string{"main.cf", "master.cf"} {
		path := filepath.Join(s.ConfigDir, name)
		text, err := os.ReadFile(path)
		if err := errors.Join(err, write(path, r.Replace(string(text)))); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCheckWithoutPostfix(t *testing.T) {
	broken := func(context.Context, string, string, ...string) (string, error) {
		return "", errors.New("no such program")
	}
	got := Check(t.Context(), broken, ownSite(), false)
	if len(got) != 1 || got[0].Severity != Error || !strings.Contains(got[0].What, "no such program") {
		t.Errorf("%+v", got)
	}
}

// A Postfix from before the parameter was invented prints nothing for it.
func TestCheckOldPostfix(t *testing.T) {
	old := func(_ context.Context, _, _ string, args ...string) (string, error) {
		if len(args) > 0 && args[0] == "-x" {
			return "mail_version = 3.4.0\n", nil
		}
		return "", nil
	}
	for _, f := range Check(t.Context(), old, ownSite(), false) {
		if strings.Contains(f.What, "knows no smtpd_forbid_bare_newline") {
			return
		}
	}
	t.Error("not found")
}

func TestSeconds(t *testing.T) {
	for in, want := range map[string]int64{"": 0, "60": 60, "600s": 600, "2m": 120, "1h": 3600, "x": 0, "s": 0} {
		if got := seconds(in); got != want {
			t.Errorf("seconds(%q) = %d, want %d", in, got, want)
		}
	}
}
