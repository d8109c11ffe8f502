package lmtp

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// Each message arrives as it was sent, whatever stands at the ends of its lines.
func TestMessageArrivesWhole(t *testing.T) {
	d := &desk{}
	_, path := start(t, d, Config{})
	c := dial(t, path)
	messages := []string{
		"", "\r\n", "a\r\n", ".\r\n", "..\r\n", ".a\r\n", "a\r\n.\r\nb\r\n", ".\rb\r\n", "\r\n.\r\n",
		"a\r\r\n",                                                                         // a line that ends in a CR of its own, as the last one
		"a\r\r\n.b\r\n",                                                                   // and above a dot
		"a\n.\nb\r\n", "a\n.\r\nb\r\n", "a\r.\r\nb\r\n", "a\r\n.\nb\r\n", "a\r\n.\rb\r\n", // none of these ends it
		"MAIL FROM:<a@evil.example>\r\nDATA\r\n",
		strings.Repeat("x", readSize-3) + "\r\n.\r\ny\r\n", // over the edge of what is read at once
		strings.Repeat("x", readSize-2) + "\r\n.\r\ny\r\n", strings.Repeat("x", readSize-1) + "\r\n.\r\ny\r\n",
	}
	for _, m := range messages {
		c.begin("new@desk.example")
		c.send(stuffed(m))
		c.want("250")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, m := range messages {
		if d.bodies[i] != m {
			t.Errorf("sent %.60q, got %.60q", m, d.bodies[i])
		}
	}
}

// stuffed is a message of whole lines as a client sends it (RFC 5321 section 4.5.2).
func stuffed(m string) string {
	m = strings.ReplaceAll(m, "\r\n.", "\r\n..")
	if strings.HasPrefix(m, ".") {
		m = "." + m
	}
	return m + endOfData
}

// A client that does not wait for 354 is understood too; what it may not do is to make
// the two readers of a message see different ends.
func TestMessageWithoutWaiting(t *testing.T) {
	d := &desk{}
	_, path := start(t, d, Config{})
	c := dial(t, path)
	c.send("MAIL FROM:<jo@customer.example>\r\nRCPT TO:<new@desk.example>\r\nDATA\r\n" + stuffed("early\r\n"))
	for _, want := range []string{"250", "250", "354", "250"} {
		c.want(want)
	}
	c.send("MAIL FROM:<jo@customer.example>\r\nRCPT TO:<new@desk.example>\r\nDATA\r\nhidden\r\nDATA\r\n")
	for _, want := range []string{"250", "250", "354"} {
		c.want(want)
	}
	c.send(stuffed("seen\r\n") + "MAIL FROM:<evil@customer.example>\r\n")
	if line, err := c.r.ReadString('\n'); err == nil {
		t.Errorf("the connection goes on with %q", line)
	}
}

func FuzzBody(f *testing.F) {
	f.Add("a\r\n.\r\nb", 1)
	f.Add(".\rb\r\r\n.", 2)
	f.Fuzz(func(t *testing.T, m string, size int) {
		const next = "QUIT\r\n"
		if m != "" && !strings.HasSuffix(m, "\r\n") {
			m += "\r\n"
		}
		s := NewServer(Config{Stall: time.Minute}, &desk{})
		c := &conn{Conn: deadlines{}, server: s, given: []byte("DATA\r\n"),
			in: bufio.NewReaderSize(iotest.OneByteReader(strings.NewReader(stuffed(m)+next)), 16)}
		if size%2 == 0 {
			c.in = bufio.NewReaderSize(strings.NewReader(stuffed(m)+next), 16+(size&0xff))
		}
		var got strings.Builder
		p := make([]byte, 1+size&0x1f)
		b := c.body()
		for {
			n, err := b.Read(p)
			got.Write(p[:n])
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if got.String() != m {
			t.Errorf("sent %q, got %q", m, got.String())
		}
		if rest, err := io.ReadAll(c.in); err != nil || string(rest) != next {
			t.Errorf("left of %q: %q, %v", m, rest, err)
		}
	})
}

// deadlines is a connection that has no other use.
type deadlines struct{ net.Conn }

func (deadlines) SetReadDeadline(time.Time) error { return nil }
