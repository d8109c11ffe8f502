package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// newMails are mails that no desk has seen.
func newMails(n, serial int) (mails []string) {
	words := newVocabulary()
	for i := range n {
		random := rand.New(rand.NewPCG(uint64(serial)+1<<40, uint64(i)))
		from := fmt.Sprintf("r%d-%d@customer.example", serial, i)
		mails = append(mails, string(letter(random, from, "support@desk.example", fmt.Sprint("mail ", i), fmt.Sprintf("r%d.%d@customer.example", serial, i), "", words.text(random, 1), time.Now())))
	}
	return mails
}

// rates delivers to both desks in turns, to the disk as in production.
func rates(ctx context.Context, out io.Writer, full, none string, _ size, o options) (err error) {
	var pairs, cpu [2][]float64
	var desks [2]*desk
	for i, dir := range []string{full, none} {
		if desks[i], err = openDesk(ctx, dir, "FULL"); err != nil {
			return err
		}
		defer func(d *desk) { err = errors.Join(err, d.close()) }(desks[i])
	}
	for round := range o.rounds + 1 {
		order := []int{0, 1}
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, i := range order {
			before := processTime()
			took, err := desks[i].deliver(ctx, o.mails, round*2+i)
			if err != nil {
				return err
			}
			if err := desks[i].indexed(ctx); err != nil {
				return err
			}
			if round > 0 { // the first one warms up
				pairs[i] = append(pairs[i], float64(o.mails)/took.Seconds())
				cpu[i] = append(cpu[i], (processTime()-before).Seconds()*1e6/float64(o.mails))
			}
		}
	}
	var ratios []float64
	for i := range pairs[0] {
		ratios = append(ratios, pairs[0][i]/pairs[1][i])
	}
	slices.Sort(ratios)
	fmt.Fprintf(out, "\nmails to tickets a second: %.0f with all, %.0f with none; %.2f of it (%.2f - %.2f in %d pairs)\n",
		median(pairs[0]), median(pairs[1]), median(ratios), ratios[0], ratios[len(ratios)-1], len(ratios))
	fmt.Fprintf(out, "CPU of all that a mail takes, us: %.0f with all, %.0f with none\n", median(cpu[0]), median(cpu[1]))
	return nil
}

// processTime is the CPU time that this program has used.
func processTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
