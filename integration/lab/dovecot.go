package lab

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
)

// dovecotConf is a Dovecot that takes mail over LMTP and keeps it in Maildirs.
const dovecotConf = `base_dir = DIR/run
state_dir = DIR/run
instance_name = postdesk-lab
protocols = lmtp
log_path = DIR/log
ssl = no
listen = 127.0.0.1
mail_location = maildir:~/mail
first_valid_uid = 1
auth_username_format = %Lu
recipient_delimiter = +
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid=mail gid=mail home=DIR/mail/%Lu allow_all_users=yes
}
service lmtp {
  unix_listener lmtp.sock {
    mode = 0666
  }
}
service stats {
  unix_listener stats-writer {
    mode = 0666
  }
}
`

// Dovecot keeps the mailboxes of a site.
type Dovecot struct {
	Socket string // its LMTP
	dir    string
	cmd    *exec.Cmd
	done   chan struct{}
}

// StartDovecot starts one in the lab's folder.
func (l *Lab) StartDovecot(ctx context.Context) (*Dovecot, error) {
	if err := Need("dovecot", "/usr/lib/dovecot/lmtp"); err != nil {
		return nil, err
	}
	u, err := user.Lookup("mail")
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(u.Uid)
	d := &Dovecot{dir: filepath.Join(l.Dir, "dovecot"), done: make(chan struct{})}
	d.Socket = filepath.Join(d.dir, "run", "lmtp.sock")
	mails, conf := filepath.Join(d.dir, "mail"), filepath.Join(d.dir, "dovecot.conf")
	if err := errors.Join(os.MkdirAll(mails, 0o755), os.Chown(mails, uid, -1),
		os.WriteFile(conf, []byte(strings.ReplaceAll(dovecotConf, "DIR", d.dir)), 0o644)); err != nil {
		return nil, err
	}
	d.cmd = exec.Command("dovecot", "-F", "-c", conf)
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = d.cmd.Wait()
		close(d.done)
	}()
	return d, Until(ctx, "Dovecot", func() (bool, error) {
		c, err := net.Dial("unix", d.Socket)
		if err != nil {
			log, _ := os.ReadFile(filepath.Join(d.dir, "log"))
			return false, fmt.Errorf("%w%s", err, tail(string(log), 5))
		}
		return true, c.Close()
	})
}

// Stop ends it.
func (d *Dovecot) Stop() error {
	err := d.cmd.Process.Signal(syscall.SIGTERM)
	<-d.done
	return err
}

// Mailbox gives the mails of one user, as they were written.
func (d *Dovecot) Mailbox(address string) (mails []string, err error) {
	files, err := filepath.Glob(filepath.Join(d.dir, "mail", address, "mail", "new", "*"))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		mails = append(mails, string(raw))
	}
	return mails, nil
}
