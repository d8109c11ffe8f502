package lab

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Milter is a real filter at Postfix's side that verifies mail: OpenDKIM or rspamd, with a
// configuration of its own, on loopback.
type Milter struct {
	Port    int
	command []string
	dir     string
	cmd     *exec.Cmd
	done    chan struct{}
	held    io.Closer // the port
}

// MilterMain are the lines for main.cf.
func (m *Milter) MilterMain() string {
	return fmt.Sprintf("smtpd_milters = inet:127.0.0.1:%d\nmilter_default_action = accept\nmilter_connect_timeout = 30s\nmilter_command_timeout = 60s\n", m.Port)
}

// NewOpenDKIM makes an OpenDKIM that writes as host and knows these keys, as lines of a
// name and a record.
func NewOpenDKIM(dir, host, keys string) (*Milter, error) {
	if err := Need("opendkim"); err != nil {
		return nil, err
	}
	p, held, err := port(0)
	if err != nil {
		return nil, err
	}
	conf := fmt.Sprintf("Socket inet:%d@127.0.0.1\nMode v\nAuthservID %s\nAlwaysAddARHeader yes\nTestPublicKeys %s/keys\nInternalHosts %[3]s/internal\nRequireSafeKeys no\n", p, host, dir)
	m := &Milter{Port: p, held: held, dir: dir, command: []string{"opendkim", "-f", "-x", dir + "/opendkim.conf"}}
	return m, m.write(map[string]string{"opendkim.conf": conf, "keys": keys, "internal": "192.0.2.99\n"})
}

// NewSigningOpenDKIM makes an OpenDKIM that signs what has logged in for a domain, with its
// key among these.
func NewSigningOpenDKIM(dir, domain string, keys *Signer) (*Milter, error) {
	if err := Need("opendkim"); err != nil {
		return nil, err
	}
	p, held, err := port(0)
	if err != nil {
		return nil, err
	}
	der, err := keys.Export(domain)
	if err != nil {
		return nil, err
	}
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	conf := fmt.Sprintf("Socket inet:%d@127.0.0.1\nMode s\nDomain %s\nSelector %s\nKeyFile %s/key\nRequireSafeKeys no\n", p, domain, Selector, dir)
	m := &Milter{Port: p, held: held, dir: dir, command: []string{"opendkim", "-f", "-x", dir + "/opendkim.conf"}}
	return m, m.write(map[string]string{"opendkim.conf": conf, "key": key})
}

// rspamdConf has what verifies and what writes the result, and nothing that asks the net. To
// compile the whole list of public suffixes takes it twenty seconds.
const rspamdConf = `options {
  pidfile = "DIR/rspamd.pid"; filters = "dkim"; tempdir = "DIR"; local_addrs = []; hs_cache_dir = "DIR/";
  disable_hyperscan = true; cache_file = "DIR/symbols.cache"; control_socket = "DIR/control.sock mode=0600";
  url_tld = "DIR/suffixes";
  dns { timeout = 10s; nameserver = ["DNS"]; }
}
logging { type = "file"; filename = "DIR/rspamd.log"; level = "info"; }
worker "rspamd_proxy" {
  bind_socket = "127.0.0.1:PORT"; milter = yes; timeout = 60s; count = 1;
  upstream "local" { default = yes; self_scan = yes; }
}
modules { path = "/usr/share/rspamd/plugins"; }
lua = "/usr/share/rspamd/rules/rspamd.lua";
actions { reject = null; greylist = null; add_header = null; }
dkim { check_local = true; }
spf { check_local = true; }
dmarc { check_local = true; }
milter_headers { use = ["authentication-results"]; skip_local = false; }
`

// NewRspamd makes an rspamd that asks the given name server. It writes as Postfix's host.
func NewRspamd(dir, nameserver string) (*Milter, error) {
	if err := Need("rspamd"); err != nil {
		return nil, err
	}
	p, held, err := port(0)
	if err != nil {
		return nil, err
	}
	conf := strings.NewReplacer("DIR", dir, "PORT", fmt.Sprint(p), "DNS", nameserver).Replace(rspamdConf)
	m := &Milter{Port: p, held: held, dir: dir, command: []string{"rspamd", "--insecure", "-f", "-c", dir + "/rspamd.conf"}}
	return m, m.write(map[string]string{"rspamd.conf": conf, "suffixes": "com\nnet\norg\nexample\n"})
}

func (m *Milter) write(files map[string]string) error {
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Start runs it and waits until it takes connections.
func (m *Milter) Start(ctx context.Context) error {
	out, err := os.Create(filepath.Join(m.dir, "out"))
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	m.cmd = exec.Command(m.command[0], m.command[1:]...)
	m.cmd.Stdout, m.cmd.Stderr = out, out
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := m.cmd.Start(); err != nil {
		return err
	}
	m.done = make(chan struct{})
	go func() {
		_ = m.cmd.Wait()
		close(m.done)
	}()
	err = Until(ctx, m.command[0], func() (bool, error) {
		select {
		case <-m.done:
			return false, fmt.Errorf("%s has ended: %s", m.command[0], m.Log())
		default:
		}
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", m.Port), time.Second)
		if err != nil {
			return false, err
		}
		return true, c.Close()
	})
	return err
}

// Stop ends it, with the processes that it started.
func (m *Milter) Stop() error {
	if m.cmd == nil {
		return nil
	}
	err := syscall.Kill(-m.cmd.Process.Pid, syscall.SIGKILL)
	<-m.done
	m.cmd = nil
	return errors.Join(err, m.held.Close())
}

// Log is what it said.
func (m *Milter) Log() string {
	out, _ := os.ReadFile(filepath.Join(m.dir, "out"))
	log, _ := os.ReadFile(filepath.Join(m.dir, "rspamd.log"))
	return tail(string(out)+string(log), 20)
}
