package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// systemd itself finds nothing wrong in the units, and the service well shut in.
func TestUnits(t *testing.T) {
	dir := t.TempDir()
	for what, name := range map[string]string{"service": "postdesk.service", "socket": "postdesk.socket",
		"control": "postdesk-control.socket", "http": "postdesk-http.socket"} {
		out, err := exec.Command("postdesk", "systemd", "--program", "/bin/true", what).Output()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), out, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	verify := exec.Command("systemd-analyze", "verify", "--man=no", "./postdesk.service", "./postdesk-http.socket")
	verify.Dir, verify.Env = dir, append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":")
	if out, err := verify.CombinedOutput(); err != nil || strings.Contains(string(out), "postdesk") {
		t.Errorf("systemd-analyze verify: %v: %s", err, out)
	}
	security := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", "./postdesk.service")
	security.Dir = dir
	out, err := security.CombinedOutput()
	found := regexp.MustCompile(`Overall exposure level for postdesk.service: ([0-9.]+)`).FindSubmatch(out)
	if err != nil || found == nil {
		t.Fatalf("systemd-analyze security: %v: %s", err, out)
	}
	if exposure, err := strconv.ParseFloat(string(found[1]), 64); err != nil || exposure > 1.5 {
		t.Errorf("exposure %s, want at most 1.5: %s", found[1], out)
	}
}

// The units say what the configuration says.
func TestUnitsOfASite(t *testing.T) {
	path := writeConfig(t, strings.Replace(valid, "[submission]", `data = "/srv/desk"
[lmtp]
listen = "tcp:127.0.0.1:24"
[control]
socket = "/run/c.sock"
[http]
listen = "127.0.0.1:99"
[submission]`, 1))
	out, err := exec.Command("postdesk", "--config", path, "systemd").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ExecStart=/usr/local/bin/postdesk --config " + path + " serve\n", "ReadWritePaths=/srv/desk\n", "ListenStream=127.0.0.1:24\n",
		"ListenStream=/run/c.sock\n", "ListenStream=127.0.0.1:99\n", "# /etc/sysusers.d/postdesk.conf\nu postdesk "} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(string(out), "SocketUser=postfix") {
		t.Error("a TCP socket has no owner")
	}
}
