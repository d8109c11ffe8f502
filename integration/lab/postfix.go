package lab

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
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
	"text/template"
	"time"
)

const master = "/usr/lib/postfix/sbin/master"

// ConfigDir is Postfix's configuration directory.
func (l *Lab) ConfigDir() string { return l.etc() }

func (l *Lab) etc() string     { return filepath.Join(l.Dir, "etc") }
func (l *Lab) maillog() string { return filepath.Join(l.Dir, "maillog") }

// folders makes the scratch tree with the owners that Postfix asks for.
func (l *Lab) folders(postfix bool) error {
	uid, gid, drop := 0, 0, 0
	if os.Geteuid() == 0 && postfix {
		u, err := user.Lookup("postfix")
		if err != nil {
			return err
		}
		g, err := user.LookupGroup("postdrop")
		if err != nil {
			return err
		}
		uid, _ = strconv.Atoi(u.Uid)
		gid, _ = strconv.Atoi(u.Gid)
		drop, _ = strconv.Atoi(g.Gid)
	}
	type folder struct {
		name string
		mode os.FileMode
		uid  int
		gid  int
	}
	all := []folder{
		{"etc/sasl", 0o755, 0, 0}, {"spool", 0o755, 0, 0}, {"tls", 0o755, 0, 0}, {"data", 0o750, uid, gid},
		// The folder of the socket: the agent owns it, Postfix may only search it,
		// and what is made in it gets its group.
		{"postdesk", 0o750 | os.ModeSetgid, 0, gid},
		{"spool/pid", 0o755, 0, 0}, {"spool/maildrop", 0o730, uid, drop}, {"spool/public", 0o710, uid, drop},
	}
	for _, q := range strings.Fields("active bounce corrupt defer deferred flush hold incoming private saved trace") {
		all = append(all, folder{"spool/" + q, 0o700, uid, 0})
	}
	for _, d := range all {
		p := filepath.Join(l.Dir, d.name)
		if err := os.MkdirAll(p, 0o755); err != nil {
			return err
		}
		if err := os.Chown(p, d.uid, d.gid); err != nil {
			return err
		}
		if err := os.Chmod(p, d.mode); err != nil {
			return err
		}
	}
	// postsuper runs as user postfix and cannot make the log while postlogd is down.
	if err := os.WriteFile(l.maillog(), nil, 0o644); err != nil {
		return err
	}
	if err := os.Chown(l.maillog(), uid, gid); err != nil {
		return err
	}
	return writeCertificate(filepath.Join(l.Dir, "tls"), l.Host)
}

func (l *Lab) configure() error {
	for _, f := range []struct{ name, text string }{
		{"main.cf", mainCF}, {"master.cf", masterCF}, {"sasl/smtpd.conf", saslConf}, {"sender_login", senderLogin},
	} {
		t, err := template.New(f.name).Parse(f.text)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, l); err != nil {
			return err
		}
		if err := l.writeConf(f.name, b.Bytes()); err != nil {
			return err
		}
	}
	transport := strings.ReplaceAll(l.recipients, "/ OK\n", "/ postdesk:unix:"+l.Socket+"\n")
	return errors.Join(l.writeConf("recipients", []byte(l.recipients)), l.writeConf("transport", []byte(transport)))
}

// writeConf dates a file back: Postfix waits until its files are two seconds old.
func (l *Lab) writeConf(name string, text []byte) error {
	p := filepath.Join(l.etc(), name)
	if err := os.WriteFile(p, text, 0o644); err != nil {
		return err
	}
	old := time.Now().Add(-time.Minute)
	return os.Chtimes(p, old, old)
}

// passwords writes the sasldb that the submission port asks.
func (l *Lab) passwords(ctx context.Context) error {
	db := filepath.Join(l.Dir, "sasldb2")
	for _, user := range []string{l.Login, l.StaffLogin} {
		name, _, _ := strings.Cut(user, "@")
		cmd := exec.CommandContext(ctx, "saslpasswd2", "-p", "-c", "-f", db, "-u", l.Host, name)
		cmd.Stdin = strings.NewReader(Password)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("saslpasswd2: %w: %s", err, out)
		}
	}
	g, err := user.LookupGroup("postfix")
	if err != nil {
		return err
	}
	gid, _ := strconv.Atoi(g.Gid)
	if err := os.Chown(db, 0, gid); err != nil {
		return err
	}
	return os.Chmod(db, 0o640)
}

// firstStart starts Postfix on free ports. Another program may take the same ones
// in the moment between looking and binding: then it takes others.
func (l *Lab) firstStart(ctx context.Context, o Options) error {
	if err := l.passwords(ctx); err != nil {
		return err
	}
	for try := 0; ; try++ {
		if err := l.ports(o); err != nil {
			return err
		}
		if err := l.configure(); err != nil {
			return err
		}
		err := l.StartPostfix(ctx)
		if err == nil {
			return nil
		}
		taken := strings.Contains(l.Log(), "Address already in use")
		if !taken || o.MXPort != 0 || try == 4 {
			return err
		}
		if err := os.Truncate(l.maillog(), 0); err != nil {
			return err
		}
	}
}

