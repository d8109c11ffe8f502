// Command bench compares the agent with its peers on this machine, at the same door and
// with the same signed messages: with Dovecot LMTP, which stores mail durably (Maildir,
// mail_fsync=always), with Postfix's smtp-sink, which throws it away, and with smtp-source.
//
// In each round the contenders take turns, and the agent's backlog is drained before the
// next one starts: work that is only put off counts. Quote the ratios; absolute figures
// move by a factor of two on shared machines.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"postdesk/integration/lab"
)

// section measures one thing, and can run alone.
type section struct {
	name, says string
	run        func(context.Context, settings, *report) error
}

// settings are what the command line says.
type settings struct {
	rounds int
	window time.Duration // how long each contender takes mail in a round
	mails  int           // of a round, where their number is what is given
	disk   int           // mails of which the disk is measured: enough that an empty desk does not matter
	binary string        // the agent's program
}

func sections() []section {
	return []section{
		{"acceptance", "mail by LMTP, beside Dovecot and smtp-sink", acceptance},
		{"floors", "parts of the agent's work alone, beside the same", floorsSection},
		{"memory", "peak memory of the same", memory},
		{"through", "from port 25 through Postfix to what a reader sees, beside Dovecot", through},
		{"slow", "a disk whose syncs take 2 ms longer, beside one transaction a message", slow},
		{"replies", "answers through the submission port, beside smtp-source", replies},
		{"flood", "a mail beside a flood of others", flood},
		{"start", "from the start to the first LMTP reply", start},
		{"disk", "bytes of the disk for a mail", disk},
		{"bombs", "mails that are made to hurt", func(ctx context.Context, s settings, r *report) error {
			_, _, err := bombs(ctx, r.out, s.binary, allBombs(), bombSize)
			return err
		}},
	}
}

func main() {
	s := settings{mails: 400, disk: 10_000}
	flag.IntVar(&s.rounds, "rounds", 5, "rounds of each comparison; quote nothing from fewer than 5")
	flag.DurationVar(&s.window, "window", 1500*time.Millisecond, "how long each contender takes mail in a round")
	only := flag.String("only", "", "run only these sections, as acceptance,bombs")
	flag.Usage = usage
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	do := func() error { return run(ctx, s, *only) }
	if part, ok := parts()[flag.Arg(0)]; ok {
		do = func() error { return part(ctx, flag.Args()[1:]) }
	}
	if err := do(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// parts are what this program does in a process of its own, which it starts itself as.
func parts() map[string]func(ctx context.Context, args []string) error {
	return map[string]func(context.Context, []string) error{floorCommand: serveFloor, pourCommand: servePour}
}

func usage() {
	fmt.Fprintln(flag.CommandLine.Output(), "The sections of -only:")
	for _, sec := range sections() {
		fmt.Fprintf(flag.CommandLine.Output(), "  %-12s %s\n", sec.name, sec.says)
	}
	flag.PrintDefaults()
}

// run measures the sections that are named, or all. What a section that fails has
// measured before, and the others, is shown all the same.
func run(ctx context.Context, s settings, only string) error {
	wanted, err := choose(only)
	if err != nil {
		return err
	}
	bin, err := os.MkdirTemp("", "postdesk-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(bin) }()
	if s.binary, err = lab.Build(ctx, bin); err != nil {
		return err
	}
	r := &report{out: os.Stdout}
	var failed []string
	for _, sec := range wanted {
		start := time.Now()
		if err := sec.run(ctx, s, r); err != nil {
			failed = append(failed, fmt.Sprintf("%s: %v", sec.name, err))
		}
		r.say("(%s: %.0f s)", sec.name, time.Since(start).Seconds())
		if ctx.Err() != nil {
			break
		}
	}
	if len(r.rows) > 0 {
		r.print()
	}
	if failed != nil {
		return fmt.Errorf("%s", strings.Join(failed, "\n"))
	}
	return nil
}

func choose(only string) ([]section, error) {
	all := sections()
	if only == "" {
		return all, nil
	}
	var wanted []section
	for _, name := range strings.Split(only, ",") {
		i := slices.IndexFunc(all, func(s section) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no section %q; see -help", name)
		}
		wanted = append(wanted, all[i])
	}
	return wanted, nil
}

// withLab runs do in a lab, which is gone after it.
func withLab(ctx context.Context, o lab.Options, do func(*lab.Lab) error) (err error) {
	l, err := lab.Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		if stopErr := l.Stop(); err == nil {
			err = stopErr
		}
	}()
	return do(l)
}
