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
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

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
	idle []*connection
}

type connection struct {
	*smtp.Client
	conn  net.Conn
	since time.Time // it became idle
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
		s.conn.Close()
		// A connection that the server closed while it was idle says nothing about the mail.
		if fresh || f.Stage != "MAIL" || ctx.Err() != nil {
			return out, err
		}
	}
}

func (c *Client) get(ctx context.Context) (s *connection, fresh bool, err error) {
	c.mu.Lock()
	for len(c.idle) > 0 {
		s = c.idle[len(c.idle)-1]
		c.idle = c.idle[:len(c.idle)-1]
		if time.Since(s.since) < maxIdle {
			c.mu.Unlock()
			return s, false, nil
		}
		s.conn.Close()
	}
	c.mu.Unlock()
	s, err = c.connect(ctx)
	return s, true, err
}

// put keeps a connection whose server still answers; after a refusal it is reset.
func (c *Client) put(s *connection, err error) {
	if err != nil && s.Reset() != nil {
		s.conn.Close()
		return
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
		s.conn.SetDeadline(time.Now().Add(time.Second))
		s.Quit()
		s.conn.Close()
	}
	c.idle = nil
}

func (c *Client) connect(ctx context.Context) (*connection, error) {
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
	// The library takes no context: ending the connection is what ends its waiting.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	conn.SetDeadline(time.Now().Add(c.cfg.Timeout))
	s := &connection{conn: conn}
	if network == "unix" {
		s.Client = smtp.NewClient(conn)
	} else if s.Client, err = c.startTLS(conn); err != nil {
		conn.Close()
		return nil, err
	}
	s.CommandTimeout, s.SubmissionTimeout = c.cfg.Timeout, c.cfg.Timeout
	if network != "unix" {
		if err := c.login(s); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return s, nil
}

// startTLS never goes on without: mail and password must not cross in the clear.
func (c *Client) startTLS(conn net.Conn) (*smtp.Client, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.cfg.TLSName}
	if conf.ServerName == "" {
		conf.ServerName, _, _ = net.SplitHostPort(c.cfg.Server)
	}
	if c.cfg.CAFile != "" {
		pem, err := os.ReadFile(c.cfg.CAFile)
		if err != nil {
			return nil, ours("tls", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, ours("tls", fmt.Errorf("%s holds no certificate", c.cfg.CAFile))
		}
	}
	client, err := smtp.NewClientStartTLS(conn, conf)
	if err != nil && strings.Contains(err.Error(), "STARTTLS") {
		err = fmt.Errorf("%w: %w", ErrNoTLS, err)
	}
	if err != nil {
		return nil, ours("tls", err)
	}
	return client, nil
}

func (c *Client) login(s *connection) error {
	// Errors of TLS show at the first command after it, which must not be AUTH.
	if err := s.Noop(); err != nil {
		return ours("tls", err)
	}
	if state, ok := s.TLSConnectionState(); !ok || !state.HandshakeComplete {
		return ours("tls", errors.New("the connection is not encrypted"))
	}
	if c.cfg.Username == "" || c.cfg.Password == nil {
		return nil
	}
	if _, mechanisms := s.Extension("AUTH"); !slices.Contains(strings.Fields(strings.ToUpper(mechanisms)), sasl.Plain) {
		return ours("login", ErrNoAuth)
	}
	password, err := c.cfg.Password()
	if err != nil {
		return ours("login", err)
	}
	if err := s.Auth(sasl.NewPlainClient("", c.cfg.Username, password)); err != nil {
		return ours("login", err)
	}
	return nil
}

func ours(stage string, err error) *Failure {
	return &Failure{Kind: Ours, Stage: stage, Code: code(err), Err: err}
}

func code(err error) int {
	var e *smtp.SMTPError
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

// transact is one mail transaction (RFC 5321 section 3.3).
func (c *Client) transact(ctx context.Context, s *connection, o ticketing.Outgoing, raw []byte) (Outcome, error) {
	stop := context.AfterFunc(ctx, func() { s.conn.Close() })
	defer stop()
	utf8, _ := s.Extension("SMTPUTF8")
	needs := strings.ContainsFunc(o.Recipient+o.ReversePath, func(r rune) bool { return r > 127 }) || headerIsUTF8(raw)
	if needs && !utf8 {
		return Outcome{}, &Failure{Kind: Recipient, Stage: "MAIL", Code: 550, Err: errors.New("the address needs SMTPUTF8, which the server does not offer")}
	}
	// RET=HDRS and ENVID: a report is tied to this mail, and is small (RFC 3461).
	err := s.Mail(o.ReversePath, &smtp.MailOptions{Size: int64(len(raw)), UTF8: needs, Return: smtp.DSNReturnHeaders, EnvelopeID: o.EnvelopeID})
	if err != nil {
		return Outcome{}, classify("MAIL", err)
	}
	notify := []smtp.DSNNotify{smtp.DSNNotifyFailure, smtp.DSNNotifyDelayed}
	if o.ReversePath == "" { // there is nobody to report to (RFC 5321 section 6.1)
		notify = []smtp.DSNNotify{smtp.DSNNotifyNever}
	}
	err = s.Rcpt(o.Recipient, &smtp.RcptOptions{Notify: notify})
	if err != nil {
		return Outcome{}, classify("RCPT", err)
	}
	w, err := s.Data()
	if err != nil {
		return Outcome{}, classify("DATA", err)
	}
	s.conn.SetDeadline(time.Now().Add(c.cfg.Timeout))
	if _, err := w.Write(raw); err != nil {
		// Without the dot: it would commit a mail that was cut off.
		s.conn.Close()
		return Outcome{}, &Failure{Kind: Ours, Stage: "DATA", Err: err}
	}
	r, err := w.CloseWithResponse()
	if err != nil {
		f := classify("end of data", err)
		f.InDoubt = f.Code == 0
		return Outcome{}, f
	}
	s.conn.SetDeadline(time.Time{})
	return Outcome{QueueID: queueID(r.StatusText), Reply: r.StatusText}, nil
}

func headerIsUTF8(raw []byte) bool {
	header, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	return bytes.ContainsFunc(header, func(r rune) bool { return r > 127 })
}

// classify says whose fault a refusal is. What may be a matter of our login or our
// Postfix's configuration is ours: an answer must not die of it.
func classify(stage string, err error) *Failure {
	f := &Failure{Kind: Ours, Stage: stage, Err: err}
	var e *smtp.SMTPError
	if !errors.As(err, &e) {
		return f
	}
	f.Code = e.Code
	switch {
	case e.Code == 421 || e.Code == 530 || e.Code == 535 || e.Code == 538 || e.Code == 553 && stage == "MAIL":
	case e.Code/100 == 4:
		f.Kind = Temporary
	case e.Code/100 != 5:
	case stage == "RCPT" && (e.EnhancedCode[1] == 1 || e.EnhancedCode[1] == 2):
		f.Kind = Recipient
	case stage == "RCPT" && e.EnhancedCode[1] == 7: // relay access denied
	case stage == "RCPT":
		f.Kind = Recipient
	case stage == "MAIL" && e.EnhancedCode[1] == 7:
	default:
		f.Kind = Message
	}
	return f
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
