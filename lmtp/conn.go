package lmtp

import (
	"bufio"
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
	c := &conn{Conn: nc, server: l.server, in: bufio.NewReaderSize(nc, readSize)}
	l.server.opened(c)
	return c, nil
}

// readSize is how much is read at once; go-smtp would read 4 KB, and set a limit of time
// each time.
const readSize = 32 << 10

// conn limits the time of every single read and write, since go-smtp's own limit
// counts from the DATA command on, and tells the server when it ends. Replies are kept
// back until the client must be waited for, as RFC 2920 section 3.2 wants it: one write
// for all the commands that came together.
type conn struct {
	net.Conn
	server *Server
	in     *bufio.Reader
	mu     sync.Mutex // of out
	out    []byte
	once   sync.Once
	inData atomic.Bool // a message is read, whose lines may have any length
	last   atomic.Bool // nothing more is read: the server is stopping
	line   int         // octets since the last line feed
	given  []byte      // the last octets that go-smtp was given, as many as "\nDATA\r\n" has
	owed   []byte      // the end of its empty message, see body
}

func (c *conn) Read(p []byte) (int, error) {
	if len(c.owed) > 0 {
		n := copy(p, c.owed)
		c.owed = c.owed[n:]
		return n, nil
	}
	if err := c.fill(1); err != nil {
		return 0, err
	}
	n, err := c.in.Read(p)
	c.given = lastOf(c.given, p[:n])
	c.line += n
	if end := bytes.LastIndexByte(p[:n], '\n'); end >= 0 {
		c.line = n - end - 1
	}
	if c.line > maxCommand && !c.inData.Load() {
		return 0, errLongCommand
	}
	return n, err
}

// lastOf gives the last octets of what was given and of what is given now.
func lastOf(given, now []byte) []byte {
	now = now[max(0, len(now)-len("\nDATA\r\n")):]
	keep := min(len(given), len("\nDATA\r\n")-len(now))
	return append(given[:copy(given, given[len(given)-keep:])], now...)
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
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = append(c.out, p...)
	if len(c.out) < readSize {
		return len(p), nil
	}
	return len(p), c.flush(c.server.stall)
}

// flush writes the replies that were kept back. mu is held.
func (c *conn) flush(limit time.Duration) error {
	if len(c.out) == 0 {
		return nil
	}
	c.SetWriteDeadline(time.Now().Add(limit))
	_, err := c.Conn.Write(c.out)
	c.out = c.out[:0]
	return err
}

func (c *conn) Close() error {
	// Who is in mid-write is cut off; what nobody writes is the last reply.
	if c.mu.TryLock() {
		_ = c.flush(min(grace, c.server.stall)) // the client may be gone
		c.mu.Unlock()
	}
	err := c.Conn.Close()
	c.once.Do(func() { c.server.closed(c) })
	return err
}
