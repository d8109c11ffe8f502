package submission

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"postdesk/ticketing"
)

// msa is a submission server on go-smtp that does as it is told.
type msa struct {
	addr, ca string
	mu       sync.Mutex
	refuse   map[string]*smtp.SMTPError // by stage
	accepted []string                   // recipients
	begun    int                        // recipients that were named
	logins   int
	envelope *smtp.MailOptions
	slow     func(to string) // called before a mail is taken
}

func newMSA(t *testing.T) *msa {
	t.Helper()
	m := &msa{refuse: map[string]*smtp.SMTPError{}}
	cert := m.certificate(t)
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &transaction{m: m}, nil }))
	s.Domain, s.EnableDSN, s.EnableSMTPUTF8 = "mx.desk.example", true, true
	s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.addr = l.Addr().String()
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return m
}

func (m *msa) certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"mx.desk.example"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	m.ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(m.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (m *msa) client(change func(*Config)) *Client {
	cfg := Config{Server: m.addr, Username: "desk", Password: func() (string, error) { return "secret", nil }, CAFile: m.ca,
		TLSName: "mx.desk.example", Timeout: 2 * time.Minute}
	if change != nil {
		change(&cfg)
	}
	return NewClient(cfg)
}

func (m *msa) at(stage string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.refuse[stage]; e != nil {
		return e
	}
	return nil
}

type transaction struct {
	m  *msa
	to []string
}

func (s *transaction) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *transaction) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "desk" || password != "secret" {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "no"}
		}
		s.m.mu.Lock()
		defer s.m.mu.Unlock()
		s.m.logins++
		return nil
	}), nil
}

func (s *transaction) Mail(_ string, o *smtp.MailOptions) error {
	s.m.mu.Lock()
	s.m.envelope = o
	s.m.mu.Unlock()
	return s.m.at("MAIL")
}

func (s *transaction) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	s.m.mu.Lock()
	s.m.begun++
	s.m.mu.Unlock()
	return s.m.at("RCPT")
}

func (s *transaction) Data(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	if s.m.slow != nil {
		s.m.slow(s.to[0])
	}
	if err := s.m.at("end of data"); err != nil {
		return err
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.accepted = append(s.m.accepted, s.to...)
	return nil
}

func (s *transaction) Reset()        { s.to = nil }
func (s *transaction) Logout() error { return nil }

var out = ticketing.Outgoing{ID: 1, Ticket: 1, Recipient: "jo@customer.example", ReversePath: "support-bounces+1-1.x@desk.example", EnvelopeID: "1-1"}

const letter = "From: desk@desk.example\r\nSubject: x\r\n\r\nbody\r\n"

func TestSubmit(t *testing.T) {
	m := newMSA(t)
	c := m.client(nil)
	defer c.Close()
	for range 3 {
		if _, err := c.Submit(t.Context(), out, []byte(letter)); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.accepted) != 3 || m.logins != 1 {
		t.Errorf("%d mails by %d logins, want 3 by 1: connections are to be used again", len(m.accepted), m.logins)
	}
	if m.envelope.EnvelopeID != "1-1" || m.envelope.Return != smtp.DSNReturnHeaders {
		t.Errorf("MAIL parameters: %+v", m.envelope)
	}
	if id := queueID("2.0.0 Ok: queued as 4jYgvy2v2Pz1SLVP"); id != "4jYgvy2v2Pz1SLVP" {
		t.Errorf("queue id %q", id)
	}
}

// Whose fault a refusal is decides whether an answer waits or dies.
func TestFailures(t *testing.T) {
	reply := func(code int, class, detail int) *smtp.SMTPError {
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, class, detail}, Message: "no"}
	}
	for _, c := range []struct {
		stage string
		reply *smtp.SMTPError
		kind  Kind
	}{
		{"MAIL", reply(451, 3, 0), Temporary},
		{"MAIL", reply(553, 7, 1), Ours}, // the login may not send as this address
		{"MAIL", reply(530, 7, 0), Ours},
		{"MAIL", reply(552, 3, 4), Message},
		{"RCPT", reply(450, 2, 0), Temporary},
		{"RCPT", reply(550, 1, 1), Recipient},
		{"RCPT", reply(552, 2, 2), Recipient},
		{"RCPT", reply(554, 7, 1), Ours}, // relay access denied
		{"end of data", reply(451, 3, 0), Temporary},
		{"end of data", reply(550, 7, 1), Message}, // a milter
	} {
		m := newMSA(t)
		m.refuse[c.stage] = c.reply
		client := m.client(nil)
		_, err := client.Submit(t.Context(), out, []byte(letter))
		var f *Failure
		if !errors.As(err, &f) || f.Kind != c.kind || f.Stage != c.stage || f.InDoubt {
			t.Errorf("%d at %s: %+v, want kind %d", c.reply.Code, c.stage, f, c.kind)
		}
		// The connection serves the next mail.
		m.mu.Lock()
		m.refuse = map[string]*smtp.SMTPError{}
		m.mu.Unlock()
		if _, err := client.Submit(t.Context(), out, []byte(letter)); err != nil {
			t.Errorf("after %d at %s: %v", c.reply.Code, c.stage, err)
		}
		client.Close()
	}
}

