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
	conns     map[*conn]phase
	stopping  bool
	gone      *sync.Cond     // signalled when a connection ends
	serving   sync.WaitGroup // calls of Serve that may still take a connection
}

// phase is how far a connection is, which says what becomes of it when the server stops.
type phase int

const (
	// fresh: it came for a mail whose transaction has not come to its message. Postfix
	// defers that mail when the connection is cut, so it gets a moment to go on.
	fresh phase = iota
	busy        // in mid-message, until it is answered
	idle        // kept for the next mail: when it is cut, Postfix makes another
)

// grace is how long a fresh connection may be silent while the server stops.
const grace = 2 * time.Second

// NewServer makes a server; Serve starts it.
func NewServer(cfg Config, h Handler) *Server {
	if cfg.Stall == 0 {
		cfg.Stall = 5 * time.Minute
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{handler: h, log: cfg.Log, stall: cfg.Stall, limit: cfg.MaxMessageBytes, conns: map[*conn]phase{}}
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
	if !stopping {
		s.serving.Add(1)
		defer s.serving.Done()
	}
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

// Shutdown stops taking connections, closes those that are kept for another mail, lets
// the others end theirs, and cuts off what is left when ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	listeners := s.listeners
	s.mu.Unlock()
	for _, l := range listeners {
		l.Close()
	}
	s.serving.Wait() // what was taken in this moment is answered too
	s.mu.Lock()
	for c, p := range s.conns {
		switch p {
		case idle:
			// It ends by itself: the reply to its mail may still be on its way to the client.
			c.last.Store(true)
			c.SetReadDeadline(time.Now())
		case fresh:
			c.SetReadDeadline(time.Now().Add(grace))
		}
	}
	s.mu.Unlock()
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

// opened counts a connection in.
func (s *Server) opened(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = fresh
}

func (s *Server) closed(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.gone.Broadcast()
}

// setPhase is how a connection tells how far it is. One that has ended a delivery while
// the server stops has ended its last.
func (s *Server) setPhase(c *conn, p phase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open := s.conns[c]; open {
		s.conns[c] = p
	}
	c.inData.Store(p == busy)
	// Not closed here: a QUIT that Postfix sent behind the message is answered first.
	c.last.Store(p == idle && s.stopping)
}

// again is for a connection that asks for another mail. While the server stops it is cut
// off: Postfix makes a new one then, which waits for the next server.
func (s *Server) again(c *conn) {
	s.mu.Lock()
	p, open := s.conns[c]
	stopping := s.stopping && p == idle
	if open && !stopping {
		s.conns[c] = fresh
	}
	s.mu.Unlock()
	if stopping {
		c.Close()
	}
}

// setReadDeadline bounds the next read of a connection. Under the lock, so that it does
// not undo what Shutdown sets; false when nothing more is to be read.
func (s *Server) setReadDeadline(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.last.Load() {
		return false
	}
	limit := s.stall
	if s.stopping && s.conns[c] == fresh {
		limit = min(limit, grace)
	}
	c.SetReadDeadline(time.Now().Add(limit))
	return true
}
