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
	cpuUnit     = "us CPU/mail"
)

// table gathers the rounds of one load.
type table struct {
	window time.Duration
	load   load
	names  []string // in the order of their turns
	rounds map[string][]result
}

func (t *table) add(name string, r result) {
	if t.rounds[name] == nil {
		t.names = append(t.names, name)
	}
	t.rounds[name] = append(t.rounds[name], r)
}

// print shows medians over the rounds.
func (t *table) print(w io.Writer) {
	n := len(t.rounds[t.names[0]])
	fmt.Fprintf(w, "\n%d octets, %d connections, %d rounds of %s\n", t.load.size, t.load.connections, n, t.window)
	fmt.Fprintf(w, "%-12s %12s %21s %12s %10s %10s %9s %9s\n", "", "accepted/s", "(lowest - highest)", "done/s", "CPU us", "with index", "p50 ms", "p99 ms")
	for _, name := range t.names {
		rs := t.rounds[name]
		accepted := column(rs, func(r result) float64 { return r.accepted })
		fmt.Fprintf(w, "%-12s %12.0f %21s %12.0f %10.0f %10.0f %9.2f %9.2f\n", name, median(accepted),
			fmt.Sprintf("(%.0f - %.0f)", slices.Min(accepted), slices.Max(accepted)),
			median(column(rs, func(r result) float64 { return r.done })), median(column(rs, func(r result) float64 { return r.cpu })), median(column(rs, func(r result) float64 { return r.all })),
			median(column(rs, func(r result) float64 { return r.p50.Seconds() * 1e3 })), median(column(rs, func(r result) float64 { return r.p99.Seconds() * 1e3 })))
	}
}

// rows are the comparisons of the load.
func (t *table) rows(g loadGoals) []row {
	of := func(what, unit, peer string, goal float64, value func(result) float64) row {
		return row{what: what + ", " + g.load.String(), unit: unit, ours: column(t.rounds[agentName], value),
			peer: peer, theirs: column(t.rounds[peer], value), goal: goal, atMost: unit == cpuUnit}
	}
	cpu := func(r result) float64 { return r.cpu }
	return []row{
		of("durable acceptance", "mails/s", dovecotName, g.accepted, func(r result) float64 { return r.accepted }),
		of("ticketed", "mails/s", dovecotName, g.ticketed, func(r result) float64 { return r.done }),
		of("CPU a ticketed mail", cpuUnit, sinkName, g.cpu, cpu),
		of("CPU a ticketed mail", cpuUnit, dovecotName, 0, cpu),
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