// What is wrong between us and the server is ours, and nothing of the mail dies of it.
func TestOurTrouble(t *testing.T) {
	m := newMSA(t)
	for name, c := range map[string]struct {
		change func(*Config)
		stage  string
	}{
		"nobody there":      {func(c *Config) { c.Server = "127.0.0.1:1" }, "connect"},
		"another name":      {func(c *Config) { c.TLSName = "other.example" }, "tls"},
		"unknown authority": {func(c *Config) { c.CAFile = "" }, "tls"},
		"wrong password":    {func(c *Config) { c.Password = func() (string, error) { return "x", nil } }, "login"},
		"no password file":  {func(c *Config) { c.Password = func() (string, error) { return "", os.ErrNotExist } }, "login"},
	} {
		_, err := m.client(c.change).Submit(t.Context(), out, []byte(letter))
		var f *Failure
		if !errors.As(err, &f) || f.Kind != Ours || f.Stage != c.stage {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(m.accepted) != 0 {
		t.Error("mail went out all the same")
	}
}

// A server, or somebody in its place, that offers no TLS learns neither password nor mail.
func TestNothingInTheClear(t *testing.T) {
	addr, seen := scripted(t, "220 mx ESMTP\r\n", func(line string) string {
		if strings.HasPrefix(line, "EHLO") {
			return "250-mx\r\n250 AUTH PLAIN\r\n"
		}
		return "250 ok\r\n"
	})
	m := newMSA(t)
	_, err := m.client(func(c *Config) { c.Server = addr }).Submit(t.Context(), out, []byte(letter))
	var f *Failure
	if !errors.As(err, &f) || f.Kind != Ours || f.Stage != "tls" {
		t.Errorf("without STARTTLS: %v", err)
	}
	if s := seen(); strings.Contains(s, "AUTH") || strings.Contains(s, "MAIL") {
		t.Errorf("said in the clear: %q", s)
	}
}

func TestHangingServer(t *testing.T) {
	addr, _ := scripted(t, "", func(string) string { return "" })
	m := newMSA(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := m.client(func(c *Config) { c.Server, c.Timeout = addr, time.Minute }).Submit(ctx, out, []byte(letter))
	if err == nil || time.Since(start) > 20*time.Second {
		t.Errorf("a server that hangs: %v after %v", err, time.Since(start))
	}
}

// source is a desk's queue in memory.
type source struct {
	mu      sync.Mutex
	queued  []ticketing.Outgoing
	settled []ticketing.Settlement
	order   []int64
	wake    chan struct{}
}

func (s *source) ClaimOutgoing(_ context.Context, limit int, _ time.Duration) ([]ticketing.Outgoing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(limit, len(s.queued))
	claimed := s.queued[:n]
	s.queued = slices.Clone(s.queued[n:])
	return claimed, nil
}

func (s *source) Raw(context.Context, ticketing.Hash) ([]byte, error) { return []byte(letter), nil }

func (s *source) SettleOutgoing(_ context.Context, all ...ticketing.Settlement) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range all {
		s.settled = append(s.settled, st)
		if st.State == ticketing.OutQueued {
			s.queued = append(s.queued, ticketing.Outgoing{ID: st.Outgoing, Ticket: st.Outgoing, Recipient: "jo@customer.example"})
			continue
		}
		s.order = append(s.order, st.Outgoing)
	}
	return nil
}

func (s *source) WaitOutgoing(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-s.wake:
	case <-time.After(5 * time.Millisecond):
	}
	return ctx.Err()
}

func (s *source) done(n int) func() bool {
	return func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.order) >= n }
}

func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain: ", what)
		}
	}
}

func run(t *testing.T, q *Queue) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); q.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

// The mails of one ticket go out in their order, whatever the others do.
func TestOrderWithinATicket(t *testing.T) {
	m := newMSA(t)
	s := &source{}
	for id := range int64(60) {
		s.queued = append(s.queued, ticketing.Outgoing{ID: id, Ticket: id % 3, Recipient: "jo@customer.example"})
	}
	run(t, NewQueue(m.client(nil), s, 4, nil))
	until(t, "60 mails", s.done(60))
	last := map[int64]int64{}
	for _, id := range s.order {
		if before, ok := last[id%3]; ok && before > id {
			t.Fatalf("mail %d of ticket %d went out after %d", id, id%3, before)
		}
		last[id%3] = id
	}
}

// While the login is refused mails wait with one clear word, and go out by themselves
// when it is right again.
func TestQueueHoldsAndRecovers(t *testing.T) {
	m := newMSA(t)
	var mu sync.Mutex
	password := "old"
	c := m.client(func(c *Config) {
		c.Password = func() (string, error) { mu.Lock(); defer mu.Unlock(); return password, nil }
	})
	s := &source{}
	s.due(5)
	q := NewQueue(c, s, 2, nil)
	run(t, q)
	until(t, "a fault", func() bool { return q.Err() != nil })
	if s.done(1)() {
		t.Error("mail ended while the login is refused")
	}
	mu.Lock()
	password = "secret"
	mu.Unlock()
	until(t, "5 mails", s.done(5))
	until(t, "health", func() bool { return q.Err() == nil })
	for _, st := range s.settled {
		if st.State == ticketing.OutFailed {
			t.Errorf("failed for trouble of ours: %+v", st)
		}
	}
}
