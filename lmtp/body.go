package lmtp

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
)

// endOfData ends a message when it stands at the start of a line (RFC 5321 section 4.1.1.4).
const endOfData = ".\r\n"

// body is the message that comes after 354, without the dots that RFC 5321 section 4.5.2
// adds. It is read past go-smtp, which takes it octet by octet (half of all the work until
// a mail of 1 MB is safe), drops a CR behind a dot, and waits for ever when a CR stands
// before the CRLF of the last line (Postfix makes a space of such a CR). Only CRLF ends a
// line (section 2.3.8): whoever takes a bare LF for one runs what a stranger has written
// as commands.
//
// go-smtp is given an empty message in its place, see LMTPData.
type body struct {
	conn *conn
	cr   bool // the last octet was a CR
	line bool // what comes next begins a line
}

// body gives the message that comes now, nil when go-smtp may hold its beginning: that
// cannot be when DATA was the last that it was given, as it is with a client that waits
// for the reply (RFC 2920 section 3.1).
func (c *conn) body() *body {
	last := string(c.given)
	if !strings.EqualFold(strings.TrimPrefix(last, "\n"), "DATA\r\n") {
		return nil
	}
	return &body{conn: c, line: true}
}

// Read gives io.EOF at the end of the message and nowhere else.
func (b *body) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if b.line {
			ended, err := b.dot()
			if err != nil || ended {
				return n, err
			}
		}
		if n > 0 && b.conn.in.Buffered() == 0 {
			return n, nil
		}
		if err := b.conn.fill(1); err != nil {
			return n, whole(err)
		}
		next, _ := b.conn.in.Peek(min(b.conn.in.Buffered(), len(p)-n))
		n += copy(p[n:], b.take(next))
	}
	return n, nil
}

// take gives what can be had of next in one piece: up to the start of a line that begins
// with a dot, or all of it.
func (b *body) take(next []byte) []byte {
	switch i := bytes.Index(next, []byte("\r\n.")); {
	case b.cr && next[0] == '\n':
		next = next[:1]
		b.line = true
	case i >= 0:
		next = next[:i+2]
		b.line = true
	default:
		b.line = bytes.HasSuffix(next, []byte("\r\n"))
	}
	b.cr = next[len(next)-1] == '\r'
	b.conn.in.Discard(len(next))
	return next
}

// dot looks at the start of a line: whether it is the end of the message. A dot that was
// added is taken away.
func (b *body) dot() (ended bool, err error) {
	b.line, b.cr = false, false
	for i := range len(endOfData) {
		if err := b.conn.fill(i + 1); err != nil {
			return false, whole(err)
		}
		next, _ := b.conn.in.Peek(i + 1)
		if next[i] != endOfData[i] {
			if i > 0 {
				b.conn.in.Discard(1)
			}
			return false, nil
		}
	}
	b.conn.in.Discard(len(endOfData))
	b.conn.line = 0
	b.conn.owed = []byte(endOfData)
	return true, io.EOF
}

// whole tells the end of the connection from the end of a message.
func whole(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

var errPipelined = errors.New("the client did not wait for 354")

// finish lets go-smtp read its empty message. Anything else would mean that it and we do
// not see the same message end at the same place.
func (b *body) finish(r io.Reader) error {
	if n, err := io.Copy(io.Discard, r); err != nil {
		return err
	} else if n > 0 || len(b.conn.owed) > 0 {
		return errPipelined
	}
	return nil
}

// fill waits until n octets can be read. Before it waits, the client gets its replies.
func (c *conn) fill(n int) error {
	if c.in.Buffered() >= n {
		return nil
	}
	c.mu.Lock()
	err := c.flush(c.server.stall)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	if !c.server.setReadDeadline(c) {
		return net.ErrClosed
	}
	_, err = c.in.Peek(n)
	if err != nil && c.last.Load() {
		return net.ErrClosed // no timeout, of which go-smtp would tell the client
	}
	return err
}
