package lmtp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postdesk/ticketing/mail"
)

// desk is a Handler that keeps what it is given.
type desk struct {
	mu      sync.Mutex
	envs    []mail.Envelope
	bodies  []string
	deliver func(mail.Envelope, string) []mail.Result // nil: all is well
	gate    chan struct{}                             // non-nil: Deliver waits for it after reading
	reading chan struct{}                             // non-nil: closed when Deliver begins
}

type unknown struct{}

func (unknown) Error() string         { return "unknown: secret detail" }
func (unknown) NoSuchRecipient() bool { return true }

func (d *desk) Recipient(_ context.Context, a string) error {
	switch {
	case strings.HasPrefix(a, "nobody@"):
		return fmt.Errorf("wrapped: %w", unknown{})
	case strings.HasPrefix(a, "broken@"):
		return errors.New("database is locked")
	case strings.HasPrefix(a, "panic@"):
		panic("secret detail")
	}
	return nil
}

func (d *desk) Deliver(_ context.Context, env mail.Envelope, body io.Reader) []mail.Result {
	if d.reading != nil {
		close(d.reading)
	}
	b, err := io.ReadAll(body)
	if d.gate != nil {
		<-d.gate
	}
	results := make([]mail.Result, len(env.Recipients))
	if err != nil {
		for i := range results {
			results[i].Err = err
		}
		return results
	}
	if d.deliver != nil {
		return d.deliver(env, string(b))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.envs, d.bodies = append(d.envs, env), append(d.bodies, string(b))
	return results
}

// start runs a server on a unix socket and gives its address.
func start(t *testing.T, d *desk, cfg Config) (*Server, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, d, cfg, l), path
}

func serve(t *testing.T, d *desk, cfg Config, l net.Listener) *Server {
	cfg.Hostname = "desk.example"
	s := NewServer(cfg, d)
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background(), l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Shutdown(ctx)
		if err := <-served; err != nil {
			t.Error("Serve:", err)
		}
	})
	return s
}

// pipes is a listener whose connections are of this process, so that a bubble knows when all
// wait: limits of time are over then and not before, however busy the machine is.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	end   func()
}

func newPipes() pipes {
	done := make(chan struct{})
	return pipes{make(chan net.Conn), done, sync.OnceFunc(func() { close(done) })}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error   { p.end(); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p pipes) dial(t *testing.T) *client {
	t.Helper()
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return greeted(t, ours)
}

type client struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, path string) *client {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(2 * time.Minute)) // so that a hang is a failure
	return greeted(t, c)
}

func greeted(t *testing.T, c net.Conn) *client {
	t.Helper()
	t.Cleanup(func() { c.Close() })
	cl := &client{t, c, bufio.NewReader(c)}
	cl.want("220")
	cl.cmd("LHLO mx.example", "250")
	return cl
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatal(err)
	}
}

// want reads one reply and checks how it begins.
func (c *client) want(prefix string) string {
	c.t.Helper()
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatalf("want %s, got %q, %v", prefix, line, err)
		}
		if len(line) > 3 && line[3] == '-' {
			continue
		}
		if !strings.HasPrefix(line, prefix) {
			c.t.Fatalf("want %s, got %q", prefix, line)
		}
		return line
	}
}

func (c *client) cmd(line, want string) string {
	c.t.Helper()
	c.send(line + "\r\n")
	return c.want(want)
}

func (c *client) begin(to ...string) {
	c.t.Helper()
	c.cmd("MAIL FROM:<jo@customer.example>", "250")
	for _, a := range to {
		c.cmd("RCPT TO:<"+a+">", "250")
	}
	c.cmd("DATA", "354")
}

