package lab

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// within ends what hangs: other work on the machine must not look like that, so the limit is some
// times what an idle one needs.
func within(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*limit)
	t.Cleanup(cancel)
	return ctx
}

func open(t *testing.T, o Options) *Lab {
	t.Helper()
	l, err := Start(within(t, 30*time.Second), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(l.LogTail(30))
		}
		if err := l.Stop(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// box is a small LMTP server where Postfix expects the agent.
type box struct {
	mu   sync.Mutex
	got  []Mail
	fail error
}

type boxSession struct {
	box  *box
	mail Mail
}

func (b *box) serve(t *testing.T, l *Lab) {
	t.Helper()
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &boxSession{box: b}, nil }))
	s.LMTP, s.EnableSMTPUTF8, s.MaxLineLength = true, true, 1<<20
	ln, err := net.Listen("unix", l.Socket)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(l.Socket, 0o660); err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(ln) }()
	t.Cleanup(func() { _ = s.Close() })
}

func (b *box) all() []Mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Mail(nil), b.got...)
}

func (s *boxSession) Mail(from string, _ *smtp.MailOptions) error {
	s.mail = Mail{From: from}
	return nil
}
func (s *boxSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.To = append(s.mail.To, to)
	return nil
}
func (s *boxSession) Data(r io.Reader) (err error) {
	s.mail.Data, err = io.ReadAll(r)
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	if err == nil && s.box.fail == nil {
		s.box.got = append(s.box.got, s.mail)
	}
	return errors.Join(err, s.box.fail)
}
func (s *boxSession) Reset()        { s.mail = Mail{} }
func (s *boxSession) Logout() error { return nil }

// Two labs side by side, each with mail through its MX to its own socket, signed
// by a key that its own DNS server publishes.
func TestTwoLabs(t *testing.T) {
	var labs [2]*Lab
	var boxes [2]box
	for i := range labs {
		labs[i] = open(t, Options{})
		boxes[i].serve(t, labs[i])
	}
	ctx := within(t, 30*time.Second)
	for i, l := range labs {
		subject := fmt.Sprintf("lab %d", i)
		if err := l.Write(ctx, Letter{From: "jane@" + SignedDomain, To: "new@" + Domain, Subject: subject, MessageID: subject, Body: "Hello.\n.dot\n"}); err != nil {
			t.Fatal(err)
		}
	}
	for i, l := range labs {
		if err := Until(ctx, "the mail", func() (bool, error) { return len(boxes[i].all()) == 1, nil }); err != nil {
			t.Fatal(err)
		}
		m := boxes[i].all()[0]
		if want := fmt.Sprintf("lab %d", i); m.Header("Subject") != want || !bytes.Contains(m.Data, []byte("\r\n.dot\r\n")) {
			t.Errorf("%s: got %q", want, m.Data)
		}
		if err := verifies(ctx, l, m.Data); err != nil {
			t.Error(err)
		}
		if err := l.Empty(ctx); err != nil {
			t.Error(err)
		}
	}
	if labs[0].MXPort == labs[1].MXPort || labs[0].Dir == labs[1].Dir {
		t.Error("the labs share a port or a folder")
	}
}

// verifies asks the lab's DNS server for the key.
func verifies(ctx context.Context, l *Lab, raw []byte) error {
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, l.DNS.Addr())
	}}
	vs, err := dkim.VerifyWithOptions(bytes.NewReader(raw), &dkim.VerifyOptions{
		LookupTXT: func(name string) ([]string, error) { return r.LookupTXT(ctx, name) },
	})
	if err != nil || len(vs) != 1 {
		return fmt.Errorf("%d signatures, %v", len(vs), err)
	}
	return vs[0].Err
}

func TestUnknownRecipientIsRefused(t *testing.T) {
	l := open(t, Options{})
	err := l.Write(within(t, 10*time.Second), Letter{From: "jane@" + SignedDomain, To: "nobody@" + Domain, Subject: "x", Body: "x"})
	var se *smtp.SMTPError
	if !errors.As(err, &se) || se.Code != 550 {
		t.Errorf("want 550, got %v", err)
	}
}

