package integration

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"postdesk/integration/lab"
)

// underLoad sends mail until end is called, which wants each on a ticket, beside
// others, and none deferred.
func underLoad(d *desk) (sent *atomic.Int64, end func(others int)) {
	sent = &atomic.Int64{}
	stop, done := make(chan struct{}), make(chan error, 4)
	for range cap(done) {
		go func() { done <- load(d, sent, stop) }()
	}
	return sent, func(others int) {
		d.t.Helper()
		close(stop)
		for range cap(done) {
			d.must(<-done)
		}
		d.must(d.Empty(d.ctx))
		d.waitTickets(int(sent.Load()) + others)
		if n := strings.Count(d.Log(), "status=deferred"); n > 0 {
			i := strings.Index(d.Log(), "status=deferred")
			d.t.Errorf("%d deliveries were deferred, the first: %.400s", n, d.Log()[max(0, i-250):])
		}
		d.t.Logf("%d mails", sent.Load())
	}
}

// load sends mail until stop, each in a connection of its own.
func load(d *desk, sent *atomic.Int64, stop chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		n := sent.Add(1)
		err := d.Write(d.ctx, lab.Letter{From: jane, To: "new@" + lab.Domain, Subject: fmt.Sprintf("load %d", n),
			MessageID: fmt.Sprintf("load.%d@%s", n, lab.SignedDomain), Body: strings.Repeat("A line.\n", int(n%2000))})
		if err != nil {
			return err
		}
	}
}

// manager plays systemd: it holds the socket of the agent and hears what the agent says.
type manager struct {
	*net.UnixConn
	mu    sync.Mutex
	heard []string
}

// newManager opens the socket as postdesk.socket does: for user postfix alone.
func newManager(d *desk) *manager {
	d.t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: d.Socket, Net: "unix"})
	d.must(err)
	f, err := l.File()
	d.must(err)
	d.t.Cleanup(func() { _, _ = f.Close(), l.Close() })
	u, err := user.Lookup("postfix")
	d.must(err)
	uid, err := strconv.Atoi(u.Uid)
	d.must(err)
	d.must(os.Chown(d.Socket, uid, -1))
	d.must(os.Chmod(d.Socket, 0o600))
	d.agent.Sockets = []*os.File{f}

	path := filepath.Join(d.Dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	d.must(err)
	d.t.Cleanup(func() { _ = conn.Close() })
	d.agent.Env("NOTIFY_SOCKET="+path, "WATCHDOG_USEC=400000")
	m := &manager{UnixConn: conn}
	go m.listen()
	return m
}

func (m *manager) listen() {
	buf := make([]byte, 4096)
	for {
		n, err := m.Read(buf)
		if err != nil {
			return
		}
		m.mu.Lock()
		m.heard = append(m.heard, string(buf[:n]))
		m.mu.Unlock()
	}
}

// count says how often a message of this beginning was heard.
func (m *manager) count(prefix string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range m.heard {
		if strings.HasPrefix(h, prefix) {
			n++
		}
	}
	return n
}

// wait waits for the n-th message of this beginning.
func (m *manager) wait(d *desk, prefix string, n int) {
	d.t.Helper()
	d.until(fmt.Sprintf("%d times %s", n, prefix), func() (bool, error) { return m.count(prefix) >= n, nil })
}

// With its socket held open by somebody else, the agent restarts and reloads under load
// and no mail is deferred; it says when it is ready, reloads and stops, and that it lives.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	d := stoppedDesk(t, 2*time.Minute, lab.Options{}, lab.AgentOptions{})
	m := newManager(d)
	sent, end := underLoad(d) // before the first start: mail waits in the socket
	d.until("mail", func() (bool, error) { return sent.Load() >= 5, nil })
	d.must(d.agent.Start(d.ctx))
	d.connect()
	for i := 1; i <= 3; i++ {
		mark := sent.Load() + 30
		d.until("mail", func() (bool, error) { return sent.Load() >= mark, nil })
		d.must(d.agent.Stop(d.ctx))
		m.wait(d, "STOPPING=1", i)
		if m.count("STOPPING=1") != i {
			t.Errorf("the agent stopped %d times and said so %d times", i, m.count("STOPPING=1"))
		}
		d.must(d.agent.Start(d.ctx))
		m.wait(d, "READY=1", 2*i)
		d.must(syscall.Kill(d.agent.PID(), syscall.SIGHUP))
		m.wait(d, "RELOADING=1\nMONOTONIC_USEC=", i)
		m.wait(d, "READY=1", 2*i+1)
	}
	end(0)
	m.wait(d, "WATCHDOG=1", m.count("WATCHDOG=1")+2)
	checkStopped(d, m)
}

// checkStopped stops the agent's process: then it is not said to live.
func checkStopped(d *desk, m *manager) {
	d.t.Helper()
	pid := d.agent.PID()
	d.must(syscall.Kill(pid, syscall.SIGSTOP))
	d.until("the process to stop", func() (bool, error) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return strings.Contains(string(text), ") T "), err
	})
	// What was on its way is heard before this.
	end, err := net.Dial("unixgram", m.LocalAddr().String())
	d.must(err)
	_, err = end.Write([]byte("STOPPED"))
	d.must(errors.Join(err, end.Close()))
	m.wait(d, "STOPPED", 1)
	before := m.count("WATCHDOG=1")
	at := time.Now()
	d.until("twice the limit of the watchdog", func() (bool, error) { return time.Since(at) > 800*time.Millisecond, nil })
	if n := m.count("WATCHDOG=1"); n > before {
		d.t.Errorf("a stopped agent was said to live %d times", n-before)
	}
	d.must(syscall.Kill(pid, syscall.SIGCONT))
	m.wait(d, "WATCHDOG=1", before+2)
}
