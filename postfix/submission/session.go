package submission

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"time"
)

// session is a connection to the server, greeted, and over TCP secured and logged in. It is
// written here since commands are sent in groups (RFC 2920), which go-smtp's client cannot.
type session struct {
	net.Conn
	r       textproto.Reader
	answers *io.LimitedReader // what one reply may take
	w       *bufio.Writer
	timeout time.Duration     // for one exchange
	offers  map[string]string // the server's extensions with their parameters
	since   time.Time         // it became idle
}

// maxReply is far more than the replies to one group of commands are.
const maxReply = 64 << 10

func newSession(conn net.Conn, timeout time.Duration) *session {
	s := &session{Conn: conn, answers: &io.LimitedReader{R: conn}, w: bufio.NewWriterSize(conn, 16<<10), timeout: timeout}
	s.r = *textproto.NewReader(bufio.NewReader(s.answers))
	s.begin()
	return s
}

// begin gives an exchange its time and room.
func (s *session) begin() {
	s.answers.N = maxReply
	_ = s.SetDeadline(time.Now().Add(s.timeout)) // what it fails of shows at the next read or write
}

// say sends commands together.
func (s *session) say(commands ...string) error {
	s.begin()
	for _, c := range commands {
		_, _ = s.w.WriteString(c + "\r\n") // Flush gives the error
	}
	return s.w.Flush()
}

// refusal is a reply that is not the one that was wanted.
type refusal struct {
	code int
	text string
}

func (r refusal) Error() string { return fmt.Sprintf("%03d %s", r.code, r.text) }

// hears reads one reply. The error is a refusal, or that of the connection.
func (s *session) hears(code int) (string, error) {
	_, text, err := s.r.ReadResponse(code)
	var other *textproto.Error
	if errors.As(err, &other) {
		err = refusal{other.Code, other.Msg}
	}
	return text, err
}

func (s *session) ask(code int, command string) (string, error) {
	if err := s.say(command); err != nil {
		return "", err
	}
	return s.hears(code)
}

func (s *session) hello() error {
	text, err := s.ask(250, "EHLO localhost")
	if err != nil {
		return err
	}
	s.offers = map[string]string{}
	for line := range strings.SplitSeq(text, "\n") {
		name, parameters, _ := strings.Cut(line, " ")
		s.offers[strings.ToUpper(name)] = parameters
	}
	return nil
}

func (s *session) has(extension string) bool {
	_, ok := s.offers[extension]
	return ok
}

// secure goes over to TLS, and forgets what was said before it (RFC 3207 section 4.2).
func (s *session) secure(ctx context.Context, conf *tls.Config) (*session, error) {
	if !s.has("STARTTLS") {
		return nil, ErrNoTLS
	}
	if _, err := s.ask(220, "STARTTLS"); err != nil {
		return nil, err
	}
	// What stands here already is none of the server's: somebody between put it there.
	if s.r.R.Buffered() > 0 {
		return nil, errors.New("the server said more before TLS than it was asked")
	}
	conn := tls.Client(s.Conn, conf)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	secured := newSession(conn, s.timeout)
	// Errors of TLS show at the first command after it, which must not be AUTH.
	return secured, secured.hello()
}

// login is AUTH PLAIN (RFC 4616).
func (s *session) login(username, password string) error {
	if !slices.Contains(strings.Fields(strings.ToUpper(s.offers["AUTH"])), "PLAIN") {
		return ErrNoAuth
	}
	_, err := s.ask(235, "AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+username+"\x00"+password)))
	return err
}

// step is a command of a transaction, and the code of the reply that lets it go on.
type step struct {
	stage, command string
	code           int
}

// run takes the steps, in one write where the server can (RFC 2920 section 3.1). All replies to
// a group are read, so that the next command meets its own.
func (s *session) run(steps []step) error {
	if !s.has("PIPELINING") {
		for _, t := range steps {
			if _, err := s.ask(t.code, t.command); err != nil {
				return classify(t.stage, err)
			}
		}
		return nil
	}
	group := make([]string, len(steps))
	for i, t := range steps {
		group[i] = t.command
	}
	if err := s.say(group...); err != nil {
		return classify(steps[0].stage, err)
	}
	var first *Failure
	for _, t := range steps {
		_, err := s.hears(t.code)
		switch {
		case err != nil && first == nil:
			first = classify(t.stage, err)
		case err == nil && first != nil && t.stage == "DATA":
			s.Close() // it waits for a mail that it refused: it must not get an empty one
		}
		if err != nil && code(err) == 0 {
			break
		}
	}
	if first != nil {
		return first
	}
	return nil
}

// send transmits the mail after the reply to DATA.
func (s *session) send(raw []byte) (reply string, err error) {
	s.begin()
	dots := textproto.NewWriter(s.w).DotWriter()
	if _, err := dots.Write(raw); err != nil {
		// Without the dot: it would commit a mail that was cut off.
		s.Close()
		return "", &Failure{Kind: Ours, Stage: "DATA", Err: err}
	}
	if err = dots.Close(); err == nil {
		reply, err = s.hears(250)
	}
	if err != nil {
		f := classify("end of data", err)
		f.InDoubt = f.Code == 0
		return "", f
	}
	return reply, nil
}

// xtext writes a value of a parameter (RFC 3461 section 4).
func xtext(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c < '!' || c > '~' || c == '+' || c == '=' {
			fmt.Fprintf(&b, "+%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
