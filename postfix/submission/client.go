// Package submission hands outgoing mail to Postfix's submission port (RFC 6409) and
// runs the queue of it. TLS comes before anything that matters is said (RFC 3207), a
// login before the mail (RFC 4954), and connections are used again.
package submission

import (
	"bytes"
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

	"postdesk/ticketing"
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

// Outcome is a mail that the server has taken.
type Outcome struct {
	QueueID string // Postfix's, empty when the answer does not tell it
	Reply   string
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

// Submit hands one mail over. The error is a *Failure, or that of ctx.
func (c *Client) Submit(ctx context.Context, o ticketing.Outgoing, raw []byte) (Outcome, error) {
	for {
		s, fresh, err := c.get(ctx)
		if err != nil {
			return Outcome{}, err
		}
		out, err := c.transact(ctx, s, o, raw)
		var f *Failure
		if !errors.As(err, &f) || f.Code != 0 {
			c.put(s, err)
			return out, err
		}
		s.Close()
		// A connection that the server closed while it was idle says nothing about the mail.
		if fresh || f.Stage != "MAIL" || ctx.Err() != nil {
			return out, err
		}
	}
}

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

// transact is one mail transaction (RFC 5321 section 3.3).
func (c *Client) transact(ctx context.Context, s *session, o ticketing.Outgoing, raw []byte) (Outcome, error) {
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	addresses := o.Recipient + o.ReversePath
	needs := strings.ContainsFunc(addresses, func(r rune) bool { return r > 127 }) || headerIsUTF8(raw)
	if needs && !s.has("SMTPUTF8") {
		return Outcome{}, &Failure{Kind: Recipient, Stage: "MAIL", Code: 550, Err: errors.New("the address needs SMTPUTF8, which the server does not offer")}
	}
	if strings.ContainsAny(addresses, "\r\n") { // it would be commands
		return Outcome{}, &Failure{Kind: Recipient, Stage: "MAIL", Code: 550, Err: errors.New("the address has an end of line in it")}
	}
	if err := s.run([]step{
		{"MAIL", s.mail(o.ReversePath, o.EnvelopeID, len(raw), needs), 250},
		{"RCPT", s.rcpt(o), 25},
		{"DATA", "DATA", 354},
	}); err != nil {
		return Outcome{}, err
	}
	reply, err := s.send(raw)
	if err != nil {
		return Outcome{}, err
	}
	return Outcome{QueueID: queueID(reply), Reply: reply}, nil
}

func (s *session) mail(from, envelope string, size int, utf8 bool) string {
	command := "MAIL FROM:<" + from + ">"
	if s.has("8BITMIME") {
		command += " BODY=8BITMIME"
	}
	if s.has("SIZE") && size > 0 {
		command += fmt.Sprintf(" SIZE=%d", size)
	}
	if utf8 {
		command += " SMTPUTF8"
	}
	// RET=HDRS and ENVID: a report is tied to this mail, and is small (RFC 3461).
	if s.has("DSN") {
		command += " RET=HDRS"
		if envelope != "" {
			command += " ENVID=" + xtext(envelope)
		}
	}
	return command
}

func (s *session) rcpt(o ticketing.Outgoing) string {
	command := "RCPT TO:<" + o.Recipient + ">"
	switch {
	case !s.has("DSN"):
	case o.ReversePath == "": // there is nobody to report to (RFC 5321 section 6.1)
		command += " NOTIFY=NEVER"
	default:
		command += " NOTIFY=FAILURE,DELAY"
	}
	return command
}

func headerIsUTF8(raw []byte) bool {
	header, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	return bytes.ContainsFunc(header, func(r rune) bool { return r > 127 })
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

// queueID reads Postfix's "2.0.0 Ok: queued as 4Z1…".
func queueID(reply string) string {
	_, id, ok := strings.Cut(reply, "queued as ")
	if !ok {
		return ""
	}
	if f := strings.Fields(id); len(f) > 0 {
		return f[0]
	}
	return ""
}
