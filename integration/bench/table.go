package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

const (
	agentName   = "postdesk"
	dovecotName = "dovecot"
	sinkName    = "smtp-sink"
)

// table gathers the rounds of one load.
type table struct {
	window time.Duration
	load   load
	rounds map[string][]result
}

func (t *table) begin(ld load) { t.load, t.rounds = ld, map[string][]result{} }

func (t *table) add(name string, r result) { t.rounds[name] = append(t.rounds[name], r) }

// print shows medians over the rounds; each ratio is the median of the ratios of the
// single rounds, since the machine changes its mood from round to round.
func (t *table) print(w io.Writer) {
	n := len(t.rounds[agentName])
	fmt.Fprintf(w, "\n%d octets, %d connections, %d rounds of %s\n", t.load.size, t.load.connections, n, t.window)
	fmt.Fprintf(w, "%-10s %12s %21s %12s %10s %9s %9s\n", "", "accepted/s", "(lowest - highest)", "done/s", "CPU us", "p50 ms", "p99 ms")
	for _, name := range []string{sinkName, dovecotName, agentName} {
		rs := t.rounds[name]
		accepted := column(rs, func(r result) float64 { return r.accepted })
		fmt.Fprintf(w, "%-10s %12.0f %21s %12.0f %10.0f %9.2f %9.2f\n", name, median(accepted),
			fmt.Sprintf("(%.0f - %.0f)", slices.Min(accepted), slices.Max(accepted)),
			median(column(rs, func(r result) float64 { return r.done })), median(column(rs, func(r result) float64 { return r.cpu })),
			median(column(rs, func(r result) float64 { return r.p50.Seconds() * 1e3 })), median(column(rs, func(r result) float64 { return r.p99.Seconds() * 1e3 })))
	}
	for _, q := range []struct {
		text, peer string
		value      func(r result) float64
	}{
		{"durable acceptance / dovecot", dovecotName, func(r result) float64 { return r.accepted }},
		{"ticketed / dovecot", dovecotName, func(r result) float64 { return r.done }},
		{"durable acceptance / smtp-sink", sinkName, func(r result) float64 { return r.accepted }},
		{"CPU a ticketed message / smtp-sink", sinkName, func(r result) float64 { return r.cpu }},
		{"CPU a ticketed message / dovecot", dovecotName, func(r result) float64 { return r.cpu }},
	} {
		ours, theirs := column(t.rounds[agentName], q.value), column(t.rounds[q.peer], q.value)
		var ratios []float64
		for i := range ours {
			if theirs[i] > 0 {
				ratios = append(ratios, ours[i]/theirs[i])
			}
		}
		if len(ratios) > 0 {
			fmt.Fprintf(w, "  %-36s %7.2f x  (%.2f - %.2f)\n", q.text, median(ratios), slices.Min(ratios), slices.Max(ratios))
		}
	}
}

func column(rs []result, value func(result) float64) []float64 {
	out := make([]float64, len(rs))
	for i, r := range rs {
		out[i] = value(r)
	}
	return out
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}
