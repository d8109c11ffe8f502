package integration

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"postdesk/integration/lab"
)

const tracedMails = 20

// Between the end of the data and the 250 the mail is on the disk. A kill of the
// process cannot show this, for the kernel keeps what was written; strace can.
func TestSyncBeforeAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env    []string
		synced bool
	}{
		"as shipped": {nil, true},
		// The same test must see an agent that does not sync.
		"negative control": {[]string{"POSTDESK_TEST_SYNCHRONOUS=NORMAL"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, 30*time.Second, lab.Options{NoPostfix: true}, lab.AgentOptions{Env: c.env})
			stop := d.strace("-s", "8192", "-e", "trace=read,write,fsync,fdatasync")
			conn := dialLMTP(d)
			for i := range tracedMails {
				conn.deliver(fmt.Sprintf("From: <%s>\r\nSubject: traced %d\r\n\r\nx\r\n", jane, i))
			}
			answered, unsynced := readTrace(t, stop())
			if answered != tracedMails {
				t.Fatalf("the trace shows %d answers for %d mails", answered, tracedMails)
			}
			if c.synced != (unsynced == 0) {
				t.Errorf("%d of %d mails were answered without a sync", unsynced, answered)
			}
		})
	}
}

// strace attaches strace to the agent. The function that it gives detaches, and gives
// the path of the trace.
func (d *desk) strace(args ...string) func() string {
	d.t.Helper()
	d.must(lab.Need("strace"))
	path := filepath.Join(d.Dir, "trace")
	cmd := exec.Command("strace", append(args, "-f", "-e", "signal=none", "-o", path, "-p", strconv.Itoa(d.agent.PID()))...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	said, err := cmd.StderrPipe()
	d.must(err)
	d.must(cmd.Start())
	attached := bufio.NewScanner(said)
	for attached.Scan() && !strings.Contains(attached.Text(), " attached") {
		d.t.Log(attached.Text())
	}
	go func() { // strace must not wait for a reader
		for attached.Scan() {
			continue
		}
	}()
	return func() string {
		d.must(cmd.Process.Signal(syscall.SIGINT))
		_ = cmd.Wait() // ends by the signal
		return path
	}
}

var (
	endOfData = regexp.MustCompile(`read.*\\r\\n\.\\r\\n"`)
	syncDone  = regexp.MustCompile(`(fsync|fdatasync)(\(| resumed).* = 0$`)
	answer    = regexp.MustCompile(`write\(.*"250 `)
)

// readTrace counts answers to mails, and those without a sync since the end of the data.
func readTrace(t *testing.T, path string) (answered, unsynced int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	waiting, synced := false, false
	for _, line := range bytes.Split(b, []byte("\n")) {
		switch {
		case endOfData.Match(line):
			waiting, synced = true, false
		case waiting && syncDone.Match(line):
			synced = true
		case waiting && answer.Match(line):
			waiting = false
			answered++
			if !synced {
				unsynced++
			}
		}
	}
	return answered, unsynced
}

// lmtpConn speaks LMTP to the agent's socket, command by command.
type lmtpConn struct {
	*textproto.Conn
	d    *desk
	conn net.Conn
}

func dialLMTP(d *desk) *lmtpConn {
	d.t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(d.ctx, "unix", d.Socket)
	d.must(err)
	stop := context.AfterFunc(d.ctx, func() { _ = conn.Close() })
	d.t.Cleanup(func() { stop(); _ = conn.Close() })
	c := &lmtpConn{textproto.NewConn(conn), d, conn}
	c.want(220)
	c.cmd(250, "LHLO test.example")
	return c
}

func (c *lmtpConn) want(code int) string {
	c.d.t.Helper()
	_, text, err := c.ReadResponse(code)
	c.d.must(err)
	return text
}

func (c *lmtpConn) cmd(code int, line string) {
	c.d.t.Helper()
	c.d.must(c.PrintfLine("%s", line))
	c.want(code)
}

// begin opens a transaction up to the 354.
func (c *lmtpConn) begin() {
	c.d.t.Helper()
	c.cmd(250, "MAIL FROM:<"+jane+">")
	c.cmd(250, "RCPT TO:<new@"+lab.Domain+">")
	c.cmd(354, "DATA")
}

// deliver sends one mail and waits for its 250.
func (c *lmtpConn) deliver(raw string) {
	c.d.t.Helper()
	c.begin()
	_, err := c.conn.Write([]byte(raw + ".\r\n"))
	c.d.must(err)
	c.want(250)
}
