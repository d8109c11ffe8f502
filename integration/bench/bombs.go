package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
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

// bombs sends each to an agent and prints what it cost.
func bombs(ctx context.Context, w io.Writer, size int) (err error) {
	l, err := lab.Start(ctx, lab.Options{NoPostfix: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Stop()) }()
	bin := filepath.Join(l.Dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	binary, err := lab.Build(ctx, bin)
	if err != nil {
		return err
	}
	a, err := l.NewAgent(binary, lab.AgentOptions{})
	if err != nil {
		return err
	}
	if err := a.Start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Stop(context.WithoutCancel(ctx))) }()
	api, err := a.Client(ctx, "bombs", "write")
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\nmails of %d MB that are made to hurt; a small mail is sent while one is processed\n", size>>20)
	fmt.Fprintf(w, "%-24s %9s %9s %9s %12s  %s\n", "", "250 after", "CPU s", "peak MB", "small mail", "result")
	for _, b := range allBombs() {
		if err := explode(ctx, l, a, api, b.name, b.raw(size), w); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
	}
	return nil
}

func explode(ctx context.Context, l *lab.Lab, a *lab.Agent, api *lab.Client, name string, raw []byte, w io.Writer) error {
	pid := a.PID()
	if err := resetPeak(pid); err != nil {
		return err
	}
	before, err := cpuTime(pid)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := hand(ctx, l.Socket, raw); err != nil {
		return err
	}
	accepted := time.Since(start)
	start = time.Now()
	if err := hand(ctx, l.Socket, []byte("From: <jane@bomb.example>\r\nSubject: small\r\n\r\n"+name+"\r\n")); err != nil {
		return err
	}
	small := time.Since(start)
	if err := a.Drained(ctx); err != nil {
		return err
	}
	after, err := cpuTime(pid)
	if err != nil {
		return err
	}
	result, err := outcome(ctx, api, raw)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%-24s %7.2f s %9.2f %9d %9.0f ms  %s\n", name, accepted.Seconds(), (after - before).Seconds(), peakMB(pid), small.Seconds()*1e3, result)
	return nil
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
