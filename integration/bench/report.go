package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// row is one line of the table at the end: a figure, the peer's beside it, and the goal.
type row struct {
	what   string
	unit   string    // of ours and theirs, as "mails/s"
	ours   []float64 // by round
	peer   string    // who did the same in the same rounds; empty: nobody does
	theirs []float64 // by round
	goal   float64   // 0: none
	atMost bool      // the goal is an upper limit
	// absolute says that the goal is for our figure, which the peer's only stands beside.
	absolute bool
}

// value is what is held against the goal: the median of the ratios of the single rounds,
// since the machine changes its mood from round to round, or of our figures.
func (r row) value() float64 {
	if r.absolute {
		return median(r.ours)
	}
	return median(r.ratios())
}

func (r row) ratios() []float64 {
	var all []float64
	for i := range min(len(r.ours), len(r.theirs)) {
		if r.theirs[i] > 0 {
			all = append(all, r.ours[i]/r.theirs[i])
		}
	}
	return all
}

// report gathers the rows of all sections.
type report struct {
	out  io.Writer
	rows []row
}

// say prints what a section has to tell beside its rows.
func (r *report) say(format string, args ...any) { fmt.Fprintf(r.out, format+"\n", args...) }

func (r *report) add(rows ...row) { r.rows = append(r.rows, rows...) }

// print shows every row with its goal, and whether it is reached.
func (r *report) print() {
	wide := 10
	for _, row := range r.rows {
		wide = max(wide, len(row.what))
	}
	line := func(cells ...string) {
		r.say("%-*s  %-14s %10s  %-26s %10s %-19s %-9s %s", wide, cells[0], cells[1], cells[2], cells[3], cells[4], cells[5], cells[6], cells[7])
	}
	r.say("")
	line("", "", "postdesk", "peer", "measured", "(lowest - highest)", "goal", "")
	for _, row := range r.rows {
		peer, times := "", ""
		if len(row.theirs) > 0 {
			peer = row.peer + " " + number(median(row.theirs))
		}
		spread := row.ours
		if !row.absolute {
			times, spread = " x", row.ratios()
		}
		line(row.what, row.unit, number(median(row.ours)), peer, number(row.value())+times,
			fmt.Sprintf("(%s - %s)", number(slices.Min(spread)), number(slices.Max(spread))), row.limit(times), row.verdict())
	}
}

func (r row) limit(times string) string {
	switch {
	case r.goal == 0:
		return ""
	case r.atMost:
		return "<= " + number(r.goal) + times
	}
	return ">= " + number(r.goal) + times
}

func (r row) verdict() string {
	switch {
	case r.goal == 0:
		return ""
	case r.atMost && r.value() <= r.goal, !r.atMost && r.value() >= r.goal:
		return "reached"
	}
	return "NOT REACHED"
}

// number is a figure with three digits that count.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
	}
	text := fmt.Sprintf("%.2f", v)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}
