package lmtp

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"

	"github.com/emersion/go-smtp"

	"postdesk/ticketing/mail"
)

// session is one connection. go-smtp calls it from one goroutine.
type session struct {
	server *Server
	conn   *smtp.Conn
	env    mail.Envelope
}

func (s *Server) newSession(c *smtp.Conn) (smtp.Session, error) {
	sess := &session{server: s, conn: c}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return nil, temporary()
	}
	s.sessions[sess] = false
	return sess, nil
}

// Mail begins a transaction (RFC 5321 section 4.1.1.2).
func (s *session) Mail(from string, opts *smtp.MailOptions) error {
	s.env = mail.Envelope{ReversePath: from, Peer: s.conn.Hostname()}
	if opts != nil {
		s.env.SMTPUTF8, s.env.Size = opts.UTF8, opts.Size
	}
	return nil
}

// Rcpt takes one recipient (RFC 5321 section 4.1.1.3). Each has a status of its
// own after DATA, one that comes twice too (RFC 2033 section 4.2).
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) (err error) {
	defer func() {
		if r := recover(); r != nil {
			s.panicked(r)
			err = temporary()
		}
	}()
	if err := s.server.handler.Recipient(s.server.ctx, to); err != nil {
		return reply(err)
	}
	s.env.Recipients = append(s.env.Recipients, to)
	return nil
}

// Data is never called: go-smtp calls LMTPData of a session that has it.
func (s *session) Data(io.Reader) error { return temporary() }

// LMTPData takes the message. After a failed read the connection is closed before
// any answer: go-smtp would keep it and run the rest of the message as commands,
// so that whoever wrote the message could deliver another under any name.
func (s *session) LMTPData(r io.Reader, status smtp.StatusCollector) error {
	s.setBusy(true)
	defer s.setBusy(false)
	body := &watchedReader{r: r}
	results := s.deliver(body)
	if body.err == nil {
		// The handler may have stopped early; what it left must not be read as commands.
		io.Copy(io.Discard, body)
	}
	if body.err != io.EOF {
		s.conn.Conn().Close()
		return temporary()
	}
	for i, to := range s.env.Recipients {
		switch err := results[i].Err; {
		case err != nil:
			// Never 5xx here: Postfix has the message in its queue, and a 5xx would make backscatter.
			s.server.log.Error("delivery deferred", "recipient", to, "error", err)
			status.SetStatus(to, temporary())
		default:
			status.SetStatus(to, &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Message: okText(results[i].Text)})
		}
	}
	return nil
}

// deliver gives exactly one result a recipient, whatever the handler does.
func (s *session) deliver(body io.Reader) (results []mail.Result) {
	failed := func(err error) []mail.Result {
		return slices.Repeat([]mail.Result{{Err: err}}, len(s.env.Recipients))
	}
	defer func() {
		if r := recover(); r != nil {
			s.panicked(r)
			results = failed(errors.New("the handler panicked"))
		}
	}()
	results = s.server.handler.Deliver(s.server.ctx, s.env, body)
	if len(results) != len(s.env.Recipients) {
		return failed(fmt.Errorf("%d results for %d recipients", len(results), len(s.env.Recipients)))
	}
	return results
}

// Reset ends a transaction without a message (RFC 5321 section 4.1.1.5).
func (s *session) Reset() { s.env = mail.Envelope{} }

// Logout is called when the connection ends.
func (s *session) Logout() error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	delete(s.server.sessions, s)
	s.server.idle.Broadcast()
	return nil
}

// setBusy keeps Shutdown from cutting a delivery; one that ends while stopping is
// the connection's last.
func (s *session) setBusy(busy bool) {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if _, known := s.server.sessions[s]; known {
		s.server.sessions[s] = busy
	}
	if !busy && s.server.stopping {
		// The answer is still to be written, so the connection is not closed here.
		s.conn.Conn().(*stallConn).last.Store(true)
	}
}

func (s *session) panicked(r any) {
	s.server.log.Error("panic while taking mail; answered 451", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
}

func okText(text string) string {
	if text == "" {
		return "OK"
	}
	return text
}

// watchedReader remembers how reading ended.
type watchedReader struct {
	r   io.Reader
	err error
}

func (w *watchedReader) Read(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.r.Read(p)
	w.err = err
	return n, err
}
