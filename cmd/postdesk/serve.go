package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"postdesk/lmtp/verify"
	"postdesk/postfix/submission"
	"postdesk/ticketing"
	"postdesk/ticketing/store"
)

type serveCmd struct{}

// Help is shown by: postdesk serve --help.
func (serveCmd) Help() string {
	return "SIGTERM and SIGINT stop the agent: it takes no new mail, ends open deliveries, then stops the rest; " +
		"a second signal ends it at once, which loses nothing that was acknowledged. SIGHUP reads the configuration again."
}

// stopTime bounds the orderly stop of each part; systemd kills after 90 s in all.
const stopTime = 20 * time.Second

// Run is the agent from start to stop.
func (serveCmd) Run(a *app) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	level := &slog.LevelVar{}
	log := newLogger(a.stderr, cfg, level)
	for _, name := range unknownEnv(a.environ) {
		log.Warn("this environment variable is no setting", "variable", name)
	}
	ctx, stop := signal.NotifyContext(a.ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal finds no handler and ends the process

	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP) // from the first moment: unhandled it would end the process

	syscall.Umask(0o077) // mail and keys are for the agent's user alone
	g := &agent{cfg: cfg, log: log, level: level, failed: make(chan error, 1), registry: prometheus.NewRegistry()}
	if err := g.start(ctx); err != nil {
		g.stop()
		return err
	}
	log.Info("started", "version", version(), "lmtp", cfg.LMTP.Listen, "http", cfg.HTTP.Listen, "control", cfg.Control.Socket, "data", cfg.Data)
	go g.reloadOn(ctx, hangup, a)
	go g.watchdog(ctx)
	notify(log, "READY=1")

	err = nil
	select {
	case <-ctx.Done():
		log.Info("stopping: no new mail is taken, open deliveries end first")
	case err = <-g.failed:
		log.Error("stopping: a part of the agent has failed", "error", err)
	}
	stop()
	notify(log, "STOPPING=1")
	if stopErr := g.stop(); err == nil {
		err = stopErr
	}
	log.Info("stopped")
	return err
}

// agent is all that runs. Its parts start in order and stop in reverse.
type agent struct {
	cfg      *config
	log      *slog.Logger
	level    *slog.LevelVar
	registry *prometheus.Registry
	store    *store.DB
	desk     *ticketing.Desk
	resolver *verify.DNS
	verifier *verify.Verifier
	warned   atomic.Bool // that mail comes changed
	queue    *submission.Queue
	taking   atomic.Bool // mail is taken by LMTP
	stops    []part
	failed   chan error // the first fault that ends the agent
}

// part is something that was started.
type part struct {
	name string
	stop func(context.Context) error
}

func (g *agent) started(name string, stop func(context.Context) error) {
	g.stops = append(g.stops, part{name, stop})
}

// fail ends the agent; faults after the first one change nothing.
func (g *agent) fail(name string, err error) {
	select {
	case g.failed <- fmt.Errorf("%s: %w", name, err):
	default:
	}
}

func (g *agent) start(ctx context.Context) error {
	g.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, start := range []func(context.Context) error{g.startStore, g.startDesk, g.startQueue, g.startHTTP, g.startLMTP} {
		if err := start(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil // a signal came while starting
		}
	}
	return nil
}

func (g *agent) startStore(ctx context.Context) (err error) {
	// Tests that do not ask for durability may be quicker.
	options := store.Options{Log: g.log, Synchronous: os.Getenv("POSTDESK_TEST_SYNCHRONOUS")}
	if g.store, err = store.Open(ctx, g.cfg.Data, options); err != nil {
		return fmt.Errorf("data %s: %w", g.cfg.Data, err)
	}
	g.started("store", func(context.Context) error { return g.store.Close() })
	registerStore(g.registry, g.store)
	return nil
}

func (g *agent) startDesk(ctx context.Context) (err error) {
	if err := g.startVerifier(); err != nil {
		return err
	}
	for _, q := range g.cfg.Queues {
		g.log.Info("queue", "key", q.Key, "addresses", q.Address, "domain", q.Domain)
	}
	g.desk, err = ticketing.New(ctx, ticketing.Config{
		Domain: g.cfg.Domain, Queues: g.cfg.queues(), Roles: g.cfg.roles(), Staff: g.cfg.staff(), Verify: g.verify, Log: g.log,
		MaxAttachmentBytes: g.cfg.Submission.MaxAttachmentBytes,
	}, g.store)
	if err != nil {
		return fmt.Errorf("desk: %w", err)
	}
	g.background("desk", g.desk.Run)
	return nil
}

// background runs a part until the agent stops. That it ends before is a fault.
func (g *agent) background(name string, run func(context.Context) error) {
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

// stop ends the parts, the newest first. What does not end in time is left to the end
// of the process, and said: nothing that was acknowledged is lost by it.
func (g *agent) stop() error {
	var errs []error
	for _, p := range slices.Backward(g.stops) {
		limit, cancel := context.WithTimeout(context.Background(), stopTime)
		err := p.stop(limit)
		switch {
		case err != nil && limit.Err() != nil:
			g.log.Warn("this part did not end in time", "part", p.name, "limit", stopTime)
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