// StartPostfix starts Postfix and waits until both ports greet. The master is
// started directly: "postfix start" takes half a second to look the tree over.
func (l *Lab) StartPostfix(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	// -o: Postfix itself must not inherit the lock, which ends with the start.
	if err := run(ctx, "flock", "-o", filepath.Join(l.Dir, "lock"), master, "-c", l.etc(), "-w"); err != nil {
		return err
	}
	for _, addr := range []string{l.MX(), l.Submission()} {
		err := Until(ctx, "the greeting of "+addr, func() (bool, error) {
			if strings.Contains(l.Log(), "fatal: bind ") {
				return true, nil
			}
			return greets(addr, l.Host), nil
		})
		if err != nil {
			return err
		}
	}
	if strings.Contains(l.Log(), "fatal: bind ") {
		return fmt.Errorf("postfix cannot bind")
	}
	return nil
}

func greets(addr, host string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	line, _ := bufio.NewReader(c).ReadString('\n')
	_, _ = c.Write([]byte("QUIT\r\n"))
	return strings.HasPrefix(line, "220 "+host)
}

// StopPostfix stops Postfix; its queue stays.
func (l *Lab) StopPostfix(ctx context.Context) error { return l.postfix(ctx, "stop") }

// AbortPostfix ends Postfix at once, in the middle of deliveries, and waits until
// it is gone.
func (l *Lab) AbortPostfix(ctx context.Context) error {
	if err := l.postfix(ctx, "abort"); err != nil {
		return err
	}
	return Until(ctx, "the end of Postfix", func() (bool, error) {
		return l.postfix(ctx, "status") != nil, nil
	})
}

// KillPostfix ends all processes of Postfix in one moment, as a power cut does, and waits
// until they are gone. StartPostfix goes on with what the queue holds.
func (l *Lab) KillPostfix(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(l.Dir, "spool", "pid", "master.pid"))
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		return fmt.Errorf("master.pid holds %q, no process", text)
	}
	// master(8) leads a group of its own, in which all that it starts stays.
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill -9 -%d: %w", pid, err)
	}
	return Until(ctx, "the end of Postfix", func() (bool, error) {
		return errors.Is(syscall.Kill(-pid, 0), syscall.ESRCH), nil
	})
}

// SetRecipients replaces the table of recipients and reloads.
func (l *Lab) SetRecipients(ctx context.Context, table string) error {
	l.recipients = table
	if err := l.configure(); err != nil {
		return err
	}
	return l.postfix(ctx, "reload")
}

// Reload makes Postfix read its configuration anew, and waits until it has: until its port
// is answered by a process that has just begun.
func (l *Lab) Reload(ctx context.Context) error { return l.postfix(ctx, "reload") }

func (l *Lab) postfix(ctx context.Context, verb string) error {
	return run(ctx, "postfix", "-c", l.etc(), verb)
}

// Flush makes Postfix try all deferred mail now.
func (l *Lab) Flush(ctx context.Context) error { return run(ctx, "postqueue", "-c", l.etc(), "-f") }

// Requeue makes Postfix queue everything anew, which changes the bytes.
func (l *Lab) Requeue(ctx context.Context) error {
	return run(ctx, "postsuper", "-c", l.etc(), "-r", "ALL")
}

// Queued is one mail in Postfix's queue.
type Queued struct {
	Queue      string `json:"queue_name"`
	ID         string `json:"queue_id"`
	Sender     string `json:"sender"`
	Recipients []struct {
		Address string `json:"address"`
		Reason  string `json:"delay_reason"`
	} `json:"recipients"`
}

// Queue lists Postfix's queue.
func (l *Lab) Queue(ctx context.Context) ([]Queued, error) {
	out, err := exec.CommandContext(ctx, "postqueue", "-c", l.etc(), "-j").Output()
	if err != nil {
		return nil, fmt.Errorf("postqueue: %w", err)
	}
	var all []Queued
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var q Queued
		if err := d.Decode(&q); err != nil {
			return nil, err
		}
		all = append(all, q)
	}
	return all, nil
}

// Empty waits until Postfix's queue is empty, flushing it meanwhile.
func (l *Lab) Empty(ctx context.Context) error {
	next := time.Now()
	return Until(ctx, "an empty queue", func() (bool, error) {
		q, err := l.Queue(ctx)
		if err != nil || len(q) == 0 {
			return err == nil, err
		}
		if time.Now().After(next) {
			next = time.Now().Add(time.Second)
			return false, l.Flush(ctx)
		}
		return false, fmt.Errorf("%d mails left, the first: %+v", len(q), q[0])
	})
}

// Log is Postfix's whole log.
func (l *Lab) Log() string {
	b, _ := os.ReadFile(l.maillog())
	return string(b)
}

// LogTail is the end of Postfix's log, for the message of a failure.
func (l *Lab) LogTail(lines int) string {
	return tail(l.Log(), lines)
}

func run(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	// The whole group: a script that outlives its shell would go on starting things.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Minute // what a script leaves behind ends a moment later, on a busy machine some
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}
