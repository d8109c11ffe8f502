// Command bench compares the agent with its peers on this machine, at the same door
// and with the same signed messages: Postfix's smtp-sink, which takes mail by LMTP and
// throws it away, and Dovecot LMTP, which stores it durably (Maildir, mail_fsync=always).
//
// All run interleaved in each round, and the agent's backlog is drained before the
// next one starts: work that is only put off counts. Quote the ratios; absolute
// figures move by a factor of two on shared machines.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"postdesk/integration/lab"
)

// load is one size of message at one number of connections.
type load struct{ size, connections int }

func main() {
	rounds := flag.Int("rounds", 5, "rounds of each load; quote nothing from fewer than 5")
	window := flag.Duration("window", 1500*time.Millisecond, "how long each contender takes mail in a round")
	hostile := flag.Bool("bombs", false, "measure the agent alone, with mails that are made to hurt")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := func() error { return bench(ctx, *rounds, *window) }
	if *hostile {
		run = func() error { return bombs(ctx, os.Stdout, bombSize) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, rounds int, window time.Duration) (err error) {
	if err := lab.Need("dovecot", "/usr/lib/dovecot/lmtp", "smtp-sink"); err != nil {
		return err
	}
	l, err := lab.Start(ctx, lab.Options{NoPostfix: true})
	if err != nil {
		return err
	}
	defer func() {
		if stopErr := l.Stop(); err == nil {
			err = stopErr
		}
	}()
	all, err := contenders(ctx, l)
	defer func() {
		for _, c := range all {
			c.stop()
		}
	}()
	if err != nil {
		return err
	}
	t := table{window: window}
	for _, ld := range []load{{2 << 10, 32}, {20 << 10, 32}, {1 << 20, 8}} {
		pool, err := newPool(l.Keys, ld.size)
		if err != nil {
			return err
		}
		if err := warmUp(ctx, all, pool); err != nil {
			return err
		}
		t.begin(ld)
		for round := range rounds {
			for _, c := range all {
				r, err := measure(ctx, c, pool, ld, window)
				if err != nil {
					return fmt.Errorf("%s, round %d of %+v: %w", c.name, round+1, ld, err)
				}
				t.add(c.name, r)
			}
		}
		t.print(os.Stdout)
	}
	return nil
}

// warmUp opens what each contender opens once.
func warmUp(ctx context.Context, all []*contender, p *pool) error {
	for _, c := range all {
		if _, err := measure(ctx, c, p, load{0, 4}, 200*time.Millisecond); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

// result is one round of one contender.
type result struct {
	accepted float64 // messages a second that got their 250
	done     float64 // messages a second, counting the time until all was processed
	cpu      float64 // microseconds of the server a message, to the end of the processing
	p50, p99 time.Duration
}

func measure(ctx context.Context, c *contender, p *pool, ld load, window time.Duration) (result, error) {
	before, err := cpuTime(c.pid)
	if err != nil {
		return result{}, err
	}
	start := time.Now()
	latencies, err := send(ctx, c, p, ld.connections, window)
	if err != nil {
		return result{}, err
	}
	taken := time.Since(start)
	if err := c.drain(ctx); err != nil {
		return result{}, err
	}
	whole := time.Since(start)
	after, err := cpuTime(c.pid)
	if err != nil {
		return result{}, err
	}
	n := float64(len(latencies))
	if n == 0 {
		return result{}, fmt.Errorf("no message was taken")
	}
	return result{
		accepted: n / taken.Seconds(), done: n / whole.Seconds(), cpu: float64((after - before).Microseconds()) / n,
		p50: latencies[len(latencies)/2], p99: latencies[len(latencies)*99/100],
	}, c.clean()
}
