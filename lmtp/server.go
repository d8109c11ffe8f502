// Package lmtp is the door for mail: an LMTP server (RFC 2033) for Postfix on
// the same machine, with PIPELINING, SIZE (RFC 1870), 8BITMIME and SMTPUTF8
// (RFC 6531). It offers neither DSN (RFC 3461), which Postfix does for us, nor
// STARTTLS or AUTH: who may speak is decided by the socket.
//
// It knows nothing of tickets: whoever satisfies Handler can stand behind it.
package lmtp

import (
	"context"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"

	"postdesk/ticketing/mail"
)

// Handler takes mail.
type Handler interface {
	// Recipient is asked at RCPT. An error with NoSuchRecipient() true is answered
	// 550 5.1.1, any other 451.
	Recipient(ctx context.Context, address string) error
	// Deliver reads body to its end and gives one result for each recipient, in
	// order. A nil Err is a promise: the mail is safe. Any error is answered 451.
	Deliver(ctx context.Context, env mail.Envelope, body io.Reader) []mail.Result
}

// Config is how a Server behaves.
type Config struct {
	Hostname        string        // in the greeting
	MaxMessageBytes int64         // largest message; 0 is no limit below Postfix's own
	Stall           time.Duration // longest silence in mid-message or between commands; 0 is 5 minutes
	Log             *slog.Logger
}

// Server speaks LMTP.
type Server struct {
	smtp    *smtp.Server
	handler Handler
	log     *slog.Logger
	stall   time.Duration
	ctx     context.Context // ends when deliveries must give up
	cancel  context.CancelFunc

	mu       sync.Mutex
	sessions map[*session]bool // true: in mid-delivery
	stopping bool
	idle     *sync.Cond // signalled when a session ends
}

// NewServer makes a server; Serve starts it.
func NewServer(cfg Config, h Handler) *Server {
	if cfg.Stall == 0 {
		cfg.Stall = 5 * time.Minute
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{handler: h, log: cfg.Log, stall: cfg.Stall, sessions: map[*session]bool{}}
	s.idle = sync.NewCond(&s.mu)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.smtp = smtp.NewServer(smtp.BackendFunc(s.newSession))
	s.smtp.LMTP = true
	s.smtp.Domain = cfg.Hostname
	s.smtp.EnableSMTPUTF8 = true // without it Postfix bounces mail that needs it
	s.smtp.MaxLineLength = 0     // it holds for DATA too, where a long line would get 554
	if cfg.MaxMessageBytes > 0 {
		s.smtp.MaxMessageBytes = cfg.MaxMessageBytes + 1 // go-smtp refuses a message of exactly the limit
	}
	s.smtp.ReadTimeout = 0 // it counts from the DATA command on; stallConn bounds each read instead
	return s
}

// Serve answers connections of l until Shutdown or until ctx ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	err := s.smtp.Serve(stallListener{l, s.stall})
	if ctx.Err() != nil || s.isStopping() {
		return nil
	}
	return err
}

// Shutdown stops taking connections, closes those that wait for a command, lets
// open deliveries end, and cuts the rest off when ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	for sess, busy := range s.sessions {
		if !busy {
			sess.conn.Conn().Close()
		}
	}
	s.mu.Unlock()
	force := context.AfterFunc(ctx, func() {
		s.cancel()
		s.smtp.Close()
		s.mu.Lock()
		s.idle.Broadcast()
		s.mu.Unlock()
	})
	defer force()
	// go-smtp's own Shutdown waits for idle connections; here only its listeners matter.
	done, cancel := context.WithCancel(context.Background())
	cancel()
	s.smtp.Shutdown(done)
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.sessions) > 0 && ctx.Err() == nil {
		s.idle.Wait()
	}
	s.cancel()
	return ctx.Err()
}

func (s *Server) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// stallListener gives each connection a limit for every single read and write.
type stallListener struct {
	net.Listener
	stall time.Duration
}

func (l stallListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &stallConn{Conn: c, stall: l.stall}, nil
}

type stallConn struct {
	net.Conn
	stall time.Duration
	last  atomic.Bool // nothing more is read: the server is stopping
}

func (c *stallConn) Read(p []byte) (int, error) {
	if c.last.Load() {
		return 0, io.EOF
	}
	c.Conn.SetReadDeadline(time.Now().Add(c.stall))
	return c.Conn.Read(p)
}

func (c *stallConn) Write(p []byte) (int, error) {
	c.Conn.SetWriteDeadline(time.Now().Add(c.stall))
	return c.Conn.Write(p)
}
