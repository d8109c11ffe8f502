package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"postdesk/integration/lab"
)

const (
	throughSenders = 8
	throughAlone   = 40 // mails of a round that are sent one after the other
	mailboxDomain  = "mailbox.example"
)

// watch sees mail become visible.
type watch interface {
	// seen gives when each of n mails was there, by Message-ID, waiting until all are.
	seen(ctx context.Context, n int) (map[string]time.Time, error)
}

// through is mail from port 25 of one Postfix to where its reader sees it: to the event of a
// ticket by the API, and to a mailbox behind Dovecot's LMTP.
func through(ctx context.Context, s settings, r *report) error {
	if err := lab.Need("dovecot", "/usr/lib/dovecot/lmtp"); err != nil {
		return err
	}
	return withLab(ctx, lab.Options{}, func(l *lab.Lab) error {
		stored, err := startDovecot(ctx, l)
		if stored != nil {
			defer stored.stop()
		}
		if err != nil {
			return err
		}
		l.ExtraMain = fmt.Sprintf("virtual_mailbox_domains = %s\nvirtual_mailbox_maps = inline:{ customer@%[1]s=OK }\nvirtual_transport = lmtp:unix:%s\n", mailboxDomain, stored.socket)
		if err := l.SetRecipients(ctx, lab.DefaultRecipients(l.Domain)); err != nil {
			return err
		}
		// The limit of requests is for the round's end, when the mails are told apart.
		ticketed, a, err := startAgent(ctx, l, s.binary, lab.AgentOptions{Env: []string{"POSTDESK_HTTP_RATE=0"}})
		if ticketed != nil {
			defer ticketed.stop()
		}
		if err != nil {
			return err
		}
		desk, err := watchDesk(ctx, a)
		if err != nil {
			return err
		}
		box, err := watchMaildir(ctx, l)
		if err != nil {
			return err
		}
		defer box.close()
		return throughRounds(ctx, s, r, l, []*path{
			{mails: s.mails, contender: &contender{name: agentName, smtp: true, socket: l.MX(), recipient: "new@" + lab.Domain}, watch: desk},
			{mails: s.mails, contender: &contender{name: dovecotName, smtp: true, socket: l.MX(), recipient: "customer@" + mailboxDomain}, watch: box},
		})
	})
}

// path is a way that mail takes, and its end.
type path struct {
	*contender
	watch
	mails                 int       // of a round
	rate, p50, p99, alone []float64 // mails a second, and milliseconds, by round
}

func throughRounds(ctx context.Context, s settings, r *report, l *lab.Lab, both []*path) error {
	pool, err := newPool(l.Keys, 2<<10)
	if err != nil {
		return err
	}
	for round := range s.rounds + 1 {
		for _, p := range both {
			if err := p.round(ctx, pool); err != nil {
				return fmt.Errorf("%s, round %d: %w", p.name, round, err)
			}
			if round == 0 { // it has warmed up
				p.rate, p.p50, p.p99, p.alone = nil, nil, nil, nil
			}
		}
	}
	ours, theirs := both[0], both[1]
	r.add(row{what: "through Postfix to visible, 8 senders", unit: "mails/s", ours: ours.rate, peer: theirs.name, theirs: theirs.rate, goal: 1},
		row{what: "through Postfix to visible, 8 senders, p99", unit: "ms", ours: ours.p99, peer: theirs.name, theirs: theirs.p99, goal: 1, atMost: true},
		row{what: "through Postfix to visible, 8 senders, median", unit: "ms", ours: ours.p50, peer: theirs.name, theirs: theirs.p50, atMost: true},
		row{what: "through Postfix to visible, one at a time, median", unit: "ms", ours: ours.alone, peer: theirs.name, theirs: theirs.alone, atMost: true})
	return nil
}

func (p *path) round(ctx context.Context, pool *pool) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	start := time.Now()
	took, last, err := p.times(ctx, pool, throughSenders, p.mails)
	if err != nil {
		return err
	}
	p.rate = append(p.rate, float64(p.mails)/last.Sub(start).Seconds())
	p.p50 = append(p.p50, took[len(took)/2])
	p.p99 = append(p.p99, took[len(took)*99/100])
	var alone []float64
	for range throughAlone {
		took, _, err := p.times(ctx, pool, 1, 1)
		if err != nil {
			return err
		}
		alone = append(alone, took...)
	}
	p.alone = append(p.alone, median(alone))
	return nil
}

// times sends n mails, and gives the sorted milliseconds from the end of the data to when
// each was visible, and when the last was.
func (p *path) times(ctx context.Context, pool *pool, senders, n int) (took []float64, last time.Time, err error) {
	sent, err := sendN(ctx, p.contender, pool, senders, n)
	if err != nil {
		return nil, last, err
	}
	seen, err := p.seen(ctx, n)
	if err != nil {
		return nil, last, err
	}
	for _, d := range sent {
		at, ok := seen[d.id]
		if !ok {
			return nil, last, fmt.Errorf("%s was never seen", d.id)
		}
		took = append(took, at.Sub(d.sent).Seconds()*1e3)
		if at.After(last) {
			last = at
		}
	}
	slices.Sort(took)
	return took, last, nil
}
