package main

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"postdesk/cmd/postdesk/agent"
	"postdesk/lmtp"
	"postdesk/lmtp/verify"
	"postdesk/postfix/submission"
	"postdesk/ticketing"
)

type serveCmd struct{}

// Help is shown by: postdesk serve --help.
func (serveCmd) Help() string {
	return "SIGTERM and SIGINT stop the agent: it takes no new mail, ends open deliveries, then stops the rest; " +
		"a second signal ends it at once, which loses nothing that was acknowledged. SIGHUP reads the configuration again."
}

// memoryTarget is where the garbage of large mails is collected without waiting for as much
// of it again as is in use. The environment's GOMEMLIMIT sets another.
const memoryTarget = 80 << 20

// tuneRuntime sets what fits an agent, where the environment says nothing.
func (a *app) tuneRuntime() {
	if a.getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryTarget)
	}
	if a.getenv("GOMAXPROCS") == "" {
		// The store's writer comes back from a system call for each page. With a place for each
		// processor alone it finds them taken, and all who wait for its commit wait once more.
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}

// running is the agent with its configuration file.
type running struct {
	agent *agent.Agent
	load  func() (*config, error)
	cfg   *config
	log   *slog.Logger
	level *slog.LevelVar
}

// Run is the agent from start to stop.
func (serveCmd) Run(a *app) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	r := &running{load: a.config, cfg: cfg, level: &slog.LevelVar{}}
	r.log = newLogger(a.stderr, cfg, r.level, toJournal(a.getenv("JOURNAL_STREAM"), a.stderr))
	for _, name := range unknownEnv(a.environ) {
		r.log.Warn("this environment variable is no setting", "variable", name)
	}
	ctx, stop := signal.NotifyContext(a.ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal finds no handler and ends the process

	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP) // from the first moment: unhandled it would end the process

	a.tuneRuntime()
	syscall.Umask(0o077) // mail and keys are for the agent's user alone
	parts, err := cfg.agent()
	if err != nil {
		return err
	}
	parts.Log, parts.Inherited = r.log, lmtp.Inherit()
	parts.Starting = func(what string) {
		notify(r.log, "STATUS="+what)
		notify(r.log, "EXTEND_TIMEOUT_USEC=600000000") // a step of an upgrade may take minutes
	}
	if r.agent, err = agent.Start(ctx, parts); err != nil {
		return err
	}
	r.log.Info("started", "version", version(), "lmtp", cfg.LMTP.Listen, "http", cfg.HTTP.Listen, "control", cfg.Control.Socket, "data", cfg.Data)
	go r.reloadOn(ctx, hangup)
	go watchdog(ctx, r.log, r.agent.Alive)
	for _, address := range parts.Inherited.Left() {
		r.log.Warn("systemd has opened a socket at an address that no setting names: nobody answers there", "socket", address)
	}
	notify(r.log, "STATUS=taking mail")
	notify(r.log, daemon.SdNotifyReady)
	return r.untilStopped(ctx, stop)
}

// untilStopped stops the agent when it is told to, or when a part of it has failed.
func (r *running) untilStopped(ctx context.Context, stop func()) (err error) {
	select {
	case <-ctx.Done():
		r.log.Info("stopping: no new mail is taken, open deliveries end first")
	case err = <-r.agent.Failed():
		r.log.Error("stopping: a part of the agent has failed", "error", err)
	}
	stop()
	notify(r.log, daemon.SdNotifyStopping)
	if stopErr := r.agent.Stop(); err == nil {
		err = stopErr
	}
	r.log.Info("stopped")
	return err
}

// agent is what the configuration says of the agent's parts.
func (c *config) agent() (parts agent.Config, err error) {
	client, err := c.submission()
	if err != nil {
		return parts, err
	}
	resolver, err := verify.NewResolver(c.DNS.Nameserver)
	if err != nil {
		return parts, fmt.Errorf("dns.nameserver: %w", err)
	}
	mode, err := strconv.ParseUint(c.LMTP.Mode, 8, 32)
	if err != nil {
		return parts, configError{fmt.Errorf("lmtp.mode: %w", err)}
	}
	stall, err := time.ParseDuration(c.LMTP.Stall)
	if err != nil {
		return parts, configError{fmt.Errorf("lmtp.stall: %w", err)}
	}
	batch, _ := strconv.Atoi(os.Getenv("POSTDESK_TEST_BATCH")) // the benchmark compares with 1
	return agent.Config{
		Desk: c.desk(), Data: c.Data, Batch: batch,
		// Tests that do not ask for durability may be quicker.
		Synchronous: os.Getenv("POSTDESK_TEST_SYNCHRONOUS"),
		LMTP:        agent.LMTP{Listen: c.LMTP.Listen, Mode: fs.FileMode(mode), Group: c.LMTP.Group, MaxMessageBytes: c.LMTP.MaxMessageBytes, Stall: stall},
		Submission:  client, Workers: c.Submission.Workers, Resolver: resolver, Trust: c.trust(),
		HTTP: c.HTTP.Listen, Rate: c.HTTP.Rate, Control: c.Control.Socket, Version: version(),
	}, nil
}

// desk is what the configuration says of the desk's rules.
func (c *config) desk() ticketing.Config {
	keepEvents, _ := age(c.KeepEvents) // was checked
	return ticketing.Config{KeepEvents: keepEvents, Domain: c.Domain, Queues: c.queues(), Roles: c.roles(), Staff: c.staff(), MaxAttachmentBytes: c.Submission.MaxAttachmentBytes}
}

// submission is how mail goes out; nothing is dialled, but the password is read once.
func (c *config) submission() (submission.Config, error) {
	s := submission.Config{Server: c.Submission.Server, Username: c.Submission.Username, CAFile: c.Submission.CAFile, TLSName: c.Submission.TLSName}
	if file := c.Submission.PasswordFile; file != "" {
		s.Password = func() (string, error) { return readSecret(file) }
		if _, err := s.Password(); err != nil {
			return s, configError{fmt.Errorf("submission.password_file: %w", err)}
		}
	}
	return s, nil
}