// Mail that waits for an agent arrives after a restart of Postfix, too.
func TestDeferredMailArrives(t *testing.T) {
	l := open(t, Options{})
	ctx := within(t, 40*time.Second)
	if err := l.Write(ctx, Letter{From: "jane@" + SignedDomain, To: "new@" + Domain, Subject: "wait", Body: "x"}); err != nil {
		t.Fatal(err)
	}
	// Not by the queue that it is in: now and then qmgr meets it twice, and lets it lie.
	err := Until(ctx, "deferred mail", func() (bool, error) { return strings.Contains(l.Log(), "status=deferred ("), nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := l.AbortPostfix(ctx); err != nil {
		t.Fatal(err)
	}
	var b box
	b.serve(t, l)
	if err := l.StartPostfix(ctx); err != nil {
		t.Fatal(err)
	}
	if err := l.Empty(ctx); err != nil {
		t.Fatal(err)
	}
	if got := b.all(); len(got) != 1 {
		t.Errorf("%d mails arrived", len(got))
	}
}

// Submission wants STARTTLS and a login, and its mail comes to the sink; what the
// sink refuses comes back as a report, to the reverse-path.
func TestSubmission(t *testing.T) {
	l := open(t, Options{SinkDSN: true})
	var b box
	b.serve(t, l)
	ctx := within(t, 30*time.Second)
	l.Sink.Refuse("gone@"+SignedDomain, 550, "no such user")
	from := "support-bounces+1-1.abc@" + Domain
	raw := Letter{From: "SUPPORT-7102@" + Domain, To: "jane@" + SignedDomain, Subject: "RE: x", Body: "Answer."}.Raw()
	if err := submit(l, "wrong", from, "jane@"+SignedDomain, raw); err == nil {
		t.Error("a wrong password was taken")
	}
	if err := submit(l, Password, "else@other.example", "jane@"+SignedDomain, raw); err == nil {
		t.Error("a foreign sender was taken")
	}
	for _, to := range []string{"jane@" + SignedDomain, "gone@" + SignedDomain} {
		if err := submit(l, Password, from, to, raw); err != nil {
			t.Fatal(err)
		}
	}
	m, err := l.Sink.Wait(ctx, "the reply", To("jane@"+SignedDomain))
	if err != nil {
		t.Fatal(err)
	}
	if m.From != from || m.EnvelopeID != "env-1" || m.Header("Subject") != "RE: x" {
		t.Errorf("got %+v", m)
	}
	if err := Until(ctx, "the report", func() (bool, error) { return len(b.all()) == 1, nil }); err != nil {
		t.Fatal(err)
	}
	if r := b.all()[0]; r.From != "" || len(r.To) != 1 || !strings.EqualFold(r.To[0], from) {
		t.Errorf("the report has the envelope %q, %q", r.From, r.To)
	}
}

func submit(l *Lab, password, from, to string, raw []byte) error {
	pem, err := os.ReadFile(l.CAFile)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	c, err := smtp.DialStartTLS(l.Submission(), &tls.Config{RootCAs: pool, ServerName: l.Host})
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := c.Auth(sasl.NewPlainClient("", l.Login, password)); err != nil {
		return err
	}
	if err := c.Mail(from, &smtp.MailOptions{EnvelopeID: "env-1"}); err != nil {
		return err
	}
	if err := c.Rcpt(to, &smtp.RcptOptions{Notify: []smtp.DSNNotify{smtp.DSNNotifyFailure}}); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	_, err = w.Write(raw)
	return errors.Join(err, w.Close())
}

func TestFixedPortInTheWay(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	_, err = Start(within(t, 10*time.Second), Options{MXPort: ln.Addr().(*net.TCPAddr).Port})
	if err == nil || !strings.Contains(err.Error(), "is in the way") {
		t.Errorf("got %v", err)
	}
}

// A port is one lab's until it stops, also while nobody listens there: an agent that is started
// again finds it as it was.
func TestPortIsKept(t *testing.T) {
	p, held, err := port(0)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := port(p); err == nil {
		t.Errorf("port %d was given twice", p)
	}
	if err := held.Close(); err != nil {
		t.Error(err)
	}
	_, held, err = port(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := held.Close(); err != nil {
		t.Error(err)
	}
}

// A start that ends early, with Postfix on its way up, leaves nothing behind.
func TestInterruptedStart(t *testing.T) {
	for _, limit := range []time.Duration{30 * time.Millisecond, 60 * time.Millisecond, 90 * time.Millisecond, 120 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		l, err := Start(ctx, Options{})
		cancel()
		if err == nil {
			err = l.Stop()
			if err != nil {
				t.Error(err)
			}
		}
	}
	if left := masters(t, os.Getpid()); left != "" {
		t.Error("Postfix stayed:", left)
	}
}

func TestNeed(t *testing.T) {
	err := Need("/usr/lib/dovecot/no-such", "no-such-program", "sh")
	if err == nil || !strings.Contains(err.Error(), "apt-get install /usr/lib/dovecot/no-such no-such-program (or: make deps)") {
		t.Errorf("got %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if err := Need("strace", "sqlite3", "smtp-sink"); err == nil || !strings.Contains(err.Error(), "apt-get install postfix sqlite3 strace ") {
		t.Errorf("got %v", err)
	}
	if err := Need("/bin/sh"); err != nil {
		t.Error(err)
	}
}

// TestGuard starts this very test program again, as one that is killed.
func TestGuard(t *testing.T) {
	if os.Getenv("LAB_TO_BE_KILLED") != "" {
		l, err := Start(within(t, 30*time.Second), Options{})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("lab in", l.Dir)
		<-within(t, time.Minute).Done() // the parent kills it
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestGuard$", "-test.v")
	cmd.Env = append(os.Environ(), "LAB_TO_BE_KILLED=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	dir := ""
	for s := bufio.NewScanner(out); dir == "" && s.Scan(); {
		_, dir, _ = strings.Cut(s.Text(), "lab in ")
	}
	if dir == "" {
		t.Fatal("the lab of the other process did not start")
	}
	if masters(t, cmd.Process.Pid) == "" {
		t.Error("the other process has no Postfix, so this test would show nothing")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	ctx := within(t, 20*time.Second)
	err = Until(ctx, "the end of the folder "+dir, func() (bool, error) {
		_, err := os.Stat(dir)
		return errors.Is(err, os.ErrNotExist), nil
	})
	if err != nil {
		t.Error(err)
	}
	if left := masters(t, cmd.Process.Pid); left != "" {
		t.Error("Postfix stayed:", left)
	}
}

// masters gives the Postfix masters of the labs that a process started.
func masters(t *testing.T, pid int) string {
	t.Helper()
	found, err := exec.Command("pgrep", "-f", fmt.Sprintf("^%s -c /tmp/desk%d-", master, pid)).Output()
	var none *exec.ExitError // pgrep found nothing
	if err != nil && !errors.As(err, &none) {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(found))
}
