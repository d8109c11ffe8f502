package agent

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"postdesk/lmtp/verify"
	"postdesk/ticketing/mail"
)

// startVerifier makes the agent's, and shows how much signed mail comes changed.
func (g *Agent) startVerifier() {
	v := verify.New(verify.Config{Resolver: g.cfg.Resolver, Trust: g.cfg.Trust})
	counter := func(name, help string, value func() int64) {
		g.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value()) }))
	}
	counter("postdesk_dkim_signed_total", "Mails with a DKIM signature that could be judged.", func() int64 { n, _ := v.Bodies(); return n })
	counter("postdesk_dkim_body_hash_failures_total", "Of these, mails whose body is not the one that was signed: many mean that something before the desk changes mail.",
		func() int64 { _, n := v.Bodies(); return n })
	g.verifier = v
}

// verify is the verifier, and says once in the log when mail comes changed.
func (g *Agent) verify(ctx context.Context, raw []byte, m *mail.Message) mail.Authentication {
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
func (g *Agent) warnings() (warnings []string) {
	if w := g.verifier.Warning(); w != "" {
		warnings = append(warnings, w)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if hold, err := g.desk.OutgoingHeld(ctx); err == nil && hold {
		warnings = append(warnings, heldWarning)
	}
	return warnings
}

const heldWarning = "outgoing mail is held: see postdesk queue list, cancel what went out before, and let the rest go with: postdesk queue release"
