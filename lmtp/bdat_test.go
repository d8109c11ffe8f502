package lmtp

import (
	"net"
	"testing"
)

// RFC 3030: a chunk that is cut off must never count as a whole message.
func TestNoChunking(t *testing.T) {
	d := &desk{}
	_, path := start(t, d, Config{})
	c := dial(t, path)
	c.cmd("MAIL FROM:<jo@customer.example>", "250")
	c.cmd("RCPT TO:<new@desk.example>", "250")
	c.send("BDAT 1000 LAST\r\nSubject: cut off\r\n")
	c.Conn.(*net.UnixConn).CloseWrite()
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			break
		}
		if line[0] == '2' {
			t.Errorf("answered %q", line)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.bodies) != 0 {
		t.Errorf("delivered: %q", d.bodies)
	}
}
