package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
)

// missing says what a lab lacks on this machine, with the packages to install.
func missing(postfix bool) error {
	if !postfix {
		return nil
	}
	if os.Geteuid() != 0 {
		return errors.New("a private Postfix needs root: run this as root (sudo make …)")
	}
	return Need(master, "/usr/sbin/postfix", "saslpasswd2", "sasldb", "flock")
}

// Need says which Debian packages lack for the named programs.
func Need(programs ...string) error {
	packages := map[string]string{
		master: "postfix", "/usr/sbin/postfix": "postfix", "smtp-sink": "postfix",
		"saslpasswd2": "sasl2-bin", "sasldb": "libsasl2-modules-db", "swaks": "swaks", "s-nail": "s-nail", "strace": "strace",
		"/usr/lib/dovecot/lmtp": "dovecot-lmtpd", "dovecot": "dovecot-core", "sqlite3": "sqlite3",
		"flock": "util-linux", "unshare": "util-linux", "/lib/systemd/systemd": "systemd", "systemctl": "systemd", "systemd-analyze": "systemd", "/usr/lib/dovecot/imap": "dovecot-imapd", "opendkim": "opendkim", "rspamd": "rspamd",
	}
	lacking := map[string]bool{}
	for _, p := range programs {
		if !present(p) {
			name := packages[p]
			if name == "" {
				name = p
			}
			lacking[name] = true
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	var names []string
	for n := range lacking {
		names = append(names, n)
	}
	sort.Strings(names)
	return fmt.Errorf("missing on this machine: %[1]s; install with: apt-get install %[1]s (or: make deps)", strings.Join(names, " "))
}

func present(program string) bool {
	if program == "sasldb" { // a plugin, no program
		multiarch, _ := filepath.Glob("/usr/lib/*/sasl2/libsasldb.so*")
		plain, _ := filepath.Glob("/usr/lib/sasl2/libsasldb.so*")
		return len(multiarch)+len(plain) > 0
	}
	_, err := exec.LookPath(program)
	return err == nil
}
