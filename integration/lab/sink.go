package lab

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

// Mail is what the sink received.
type Mail struct {
	From       string // the reverse-path
	To         []string
	EnvelopeID string // ENVID, when the sink offers DSN
	Data       []byte
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
	mails   []Mail
	refusal map[string]error
	hang    map[string]bool
}

func startSink(dsn bool) (*Sink, error) {
	s := &Sink{done: make(chan struct{}), refusal: map[string]error{}, hang: map[string]bool{}}
	s.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &sinkSession{sink: s}, nil
	}))
	s.server.Domain = "sink.example"
	s.server.EnableSMTPUTF8 = true
	s.server.EnableDSN = dsn
	s.server.MaxLineLength = 1 << 20
	s.server.ErrorLog = quiet{}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.ln = ln
	go func() { _ = s.server.Serve(ln) }()
	return s, nil
}

func (s *Sink) stop() error {
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
}

// Mails is all mail so far, in order of arrival.
func (s *Sink) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.mails...)
}

// Wait gives the first mail that fits, waiting for it until ctx ends.
func (s *Sink) Wait(ctx context.Context, what string, fits func(Mail) bool) (Mail, error) {
	var found Mail
	err := Until(ctx, what+" at the sink", func() (bool, error) {
		all := s.Mails()
		for _, m := range all {
			if fits(m) {
				found = m
				return true, nil
			}
		}
		return false, fmt.Errorf("%d mails are there, none fits", len(all))
	})
	return found, err
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

type sinkSession struct {
	sink *Sink
	mail Mail
}

func (s *sinkSession) Mail(from string, o *smtp.MailOptions) error {
	s.mail = Mail{From: from, EnvelopeID: o.EnvelopeID}
	return nil
}

func (s *sinkSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	if err := s.sink.refusal[to]; err != nil {
		return err
	}
	s.mail.To = append(s.mail.To, to)
	return nil
}

func (s *sinkSession) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	for s.hanging() {
		select {
		case <-s.sink.done:
			return io.ErrUnexpectedEOF
		case <-time.After(20 * time.Millisecond):
		}
	}
	s.mail.Data, s.mail.At = data, time.Now()
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	s.sink.mails = append(s.sink.mails, s.mail)
	return nil
}

func (s *sinkSession) hanging() bool {
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	for _, a := range s.mail.To {
		if s.sink.hang[a] {
			return true
		}
	}
	return false
}

func (s *sinkSession) Reset()        { s.mail = Mail{} }
func (s *sinkSession) Logout() error { return nil }

// quiet drops go-smtp's reports of connections that Postfix closed.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}
