package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"postdesk/lmtp"
	"postdesk/ticketing/web"
)

// startHTTP opens the two doors of the API: the control socket, and TCP.
func (g *Agent) startHTTP(ctx context.Context) error {
	w := web.New(web.Config{
		Desk: g.desk, Log: g.log, Version: g.cfg.Version, Registry: g.registry,
		Ready: map[string]func(context.Context) error{"store": g.store.Check, "lmtp": g.checkTaking, "dns": g.cfg.Resolver.Check,
			"submission": func(context.Context) error { return g.queue.Err() }},
		Warnings: g.warnings, Rate: float64(g.cfg.Rate),
	})
	// Root and the agent's own user alone: whoever speaks there acts for every member of
	// staff. The group is for a folder that is made now: Postfix's socket may be in it too.
	control, err := lmtp.Listen(ctx, "unix:"+g.cfg.Control, lmtp.ListenOptions{
		Mode: 0o600, Group: g.cfg.LMTP.Group, Inherited: g.cfg.Inherited, Log: g.log.With("socket", "control"),
	})
	if err != nil {
		return fmt.Errorf("control.socket: %w", err)
	}
	g.serveHTTP("control socket", control, w.ControlHandler())
	if g.cfg.HTTP == "" {
		return nil
	}
	l := g.cfg.Inherited.Take("tcp", g.cfg.HTTP)
	if l == nil {
		if l, err = net.Listen("tcp", g.cfg.HTTP); err != nil {
			return fmt.Errorf("http.listen: %w", err)
		}
	}
	g.http = l.Addr()
	g.log.Info("HTTP API", "address", l.Addr().String())
	g.serveHTTP("http", l, w.Handler())
	return nil
}

// checkTaking is for /readyz: the pages are up a moment longer than the door for mail.
func (g *Agent) checkTaking(context.Context) error {
	if !g.taking.Load() {
		return errors.New("no mail is taken: the agent starts or stops")
	}
	return nil
}

func (g *Agent) serveHTTP(name string, l net.Listener, h http.Handler) {
	reads, endReads := context.WithCancel(context.Background())
	s := &http.Server{
		Handler:           endWith(reads, h),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			g.fail(name, err)
		}
	}()
	g.started(name, func(limit context.Context) error {
		endReads()
		return s.Shutdown(limit)
	})
}

// endWith ends requests that only read when stop ends: followers of the feed would
// wait for ever. One that writes is let to its end, so that its caller learns of it.
func endWith(stop context.Context, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(stop, cancel)()
			r = r.WithContext(ctx)
		}
		h.ServeHTTP(w, r)
	})
}
