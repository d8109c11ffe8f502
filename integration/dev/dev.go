// Package dev starts a whole desk without Postfix, without root and without a network:
// the agent as it is, a sink where Postfix's submission port would be, and DNS that
// knows one throw-away key. It is for those who write automations, and for their tests.
package dev

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"postdesk/cmd/postdesk/agent"
	"postdesk/integration/sink"
	"postdesk/lmtp/verify"
	"postdesk/postfix/submission"
	"postdesk/ticketing"
)

// The desk when nobody says otherwise.
const (
	Domain  = "support-ticket.example"
	Address = "new@" + Domain
)

// Options say what desk it is. The zero value is one queue SUPPORT with new@support-ticket.example.
type Options struct {
	Desk            ticketing.Config
	Trust           verify.Trust
	MaxMessageBytes int64
	HTTP            string       // where the API listens; empty: a free port of 127.0.0.1
	Version         string       // that the API tells
	Log             *slog.Logger // nil: nothing is logged
}

// Desk is a running desk. All that it keeps is gone after Stop.
type Desk struct {
	URL     string // of the API, as http://127.0.0.1:40123
	Token   string // of a program that may write
	Control string // path of the control socket, for the command line
	Sink    *sink.Sink
	Queues  []ticketing.Queue // whose Addresses take mail

	scratch *scratch
	domain  string
	agent   *agent.Agent
	names   names
	stops   []func() error // in order
	once    sync.Once
	err     error // of Stop
}

// Start starts a desk that is ready to take mail.
func Start(ctx context.Context, o Options) (*Desk, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.HTTP == "" {
		o.HTTP = "127.0.0.1:0"
	}
	o.Desk = complete(o.Desk)
	s, err := newScratch()
	if err != nil {
		return nil, err
	}
	d := &Desk{scratch: s, domain: o.Desk.Domain, Queues: o.Desk.Queues, Control: filepath.Join(s.folder, "control.sock")}
	if err := d.start(ctx, o); err != nil {
		return nil, errors.Join(err, d.Stop())
	}
	return d, nil
}

// complete gives a desk what it cannot be without.
func complete(c ticketing.Config) ticketing.Config {
	if c.Domain == "" {
		c.Domain = Domain
	}
	if len(c.Queues) == 0 {
		c.Queues = []ticketing.Queue{{Key: "SUPPORT", Name: "Support", Addresses: []string{"new@" + c.Domain}}}
	}
	queues := append([]ticketing.Queue(nil), c.Queues...)
	for i, q := range queues {
		if q.Domain == "" {
			queues[i].Domain = c.Domain
		}
		if q.Name == "" {
			queues[i].Name = q.Key
		}
		if q.FirstNumber == 0 {
			queues[i].FirstNumber = 1
		}
	}
	c.Queues = queues
	return c
}

func (d *Desk) start(ctx context.Context, o Options) (err error) {
	l, err := net.Listen("unix", d.path("submission.sock"))
	if err != nil {
		return err
	}
	d.Sink = sink.Start(l, true)
	d.stops = append(d.stops, d.Sink.Stop)
	if d.names, err = newNames(); err != nil {
		return err
	}
	d.agent, err = agent.Start(ctx, agent.Config{
		Desk: o.Desk, Data: d.path("data"), Synchronous: "OFF", // nothing is to outlive it
		LMTP:       agent.LMTP{Listen: "unix:" + d.path("lmtp.sock"), Mode: 0o600, MaxMessageBytes: o.MaxMessageBytes},
		Submission: submission.Config{Server: "unix:" + d.path("submission.sock")}, Workers: 4,
		Resolver: d.names, Trust: o.Trust, HTTP: o.HTTP, Control: d.Control, Version: o.Version, Log: o.Log,
	})
	if err != nil {
		return err
	}
	// The agent ends before the sink, so that it does not find its server gone.
	d.stops = append([]func() error{d.agent.Stop}, d.stops...)
	if err := ctx.Err(); err != nil {
		return err // the agent has not all its parts
	}
	d.URL = "http://" + d.agent.HTTPAddr().String()
	if _, d.Token, err = d.agent.Desk().CreateToken(ctx, ticketing.Actor{Kind: "staff", Name: "dev", Origin: "cli"},
		ticketing.Token{Name: "dev", Scope: ticketing.ScopeWrite, Program: true}); err != nil {
		return fmt.Errorf("the token: %w", err)
	}
	return d.openDoor()
}

func (d *Desk) path(name string) string { return filepath.Join(d.scratch.folder, name) }

// Failed gives the fault of a part of the agent that ended by itself.
func (d *Desk) Failed() <-chan error { return d.agent.Failed() }

// Ticketing is the desk's own rules, for who wants more than the API.
func (d *Desk) Ticketing() *ticketing.Desk { return d.agent.Desk() }

// Settle waits until the desk has nothing left to do by itself. What it has not sent by
// then it does not send, unless somebody asks it to.
func (d *Desk) Settle(ctx context.Context) error {
	for {
		last, err := d.Ticketing().LastSeq(ctx)
		if err != nil {
			return err
		}
		if idle, err := d.Ticketing().Idle(ctx); err != nil || idle {
			return err
		}
		pause, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		_, err = d.Ticketing().WaitEvents(pause, last, 1)
		cancel()
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
	}
}

// Stop ends the desk and removes all that it kept. It may be called again.
func (d *Desk) Stop() error {
	d.once.Do(func() {
		var errs []error
		for _, stop := range d.stops {
			errs = append(errs, stop())
		}
		d.err = errors.Join(append(errs, d.scratch.remove())...)
	})
	return d.err
}

// openDoor lets other processes of this user hand mail in.
func (d *Desk) openDoor() error {
	l, err := net.Listen("unix", d.path(doorName))
	if err != nil {
		return err
	}
	s := &http.Server{Handler: http.HandlerFunc(d.serveDelivery)}
	go func() { _ = s.Serve(l) }()
	d.stops = append([]func() error{s.Close}, d.stops...)
	return nil
}
