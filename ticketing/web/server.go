// Package web is the desk over HTTP: the API (OpenAPI 3.1, errors as RFC 9457), the
// event feed by long poll and by server-sent events, health and metrics.
//
// One set of routes is served at two doors: a TCP address, where each request bears a
// token (RFC 6750), and the control socket, where the operating system has said who
// calls and no token is needed.
package web

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"postdesk/ticketing"
)

// Config is what a Server needs.
type Config struct {
	Desk     *ticketing.Desk
	Log      *slog.Logger
	Version  string
	Registry *prometheus.Registry
	// Ready names what must work for the agent to be ready, with a check for each. The
	// text of an error is for the operator.
	Ready map[string]func(context.Context) error
	// Warnings are what the operator should mend although the agent is ready; may be nil.
	Warnings func() []string
	// Heartbeat is the time between comments on a silent event stream; 0 is 15 s.
	Heartbeat time.Duration
	// Rate is how many requests a second one token may make, ten times as many at once; 0 is
	// any number.
	Rate float64
}

// Server holds the routes.
type Server struct {
	cfg    Config
	desk   *ticketing.Desk
	log    *slog.Logger
	tokens *rates // by token
	guests *rates // by address, of who has none
}

// guestRate is how many requests without a known token one address may make a second.
const guestRate = 5

// New makes a server.
func New(cfg Config) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Registry == nil {
		cfg.Registry = prometheus.NewRegistry()
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = 15 * time.Second
	}
	s := &Server{cfg: cfg, desk: cfg.Desk, log: cfg.Log, tokens: newRates(cfg.Rate), guests: newRates(min(cfg.Rate, guestRate))}
	s.registerMetrics()
	return s
}

// Handler is for TCP: the API needs a token, health and metrics do not.
func (s *Server) Handler() http.Handler {
	mux := s.routes(false)
	// A browser on this machine must not be made to act on the desk by a foreign page.
	return http.NewCrossOriginProtection().Handler(mux)
}

// ControlHandler is for the control socket, whose listener has checked the peer.
func (s *Server) ControlHandler() http.Handler { return s.routes(true) }

func (s *Server) routes(control bool) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.cfg.Registry, promhttp.HandlerOpts{}))
	config := huma.DefaultConfig("postdesk", s.cfg.Version)
	config.OpenAPIPath = "/api/v1/openapi"
	config.DocsPath, config.SchemasPath = "", "" // the docs page would load scripts from elsewhere
	config.CreateHooks = nil                     // no "$schema" in each answer
	config.Info.Description = "The mail interface to a problem desk. Lists are {items, next}; times are RFC 3339 in UTC."
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	config.Security = []map[string][]string{{"token": {}}}
	api := humago.New(mux, config)
	door := s.bearer
	if control {
		door = s.controlActor
	}
	api.UseMiddleware(func(c huma.Context, next func(huma.Context)) { door(api, c, next) })
	s.ticketRoutes(api)
	s.searchRoutes(api)
	s.messageRoutes(api)
	s.privacyRoutes(api)
	s.displayRoutes(api)
	s.referenceRoutes(api)
	s.participantRoutes(api)
	s.eventRoutes(api)
	s.outgoingRoutes(api)
	s.consumerRoutes(api)
	s.schemaRoutes(api)
	s.uploadRoutes(api)
	s.tokenRoutes(api)
	s.importRoutes(api)
	s.keyRoutes(api)
	s.holdRoutes(api)
	s.explainRoutes(api)
	listsAreThere(api.OpenAPI())
	return mux
}

// listsAreThere says of each list of an answer that it is one, if an empty one, and never
// null: who makes a client of the document is spared to ask.
func listsAreThere(doc *huma.OpenAPI) {
	for name, schema := range doc.Components.Schemas.Map() {
		if strings.HasSuffix(name, "InputBody") || name == "ImportKeys" {
			continue
		}
		for _, property := range schema.Required {
			if p := schema.Properties[property]; p != nil && p.Type == huma.TypeArray {
				p.Nullable = false
			}
		}
	}
}

// ready says what works and what does not, 503 when something does not. It is for the
// operator, on a loopback address.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	checks, code := map[string]string{}, http.StatusOK
	for name, check := range s.cfg.Ready {
		checks[name] = "ok"
		if err := check(ctx); err != nil {
			checks[name], code = err.Error(), http.StatusServiceUnavailable
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	answer := map[string]any{"ready": code == http.StatusOK, "checks": checks}
	if s.cfg.Warnings != nil {
		if warnings := s.cfg.Warnings(); len(warnings) > 0 {
			answer["warnings"] = warnings
		}
	}
	json.NewEncoder(w).Encode(answer)
}

// registerMetrics tells what only the desk knows; others add theirs to the registry.
func (s *Server) registerMetrics() {
	gauge := func(name, help string, read func(context.Context) (int64, error)) {
		s.cfg.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			n, err := read(ctx)
			if err != nil {
				return -1
			}
			return float64(n)
		}))
	}
	gauge("postdesk_arrivals_pending", "Accepted mail that is not processed yet; -1 when the store does not answer.", s.desk.Backlog)
	gauge("postdesk_arrivals_old", "Mail that had waited for long and is not processed yet; new mail is processed beside it.", s.desk.OldBacklog)
	gauge("postdesk_held_messages", "Messages that wait to be accepted or dismissed.", s.desk.HeldCount)
	gauge("postdesk_held_oldest_seconds", "How long the oldest held message has waited: somebody may be waiting for an answer behind it.", s.desk.HeldAge)
	s.cfg.Registry.MustRegister(lag{s.desk, prometheus.NewDesc("postdesk_consumer_behind", "Events of the feed that a named consumer has not acknowledged.", []string{"consumer"}, nil),
		prometheus.NewDesc("postdesk_consumer_dead_letters", "Events that a named consumer could not handle.", []string{"consumer"}, nil)})
	gauge("postdesk_event_sequence", "Sequence number of the newest event.", s.desk.LastSeq)
	gauge("postdesk_search_behind", "Events whose words cannot be searched yet; -1 while the index is made.", s.desk.SearchBehind)
	gauge("postdesk_outgoing_queued", "Outgoing mail that Postfix does not have yet (1000 stands for more).", func(ctx context.Context) (int64, error) {
		out, err := s.desk.Outgoing(ctx, []ticketing.OutgoingState{ticketing.OutQueued}, 0, 1000)
		return int64(len(out)), err
	})
}
