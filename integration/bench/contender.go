package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"postdesk/integration/lab"
)

// contender is an LMTP server at a unix socket, or an SMTP server.
type contender struct {
	name      string
	socket    string // path; of SMTP ADDRESS:PORT
	smtp      bool
	recipient string
	pid       int
	drain     func(context.Context) error // waits until all accepted mail is processed
	clean     func(context.Context) error // between rounds; only its CPU is measured
	stop      func()
}

// startContender starts one in a lab.
type startContender func(context.Context, *lab.Lab) (*contender, error)

// withAgent are the agent and its peers.
func withAgent(binary string) []startContender {
	return []startContender{startSink, startDovecot, func(ctx context.Context, l *lab.Lab) (*contender, error) {
		c, _, err := startAgent(ctx, l, binary, lab.AgentOptions{})
		return c, err
	}}
}

// withContenders runs do with all of them in one lab.
func withContenders(ctx context.Context, starts []startContender, do func(*lab.Lab, []*contender) error) error {
	if err := lab.Need("dovecot", "/usr/lib/dovecot/lmtp", "smtp-sink"); err != nil {
		return err
	}
	return withLab(ctx, lab.Options{NoPostfix: true}, func(l *lab.Lab) error {
		var all []*contender
		defer func() {
			for _, c := range all {
				c.stop()
			}
		}()
		for _, start := range starts {
			c, err := start(ctx, l)
			if c != nil {
				all = append(all, c)
			}
			if err != nil {
				return err
			}
		}
		return do(l, all)
	})
}

func startAgent(ctx context.Context, l *lab.Lab, binary string, o lab.AgentOptions) (*contender, *lab.Agent, error) {
	a, err := l.NewAgent(binary, o)
	if err != nil {
		return nil, nil, err
	}
	c := agentContender(l, a)
	err = a.Start(ctx)
	c.pid = a.PID()
	return c, a, err
}

func agentContender(l *lab.Lab, a *lab.Agent) *contender {
	return &contender{name: agentName, socket: l.Socket, recipient: "new@" + lab.Domain, drain: a.Drained, clean: a.Searchable,
		stop: func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if err := a.Stop(ctx); err != nil {
				fmt.Fprintln(os.Stderr, "bench:", err)
			}
		}}
}

// process starts a server and waits for its socket.
func process(ctx context.Context, name, socket string, args ...string) (*contender, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &contender{name: name, socket: socket, recipient: "customer@x.example", pid: cmd.Process.Pid,
		drain: func(context.Context) error { return nil }, clean: func(context.Context) error { return nil },
		stop: func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait()
		}}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return c, lab.Until(ctx, "the socket of "+name, func() (bool, error) {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			err = conn.Close()
		}
		return err == nil, err
	})
}

func startSink(ctx context.Context, l *lab.Lab) (*contender, error) {
	socket := filepath.Join(l.Dir, "sink.sock")
	return process(ctx, sinkName, socket, "smtp-sink", "-L", "-u", "root", "unix:"+socket, "200")
}

const dovecotConf = `base_dir = DIR/run
state_dir = DIR/run
instance_name = postdesk-bench
protocols = lmtp
log_path = DIR/log
ssl = no
listen = 127.0.0.1
mail_fsync = always
mail_location = maildir:~/mail
mail_home = DIR/mail/%u
first_valid_uid = 1
auth_username_format = %Ln
default_vsz_limit = 1G
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid=mail gid=mail home=DIR/mail/%u allow_all_users=yes
}
service lmtp {
  unix_listener lmtp.sock {
    mode = 0666
  }
  process_limit = 64
  process_min_avail = 2
  service_count = 0
}
service anvil {
  client_limit = 1000
}
service stats {
  unix_listener stats-writer {
    mode = 0666
  }
}
`

func dovecotSocket(l *lab.Lab) string { return filepath.Join(l.Dir, "dovecot", "run", "lmtp.sock") }

func startDovecot(ctx context.Context, l *lab.Lab) (*contender, error) {
	dir := filepath.Join(l.Dir, "dovecot")
	mails := filepath.Join(dir, "mail")
	conf := filepath.Join(dir, "dovecot.conf")
	u, err := user.Lookup("mail")
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(u.Uid)
	if err := errors.Join(os.MkdirAll(mails, 0o755), os.Chown(mails, uid, -1),
		os.WriteFile(conf, []byte(strings.ReplaceAll(dovecotConf, "DIR", dir)), 0o644)); err != nil {
		return nil, err
	}
	c, err := process(ctx, dovecotName, dovecotSocket(l), "dovecot", "-F", "-c", conf)
	if c != nil {
		c.clean = func(context.Context) error { return os.RemoveAll(filepath.Join(mails, "customer")) }
	}
	return c, err
}
