package lmtp

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/emersion/go-smtp"

	"postdesk/ticketing/mail"
)

// session is one connection. go-smtp calls it from one goroutine, or has the one wait
// for the other.
type session struct {
	server *Server
	smtp   *smtp.Conn
	conn   *conn
	env    mail.Envelope
}

// Mail begins a transaction (RFC 5321 section 4.1.1.2). This is the place to refuse
// what is too large (RFC 1870 section 6.1): later, it would be backscatter.
func (s *session) Mail(from string, opts *smtp.MailOptions) error {
	s.env = mail.Envelope{ReversePath: from, Peer: s.smtp.Hostname(), SMTPUTF8: opts.UTF8, Size: opts.Size}
	if s.server.limit > 0 && opts.Size > s.server.limit {
		return &smtp.SMTPError{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 3, 4}, Message: "Message size exceeds the limit"}
	}
	s.server.setPhase(s.conn, fresh)
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
	if _, chunks := r.(*io.PipeReader); chunks {
		return temporary() // BDAT, which is not offered: see conn.Write
	}
	own := s.conn.body()
	body := &watchedReader{r: r}
	if own != nil {
		body.r = own
	}
	if s.env.Size == 0 {
		body.limit = s.server.limit // what was declared within the limit is taken whole
	}
	results := s.deliver(body)
	if body.err == nil {
		// The handler may have stopped early; what it left must not be read as commands.
		io.Copy(io.Discard, body)
	}
	if own != nil && body.err == io.EOF {
		if err := own.finish(r); err != nil {
			body.err = err
		}
	}
	if body.err != io.EOF {
		s.server.log.Warn("the message did not come whole; it is not delivered", "reverse_path", s.env.ReversePath, "error", body.err)
		s.conn.Close()
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

// Reset ends a transaction: when a message has been answered, and at RSET (RFC 5321
// section 4.1.1.5). By that Postfix asks whether a connection that it has kept is still
// good, and brings its next mail when it is.
func (s *session) Reset() {
	s.env = mail.Envelope{}
	if s.conn.inData.Load() {
		s.server.setPhase(s.conn, idle)
	} else {
		s.server.again(s.conn)
	}
}

// Logout is called when the connection ends.
func (s *session) Logout() error { return nil }

func (s *session) panicked(r any) {
	s.server.log.Error("panic while taking mail; answered 451", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
}

// okText is the text of a 250: one line of ASCII that fits in a reply (RFC 5321
// section 4.5.3.1.5), whatever the handler gives.
func okText(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	if text == "" {
		return "OK"
	}
	return text[:min(len(text), 200)]
}

var errTooLarge = errors.New("larger than the limit, and not declared by SIZE")

// watchedReader remembers how reading ended, and ends it at the limit.
type watchedReader struct {
	r     io.Reader
	limit int64 // 0 is none
	n     int64
	err   error
}

func (w *watchedReader) Read(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.r.Read(p)
	if w.n += int64(n); w.limit > 0 && w.n > w.limit {
		n, err = 0, errTooLarge
	}
	w.err = err
	return n, err
}
