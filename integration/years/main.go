// Command years makes a desk that has worked for five years and measures it beside an empty
// one: a million tickets must not be felt. What it makes is gone when it ends; it needs 3 KB
// of disk for each message meanwhile.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"postdesk/ticketing"
	"postdesk/ticketing/store"
)

func main() {
	o := options{}
	flag.IntVar(&o.size.tickets, "tickets", 1_000_000, "how many tickets the old desk has")
	flag.IntVar(&o.size.messages, "messages", 3_000_000, "how many messages")
	flag.IntVar(&o.asks, "asks", 1000, "how often each question is asked")
	flag.IntVar(&o.rounds, "rounds", 7, "pairs of rounds of deliveries")
	flag.IntVar(&o.mails, "mails", 1500, "mails of a round")
	flag.StringVar(&o.dir, "dir", "", "folder for the data; a temporary one when nothing is said")
	flag.StringVar(&o.made, "made", "", "folder of desks that were made before: they are measured, not made, and stay")
	flag.StringVar(&o.only, "only", "", "ask only what has this in its name, and measure nothing else")
	flag.BoolVar(&o.verify, "verify", false, "read all of it, as postdesk verify does")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, o); err != nil {
		fmt.Fprintln(os.Stderr, "years:", err)
		os.Exit(1)
	}
}

type options struct {
	size                size
	asks, rounds, mails int
	dir, made, only     string
	verify              bool
}

// run makes both desks, measures, and leaves nothing behind.
func run(ctx context.Context, out io.Writer, o options) (err error) {
	dir := o.made
	if dir == "" {
		if dir, err = os.MkdirTemp(o.dir, "years"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	} else {
		o.size = size{}
	}
	full, none := filepath.Join(dir, "full"), filepath.Join(dir, "none")
	made, err := makeDesk(ctx, out, full, o.size)
	if err != nil {
		return err
	}
	few := size{10, 30}
	if _, err := os.Stat(none); err == nil {
		few = size{}
	}
	if _, err := makeDesk(ctx, io.Discard, none, few); err != nil {
		return err
	}
	if o.verify {
		if err := verify(ctx, out, full); err != nil {
			return err
		}
	}
	measures := []func(context.Context, io.Writer, string, string, size, options) error{sizes, questions, rates, starts}
	if o.only != "" {
		measures = measures[1:2]
	}
	for _, measure := range measures {
		if err := measure(ctx, out, full, none, made, o); err != nil {
			return err
		}
	}
	return nil
}

// makeDesk fills a store and its index; no size leaves the store as it is.
func makeDesk(ctx context.Context, out io.Writer, dir string, z size) (made size, err error) {
	begun, told := time.Now(), time.Now()
	db, err := store.Open(ctx, dir, store.Options{Synchronous: "OFF"}) // nobody relies on it
	if err != nil {
		return made, err
	}
	if z.tickets > 0 {
		_, err = fill(ctx, db, z, time.Now(), func(done size) {
			if time.Since(told) > 10*time.Second {
				told = time.Now()
				fmt.Fprintf(out, "%9d of %d messages\n", done.messages, z.messages)
			}
		})
	}
	if err == nil {
		made, err = sizeOf(ctx, db)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		return made, err
	}
	filled := time.Since(begun)
	d, err := openDesk(ctx, dir, "OFF")
	if err != nil {
		return made, err
	}
	begun = time.Now()
	err = d.indexed(ctx)
	fmt.Fprintf(out, "\n%d tickets, %d messages: made in %s, indexed in %s\n", made.tickets, made.messages, filled.Round(time.Second), time.Since(begun).Round(time.Second))
	return made, errors.Join(err, d.close())
}

// sizeOf is how much a store has; nothing was ever taken away from it.
func sizeOf(ctx context.Context, db *store.DB) (z size, err error) {
	err = db.Read(ctx, func(tx ticketing.Tx) error {
		last, err := tx.LastMessage()
		if err != nil {
			return err
		}
		newest, err := tx.Tickets(ticketing.TicketQuery{Limit: 1})
		if err != nil || len(newest) == 0 {
			return err
		}
		z = size{int(newest[0].ID), int(last)}
		for { // IDs have no gaps
			if _, err := tx.Ticket(int64(z.tickets) + 1); errors.Is(err, ticketing.ErrNotFound) {
				return nil
			} else if err != nil {
				return err
			}
			z.tickets++
		}
	})
	return z, err
}

func verify(ctx context.Context, out io.Writer, dir string) error {
	begun := time.Now()
	audit, err := store.Verify(ctx, dir, nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "verified in %s\n", time.Since(begun).Round(time.Second))
	if len(audit.Problems)+len(audit.Notes) > 0 {
		return fmt.Errorf("the desk that was made is not as it should be: %v %v", audit.Problems, audit.Notes)
	}
	return nil
}
