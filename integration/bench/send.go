package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"postdesk/integration/lab"
)

// delivery is one mail that got its 250.
type delivery struct {
	id   string        // its Message-ID, without angle brackets
	sent time.Time     // when the last of its data was written
	took time.Duration // from the first command to the 250
}

// send delivers for the time of window over many connections, a message each at the least, and
// gives how long each message took, sorted. Anything but success is an error: a faster refusal must not win.
func send(ctx context.Context, c *contender, p *pool, connections int, window time.Duration) ([]time.Duration, error) {
	end := time.Now().Add(window)
	all, err := deliver(ctx, c, p, connections, func(n int) bool { return n <= connections || time.Now().Before(end) })
	var latencies []time.Duration
	for _, d := range all {
		latencies = append(latencies, d.took)
	}
	slices.Sort(latencies)
	return latencies, err
}

// sendN delivers n messages, over many connections.
func sendN(ctx context.Context, c *contender, p *pool, connections, n int) ([]delivery, error) {
	return deliver(ctx, c, p, connections, func(i int) bool { return i <= n })
}

// deliver sends message 1, 2, … over many connections while more says so.
func deliver(ctx context.Context, c *contender, p *pool, connections int, more func(n int) bool) ([]delivery, error) {
	unique := strconv.FormatInt(time.Now().UnixNano(), 36)
	var next atomic.Int64
	var wg sync.WaitGroup
	all := make([][]delivery, connections)
	errs := make([]error, connections)
	for i := range connections {
		wg.Go(func() {
			all[i], errs[i] = session(ctx, c, p, unique, func() (int, bool) {
				n := int(next.Add(1))
				return n, more(n)
			})
		})
	}
	wg.Wait()
	return slices.Concat(all...), errors.Join(errs...)
}

// session is one connection. Commands are pipelined (RFC 2920), as Postfix does.
func session(ctx context.Context, c *contender, p *pool, unique string, next func() (int, bool)) ([]delivery, error) {
	s, err := dial(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = s.conn.Close() })()
	commands := "MAIL FROM:<customer@" + lab.SignedDomain + ">\r\nRCPT TO:<" + c.recipient + ">\r\nDATA\r\n"
	var done []delivery
	var buf []byte
	for n, more := next(); more; n, more = next() {
		buf = p.mail(buf, unique, n)
		start := time.Now()
		if err := s.say(commands, 2, 2, 3); err != nil {
			return done, err
		}
		if _, err := s.conn.Write(buf); err != nil {
			return done, err
		}
		sent := time.Now()
		if err := s.replies(2); err != nil {
			return done, err
		}
		done = append(done, delivery{messageID(unique, n), sent, time.Since(start)})
	}
	return done, s.say("QUIT\r\n", 2)
}

type client struct {
	conn net.Conn
	r    *bufio.Reader
}

// dial opens a connection and says hello.
func dial(ctx context.Context, c *contender) (*client, error) {
	network, hello := "unix", "LHLO"
	if c.smtp {
		network, hello = "tcp", "EHLO"
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, c.socket)
	if err != nil {
		return nil, err
	}
	s := &client{conn, bufio.NewReader(conn)}
	if err = s.replies(2); err == nil {
		err = s.say(hello+" load.example\r\n", 2)
	}
	if err != nil {
		_ = conn.Close()
	}
	return s, err
}

// say writes and wants replies of these classes.
func (s *client) say(text string, classes ...int) error {
	if _, err := s.conn.Write([]byte(text)); err != nil {
		return err
	}
	return s.replies(classes...)
}

func (s *client) replies(classes ...int) error {
	for _, class := range classes {
		line := "   -"
		for len(line) > 3 && line[3] == '-' { // RFC 5321 section 4.2.1: more lines follow
			var err error
			if line, err = s.r.ReadString('\n'); err != nil {
				return err
			}
		}
		if !strings.HasPrefix(line, strconv.Itoa(class)) {
			return fmt.Errorf("the server says %q", strings.TrimSpace(line))
		}
	}
	return nil
}
