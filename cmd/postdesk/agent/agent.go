// Package agent puts the parts of postdesk together: the store, the desk, the outgoing
// queue, the HTTP API and the door for mail. It knows no configuration file and no
// signals, so that tests start one in their own process.
package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"postdesk/lmtp"
	"postdesk/lmtp/verify"
	"postdesk/postfix/submission"
	"postdesk/ticketing"
	"postdesk/ticketing/store"
)

// StopTime bounds the orderly stop of each part; systemd kills after 90 s in all.
const StopTime = 20 * time.Second

// Config is what an agent is made of.
type Config struct {
	Desk        ticketing.Config // Verify, Log and Index are the agent's
	Data        string           // directory of everything that must not be lost
	Synchronous string           // of the store: empty keeps what was acknowledged through a loss of power, OFF is for tests
	Batch       int              // of the store: 0, but in a comparison
	LMTP        LMTP
	Submission  submission.Config
	Workers     int // that submit at the same time
	Resolver    Resolver
	Trust       verify.Trust
	HTTP        string          // ADDRESS:PORT of the API; empty: no TCP
	Control     string          // path of the control socket
	Inherited   *lmtp.Inherited // sockets of systemd; nil: none
	Rate        int             // requests a second by one token; 0 is any number
	Version     string
	Starting    func(what string) // is told what of the start may take long; may be nil
	Log         *slog.Logger
}

// LMTP is the door for mail.
type LMTP struct {
	Listen          string      // as lmtp.Listen has it
	Mode            fs.FileMode // of a unix socket; 0 is 0660
	Group           string      // of a unix socket: Postfix's; empty leaves it
	MaxMessageBytes int64       // 0 leaves the limit to Postfix
	Stall           time.Duration
}

// Resolver answers what the verifier asks, and says whether it can.
type Resolver interface {
	verify.Resolver
	Check(context.Context) error
}

// Agent is all that runs. Its parts start in order and stop in reverse.
type Agent struct {
	cfg      Config
	log      *slog.Logger
	registry *prometheus.Registry
	store    *store.DB
	desk     *ticketing.Desk
	verifier *verify.Verifier
	warned   atomic.Bool // that mail comes changed
	queue    *submission.Queue
	taking   atomic.Bool // mail is taken by LMTP
	http     net.Addr
	stops    []part
	failed   chan error // the first fault that ends the agent
}

// Start runs an agent. When ctx ends meanwhile, what was not started yet is left out;
// when it fails, nothing is left running. Stop ends it: the end of ctx does not.
func Start(ctx context.Context, cfg Config) (*Agent, error) {
	g := &Agent{cfg: cfg, log: cfg.Log, failed: make(chan error, 1), registry: prometheus.NewRegistry()}
	if err := g.start(ctx); err != nil {
		return nil, errors.Join(err, g.Stop())
	}
	return g, nil
}

// Desk is where every rule about tickets is.
func (g *Agent) Desk() *ticketing.Desk { return g.desk }

// Alive says whether the store answers, reads and writes.
func (g *Agent) Alive(ctx context.Context) error { return g.store.Alive(ctx) }

// HTTPAddr is where the API listens; nil when it has no TCP.
func (g *Agent) HTTPAddr() net.Addr { return g.http }

// Failed gives the first fault of a part that ended by itself: then the agent is to be
// stopped.
func (g *Agent) Failed() <-chan error { return g.failed }

// part is something that was started.
type part struct {
	name string
	stop func(context.Context) error
}

func (g *Agent) started(name string, stop func(context.Context) error) {
	g.stops = append(g.stops, part{name, stop})
}

// fail ends the agent; faults after the first one change nothing.
func (g *Agent) fail(name string, err error) {
	select {
	case g.failed <- fmt.Errorf("%s: %w", name, err):
	default:
	}
}

