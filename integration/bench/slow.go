package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"postdesk/integration/lab"
)

// slowDisk delays each sync by two milliseconds, as a disk does that is none of the fastest.
// With -D the agent itself is what is started, and strace beside it.
const slowDisk = `#!/bin/sh
exec strace -D -f --seccomp-bpf -o /dev/null -e trace=fdatasync,fsync -e inject=fdatasync,fsync:delay_exit=2000 -e signal=none BINARY "$@"
`

// slow compares commits of many mails with one transaction for each, where a sync takes long.
func slow(ctx context.Context, s settings, r *report) error {
	if err := lab.Need("strace"); err != nil {
		return err
	}
	together, stop, err := slowAgent(ctx, s)
	defer stop()
	if err != nil {
		return err
	}
	single, stopSingle, err := slowAgent(ctx, s, "POSTDESK_TEST_BATCH=1")
	defer stopSingle()
	if err != nil {
		return err
	}
	ld := load{2 << 10, 32}
	var accepted, done [2][]float64
	for range s.rounds {
		for i, c := range []*slowContender{together, single} {
			res, err := measure(ctx, c.contender, c.pool, ld, s.window)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			accepted[i], done[i] = append(accepted[i], res.accepted), append(done[i], res.done)
		}
	}
	const peer = "one transaction each"
	r.add(row{what: "each sync 2 ms longer, accepted, " + ld.String(), unit: "mails/s", ours: accepted[0], peer: peer, theirs: accepted[1], goal: 8},
		row{what: "each sync 2 ms longer, ticketed, " + ld.String(), unit: "mails/s", ours: done[0], peer: peer, theirs: done[1]})
	return nil
}

// slowContender is an agent on a slow disk.
type slowContender struct {
	*contender
	pool *pool // signed with the keys that its lab publishes
}

// slowAgent starts an agent on a slow disk, in a lab of its own.
func slowAgent(ctx context.Context, s settings, env ...string) (*slowContender, func(), error) {
	l, err := lab.Start(ctx, lab.Options{NoPostfix: true})
	if err != nil {
		return nil, func() {}, err
	}
	stop := func() { _ = l.Stop() }
	wrapper := filepath.Join(l.Dir, "slow")
	if err := os.WriteFile(wrapper, []byte(strings.ReplaceAll(slowDisk, "BINARY", s.binary)), 0o755); err != nil {
		return nil, stop, err
	}
	c, _, err := startAgent(ctx, l, wrapper, lab.AgentOptions{Env: append(env, "GODEBUG=asyncpreemptoff=1")})
	if c == nil {
		return nil, stop, err
	}
	stop = func() { c.stop(); _ = l.Stop() }
	if err != nil {
		return nil, stop, err
	}
	pool, err := newPool(l.Keys, 2<<10)
	return &slowContender{c, pool}, stop, err
}
