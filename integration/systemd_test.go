//go:build systemd

package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postdesk/integration/lab"
)

// machineDesk is an agent that a real systemd runs as make install has put it there. Its
// Postfix is outside, and reaches it by the socket of the .socket unit.
func machineDesk(t *testing.T) (*desk, *lab.Machine) {
	t.Helper()
	d := stoppedDesk(t, 3*time.Minute, lab.Options{}, lab.AgentOptions{})
	folder := filepath.Join(d.Dir, "machine")
	d.must(os.Mkdir(folder, 0o755))
	m, err := lab.StartMachine(d.ctx, folder, map[string]string{filepath.Join(d.Dir, "postdesk"): "/run/postdesk"})
	d.must(err)
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := m.Run(context.Background(), "journalctl", "--no-pager", "-n", "60")
			t.Log(log)
		}
		if err := m.Stop(); err != nil {
			t.Error(err)
		}
	})
	text, err := os.ReadFile(d.agent.Config)
	d.must(err)
	config := strings.NewReplacer(d.agent.Data, "/var/lib/postdesk", "unix:"+d.Socket, "unix:/run/postdesk/lmtp.sock",
		d.agent.Control, "/run/postdesk/control.sock", d.Dir+"/password", "/etc/postdesk/password", d.CAFile, "/etc/postdesk/ca.pem").Replace(string(text))
	ca, err := os.ReadFile(d.CAFile)
	d.must(err)
	d.must(m.Write("/etc/postdesk/postdesk.toml", config, 0o644))
	d.must(m.Write("/etc/postdesk/ca.pem", string(ca), 0o644))
	install := exec.CommandContext(d.ctx, "make", "-C", "..", "install", "DESTDIR="+m.Root, "BIN="+binary)
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("make install: %v: %s", err, out)
	}
	// The one unit that depends on the lab: its port is no usual one.
	http, err := m.Run(d.ctx, "postdesk", "systemd", "http")
	d.must(err)
	d.must(m.Write("/etc/systemd/system/postdesk-http.socket", http, 0o644))
	d.in(m, "systemd-sysusers")
	d.must(m.Write("/etc/postdesk/password", lab.Password, 0o640))
	d.in(m, "chgrp", "postdesk", "/etc/postdesk/password")
	d.in(m, "systemctl", "daemon-reload")
	return d, m
}

// in runs a program in the machine, which must succeed.
func (d *desk) in(m *lab.Machine, name string, args ...string) string {
	d.t.Helper()
	out, err := m.Run(d.ctx, name, args...)
	d.must(err)
	return strings.TrimSpace(out)
}

// A real systemd starts, reloads and restarts the agent while mail comes, and no mail is
// deferred for it.
func TestSystemd(t *testing.T) {
	t.Parallel()
	d, m := machineDesk(t)
	d.in(m, "systemctl", "enable", "--now", "postdesk-http.socket", "postdesk.service")
	d.in(m, "systemctl", "is-active", "postdesk.service", "postdesk.socket", "postdesk-control.socket")
	secret := d.in(m, "postdesk", "token", "create", "--name", "test", "--scope", "write")
	d.api = &lab.Client{URL: d.agent.URL, Token: secret}

	// The load begins before the first restart and goes on until after the last.
	sent, end := underLoad(d)
	for i := range 3 {
		mark := sent.Load() + 30
		d.until("mail", func() (bool, error) { return sent.Load() >= mark, nil })
		d.in(m, "systemctl", "restart", "postdesk.service")
		d.in(m, "systemctl", "reload", "postdesk.service")
		d.until(fmt.Sprintf("an active service after restart %d and a reload", i), func() (bool, error) {
			state, err := m.Run(d.ctx, "systemctl", "is-active", "postdesk.service")
			if err != nil {
				err = fmt.Errorf("it is %s: %w", state, err)
			}
			return err == nil, err
		})
	}
	end(0)
	if log := d.in(m, "journalctl", "-u", "postdesk.service"); strings.Contains(log, "nobody answers there") {
		t.Errorf("a socket was not taken over: %s", log)
	}
	checkJournal(d, m)
	checkReload(d, m)
	checkWatchdog(d, m)
}

// checkJournal: the journal has facility, priority and text apart.
func checkJournal(d *desk, m *lab.Machine) {
	line := d.in(m, "journalctl", "-u", "postdesk.service", "-o", "json", "-n", "1", "--grep", "mail accepted")
	for _, want := range []string{`"PRIORITY":"6"`, `"SYSLOG_FACILITY":"2"`, `"SYSLOG_IDENTIFIER":"postdesk"`, `"MESSAGE":"msg=\"mail accepted\"`} {
		if !strings.Contains(strings.ReplaceAll(line, `" : "`, `":"`), want) {
			d.t.Errorf("the journal has no %s: %s", want, line)
		}
	}
}

// checkReload: a wrong configuration makes systemctl reload fail with its line, and the
// agent goes on.
func checkReload(d *desk, m *lab.Machine) {
	before := d.in(m, "systemctl", "show", "-P", "MainPID", "postdesk.service")
	path := filepath.Join(m.Root, "etc/postdesk/postdesk.toml")
	good, err := os.ReadFile(path)
	d.must(err)
	d.must(os.WriteFile(path, append(good, "wrong = 1\n"...), 0o644))
	if out, err := m.Run(d.ctx, "systemctl", "reload", "postdesk.service"); err == nil {
		d.t.Errorf("a wrong configuration was reloaded: %s", out)
	}
	if log := d.in(m, "journalctl", "-u", "postdesk.service", "-n", "10"); !strings.Contains(log, "there is no setting") {
		d.t.Errorf("the journal does not say what is wrong: %s", log)
	}
	d.must(os.WriteFile(path, good, 0o644))
	if after := d.in(m, "systemctl", "show", "-P", "MainPID", "postdesk.service"); after != before || after == "0" {
		d.t.Errorf("process %s became %s", before, after)
	}
}

// checkWatchdog: an agent that hangs is started anew; one that works is not.
func checkWatchdog(d *desk, m *lab.Machine) {
	d.must(m.Write("/etc/systemd/system/postdesk.service.d/lab.conf", "[Service]\nWatchdogSec=10s\nRestartSec=100ms\n", 0o644))
	d.in(m, "systemctl", "daemon-reload")
	d.in(m, "systemctl", "restart", "postdesk.service")
	started := time.Now()
	d.until("more than the watchdog's limit", func() (bool, error) { return time.Since(started) > 12*time.Second, nil })
	if n := d.in(m, "systemctl", "show", "-P", "NRestarts", "postdesk.service"); n != "0" {
		d.t.Fatalf("an agent that works was started anew %s times", n)
	}
	d.in(m, "systemctl", "kill", "-s", "STOP", "postdesk.service")
	d.until("a new start", func() (bool, error) {
		out, err := m.Run(d.ctx, "systemctl", "show", "-P", "NRestarts", "-P", "ActiveState", "postdesk.service")
		return strings.Contains("\n"+out, "\n1\n") && strings.Contains("\n"+out, "\nactive\n"), err
	})
}
