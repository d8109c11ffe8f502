package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"time"

	"postdesk/integration/lab"
)

// bombSize is the size of a mail that is made to hurt, about what sites let in at most.
const bombSize = 25 << 20

// bomb is a mail that makes careless readers slow or large.
type bomb struct{ name, head, piece, tail string }

func allBombs() []bomb {
	html := "Content-Type: text/html\r\n\r\n"
	return []bomb{
		{"nested multiparts", "", "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%[1]d\r\n", ""},
		{"messages in messages", "", "Content-Type: message/rfc822\r\n\r\n", "x"},
		{"parts", "Content-Type: multipart/mixed; boundary=b\r\n\r\n", "--b\r\n\r\nx\r\n", "--b--"},
		{"header fields", "", "X-Field-%d: value\r\n", "\r\nx"},
		{"one header", "Subject: ", "long ", "\r\n\r\nx"},
		{"one folded header", "Subject: a", "\r\n b", "\r\n\r\nx"},
		{"=? in Subject", "Subject: ", "=?", "\r\n\r\nx"},
		{"( in From", "From: ", "(", "\r\n\r\nx"},
		{"< in References", "References: ", "<", "\r\n\r\nx"},
		{"&amp in HTML", html, "&amp", ""},
		{"<div> in HTML", html, "<div>", ""},
		{"<a href> in HTML", html, "<a href=http://x.example>y", ""},
		{"one base64 line", "Content-Transfer-Encoding: base64\r\n\r\n", "QUJD", ""},
		{"= in quoted-printable", "Content-Transfer-Encoding: quoted-printable\r\n\r\n", "=\r\n", ""},
		{"> in text", "\r\n", ">", ""},
		{"2,000 DKIM signatures", "", "DKIM-Signature: v=1; a=rsa-sha256; d=d%d.example; s=s; h=from; bh=" + strings.Repeat("A", 43) + "=; b=" + strings.Repeat("B", 344) + "\r\n", "\r\nx"},
	}
}

// raw is the bomb of that size, with a From and a line end.
func (b bomb) raw(size int) []byte {
	var out bytes.Buffer
	out.WriteString("From: <jane@bomb.example>\r\n" + b.head)
	numbered := strings.Contains(b.piece, "%")
	for n := 0; out.Len() < size; n++ {
		if b.name == "2,000 DKIM signatures" && n == 2000 {
			break
		}
		if numbered {
			fmt.Fprintf(&out, b.piece, n)
		} else {
			out.WriteString(b.piece)
		}
	}
	out.WriteString(b.tail + "\r\n")
	return out.Bytes()
}

// costs is what a bomb took of the agent.
type costs struct {
	accepted, small time.Duration // until its 250, and until that of a small mail beside it
	cpu             time.Duration // to the end of its processing
	peak            int64         // MB of memory
	result          string
}

// bombs sends each of those to an agent and prints what it cost; then all come at once.
func bombs(ctx context.Context, w io.Writer, binary string, all []bomb, size int) (each []costs, together int64, err error) {
	l, a, err := aloneAgent(ctx, binary, lab.AgentOptions{})
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, a.Stop(context.WithoutCancel(ctx)), l.Stop()) }()
	api, err := a.Client(ctx, "bombs", "write")
	if err != nil {
		return nil, 0, err
	}
	fmt.Fprintf(w, "\nmails of %d MB that are made to hurt; a small mail is sent while one is processed\n", size>>20)
	fmt.Fprintf(w, "%-24s %9s %9s %9s %12s  %s\n", "", "250 after", "CPU s", "peak MB", "small mail", "result")
	for _, b := range all {
		c, err := explode(ctx, l, a, api, b.name, b.raw(size))
		if err != nil {
			return each, 0, fmt.Errorf("%s: %w", b.name, err)
		}
		each = append(each, c)
		fmt.Fprintf(w, "%-24s %7.2f s %9.2f %9d %9.0f ms  %s\n", b.name, c.accepted.Seconds(), c.cpu.Seconds(), c.peak, c.small.Seconds()*1e3, c.result)
	}
	start := time.Now()
	if together, err = explodeTogether(ctx, l, a, all, size); err != nil {
		return each, 0, fmt.Errorf("all at once: %w", err)
	}
	fmt.Fprintf(w, "all %d at once: processed after %.1f s, peak %d MB\n", len(all), time.Since(start).Seconds(), together)
	return each, together, nil
}

