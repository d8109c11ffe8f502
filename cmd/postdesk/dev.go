package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"postdesk/integration/dev"
	"postdesk/integration/sink"
	"postdesk/ticketing/mail"
)

type devCmd struct {
	Start   devStartCmd   `cmd:"" default:"withargs" help:"Start it, with a queue SUPPORT at new@support-ticket.example unless --config says otherwise."`
	Deliver devDeliverCmd `cmd:"" help:"Hand a mail in as if Postfix had brought it, and say what became of it."`
	Answer  devAnswerCmd  `cmd:"" help:"Answer a mail that the desk sent, as the mail program of its recipient does."`
}

// Help is shown by: postdesk dev --help.
func (devCmd) Help() string {
	return "postdesk dev [--outbox FOLDER] [--http ADDRESS:PORT] [-- PROGRAM …] starts it; postdesk dev start --help says more."
}

type devStartCmd struct {
	Outbox  string   `placeholder:"FOLDER" help:"Keep each mail that the desk sends in this folder, as 0001.eml."`
	HTTP    string   `name:"http" placeholder:"ADDRESS:PORT" help:"Where the API listens; a free port of 127.0.0.1 else."`
	Command []string `arg:"" optional:"" passthrough:"" help:"After --: run this with the desk in its environment, and end with its exit code."`
}

// Help is shown by: postdesk dev start --help.
func (devStartCmd) Help() string {
	return "The whole agent on a store that is gone at the end. Mail that it sends is shown, and goes nowhere. DNS is not asked: an author is proven by --sign of dev deliver alone. " +
		"The environment of --, and of the lines that are shown at the start: POSTDESK_SOCKET (for every other command), POSTDESK_URL, POSTDESK_TOKEN."
}

