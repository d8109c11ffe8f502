package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"postdesk/integration/lab"
)

const (
	floodRate    = 500 // mails a second: more than Postfix hands over beside its own work on two cores
	floodSenders = 20  // connections, as Postfix opens by default
	honestPace   = 10 * time.Millisecond
)

// flood measures how long an honest mail waits for its 250 beside a flood, from one sender
// and from as many as there are mails.
func flood(ctx context.Context, s settings, r *report) error {
	return withLab(ctx, lab.Options{NoPostfix: true}, func(l *lab.Lab) error {
		c, a, err := startAgent(ctx, l, s.binary, lab.AgentOptions{})
		if c != nil {
			defer c.stop()
		}
		if err != nil {
			return err
		}
		api, err := a.Client(ctx, "bench", "read")
		if err != nil {
			return err
		}
		lists := make([]float64, s.rounds)
		quiet := map[bool][]float64{}
		beside := map[bool][]float64{}
		for round := range s.rounds {
			for _, many := range []bool{false, true} {
				for _, rate := range []int{0, floodRate} {
					var slowest time.Duration
					p99, err := honest(ctx, c, 2*s.window, func(ctx context.Context) (err error) {
						var list sync.WaitGroup
						list.Go(func() { slowest, err = listAgain(ctx, api) })
						poured := pour(ctx, c, rate, fmt.Sprintf("%d-%t", round, many), many)
						list.Wait()
						return errors.Join(poured, err)
					})
					if err != nil {
						return err
					}
					into := quiet
					if rate > 0 {
						into = beside
						lists[round] = max(lists[round], slowest.Seconds()*1e3)
					}
					into[many] = append(into[many], p99)
				}
			}
		}
		for many, what := range map[bool]string{false: "one sender", true: "a sender each"} {
			r.add(row{what: fmt.Sprintf("p99 of a mail beside a flood of %d/s from %s", floodRate, what), unit: "ms", ours: beside[many], peer: "quiet", theirs: quiet[many], goal: 2, atMost: true})
		}
		r.add(row{what: "slowest list of 50 tickets by the API in a flood", unit: "ms", ours: lists, goal: 300, atMost: true, absolute: true})
		return nil
	})
}

// honest sends a mail at each pace on a connection of its own, while other runs, and gives
// the 99th percentile of the times to the 250, in ms.
func honest(ctx context.Context, c *contender, window time.Duration, other func(context.Context) error) (float64, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var beside sync.WaitGroup
	var failed error
	beside.Go(func() { failed = other(ctx) })
	var took []time.Duration
	tick := time.NewTicker(honestPace)
	defer tick.Stop()
	for end := time.Now().Add(window); time.Now().Before(end); <-tick.C {
		start := time.Now()
		raw := fmt.Appendf(nil, "From: <jane@honest.example>\r\nSubject: honest\r\n\r\n%d\r\n", start.UnixNano())
		if err := hand(ctx, c.socket, raw); err != nil {
			return 0, err
		}
		took = append(took, time.Since(start))
	}
	stop()
	beside.Wait()
	if failed != nil {
		return 0, failed
	}
	slices.Sort(took)
	return took[len(took)*99/100].Seconds() * 1e3, c.drain(context.WithoutCancel(ctx))
}

// listAgain asks for the newest tickets ten times a second until ctx ends, and gives the
// longest that an answer took.
func listAgain(ctx context.Context, api *lab.Client) (slowest time.Duration, err error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		start := time.Now()
		if _, err := api.NewestTickets(context.WithoutCancel(ctx), 50); err != nil {
			return slowest, err
		}
		slowest = max(slowest, time.Since(start))
		select {
		case <-ctx.Done():
			return slowest, nil
		case <-tick.C:
		}
	}
}

// pourCommand makes this program send a flood.
const pourCommand = "pour"

// pour sends so many mails a second until ctx ends, in a process of its own: Postfix's, which
// brings the honest mail, has nothing to do with the others of those who flood.
func pour(ctx context.Context, c *contender, rate int, unique string, many bool) error {
	if rate == 0 {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// #nosec G204 -- this program, with words of its own.
	cmd := exec.CommandContext(ctx, self, pourCommand, c.socket, strconv.Itoa(rate), unique, strconv.FormatBool(many))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	begun, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Cancel = func() error {
		_, _ = begun.Read(make([]byte, 1)) // before it has begun the signal would be its end
		return cmd.Process.Signal(syscall.SIGTERM)
	}
	if err := cmd.Run(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("the flood: %w", err)
	}
	if !cmd.ProcessState.Success() {
		return fmt.Errorf("the flood: %s", cmd.ProcessState)
	}
	return nil
}

// servePour sends RATE mails a second to SOCKET that are unlike those of another UNIQUE, from
// MANY senders or one, until ctx ends.
func servePour(ctx context.Context, args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("want %s SOCKET RATE UNIQUE MANY", pourCommand)
	}
	rate, err := strconv.Atoi(args[1])
	many, err2 := strconv.ParseBool(args[3])
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	fmt.Println("pouring")
	var all sync.WaitGroup
	errs := make([]error, floodSenders)
	for i := range floodSenders {
		all.Go(func() { errs[i] = pourOne(ctx, args[0], rate, args[2], many, i) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// pourOne is one of the senders. It keeps its connection, as Postfix does while it has more.
func pourOne(ctx context.Context, socket string, rate int, unique string, many bool, first int) error {
	s, err := dial(ctx, &contender{socket: socket})
	if err != nil {
		return err
	}
	defer func() { _ = s.conn.Close() }()
	commands := "MAIL FROM:<bounces@flood.example>\r\nRCPT TO:<new@" + lab.Domain + ">\r\nDATA\r\n"
	tick := time.NewTicker(time.Second * floodSenders / time.Duration(rate))
	defer tick.Stop()
	for n := first; ; n += floodSenders {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		from := "flood@flood.example"
		if many {
			from = fmt.Sprintf("flood%d@flood.example", n)
		}
		if err := s.say(commands, 2, 2, 3); err != nil {
			return err
		}
		if err := s.say(fmt.Sprintf("From: <%s>\r\nSubject: flood\r\n\r\n%s-%d\r\n.\r\n", from, unique, n), 2); err != nil {
			return err
		}
	}
}