// aloneAgent starts an agent without a Postfix.
func aloneAgent(ctx context.Context, binary string, o lab.AgentOptions) (l *lab.Lab, a *lab.Agent, err error) {
	if l, err = lab.Start(ctx, lab.Options{NoPostfix: true}); err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Stop())
		}
	}()
	if a, err = l.NewAgent(binary, o); err != nil {
		return nil, nil, err
	}
	return l, a, a.Start(ctx)
}

// explode sends one bomb, and a small mail while it is processed.
func explode(ctx context.Context, l *lab.Lab, a *lab.Agent, api *lab.Client, name string, raw []byte) (c costs, err error) {
	pid := a.PID()
	if err := resetPeak(pid); err != nil {
		return c, err
	}
	before, err := cpuTime(pid)
	if err != nil {
		return c, err
	}
	start := time.Now()
	if err := hand(ctx, l.Socket, raw); err != nil {
		return c, err
	}
	c.accepted = time.Since(start)
	start = time.Now()
	if err := hand(ctx, l.Socket, []byte("From: <jane@bomb.example>\r\nSubject: small\r\n\r\n"+name+"\r\n")); err != nil {
		return c, err
	}
	c.small = time.Since(start)
	if err := a.Drained(ctx); err != nil {
		return c, err
	}
	after, err := cpuTime(pid)
	if err != nil {
		return c, err
	}
	c.cpu = after - before
	if c.result, err = outcome(ctx, api, raw); err != nil {
		return c, err
	}
	c.peak = peakMB(pid)
	return c, nil
}

// explodeTogether sends all at the same time and gives the most memory that they took.
func explodeTogether(ctx context.Context, l *lab.Lab, a *lab.Agent, all []bomb, size int) (peak int64, err error) {
	if err := resetPeak(a.PID()); err != nil {
		return 0, err
	}
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, b := range all {
		// Another address: what has come before is not taken again.
		raw := bytes.Replace(b.raw(size), []byte("jane@"), []byte("june@"), 1)
		wg.Go(func() { errs[i] = hand(ctx, l.Socket, raw) })
	}
	wg.Wait()
	if err := errors.Join(append(errs, a.Drained(ctx))...); err != nil {
		return 0, err
	}
	return peakMB(a.PID()), nil
}

// hand gives one mail to the agent and waits for its 250.
func hand(ctx context.Context, socket string, raw []byte) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	c := textproto.NewConn(conn)
	if _, _, err := c.ReadResponse(220); err != nil {
		return err
	}
	for _, step := range []struct {
		code int
		line string
	}{{250, "LHLO bench.example"}, {250, "MAIL FROM:<jane@bomb.example>"}, {250, "RCPT TO:<new@" + lab.Domain + ">"}, {354, "DATA"}} {
		if err := c.PrintfLine("%s", step.line); err != nil {
			return err
		}
		if _, _, err := c.ReadResponse(step.code); err != nil {
			return err
		}
	}
	if _, err := conn.Write(append(raw[:len(raw):len(raw)], ".\r\n"...)); err != nil {
		return err
	}
	_, _, err = c.ReadResponse(250)
	return err
}

// outcome says what became of a bomb: the first thing that was not understood, and whether
// its bytes were kept.
func outcome(ctx context.Context, api *lab.Client, raw []byte) (string, error) {
	tickets, err := api.Tickets(ctx)
	if err != nil {
		return "", err
	}
	for _, t := range tickets[:min(len(tickets), 2)] {
		messages, err := api.Messages(ctx, t.Name)
		if err != nil {
			return "", err
		}
		for _, m := range messages {
			kept, err := api.Raw(ctx, m.ID)
			if err != nil {
				return "", err
			}
			if bytes.HasSuffix(kept, raw[len(raw)/2:]) && len(kept) >= len(raw) {
				return t.Name + ", kept whole; " + strings.Join(m.Problems[:min(len(m.Problems), 1)], ""), nil
			}
		}
	}
	return "", fmt.Errorf("its bytes are not there")
}
