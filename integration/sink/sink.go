// Package sink is a mail server that keeps what it gets: it stands for the outside
// world, and for the submission server of a desk without Postfix.
package sink

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/mail"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// Mail is what a sink received.
type Mail struct {
	From       string // the reverse-path
	To         []string
	EnvelopeID string // ENVID, when the sink offers DSN
	Data       []byte // with CRLF line ends
	At         time.Time
}

// Header gives a header field of the mail, empty when it has none.
func (m Mail) Header(name string) string {
	p, err := mail.ReadMessage(bytes.NewReader(m.Data))
	if err != nil {
		return ""
	}
	return p.Header.Get(name)
}

// Sink is the mail server of the whole outside world.
type Sink struct {
	server *smtp.Server
	ln     net.Listener
	done   chan struct{}

	mu      sync.Mutex
	changed chan struct{} // closed when a mail has come, or an address is accepted again
	mails   []Mail
	refusal map[string]error
	hang    map[string]bool
}

// Start serves a listener until Stop. With dsn it offers DSN (RFC 3461), so that who
// submits gives ENVID and NOTIFY.
func Start(l net.Listener, dsn bool) *Sink {
	s := &Sink{ln: l, done: make(chan struct{}), changed: make(chan struct{}), refusal: map[string]error{}, hang: map[string]bool{}}
	s.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &session{sink: s}, nil
	}))
	s.server.Domain = "sink.example"
	s.server.EnableSMTPUTF8 = true
	s.server.EnableDSN = dsn
	s.server.MaxLineLength = 1 << 20
	s.server.ErrorLog = quiet{}
	go func() { _ = s.server.Serve(l) }()
	return s
}

// Stop ends the server and whoever waits for mail.
func (s *Sink) Stop() error {
	close(s.done)
	return s.server.Close()
}

// Port is where it listens on 127.0.0.1.
func (s *Sink) Port() int { return s.ln.Addr().(*net.TCPAddr).Port }

// Refuse answers RCPT for an address with code and text from now on: 4xx
// defers, 5xx is final.
func (s *Sink) Refuse(address string, code int, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal[address] = &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: text}
}

// Hang never answers the data of mail to an address, until Accept.
func (s *Sink) Hang(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hang[address] = true
}

// Accept takes mail for an address again.
func (s *Sink) Accept(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.refusal, address)
	delete(s.hang, address)
	s.tell()
}

// tell wakes whoever waits. The lock is held.
func (s *Sink) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Mails is all mail so far, in order of arrival.
func (s *Sink) Mails() []Mail {
	mails, _ := s.now()
	return mails
}

// now is all mail so far, and what is closed when there is more.
func (s *Sink) now() ([]Mail, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.mails...), s.changed
}

// Wait gives the first mail that fits, waiting for it until ctx ends.
func (s *Sink) Wait(ctx context.Context, what string, fits func(Mail) bool) (Mail, error) {
	for {
		all, changed := s.now()
		for _, m := range all {
			if fits(m) {
				return m, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Mail{}, fmt.Errorf("waited in vain for %s at the sink: %d mails are there, none fits", what, len(all))
		case <-s.done:
			return Mail{}, fmt.Errorf("the sink stopped before %s came", what)
		}
	}
}

// After gives all mail after the first n, at least one, waiting for it until ctx or the
// sink ends; then what is there, perhaps nothing.
func (s *Sink) After(ctx context.Context, n int) []Mail {
	for {
		all, changed := s.now()
		if len(all) > n {
			return all[n:]
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		case <-s.done:
			return nil
		}
	}
}

// To fits mail to one address.
func To(address string) func(Mail) bool {
	return func(m Mail) bool {
		for _, a := range m.To {
			if a == address {
				return true
			}
		}
		return false
	}
}

type session struct {
	sink *Sink
	mail Mail
}

func (s *session) Mail(from string, o *smtp.MailOptions) error {
	s.mail = Mail{From: from, EnvelopeID: o.EnvelopeID}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	if err := s.sink.refusal[to]; err != nil {
		return err
	}
	s.mail.To = append(s.mail.To, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mail.Data = data
	for {
		kept, changed := s.keep()
		if kept {
			return nil
		}
		select {
		case <-changed:
		case <-s.sink.done:
			return io.ErrUnexpectedEOF
		}
	}
}

// keep adds the mail to the others, unless an address of it hangs.
func (s *session) keep() (kept bool, changed <-chan struct{}) {
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	for _, a := range s.mail.To {
		if s.sink.hang[a] {
			return false, s.sink.changed
		}
	}
	s.mail.At = time.Now()
	s.sink.mails = append(s.sink.mails, s.mail)
	s.sink.tell()
	return true, nil
}

func (s *session) Reset()        { s.mail = Mail{} }
func (s *session) Logout() error { return nil }

// quiet drops go-smtp's reports of connections that Postfix closed.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}