// What Postfix sends arrives as it was sent.
func TestDelivery(t *testing.T) {
	d := &desk{}
	_, path := start(t, d, Config{})
	c := dial(t, path)
	body := "Subject: x\r\n\r\n" + strings.Repeat("long", 25_000) + "\r\n.dot\r\nraw \xff\x00 octets\r\n"
	c.begin("new@desk.example", "new@desk.example", `"a b"@desk.example`)
	// QUIT comes with the final dot, as Postfix sends it.
	c.send(strings.ReplaceAll(body, "\r\n.", "\r\n..") + ".\r\nQUIT\r\n")
	for range 3 { // one status for each RCPT (RFC 2033 section 4.2)
		c.want("250 2.0.0")
	}
	c.want("221")
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.bodies) != 1 || d.bodies[0] != body {
		t.Errorf("the message was changed on the way: %.80q", d.bodies)
	}
	if got := fmt.Sprint(d.envs[0].Recipients); got != "[new@desk.example new@desk.example a b@desk.example]" {
		t.Errorf("recipients: %s", got)
	}
}

func TestUTF8Address(t *testing.T) {
	d := &desk{}
	_, path := start(t, d, Config{})
	c := dial(t, path)
	c.cmd("MAIL FROM:<jürgen@kunde.example> SMTPUTF8 BODY=8BITMIME", "250")
	c.cmd("RCPT TO:<new@desk.example>", "250")
	c.cmd("DATA", "354")
	c.cmd("Subject: ü\r\n\r\nü\r\n.", "250")
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.envs[0]; e.ReversePath != "jürgen@kunde.example" || !e.SMTPUTF8 {
		t.Errorf("envelope: %+v", e)
	}
}

// Every fault of ours is 4xx with a fixed text; only a recipient that can never be ours is 5xx.
func TestFaults(t *testing.T) {
	d := &desk{}
	_, path := start(t, d, Config{})
	c := dial(t, path)
	c.cmd("MAIL FROM:<>", "250")
	for to, want := range map[string]string{
		"nobody@x": "550 5.1.1 No such recipient here\r\n",
		"broken@x": "451 4.3.0 Temporary failure, try again later\r\n",
		"panic@x":  "451 4.3.0 Temporary failure, try again later\r\n",
	} {
		if got := c.cmd("RCPT TO:<"+to+">", want[:3]); got != want {
			t.Errorf("RCPT %s: %q, want %q", to, got, want)
		}
	}
	c.cmd("RSET", "250")
	for name, deliver := range map[string]func(mail.Envelope, string) []mail.Result{
		"error":       func(mail.Envelope, string) []mail.Result { return []mail.Result{{Err: errors.New("secret detail")}} },
		"wrapped 5xx": func(mail.Envelope, string) []mail.Result { return []mail.Result{{Err: fmt.Errorf("w: %w", unknown{})}} },
		"panic":       func(mail.Envelope, string) []mail.Result { panic("secret detail") },
		"no result":   func(mail.Envelope, string) []mail.Result { return nil },
		"two for one": func(mail.Envelope, string) []mail.Result { return make([]mail.Result, 2) },
	} {
		d.deliver = deliver
		c.begin("new@desk.example")
		if got := c.cmd("x\r\n.", "451"); got != "451 4.3.0 <new@desk.example> Temporary failure, try again later\r\n" {
			t.Errorf("%s: answered %q", name, got)
		}
	}
}

// A message within the limit passes, one over it is refused at MAIL by SIZE (RFC 1870).
func TestSizeLimit(t *testing.T) {
	_, path := start(t, &desk{}, Config{MaxMessageBytes: 100})
	c := dial(t, path)
	c.begin("new@desk.example")
	c.cmd(strings.Repeat("x", 98)+"\r\n.", "250")
	c.cmd("MAIL FROM:<> SIZE=102", "552")
}

