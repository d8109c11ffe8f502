package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"postdesk/lmtp"
	"postdesk/postfix/submission"
)

// newSubmission makes the client of the submission server; nothing is dialled yet.
func newSubmission(cfg submissionConfig) (*submission.Client, error) {
	c := submission.Config{Server: cfg.Server, Username: cfg.Username, CAFile: cfg.CAFile, TLSName: cfg.TLSName}
	if cfg.PasswordFile != "" {
		c.Password = func() (string, error) { return readSecret(cfg.PasswordFile) }
		if _, err := c.Password(); err != nil {
			return nil, configError{fmt.Errorf("submission.password_file: %w", err)}
		}
	}
	return submission.NewClient(c), nil
}

// startQueue lets answers out. That the server does not answer is no reason not to
// start: mail comes in meanwhile, and answers wait.
func (g *agent) startQueue(context.Context) error {
	client, err := newSubmission(g.cfg.Submission)
	if err != nil {
		return err
	}
	q := submission.NewQueue(client, g.desk, g.cfg.Submission.Workers, g.log)
	g.queue = q
	g.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "postdesk_submission_down", Help: "1 while outgoing mail waits because the submission server does not take it.",
	}, func() float64 {
		if q.Err() != nil {
			return 1
		}
		return 0
	}))
	g.background("submission", q.Run)
	return nil
}

// startLMTP opens the door for mail, when all behind it runs.
func (g *agent) startLMTP(ctx context.Context) error {
	mode, err := strconv.ParseUint(g.cfg.LMTP.Mode, 8, 32)
	if err != nil {
		return configError{fmt.Errorf("lmtp.mode: %w", err)}
	}
	l, err := lmtp.Listen(ctx, g.cfg.LMTP.Listen, lmtp.ListenOptions{
		Mode: fs.FileMode(mode), Group: g.cfg.LMTP.Group, PeerUIDs: postfixUIDs(g.cfg.LMTP.Group), Log: g.log,
	})
	if err != nil {
		return fmt.Errorf("lmtp: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = g.cfg.Domain
	}
	stall, err := time.ParseDuration(g.cfg.LMTP.Stall)
	if err != nil {
		return err
	}
	s := lmtp.NewServer(lmtp.Config{Hostname: host, MaxMessageBytes: g.cfg.LMTP.MaxMessageBytes, Stall: stall, Log: g.log}, g.desk)
	go func() {
		if err := s.Serve(context.Background(), l); err != nil {
			g.fail("lmtp", err)
		}
	}()
	g.taking.Store(true)
	g.started("lmtp", func(limit context.Context) error {
		g.taking.Store(false)
		return s.Shutdown(limit)
	})
	return nil
}

// postfixUIDs are the users that Postfix's lmtp(8) may run as: mail_owner, which is
// postfix everywhere, or who is called as the socket's group is.
func postfixUIDs(group string) (uids []int) {
	for _, name := range []string{"postfix", group} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		if uid, err := strconv.Atoi(u.Uid); err == nil {
			uids = append(uids, uid)
		}
	}
	return uids
}
