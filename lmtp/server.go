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
	"maps"
	"net"
	"slices"
	"sync"
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
	limit   int64           // octets of a message; 0 is none
	ctx     context.Context // ends when deliveries must give up
	cancel  context.CancelFunc

	// go-smtp's Shutdown waits for idle connections, and its Close does nothing after it:
	// what is open is known here.
	mu        sync.Mutex
	listeners []net.Listener
	conns     map[*conn]bool // true: in mid-delivery, until it is answered
	stopping  bool
	gone      *sync.Cond // signalled when a connection ends
}

// NewServer makes a server; Serve starts it.
func NewServer(cfg Config, h Handler) *Server {
	if cfg.Stall == 0 {
		cfg.Stall = 5 * time.Minute
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{handler: h, log: cfg.Log, stall: cfg.Stall, limit: cfg.MaxMessageBytes, conns: map[*conn]bool{}}
	s.gone = sync.NewCond(&s.mu)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.smtp = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{server: s, smtp: c, conn: c.Conn().(*conn)}, nil
	}))
	s.smtp.LMTP = true
	s.smtp.Domain = cfg.Hostname
	s.smtp.ErrorLog = slog.NewLogLogger(cfg.Log.Handler(), slog.LevelWarn)
	s.smtp.EnableSMTPUTF8 = true // without it Postfix bounces mail that needs it
	s.smtp.MaxLineLength = 0     // it holds for DATA too, where a long line would get 554
	s.smtp.MaxMessageBytes = 0   // it is off by one, and answers 552 at the end of data
	s.smtp.ReadTimeout = 0       // it counts from the DATA command on; conn bounds each read instead
	return s
}

// Serve answers connections of l until Shutdown or until ctx ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	s.mu.Lock()
	s.listeners = append(s.listeners, l)
	stopping := s.stopping
	s.mu.Unlock()
	if stopping {
		return l.Close()
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	err := s.smtp.Serve(listener{l, s})
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil || s.stopping {
		return nil
	}
	return err
}

// Shutdown stops taking connections, closes those that wait for a command, lets
// open deliveries end, and cuts the rest off when ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	listeners := s.listeners
	var idle []*conn
	for c, busy := range s.conns {
		if !busy {
			idle = append(idle, c)
		}
	}
	s.mu.Unlock()
	for _, l := range listeners {
		l.Close()
	}
	for _, c := range idle {
		c.Close()
	}
	rest := s.waitGone(ctx)
	s.cancel()
	for _, c := range rest {
		c.Close()
	}
	if len(rest) > 0 {
		return ctx.Err()
	}
	return nil
}

// waitGone gives the connections that are still open when ctx ends.
func (s *Server) waitGone(ctx context.Context) []*conn {
	wake := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.gone.Broadcast()
	})
	defer wake()
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.conns) > 0 && ctx.Err() == nil {
		s.gone.Wait()
	}
	return slices.Collect(maps.Keys(s.conns))
}

// opened counts a connection in; false: it came while the server was stopping.
func (s *Server) opened(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopping {
		s.conns[c] = false
	}
	return !s.stopping
}

func (s *Server) closed(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.gone.Broadcast()
}

// setBusy keeps Shutdown from cutting a delivery; one that ends while stopping is
// the connection's last.
func (s *Server) setBusy(c *conn, busy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open := s.conns[c]; open {
		s.conns[c] = busy
	}
	c.inData.Store(busy)
	// Not closed here: a QUIT that Postfix sent behind the message is answered first.
	c.last.Store(!busy && s.stopping)
}
