package lmtp

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"postdesk/ticketing/mail"
)

// discarding is a Handler that reads mail and throws it away.
type discarding struct{}

func (discarding) Recipient(context.Context, string) error { return nil }

func (discarding) Deliver(_ context.Context, env mail.Envelope, body io.Reader) []mail.Result {
	_, err := io.Copy(io.Discard, body)
	return []mail.Result{{Err: err}}
}

// BenchmarkDiscarded is what the door alone costs, with the client that speaks to it: the
// least that a mail can cost.
func BenchmarkDiscarded(b *testing.B) {
	for _, size := range []int{2 << 10, 20 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKB", size>>10), func(b *testing.B) {
			l, err := net.Listen("unix", filepath.Join(b.TempDir(), "s"))
			if err != nil {
				b.Fatal(err)
			}
			go NewServer(Config{Hostname: "desk.example"}, discarding{}).Serve(b.Context(), l)
			nc, err := net.Dial("unix", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer nc.Close()
			c := textproto.NewConn(nc)
			exchange(b, c, "LHLO client.example\r\n", 220, 250)
			body := strings.Repeat("A line of text as people write it, not too long.\r\n", size/50) + ".\r\n"
			b.SetBytes(int64(size))
			b.ReportAllocs()
			before := cpuTime()
			for b.Loop() {
				exchange(b, c, "MAIL FROM:<jo@customer.example>\r\nRCPT TO:<new@desk.example>\r\nDATA\r\n", 250, 250, 354)
				exchange(b, c, body, 250)
			}
			b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "CPU-us/op")
		})
	}
}

// exchange sends text and wants these replies.
func exchange(b *testing.B, c *textproto.Conn, text string, codes ...int) {
	b.Helper()
	if _, err := io.WriteString(c.W, text); err != nil {
		b.Fatal(err)
	}
	if err := c.W.Flush(); err != nil {
		b.Fatal(err)
	}
	for _, code := range codes {
		if _, _, err := c.ReadResponse(code); err != nil {
			b.Fatal(err)
		}
	}
}

// cpuTime is what this process has used. Others on the machine change the time by the clock.
func cpuTime() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
