package lmtp

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// maxCommand is the longest command; go-smtp's own limit would hold for the message too.
const maxCommand = 64 << 10

var errLongCommand = errors.New("a command is too long")

// listener counts the connections of a server.
type listener struct {
	net.Listener
	server *Server
}

func (l listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: nc, server: l.server}
	l.server.opened(c)
	return c, nil
}

// conn limits the time of every single read and write, since go-smtp's own limit
// counts from the DATA command on, and tells the server when it ends.
type conn struct {
	net.Conn
	server *Server
	once   sync.Once
	inData atomic.Bool // a message is read, whose lines may have any length
	last   atomic.Bool // nothing more is read: the server is stopping
	line   int         // octets since the last line feed
}

func (c *conn) Read(p []byte) (int, error) {
	if c.last.Load() {
		return 0, net.ErrClosed
	}
	c.server.setReadDeadline(c)
	n, err := c.Conn.Read(p)
	c.line += n
	if end := bytes.LastIndexByte(p[:n], '\n'); end >= 0 {
		c.line = n - end - 1
	}
	if c.line > maxCommand && !c.inData.Load() {
		return 0, errLongCommand
	}
	return n, err
}

// Write keeps back the offer of CHUNKING (RFC 3030), which cannot be turned off: go-smtp
// takes a chunk that was cut off for a whole message. It writes each line by itself.
func (c *conn) Write(p []byte) (int, error) {
	if string(p) == "250-CHUNKING\r\n" {
		return len(p), nil
	}
	if bytes.HasPrefix(p, []byte("354 ")) {
		// Before the client can read it: whoever has been told to send a message may end it,
		// also when the server is told to stop in the same moment.
		c.server.setPhase(c, busy)
	}
	c.SetWriteDeadline(time.Now().Add(c.server.stall))
	return c.Conn.Write(p)
}

func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { c.server.closed(c) })
	return err
}
