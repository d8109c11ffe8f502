// Package submission hands outgoing mail to Postfix's submission port (RFC 6409) and
// runs the queue of it. TLS comes before anything that matters is said (RFC 3207), a
// login before the mail (RFC 4954), and connections are used again.
package submission

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// Config says where and how to submit.
type Config struct {
	Server   string // "host:port", or "unix:/path" of an smtpd that needs neither TLS nor login
	Username string
	Password func() (string, error) // read at each login, so that a new one needs no restart; nil: none
	CAFile   string                 // PEM; empty: the system's
	TLSName  string                 // in the certificate; empty: the host of Server
	Timeout  time.Duration          // for one command; 0 is 1 minute
	// Dial makes the connection to Server; nil: that of the system. A test has the server in
	// its own hand by it.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Client submits mail. Many may use it at once.
type Client struct {
	cfg  Config
	mu   sync.Mutex
	idle []*session
}

// maxIdle is how long a connection is kept; Postfix closes it after 300 s.
const maxIdle = 60 * time.Second

// NewClient makes a client; nothing is dialled before the first mail.
func NewClient(cfg Config) *Client {
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Minute
	}
	return &Client{cfg: cfg}
}

// Kind says whose fault a failure is, and so what is to be done.
type Kind int

// The kinds of failure.
const (
	Ours      Kind = iota // server, login, TLS, network, configuration: hold everything, tell the operator
	Temporary             // 4xx for this mail: try again later
	Recipient             // final for this recipient (RFC 3463: 5.1.x, 5.2.x)
	Message               // final for this mail
)

// Failure is why a mail was not taken.
type Failure struct {
	Kind    Kind
	Stage   string // "connect", "tls", "login", "MAIL", "RCPT", "DATA", "end of data"
	Code    int    // 0: no reply
	InDoubt bool   // the connection was lost after the whole mail was sent
	Err     error
}

func (f *Failure) Error() string { return fmt.Sprintf("submission, %s: %v", f.Stage, f.Err) }

func (f *Failure) Unwrap() error { return f.Err }

func (c *Client) get(ctx context.Context) (s *session, fresh bool, err error) {
	c.mu.Lock()
	for len(c.idle) > 0 {
		s = c.idle[len(c.idle)-1]
		c.idle = c.idle[:len(c.idle)-1]
		if time.Since(s.since) < maxIdle {
			c.mu.Unlock()
			return s, false, nil
		}
		s.Close()
	}
	c.mu.Unlock()
	s, err = c.connect(ctx)
	return s, true, err
}

// put keeps a connection whose server still answers; after a refusal it is reset.
func (c *Client) put(s *session, err error) {
	if err != nil {
		if _, err := s.ask(250, "RSET"); err != nil {
			s.Close()
			return
		}
	}
	s.since = time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = append(c.idle, s)
}

// Close ends the idle connections.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.idle {
		s.timeout = time.Second
		_, _ = s.ask(221, "QUIT")
		s.Close()
	}
	c.idle = nil
}

func (c *Client) connect(ctx context.Context) (*session, error) {
	network, address := "tcp", c.cfg.Server
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	}
	dial := c.cfg.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: min(c.cfg.Timeout, 20*time.Second)}).DialContext
	}
	conn, err := dial(ctx, network, address)
	if err != nil {
		return nil, ours("connect", err)
	}
	// Ending the connection is what ends its waiting.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	s, err := c.greet(ctx, newSession(conn, c.cfg.Timeout), network == "unix")
	if err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

// greet makes a connection ready for mail. It never goes on without TLS: mail and password
// must not cross in the clear.
func (c *Client) greet(ctx context.Context, s *session, local bool) (*session, error) {
	stage := "tls"
	if local {
		stage = "connect"
	}
	if _, err := s.hears(220); err != nil {
		return nil, ours(stage, err)
	}
	if err := s.hello(); err != nil {
		return nil, ours(stage, err)
	}
	if local {
		return s, nil
	}
	conf, err := c.tls()
	if err == nil {
		s, err = s.secure(ctx, conf)
	}
	if err != nil {
		return nil, ours("tls", err)
	}
	if c.cfg.Username == "" || c.cfg.Password == nil {
		return s, nil
	}
	password, err := c.cfg.Password()
	if err == nil {
		err = s.login(c.cfg.Username, password)
	}
	if err != nil {
		return nil, ours("login", err)
	}
	return s, nil
}

func (c *Client) tls() (*tls.Config, error) {
	// A mail is one record: many small ones are for pages that are shown while they come.
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.cfg.TLSName, DynamicRecordSizingDisabled: true}
	if conf.ServerName == "" {
		conf.ServerName, _, _ = net.SplitHostPort(c.cfg.Server)
	}
	if c.cfg.CAFile != "" {
		pem, err := os.ReadFile(c.cfg.CAFile)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", c.cfg.CAFile)
		}
	}
	return conf, nil
}

func ours(stage string, err error) *Failure {
	return &Failure{Kind: Ours, Stage: stage, Code: code(err), Err: err}
}

func code(err error) int {
	var r refusal
	if errors.As(err, &r) {
		return r.code
	}
	return 0
}

// classify says whose fault a refusal is. What may be a matter of our login or our
// Postfix's configuration is ours: an answer must not die of it.
func classify(stage string, err error) *Failure {
	f := &Failure{Kind: Ours, Stage: stage, Err: err}
	var r refusal
	if !errors.As(err, &r) {
		return f
	}
	f.Code = r.code
	subject := subjectOf(r.text)
	switch {
	case r.code == 421 || r.code == 530 || r.code == 535 || r.code == 538 || r.code == 553 && stage == "MAIL":
	case r.code/100 == 4:
		f.Kind = Temporary
	case r.code/100 != 5:
	case stage == "RCPT" && (subject == "1" || subject == "2"):
		f.Kind = Recipient
	case stage == "RCPT" && subject == "7": // relay access denied
	case stage == "RCPT":
		f.Kind = Recipient
	case stage == "MAIL" && subject == "7":
	default:
		f.Kind = Message
	}
	return f
}

// subjectOf gives the subject of an enhanced status code (RFC 3463 section 3), "7" of "5.7.1 no".
func subjectOf(text string) string {
	status, _, _ := strings.Cut(text, " ")
	if parts := strings.Split(status, "."); len(parts) == 3 {
		return parts[1]
	}
	return ""
}