func (g *Agent) start(ctx context.Context) error {
	g.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, start := range []func(context.Context) error{g.startStore, g.startDesk, g.startQueue, g.startHTTP, g.startLMTP} {
		err := start(ctx)
		if ctx.Err() != nil {
			return nil // a signal came while starting, and what failed did so for it
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (g *Agent) startStore(ctx context.Context) (err error) {
	options := store.Options{Log: g.log, Synchronous: g.cfg.Synchronous, Batch: g.cfg.Batch, Starting: g.cfg.Starting}
	if g.store, err = store.Open(ctx, g.cfg.Data, options); err != nil {
		return fmt.Errorf("data %s: %w", g.cfg.Data, err)
	}
	g.started("store", func(context.Context) error { return g.store.Close() })
	registerStore(g.registry, g.store)
	g.background("sweep", g.sweep)
	return nil
}

// sweep takes away what cut-off deliveries left, now and every day.
func (g *Agent) sweep(ctx context.Context) error {
	day := time.NewTicker(24 * time.Hour)
	defer day.Stop()
	for {
		n, err := g.store.Sweep(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			g.log.Warn("raw mail that belongs to nothing could not be removed", "error", err)
		case n > 0:
			g.log.Info("raw mail that belonged to nothing was removed", "files", n)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-day.C:
		}
	}
}

func (g *Agent) startDesk(ctx context.Context) (err error) {
	g.startVerifier()
	for _, q := range g.cfg.Desk.Queues {
		g.log.Info("queue", "key", q.Key, "addresses", q.Addresses, "domain", q.Domain)
	}
	cfg := g.cfg.Desk
	index := store.OpenIndex(g.cfg.Data, g.log)
	g.started("index", func(context.Context) error { return index.Close() })
	cfg.Verify, cfg.Log, cfg.Index = g.verify, g.log, index
	g.desk, err = ticketing.New(ctx, cfg, g.store)
	if err != nil {
		return fmt.Errorf("desk: %w", err)
	}
	if hold, err := g.desk.OutgoingHeld(ctx); err == nil && hold {
		g.log.Warn(heldWarning)
	}
	g.background("desk", g.desk.Run)
	return nil
}

// background runs a part until the agent stops. That it ends before is a fault.
func (g *Agent) background(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := run(ctx)
		if ctx.Err() == nil {
			g.fail(name, errors.Join(errors.New("it ended by itself"), err))
		}
	}()
	g.started(name, func(limit context.Context) error {
		cancel()
		select {
		case <-done:
			return nil
		case <-limit.Done():
			return limit.Err()
		}
	})
}

// Stop ends the parts, the newest first. What does not end in time is left to the end
// of the process, and said: nothing that was acknowledged is lost by it.
func (g *Agent) Stop() error {
	var errs []error
	for _, p := range slices.Backward(g.stops) {
		limit, cancel := context.WithTimeout(context.Background(), StopTime)
		err := p.stop(limit)
		switch {
		case err != nil && limit.Err() != nil:
			g.log.Warn("this part did not end in time", "part", p.name, "limit", StopTime)
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", p.name, err))
		default:
			g.log.Debug("stopped", "part", p.name)
		}
		cancel()
	}
	g.stops = nil
	return errors.Join(errs...)
}

// registerStore shows the store's numbers to whoever reads /metrics.
func registerStore(registry *prometheus.Registry, db *store.DB) {
	gauge := func(name, help string, value func(store.Stats) float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "postdesk_store_" + name, Help: help},
			func() float64 { return value(db.Stats()) }))
	}
	gauge("waiting_writes", "Writes that wait for their turn.", func(s store.Stats) float64 { return float64(s.Waiting) })
	gauge("failed_commits", "Commits that failed since the start.", func(s store.Stats) float64 { return float64(s.Failures) })
	gauge("database_bytes", "Size of the database.", func(s store.Stats) float64 { return float64(s.Database) })
	gauge("log_bytes", "Size of the database's write-ahead log.", func(s store.Stats) float64 { return float64(s.Log) })
}