// Run is the desk from start to stop.
func (cmd *devStartCmd) Run(a *app) error {
	if len(cmd.Command) > 0 && cmd.Command[0] == "--" {
		cmd.Command = cmd.Command[1:]
	}
	options, err := cmd.options(a)
	if err != nil {
		return err
	}
	// A terminal that is closed is like Ctrl-C: nothing may stay behind.
	ctx, stop := signal.NotifyContext(a.ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if cmd.Outbox != "" {
		if err := os.MkdirAll(cmd.Outbox, 0o700); err != nil {
			return err
		}
	}
	desk, err := dev.Start(ctx, options)
	switch {
	case ctx.Err() != nil && err != nil:
		return nil // it was ended while it started
	case err != nil:
		return err
	}
	out := &outbox{folder: cmd.Outbox, w: a.stdout}
	if len(cmd.Command) > 0 {
		out.w = a.stderr // standard output is the program's
	}
	shown := make(chan error, 1)
	go func() { shown <- out.show(desk.Sink) }()
	if len(cmd.Command) > 0 {
		err = cmd.program(ctx, a, desk)
	} else {
		err = untilEnd(ctx, a, desk)
	}
	return errors.Join(err, desk.Stop(), <-shown)
}

// options is the desk of the configuration that was named, or the built-in one.
func (cmd *devStartCmd) options(a *app) (dev.Options, error) {
	base := defaults()
	base.Domain, base.Submission.Server, base.Log.Level = dev.Domain, "unix:/dev/null", "warn"
	cfg := &base
	if a.configFile != "" {
		f, err := readConfigOver(base, a.configFile, a.environ)
		if err != nil {
			return dev.Options{}, err
		}
		cfg = &f.config
	}
	cfg.HTTP.Listen = cmd.HTTP
	if err := cfg.checkHTTP(); err != nil {
		return dev.Options{}, configError{err}
	}
	return dev.Options{Desk: cfg.desk(), Trust: cfg.trust(), MaxMessageBytes: cfg.LMTP.MaxMessageBytes, HTTP: cmd.HTTP,
		Version: version(), Log: newLogger(a.stderr, cfg, &slog.LevelVar{}, false)}, nil
}

func devEnv(d *dev.Desk) []string {
	return []string{"POSTDESK_SOCKET=" + d.Control, "POSTDESK_URL=" + d.URL, "POSTDESK_TOKEN=" + d.Token}
}

// untilEnd says how to use the desk and waits until it is to stop.
func untilEnd(ctx context.Context, a *app, d *dev.Desk) error {
	fmt.Fprintln(a.stdout, "The desk runs; Ctrl-C ends it, and what it holds is gone. In another terminal:")
	fmt.Fprintln(a.stdout)
	for _, e := range devEnv(d) {
		fmt.Fprintf(a.stdout, "  export %s\n", e)
	}
	for _, q := range d.Queues {
		if len(q.Addresses) > 0 {
			fmt.Fprintf(a.stdout, "  postdesk dev deliver mail.eml --sign --to %s\n", q.Addresses[0])
		}
	}
	fmt.Fprintf(a.stdout, "  postdesk ticket list\n  postdesk events --follow\n  curl -H \"Authorization: Bearer $POSTDESK_TOKEN\" $POSTDESK_URL/api/v1/tickets\n\n")
	select {
	case <-ctx.Done():
		return nil
	case err := <-d.Failed():
		return err
	}
}

// settleTime is how long the desk may go on with its work when the program has ended.
const settleTime = 30 * time.Second

// program runs a program in front of the desk. Ctrl-C reaches it by the terminal, and
// what ends us ends it.
func (cmd *devStartCmd) program(ctx context.Context, a *app, d *dev.Desk) error {
	p := exec.CommandContext(ctx, cmd.Command[0], cmd.Command[1:]...)
	p.Stdin, p.Stdout, p.Stderr = a.stdin, a.stdout, a.stderr
	p.Env = append(os.Environ(), devEnv(d)...)
	p.Cancel = func() error { return p.Process.Signal(syscall.SIGTERM) }
	p.WaitDelay = 10 * time.Second
	err := p.Run()
	var exit *exec.ExitError
	// What it asked for is to be in the outbox, however quickly it ended.
	settle, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	if err := d.Settle(settle); err != nil && ctx.Err() == nil {
		fmt.Fprintf(a.stderr, "postdesk: the desk is stopped in the middle of its work: it had not come to rest within %s\n", settleTime)
	}
	switch {
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return fault{exit.ExitCode(), ""}
	case err != nil:
		return fault{exitFailure, fmt.Sprintf("%s: %s; to run a program: postdesk dev -- PROGRAM", cmd.Command[0], err)}
	}
	return nil
}

// outbox shows what the desk sends.
type outbox struct {
	folder string // where it is kept too; empty: nowhere
	w      io.Writer
}

// show ends with the sink.
func (o *outbox) show(s *sink.Sink) error {
	for n := 0; ; {
		mails := s.After(context.Background(), n)
		if len(mails) == 0 {
			return nil
		}
		for _, m := range mails {
			n++
			if err := o.one(n, m); err != nil {
				return err
			}
		}
	}
}

func (o *outbox) one(n int, m sink.Mail) error {
	where := ""
	if o.folder != "" {
		where = filepath.Join(o.folder, fmt.Sprintf("%04d.eml", n))
		// Written aside and renamed: a reader never sees half a mail.
		if err := errors.Join(os.WriteFile(where+".new", m.Data, 0o600), os.Rename(where+".new", where)); err != nil {
			return err
		}
	}
	read := mail.Parse(m.Data)
	p := &printer{w: o.w}
	p.line("-- out to %s  %s", strings.Join(m.To, " "), where)
	for _, field := range []string{"From", "Reply-To", "Subject", "Auto-Submitted"} {
		for _, value := range read.Header(field) {
			p.line("   %s: %s", field, value)
		}
	}
	p.line("")
	for line := range strings.SplitSeq(strings.TrimSpace(read.Text), "\n") {
		p.line("   %s", line)
	}
	p.line("")
	return p.err
}
