package submission

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// At each stage the server may refuse for now or for good, fall silent, or be gone. A mail dies
// of a refusal alone that is one of this mail, and only when all of it was sent is there a doubt.
func TestEachStage(t *testing.T) {
	final := map[string]Kind{"MAIL": Message, "RCPT": Recipient, "DATA": Message, "end of data": Message}
	for stage, command := range map[string]string{"greeting": "", "EHLO": "EHLO", "MAIL": "MAIL", "RCPT": "RCPT", "DATA": "DATA", "end of data": ".\r\n"} {
		for mood, says := range map[string]string{"silent": "", "gone": gone, "for now": "451 4.3.0 later\r\n", "closing": "421 4.3.2 closing\r\n", "for good": "554 5.5.0 no\r\n"} {
			for _, offers := range []string{"8BITMIME", "PIPELINING"} {
				t.Run(stage+" "+mood+" "+offers, func(t *testing.T) {
					f := submitTo(t, offers, command, says)
					noReply := mood == "silent" || mood == "gone"
					if f.InDoubt != (noReply && stage == "end of data") {
						t.Errorf("in doubt: %v", f.InDoubt)
					}
					want := Ours
					if kind, ofMail := final[stage]; ofMail && mood == "for good" {
						want = kind
					} else if ofMail && mood == "for now" {
						want = Temporary
					}
					if f.Kind != want || (f.Code == 0) != noReply {
						t.Errorf("%+v, want kind %d", f, want)
					}
				})
			}
		}
	}
}

// moody is a server without TLS that answers well but to one command. "" is the greeting.
func moody(offers, command, says string) (greeting string, answer func(line string) string) {
	greeting = "220 mx ESMTP\r\n"
	if command == "" {
		greeting = says
	}
	inMail, silent := false, false
	return greeting, func(line string) string {
		switch {
		case silent:
			return ""
		case command != "" && strings.HasPrefix(line, command):
			silent = says == ""
			return says
		case strings.HasPrefix(line, "EHLO"):
			return "250-mx\r\n250 " + offers + "\r\n"
		case line == ".\r\n":
			inMail = false
			return "250 2.0.0 Ok: queued as 4jYgvy2v2Pz1SLVP\r\n"
		case inMail:
			return ""
		case strings.HasPrefix(line, "DATA"):
			inMail = true
			return "354 go on\r\n"
		}
		return "250 2.0.0 ok\r\n"
	}
}

// submitTo has a time that passes while all wait: no machine is too busy for the others to answer
// within the client's limit.
func submitTo(t *testing.T, offers, command, says string) (f *Failure) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		greeting, answer := moody(offers, command, says)
		c := NewClient(Config{Server: "unix:as if", Timeout: time.Minute, Dial: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go speak(theirs, greeting, answer)
			return ours, nil
		}})
		defer c.Close()
		if _, err := c.Submit(t.Context(), out, []byte(letter)); !errors.As(err, &f) {
			t.Fatalf("the mail was taken, or %v", err)
		}
	})
	return f
}

// Nobody waits longer for the first word of a server than was said.
func TestSilentServer(t *testing.T) {
	addr, _ := scripted(t, "", func(string) string { return "" })
	m := newMSA(t)
	start := time.Now()
	_, err := m.client(func(c *Config) { c.Server, c.Timeout = addr, 100*time.Millisecond }).Submit(t.Context(), out, []byte(letter))
	if f := (*Failure)(nil); !errors.As(err, &f) || f.Kind != Ours || f.InDoubt || time.Since(start) > 20*time.Second {
		t.Errorf("a server that says nothing: %v after %v", err, time.Since(start))
	}
}

// gone is the answer of a server that closes the connection.
const gone = "gone"

// scripted is a server that records what it is told, and can hang or cut at a stage.
func scripted(t *testing.T, greet string, answer func(line string) string) (addr string, seen func() string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var mu sync.Mutex
	var all bytes.Buffer
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go speak(conn, greet, func(line string) string {
				mu.Lock()
				all.WriteString(line)
				mu.Unlock()
				return answer(line)
			})
		}
	}()
	return l.Addr().String(), func() string { mu.Lock(); defer mu.Unlock(); return all.String() }
}

// speak is a server on one connection.
func speak(conn net.Conn, greet string, answer func(line string) string) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for says := greet; says != gone; {
		if says != "" {
			io.WriteString(conn, says)
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		says = answer(line)
	}
}
