package main

import (
	"bufio"
	"context"
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

// send delivers for the time of window over many connections, and gives how long each
// message took, sorted. Anything but success is an error: a faster refusal must not win.
func send(ctx context.Context, c *contender, p *pool, connections int, window time.Duration) ([]time.Duration, error) {
	end := time.Now().Add(window)
	return deliver(ctx, c, p, connections, func(int) bool { return time.Now().Before(end) })
}

// sendAll delivers each message of the pool once, and gives their number.
func sendAll(ctx context.Context, c *contender, p *pool, connections int) (int, error) {
	took, err := deliver(ctx, c, p, connections, func(n int) bool { return n <= len(p.messages) })
	return len(took), err
}

// deliver sends message 1, 2, … over many connections while more says so.
func deliver(ctx context.Context, c *contender, p *pool, connections int, more func(n int) bool) ([]time.Duration, error) {
	unique := strconv.FormatInt(time.Now().UnixNano(), 36)
	var next atomic.Int64
	var wg sync.WaitGroup
	latencies := make([][]time.Duration, connections)
	errs := make([]error, connections)
	for i := range connections {
		wg.Go(func() { latencies[i], errs[i] = session(ctx, c, p, unique, &next, more) })
	}
	wg.Wait()
	all := slices.Concat(latencies...)
	slices.Sort(all)
	for _, err := range errs {
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// session is one connection. Commands are pipelined (RFC 2920), as Postfix does.
func session(ctx context.Context, c *contender, p *pool, unique string, next *atomic.Int64, more func(int) bool) ([]time.Duration, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", c.socket)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	s := &lmtp{conn, bufio.NewReader(conn)}
	if err := s.replies(2); err != nil {
		return nil, err
	}
	if err := s.say("LHLO load.example\r\n", 2); err != nil {
		return nil, err
	}
	commands := "MAIL FROM:<customer@" + lab.SignedDomain + ">\r\nRCPT TO:<" + c.recipient + ">\r\nDATA\r\n"
	var latencies []time.Duration
	var buf []byte
	for n := int(next.Add(1)); more(n); n = int(next.Add(1)) {
		buf = p.mail(buf, unique, n)
		start := time.Now()
		if err := s.say(commands, 2, 2, 3); err != nil {
			return latencies, err
		}
		if err := s.say(string(buf), 2); err != nil {
			return latencies, err
		}
		latencies = append(latencies, time.Since(start))
	}
	return latencies, s.say("QUIT\r\n", 2)
}

type lmtp struct {
	conn net.Conn
	r    *bufio.Reader
}

// say writes and wants replies of these classes.
func (s *lmtp) say(text string, classes ...int) error {
	if _, err := s.conn.Write([]byte(text)); err != nil {
		return err
	}
	return s.replies(classes...)
}

func (s *lmtp) replies(classes ...int) error {
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
