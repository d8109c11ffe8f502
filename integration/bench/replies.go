package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"postdesk/integration/lab"
)

const replyWorkers = 4 // connections: the default of submission.workers

// replies are answers that go out through Postfix's submission port, with TLS and login,
// beside as many of the same size by smtp-source. That speaks neither, so that it is given a
// plain port of the same Postfix. What TLS and login alone cost is shown by a client that has
// nothing else to do.
func replies(ctx context.Context, s settings, r *report) error {
	if err := lab.Need("smtp-source"); err != nil {
		return err
	}
	return withLab(ctx, lab.Options{}, func(l *lab.Lab) error {
		plain, err := plainPort(ctx, l)
		if err != nil {
			return err
		}
		c, a, err := startAgent(ctx, l, s.binary, lab.AgentOptions{Env: []string{"POSTDESK_HTTP_RATE=0", fmt.Sprintf("POSTDESK_SUBMISSION_WORKERS=%d", replyWorkers)}})
		if c != nil {
			defer c.stop()
		}
		if err != nil {
			return err
		}
		o, err := newOutgoing(ctx, l, c, a, s.mails)
		if err != nil {
			return err
		}
		return o.compare(ctx, s.rounds, r, plain)
	})
}

// plainPort adds a port to Postfix that takes mail for everybody, without TLS or login.
func plainPort(ctx context.Context, l *lab.Lab) (string, error) {
	port, err := l.Port()
	if err != nil {
		return "", err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	service := address + "/inet=" + address + " inet n - n - - smtpd -o mynetworks=127.0.0.0/8 -o smtpd_relay_restrictions=permit_mynetworks,reject" +
		" -o smtpd_recipient_restrictions=permit_mynetworks,reject -o syslog_name=postfix-lab/plain"
	if out, err := exec.CommandContext(ctx, "postconf", "-c", l.ConfigDir(), "-M", service).CombinedOutput(); err != nil {
		return "", fmt.Errorf("postconf: %w: %s", err, out)
	}
	old := time.Now().Add(-time.Minute) // Postfix waits until its files are two seconds old
	if err := os.Chtimes(filepath.Join(l.ConfigDir(), "master.cf"), old, old); err != nil {
		return "", err
	}
	return address, l.Reload(ctx)
}

// outgoing is a desk with tickets to answer.
type outgoing struct {
	lab       *lab.Lab
	api       *lab.Client
	tickets   []lab.Ticket
	submitted chan time.Time
	agent     int                         // process
	idle      func(context.Context) error // waits until the agent has nothing more to do, but what is held
	written   int                         // replies on each ticket
}

func newOutgoing(ctx context.Context, l *lab.Lab, c *contender, a *lab.Agent, mails int) (*outgoing, error) {
	pool, err := newPool(l.Keys, 2<<10)
	if err != nil {
		return nil, err
	}
	if _, err := sendN(ctx, c, pool, 8, mails); err != nil {
		return nil, err
	}
	if err := a.Drained(ctx); err != nil {
		return nil, err
	}
	o := &outgoing{lab: l, submitted: make(chan time.Time, 1<<16), agent: c.pid, idle: a.Searchable}
	if o.api, err = a.Client(ctx, "bench", "admin"); err != nil {
		return nil, err
	}
	if o.tickets, err = o.api.Tickets(ctx); err != nil {
		return nil, err
	}
	go func() {
		_ = o.api.Follow(ctx, "", func(_ string, e lab.Event) bool {
			if e.Type == "message.submitted" {
				o.submitted <- time.Now()
			}
			return true
		})
	}()
	return o, nil
}

// write puts a reply on each ticket while outgoing mail is held.
func (o *outgoing) write(ctx context.Context) error {
	if err := o.api.Hold(ctx, true); err != nil {
		return err
	}
	o.written++
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for w := range errs {
		wg.Go(func() {
			for i := w; i < len(o.tickets) && errs[w] == nil; i += len(errs) {
				_, errs[w] = o.api.Reply(ctx, o.tickets[i].Name, fmt.Sprintf("bench-%d-%d", o.written, i), "Please try it once more, with the lid closed.\n")
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// release lets the replies go, and gives the mails a second until the last one is submitted.
func (o *outgoing) release(ctx context.Context) (float64, error) {
	start := time.Now()
	if err := o.api.Hold(ctx, false); err != nil {
		return 0, err
	}
	var last time.Time
	for range o.tickets {
		select {
		case last = <-o.submitted:
		case <-time.After(time.Minute):
			return 0, errors.New("the replies are not submitted within a minute")
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return float64(len(o.tickets)) / last.Sub(start).Seconds(), nil
}

// last is the reply that came to the sink last.
func (o *outgoing) last() lab.Mail {
	mails := o.lab.Sink.Mails()
	return mails[len(mails)-1]
}

// source submits as many mails as there are tickets: the bytes of the last reply.
func (o *outgoing) source(ctx context.Context, address string) (float64, error) {
	raw := filepath.Join(o.lab.Dir, "reply")
	if err := os.WriteFile(raw, bytes.ReplaceAll(o.last().Data, []byte("\r\n"), []byte("\n")), 0o600); err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, "smtp-source", "-d", "-s", strconv.Itoa(replyWorkers), "-m", strconv.Itoa(len(o.tickets)), "-F", raw,
		"-f", "new@"+lab.Domain, "-t", "customer@"+lab.SignedDomain, "inet:"+address)
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%w: %s", err, out)
	}
	return float64(len(o.tickets)) / time.Since(start).Seconds(), nil
}
