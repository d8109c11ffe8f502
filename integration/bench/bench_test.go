package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/miekg/dns"

	"postdesk/integration/lab"
)

// The messages have the size that the table names, and verify: an agent that is given
// broken signatures has less to do.
func TestPoolVerifies(t *testing.T) {
	l, err := lab.Start(t.Context(), lab.Options{NoPostfix: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Stop(); err != nil {
			t.Error(err)
		}
	})
	for _, size := range []int{2 << 10, 20 << 10, 1 << 20} {
		p, err := newPool(l.Keys, size)
		if err != nil {
			t.Fatal(err)
		}
		raw := p.mail(nil, "unique", 1)
		if len(raw) < size*8/10 || len(raw) > size*12/10 {
			t.Errorf("the message of %d octets has %d", size, len(raw))
		}
		raw = bytes.ReplaceAll(bytes.TrimSuffix(raw, []byte(".\r\n")), []byte("\r\n.."), []byte("\r\n."))
		vs, err := dkim.VerifyWithOptions(bytes.NewReader(raw), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) { return txt(t.Context(), l, name) }})
		if err != nil || len(vs) != 1 || vs[0].Err != nil {
			t.Errorf("%d octets: %+v, %v", size, vs, err)
		}
	}
}

func txt(ctx context.Context, l *lab.Lab, name string) ([]string, error) {
	r, err := dns.ExchangeContext(ctx, new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeTXT), l.DNS.Addr())
	if err != nil {
		return nil, err
	}
	return []string{strings.Join(r.Answer[0].(*dns.TXT).Txt, "")}, nil
}

// The program starts itself for its parts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if part, ok := parts()[os.Args[1]]; ok {
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
			defer stop()
			if err := part(ctx, os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			return
		}
	}
	os.Exit(lab.RunTests(m, func(program string) error { binary = program; return nil }))
}

// binary is the agent under test, built once for all tests.
var binary string

// A round against smtp-sink counts messages and its time.
func TestMeasure(t *testing.T) {
	l, err := lab.Start(t.Context(), lab.Options{NoPostfix: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Stop(); err != nil {
			t.Error(err)
		}
	})
	c, err := startSink(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	defer c.stop()
	p, err := newPool(l.Keys, 2<<10)
	if err != nil {
		t.Fatal(err)
	}
	r, err := measure(t.Context(), c, p, load{2 << 10, 4}, time.Nanosecond) // one each, on the busiest machine
	if err != nil || r.accepted <= 0 || r.cpu <= 0 {
		t.Errorf("at the least: %+v, %v", r, err)
	}
	r, err = measure(t.Context(), c, p, load{2 << 10, 4}, 300*time.Millisecond)
	if err != nil || r.accepted <= 0 || r.cpu <= 0 || r.p99 < r.p50 || r.done > r.accepted {
		t.Errorf("%+v, %v", r, err)
	}
	c.recipient = "x@x.example>\r\nNOSUCH <" // a refusal must not count
	if _, err := measure(t.Context(), c, p, load{2 << 10, 4}, 100*time.Millisecond); err == nil {
		t.Error("a refused message counts")
	}
}

func TestTable(t *testing.T) {
	tb := table{window: time.Second, load: load{2048, 32}, rounds: map[string][]result{}}
	for i := range 3 {
		for _, name := range []string{sinkName, dovecotName, agentName} {
			tb.add(name, result{accepted: float64((i + 1) * 100), done: 50, cpu: 10})
		}
	}
	tb.rounds[agentName][2].accepted = 900
	var out strings.Builder
	tb.print(&out)
	r := report{out: &out}
	r.add(tb.rows(loadGoals{tb.load, 1, 1.5, 1})...)
	r.add(row{what: "peak memory", unit: "MB", ours: []float64{120}, peer: "dovecot", theirs: []float64{80}, goal: 100, atMost: true, absolute: true})
	r.print()
	for _, want := range []string{
		"postdesk              200           (100 - 900)",
		`durable acceptance, 2 KB, 32 connections +mails/s +200 +dovecot 200 +1 x \(1 - 3\) +>= 1 x +reached`,
		`ticketed, .* 50 +dovecot 50 +1 x .* >= 1.5 x +NOT REACHED`,
		`CPU a .* 10 +smtp-sink 10 +1 x .* <= 1 x +reached`,
		`peak memory +MB +120 +dovecot 80 +120 +\(120 - 120\) +<= 100 +NOT REACHED`,
	} {
		if !regexp.MustCompile(strings.ReplaceAll(want, "(100 - 900)", `\(100 - 900\)`)).MatchString(out.String()) {
			t.Errorf("want %q in:\n%s", want, out.String())
		}
	}
	if m := median([]float64{4, 1, 3, 2}); m != 2.5 {
		t.Errorf("the median is %v", m)
	}
}

// One section can run alone, and a name that is none is said.
func TestChoose(t *testing.T) {
	if all, err := choose(""); err != nil || len(all) != len(sections()) {
		t.Errorf("%d sections, %v", len(all), err)
	}
	if some, err := choose("bombs,acceptance"); err != nil || len(some) != 2 || some[0].name != "bombs" {
		t.Errorf("%+v, %v", some, err)
	}
	if _, err := choose("acceptence"); err == nil {
		t.Error("a section that is none is taken")
	}
}

// A section measures something, and its rows have what they compare with.
func TestSections(t *testing.T) {
	s := settings{binary: binary, rounds: 1, window: 300 * time.Millisecond, mails: 20, disk: 50}
	rows := map[string]int{"floors": 8, "flood": 3, "through": 4, "slow": 2, "replies": 4, "start": 1, "disk": 1}
	for _, sec := range sections() {
		want, ok := rows[sec.name]
		if !ok {
			continue
		}
		r := &report{out: t.Output()}
		if err := sec.run(t.Context(), s, r); err != nil {
			t.Errorf("%s: %v", sec.name, err)
		}
		if len(r.rows) != want {
			t.Errorf("%s: %d rows, want %d", sec.name, len(r.rows), want)
		}
		for _, row := range r.rows {
			if len(row.ours) != 1 || !row.absolute && len(row.theirs) != 1 || row.value() <= 0 {
				t.Errorf("%s: %+v", sec.name, row)
			}
		}
		r.print()
	}
}
