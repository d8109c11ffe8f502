package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"postdesk/integration/lab"
	"postdesk/postfix/submission"
	"postdesk/ticketing"
)

// side is who submits as many mails as there are tickets, and what that took.
type side struct {
	name           string
	prepare        func(context.Context) error            // is not measured; nil: nothing
	submit         func(context.Context) (float64, error) // mails a second
	rate           []float64                              // by round
	agent, postfix []float64                              // microseconds of CPU a mail, by round
}

// compare has the desk, the client that has no desk, and smtp-source take turns.
func (o *outgoing) compare(ctx context.Context, rounds int, r *report, plain string) error {
	desk := &side{name: agentName, prepare: o.write, submit: o.release}
	client := &side{name: "client", submit: o.client}
	source := &side{name: "smtp-source", submit: func(ctx context.Context) (float64, error) { return o.source(ctx, plain) }}
	for round := range rounds {
		for _, s := range []*side{desk, client, source} {
			if err := o.measure(ctx, s); err != nil {
				return fmt.Errorf("%s, round %d: %w", s.name, round+1, err)
			}
		}
	}
	r.add(row{what: fmt.Sprintf("replies submitted, %d connections", replyWorkers), unit: "mails/s", ours: desk.rate, peer: source.name, theirs: source.rate, goal: 0.8},
		row{what: "floor: prepared replies, by TLS and login, without a desk", unit: "mails/s", ours: client.rate, peer: source.name, theirs: source.rate},
		row{what: "floor: Postfix's own work for a mail by TLS and login", unit: cpuUnit, ours: client.postfix, peer: source.name, theirs: source.postfix},
		row{what: "the agent's work for a reply, from its release on", unit: cpuUnit, ours: desk.agent, absolute: true})
	return nil
}

// measure is one round of a side, with the CPU that is used until Postfix has nothing more to do.
func (o *outgoing) measure(ctx context.Context, s *side) error {
	if s.prepare != nil {
		if err := s.prepare(ctx); err != nil {
			return err
		}
	}
	if err := o.idle(ctx); err != nil {
		return err
	}
	master, err := os.ReadFile(filepath.Join(o.lab.Dir, "spool", "pid", "master.pid"))
	if err != nil {
		return err
	}
	postfix, err := strconv.Atoi(strings.TrimSpace(string(master)))
	if err != nil {
		return err
	}
	agentBefore, err := cpuTime(o.agent)
	postfixBefore, err2 := cpuTime(postfix)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	rate, err := s.submit(ctx)
	if err != nil {
		return err
	}
	if err := o.lab.Empty(ctx); err != nil {
		return err
	}
	agentAfter, err := cpuTime(o.agent)
	postfixAfter, err2 := cpuTime(postfix)
	perMail := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(len(o.tickets)) }
	s.rate = append(s.rate, rate)
	s.agent, s.postfix = append(s.agent, perMail(agentAfter-agentBefore)), append(s.postfix, perMail(postfixAfter-postfixBefore))
	return errors.Join(err, err2)
}

// client submits the bytes of the last reply as often as there are tickets, as the agent
// does, but without a queue, a store and events. A connection is opened by its first mail.
func (o *outgoing) client(ctx context.Context) (float64, error) {
	c := submission.NewClient(submission.Config{Server: o.lab.Submission(), Username: o.lab.Login, CAFile: o.lab.CAFile, TLSName: o.lab.Host,
		Password: func() (string, error) { return lab.Password, nil }})
	defer c.Close()
	raw, out := o.last().Data, ticketing.Outgoing{Recipient: "customer@" + lab.SignedDomain, ReversePath: "new@" + lab.Domain}
	errs := make([]error, replyWorkers)
	var wg sync.WaitGroup
	start := time.Now()
	for w := range errs {
		wg.Go(func() {
			for i := w; i < len(o.tickets) && errs[w] == nil; i += len(errs) {
				_, errs[w] = c.Submit(ctx, out, raw)
			}
		})
	}
	wg.Wait()
	return float64(len(o.tickets)) / time.Since(start).Seconds(), errors.Join(errs...)
}
