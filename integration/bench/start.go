package main

import (
	"bufio"
	"context"
	"net"
	"os"
	"strings"
	"time"

	"postdesk/integration/lab"
)

// start is how long a server needs from its start to the greeting of LMTP, with no mail yet.
func start(ctx context.Context, s settings, r *report) error {
	return withLab(ctx, lab.Options{NoPostfix: true}, func(l *lab.Lab) error {
		a, err := l.NewAgent(s.binary, lab.AgentOptions{})
		if err != nil {
			return err
		}
		// The first start makes the database; those that are measured find it.
		if err := a.Start(ctx); err != nil {
			return err
		}
		if err := a.Stop(ctx); err != nil {
			return err
		}
		var ours, theirs []float64
		for range s.rounds {
			took, err := startAndGreet(ctx, l.Socket, func() (func(), error) { return agentContender(l, a).stop, a.Launch() })
			if err != nil {
				return err
			}
			ours = append(ours, took)
			took, err = startAndGreet(ctx, dovecotSocket(l), func() (func(), error) {
				c, err := startDovecot(ctx, l)
				if c == nil {
					return func() {}, err
				}
				return c.stop, err
			})
			if err != nil {
				return err
			}
			theirs = append(theirs, took)
		}
		r.add(row{what: "start to first LMTP reply, empty desk", unit: "ms", ours: ours, peer: dovecotName, theirs: theirs, goal: 300, atMost: true, absolute: true})
		return nil
	})
}

// startAndGreet gives the milliseconds until the socket greets, and stops the server.
func startAndGreet(ctx context.Context, socket string, launch func() (stop func(), err error)) (float64, error) {
	if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
		return 0, err
	}
	begun := time.Now()
	stop, err := launch()
	defer stop()
	if err != nil {
		return 0, err
	}
	for {
		if greets(ctx, socket) {
			return time.Since(begun).Seconds() * 1e3, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

func greets(ctx context.Context, socket string) bool {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	line, _ := bufio.NewReader(conn).ReadString('\n')
	return strings.HasPrefix(line, "220 ")
}
