package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"postdesk/lmtp/verify"
	"postdesk/ticketing/mail"
)

// newVerifier makes what proves authors; an empty nameserver is the system's.
func newVerifier(nameserver string, trust verify.Trust) (*verify.Verifier, error) {
	resolver, err := verify.NewResolver(nameserver)
	if err != nil {
		return nil, err
	}
	return verify.New(verify.Config{Resolver: resolver, Trust: trust}), nil
}

// trust is what the configuration says, for a command that works without one too.
func (a *app) trust() (verify.Trust, error) {
	cfg, err := a.config()
	var none missingFile
	switch {
	case errors.As(err, &none) && a.configFile == "":
		return verify.Trust{}, nil
	case err != nil:
		return verify.Trust{}, err
	}
	return cfg.trust(), nil
}

// startVerifier makes the agent's, and shows how much signed mail comes changed.
func (g *agent) startVerifier() (err error) {
	if g.resolver, err = verify.NewResolver(g.cfg.DNS.Nameserver); err != nil {
		return fmt.Errorf("dns.nameserver: %w", err)
	}
	v := verify.New(verify.Config{Resolver: g.resolver, Trust: g.cfg.trust()})
	counter := func(name, help string, value func() int64) {
		g.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value()) }))
	}
	counter("postdesk_dkim_signed_total", "Mails with a DKIM signature that could be judged.", func() int64 { n, _ := v.Bodies(); return n })
	counter("postdesk_dkim_body_hash_failures_total", "Of these, mails whose body is not the one that was signed: many mean that something before the desk changes mail.",
		func() int64 { _, n := v.Bodies(); return n })
	g.verifier = v
	return nil
}

// verify is the verifier, and says once in the log when mail comes changed.
func (g *agent) verify(ctx context.Context, raw []byte, m *mail.Message) mail.Authentication {
	auth := g.verifier.Verify(ctx, raw, m)
	switch warning := g.verifier.Warning(); {
	case warning == "":
		g.warned.Store(false)
	case !g.warned.Swap(true):
		g.log.Warn(warning)
	}
	return auth
}

// warnings is for /readyz.
func (g *agent) warnings() []string {
	if w := g.verifier.Warning(); w != "" {
		return []string{w}
	}
	return nil
}
