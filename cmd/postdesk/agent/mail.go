package agent

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"postdesk/lmtp"
	"postdesk/postfix/submission"
)

// startQueue lets answers out. That the server does not answer is no reason not to
// start: mail comes in meanwhile, and answers wait.
func (g *Agent) startQueue(context.Context) error {
	q := submission.NewQueue(submission.NewClient(g.cfg.Submission), g.desk, g.cfg.Workers, g.log)
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
func (g *Agent) startLMTP(ctx context.Context) error {
	l, err := lmtp.Listen(ctx, g.cfg.LMTP.Listen, lmtp.ListenOptions{
		Mode: g.cfg.LMTP.Mode, Group: g.cfg.LMTP.Group, PeerUIDs: postfixUIDs(g.cfg.LMTP.Group), Inherited: g.cfg.Inherited, Log: g.log,
	})
	if err != nil {
		return fmt.Errorf("lmtp: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = g.cfg.Desk.Domain
	}
	s := lmtp.NewServer(lmtp.Config{Hostname: host, MaxMessageBytes: g.cfg.LMTP.MaxMessageBytes, Stall: g.cfg.LMTP.Stall, Log: g.log}, g.desk)
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
