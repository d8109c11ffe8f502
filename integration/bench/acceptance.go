package main

import (
	"context"
	"fmt"
	"time"

	"postdesk/integration/lab"
)

// load is one size of message at one number of connections.
type load struct{ size, connections int }

func (ld load) String() string {
	size := fmt.Sprintf("%d KB", ld.size>>10)
	if ld.size >= 1<<20 {
		size = fmt.Sprintf("%d MB", ld.size>>20)
	}
	return fmt.Sprintf("%s, %d connections", size, ld.connections)
}

// loads are what is delivered, and how often Dovecot's rate is to be had.
func loads() []loadGoals {
	return []loadGoals{
		{load{2 << 10, 32}, 10, 6, 10},
		{load{2 << 10, 8}, 5, 0, 0},
		{load{20 << 10, 32}, 4, 0, 0},
		{load{1 << 20, 8}, 1.5, 0, 0},
	}
}

type loadGoals struct {
	load
	accepted float64 // at least, ÷ Dovecot
	ticketed float64 // at least, ÷ Dovecot; 0: no goal
	cpu      float64 // at most, ÷ smtp-sink; 0: no goal
}

func acceptance(ctx context.Context, s settings, r *report) error {
	return withContenders(ctx, withAgent(s.binary), func(l *lab.Lab, all []*contender) error {
		for _, g := range loads() {
			if err := compare(ctx, s, r, l, all, g); err != nil {
				return err
			}
		}
		return nil
	})
}

// compare measures one load.
func compare(ctx context.Context, s settings, r *report, l *lab.Lab, all []*contender, g loadGoals) error {
	t, err := rounds(ctx, s, l, all, g.load)
	if err != nil {
		return err
	}
	t.print(r.out)
	r.add(t.rows(g)...)
	return nil
}

// rounds has all contenders take turns at one load.
func rounds(ctx context.Context, s settings, l *lab.Lab, all []*contender, ld load) (*table, error) {
	pool, err := newPool(l.Keys, ld.size)
	if err != nil {
		return nil, err
	}
	if err := warmUp(ctx, all, pool); err != nil {
		return nil, err
	}
	t := &table{window: s.window, load: ld, rounds: map[string][]result{}}
	for round := range s.rounds {
		for _, c := range all {
			res, err := measure(ctx, c, pool, ld, s.window)
			if err != nil {
				return nil, fmt.Errorf("%s, round %d of %s: %w", c.name, round+1, ld, err)
			}
			t.add(c.name, res)
		}
	}
	return t, nil
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
	all      float64 // the same, with what it does when nothing is left to process
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
	if err := c.clean(ctx); err != nil {
		return result{}, err
	}
	end, err := cpuTime(c.pid)
	return result{
		accepted: n / taken.Seconds(), done: n / whole.Seconds(),
		cpu: float64((after - before).Microseconds()) / n, all: float64((end - before).Microseconds()) / n,
		p50: latencies[len(latencies)/2], p99: latencies[len(latencies)*99/100],
	}, err
}
