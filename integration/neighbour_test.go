package integration

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"postdesk/integration/lab"
)

// impatient is a Postfix that waits for its neighbour no longer than a test can.
const impatient = "lmtp_lhlo_timeout = 2s\nlmtp_data_xfer_timeout = 2s\nlmtp_connect_timeout = 2s\n"

// In the place of the agent there is nothing, something that does not listen, something
// that says nothing, and something that dies in the middle of its answer to a whole mail.
// Postfix keeps each mail, nothing bounces, and the agent gets each once.
func TestSocketThatFails(t *testing.T) {
	t.Parallel()
	d := stoppedDesk(t, 2*time.Minute, lab.Options{ExtraMain: impatient}, lab.AgentOptions{})
	var sent [][]byte
	for i, c := range []struct {
		name, says string
		listen     func(net.Conn)
	}{
		{"absent", "No such file", nil},
		{"refused", "Connection refused", func(net.Conn) {}},
		{"silent", "timed out", func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) }},
		{"cut", "lost connection", cutAnswer},
	} {
		stop := d.pretend(c.name, c.listen)
		raw := lab.Letter{From: jane, To: "new@" + lab.Domain, Subject: fmt.Sprintf("kill %d", i), MessageID: c.name + "@" + lab.SignedDomain, Body: c.name + "\n"}.Raw()
		d.must(d.Send(d.ctx, jane, []string{"new@" + lab.Domain}, raw))
		sent = append(sent, raw)
		d.until("Postfix to keep what came while the socket was "+c.name, func() (bool, error) {
			queue, err := d.Queue(d.ctx)
			return len(queue) == i+1 && strings.Contains(d.Log(), c.says) && strings.Count(d.Log(), "status=deferred") > i, err
		})
		stop()
	}
	d.must(d.agent.Start(d.ctx))
	d.connect()
	d.must(d.Flush(d.ctx))
	d.must(d.Empty(d.ctx))
	d.must(d.agent.Drained(d.ctx))
	checkOnce(d, sent)
	if strings.Contains(d.Log(), "status=bounced") {
		t.Errorf("something bounced:%s", d.LogTail(20))
	}
}

// pretend puts a neighbour of that kind in the place of the agent.
func (d *desk) pretend(kind string, serve func(net.Conn)) (stop func()) {
	d.t.Helper()
	if serve == nil {
		return func() {}
	}
	d.must(os.MkdirAll(filepath.Dir(d.Socket), 0o755))
	l, err := net.Listen("unix", d.Socket)
	d.must(err)
	d.must(os.Chmod(d.Socket, 0o666))
	if kind == "refused" {
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		_ = l.Close()
		return func() { _ = os.Remove(d.Socket) }
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { serve(c); _ = c.Close() }()
		}
	}()
	return func() { _ = l.Close() }
}

// cutAnswer speaks LMTP up to the first two digits of the answer to a whole mail.
func cutAnswer(c net.Conn) {
	r := bufio.NewReader(c)
	_, _ = fmt.Fprint(c, "220 mx LMTP\r\n")
	for data := false; ; {
		line, err := r.ReadString('\n')
		switch {
		case err != nil:
			return
		case data && line == ".\r\n":
			_, _ = fmt.Fprint(c, "25")
			return
		case data:
		case strings.HasPrefix(line, "DATA"):
			data = true
			_, _ = fmt.Fprint(c, "354 go on\r\n")
		default:
			_, _ = fmt.Fprint(c, "250 ok\r\n")
		}
	}
}

// Stopped in the middle of a body and then going on, the agent has the mail once: after
// Postfix has lost patience and keeps the mail, and while it still waits.
func TestStoppedInMidData(t *testing.T) {
	t.Parallel()
	stoppedInMidData(t, impatient, 0)
	if minutes := share(0, 2); minutes > 0 {
		stoppedInMidData(t, "", time.Duration(minutes)*time.Minute)
	}
}

// stoppedInMidData stops the agent for some time, or until Postfix has lost patience.
func stoppedInMidData(t *testing.T, patience string, pause time.Duration) {
	d := newDesk(t, 2*time.Minute+2*pause, lab.Options{ExtraMain: patience}, lab.AgentOptions{})
	// It is on its way in when a file for it is there.
	halfway := make(chan error, 1)
	go func() {
		halfway <- lab.Until(d.ctx, "half a mail", func() (bool, error) {
			files, err := os.ReadDir(filepath.Join(d.agent.Data, "raw", "tmp"))
			if err != nil || len(files) == 0 {
				return false, err
			}
			return true, syscall.Kill(d.agent.PID(), syscall.SIGSTOP)
		})
	}()
	var sent [][]byte
	for stopped := false; !stopped; { // on a busy machine a mail may be there before it was looked for
		raw := lab.Letter{From: jane, To: "new@" + lab.Domain, Subject: fmt.Sprintf("kill %d", len(sent)), MessageID: fmt.Sprintf("stopped%d@%s", len(sent), lab.SignedDomain),
			Body: strings.Repeat("A line that fills the buffers between the two of them.\n", 150_000)}.Raw()
		sent = append(sent, raw)
		d.must(d.Send(d.ctx, jane, []string{"new@" + lab.Domain}, raw))
		d.until("half a mail, or all of it", func() (bool, error) {
			select {
			case err := <-halfway:
				stopped = true
				return true, err
			default:
			}
			queue, err := d.Queue(d.ctx)
			return len(queue) == 0, err
		})
	}
	if pause > 0 {
		<-time.After(pause) // how long is what this is about
	} else {
		d.until("Postfix to lose patience", func() (bool, error) { return strings.Contains(d.Log(), "status=deferred"), nil })
	}
	d.must(syscall.Kill(d.agent.PID(), syscall.SIGCONT))
	d.must(d.Flush(d.ctx))
	d.must(d.Empty(d.ctx))
	d.must(d.agent.Drained(d.ctx))
	checkOnce(d, sent)
}
