package integration

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postdesk/integration/lab"
)

// Postfix is stopped and started again, and told to try its whole queue at once over and
// over, while the agent is killed and each mail has two recipients, who may come apart:
// none is lost and none is there twice. Senders whose connection breaks send again, as
// every mail server does.
func TestStorm(t *testing.T) {
	t.Parallel()
	mails, kills, restarts := share(60, 10_000), share(3, 200), share(2, 100)
	const senders = 4
	d := newDesk(t, time.Duration(share(3, 60))*time.Minute, lab.Options{}, lab.AgentOptions{})
	rnd := random(t)
	sent := make([][]byte, mails)
	for i := range sent {
		sent[i] = lab.Letter{From: jane, To: "new@" + lab.Domain, Subject: fmt.Sprintf("kill %d", i), MessageID: fmt.Sprintf("storm.%d@%s", i, lab.SignedDomain),
			Body: strings.Repeat(fmt.Sprintf("line of mail %d\n", i), 1+rnd.IntN(200))}.Raw()
	}
	accepted := func() int { return strings.Count(d.agent.Log(), `msg="mail accepted"`) }
	wait := killer(d, rnd, kills, mails*9/10, accepted)
	var done atomic.Bool
	var storm sync.WaitGroup
	storm.Go(func() {
		for !done.Load() && d.ctx.Err() == nil {
			_ = d.Flush(d.ctx) // fails while Postfix is down
		}
	})
	storm.Go(func() {
		for i := range restarts {
			mark := (i + 1) * mails / (restarts + 1)
			err := lab.Until(d.ctx, "progress", func() (bool, error) { return accepted() >= mark || done.Load(), nil })
			if err == nil {
				err = d.restartPostfix()
			}
			if err != nil && d.ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	d.sendStubbornly(senders, sent, []string{"new@" + lab.Domain, "support@" + lab.Domain})
	wait()
	d.must(d.Empty(d.ctx))
	done.Store(true)
	storm.Wait()
	d.must(d.Empty(d.ctx))
	d.must(d.agent.Drained(d.ctx))
	checkOnce(d, sent)
	d.must(d.agent.Stop(d.ctx))
	checkIntegrity(d)
}

func (d *desk) restartPostfix() error {
	if err := d.StopPostfix(d.ctx); err != nil {
		return err
	}
	return d.StartPostfix(d.ctx)
}

// sendStubbornly sends each mail until Postfix has taken it.
func (d *desk) sendStubbornly(senders int, mails [][]byte, to []string) {
	d.t.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(mails); i = int(next.Add(1)) - 1 {
				err := lab.Until(d.ctx, fmt.Sprintf("Postfix to take mail %d", i), func() (bool, error) {
					err := d.sendOnce(to, mails[i])
					return err == nil, err
				})
				if err != nil {
					d.t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func (d *desk) sendOnce(to []string, raw []byte) error {
	ctx, cancel := context.WithTimeout(d.ctx, 2*time.Minute)
	defer cancel()
	c, err := d.Dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	return lab.Transmit(c, jane, to, raw)
}