// A writer of mail who makes his server stall in mid-message must not have the rest
// of his message run as commands.
func TestStalledBodyIsNotCommands(t *testing.T) {
	hostile := "Subject: x\r\n\r\n" + strings.Repeat("filling\r\n", 300)
	inject := "MAIL FROM:<ceo@bank.example>\r\nRCPT TO:<new@desk.example>\r\nDATA\r\nforged\r\n.\r\n"
	for _, offset := range []int{0, 1, 500, 1024, len(hostile)} {
		t.Run(fmt.Sprint(offset), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, l := &desk{}, newPipes()
				serve(t, d, Config{Stall: 2 * time.Second}, l)
				c := l.dial(t)
				c.begin("new@desk.example")
				c.send(hostile[:offset])
				// The server ends the connection by itself; then nothing more can be said.
				for {
					line, err := c.r.ReadString('\n')
					if err != nil {
						break
					}
					if line[0] == '2' {
						t.Fatalf("a stalled message was answered %q", line)
					}
				}
				io.WriteString(c, inject)
				if n, err := c.r.Read(make([]byte, 1)); n > 0 || err == nil {
					t.Error("the connection answers after the stall")
				}
				d.mu.Lock()
				defer d.mu.Unlock()
				if len(d.envs) != 0 {
					t.Errorf("delivered: %+v", d.envs)
				}
			})
		})
	}
}

// Whoever has read the 354 may send the message, however soon after it Shutdown comes, and may
// take longer for it than who has not begun one.
func TestShutdownAfter354(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		s := serve(t, &desk{}, Config{}, l)
		fresh := l.dial(t)
		var begun []*client
		for range 50 { // the 354 is a moment, and Shutdown comes at once after the last
			c := l.dial(t)
			c.begin("new@desk.example")
			begun = append(begun, c)
		}
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(context.Background()) }()
		if _, err := io.ReadAll(fresh.r); err != nil { // its time is over
			t.Error("a silent connection is not closed:", err)
		}
		for _, c := range begun {
			c.send("x\r\n.\r\n")
			c.want("250")
		}
		if err := <-done; err != nil {
			t.Error("Shutdown:", err)
		}
	})
}

// Who has connected for a mail may bring it while the server stops: Postfix defers what is
// cut off before its message. One that stays silent is not waited for long.
func TestShutdownLetsFreshConnectionsGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		s := serve(t, &desk{}, Config{}, l)
		silent, greeted, begun, kept, asked := l.dial(t), l.dial(t), l.dial(t), l.dial(t), l.dial(t)
		asked.begin("new@desk.example")
		asked.send("x\r\n.\r\n")
		asked.want("250")
		asked.cmd("RSET", "250") // as Postfix does before it uses a kept one
		begun.begin("new@desk.example")
		begun.send("x\r\n.\r\n")
		begun.want("250")
		begun.cmd("MAIL FROM:<a@b.example>", "250")
		kept.begin("new@desk.example")
		kept.send("x\r\n.\r\n")
		kept.want("250")
		done := make(chan error, 1)
		began := time.Now()
		go func() { done <- s.Shutdown(context.Background()) }()
		if _, err := kept.r.ReadByte(); err == nil || time.Since(began) > 10*grace {
			t.Errorf("a connection that has brought its mail was closed after %s", time.Since(began))
		}
		begun.cmd("RCPT TO:<new@desk.example>", "250")
		begun.cmd("DATA", "354")
		begun.send("x\r\n.\r\n")
		begun.want("250")
		asked.begin("new@desk.example")
		asked.send("x\r\n.\r\n")
		asked.want("250")
		greeted.begin("new@desk.example")
		greeted.send("x\r\n.\r\n")
		greeted.want("250")
		if err := <-done; err != nil {
			t.Error("Shutdown:", err)
		}
		if _, err := io.ReadAll(silent.r); err != nil { // "421 Idle timeout", and the end
			t.Error("a silent connection is not closed:", err)
		}
	})
}

// Shutdown lets a delivery finish, and the connection ends with it.
func TestShutdown(t *testing.T) {
	d := &desk{gate: make(chan struct{}), reading: make(chan struct{})}
	s, path := start(t, d, Config{})
	busy := dial(t, path)
	busy.begin("new@desk.example")
	busy.send("x\r\n.\r\n")
	<-d.reading
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(context.Background()) }()
	select {
	case <-done:
		t.Fatal("Shutdown did not wait for the delivery")
	default:
	}
	close(d.gate)
	busy.want("250")
	if _, err := busy.r.ReadByte(); err == nil {
		t.Error("the connection goes on after its delivery")
	}
	if err := <-done; err != nil {
		t.Error("Shutdown:", err)
	}
}
