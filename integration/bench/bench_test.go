package main

import (
	"bytes"
	"context"
	"strings"
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
	r, err := measure(t.Context(), c, p, load{2 << 10, 4}, 300*time.Millisecond)
	if err != nil || r.accepted < 10 || r.cpu <= 0 || r.p99 < r.p50 || r.done > r.accepted {
		t.Errorf("%+v, %v", r, err)
	}
	c.recipient = "x@x.example>\r\nNOSUCH <" // a refusal must not count
	if _, err := measure(t.Context(), c, p, load{2 << 10, 4}, 100*time.Millisecond); err == nil {
		t.Error("a refused message counts")
	}
}

func TestTable(t *testing.T) {
	tb := table{window: time.Second}
	tb.begin(load{2048, 32})
	for i := range 3 {
		for _, name := range []string{sinkName, dovecotName, agentName} {
			tb.add(name, result{accepted: float64((i + 1) * 100), done: 50, cpu: 10})
		}
	}
	tb.rounds[agentName][2].accepted = 900
	var out strings.Builder
	tb.print(&out)
	for _, want := range []string{"durable acceptance / dovecot            1.00 x  (1.00 - 3.00)", "postdesk            200           (100 - 900)"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("want %q in:\n%s", want, out.String())
		}
	}
	if m := median([]float64{4, 1, 3, 2}); m != 2.5 {
		t.Errorf("the median is %v", m)
	}
}
