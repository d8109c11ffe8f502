package examples

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// gate is what stands before a tracker: the test has a hand in each request.
type gate struct {
	*httptest.Server
	mu sync.Mutex
	// before says whether a request takes effect; after runs when it has, before the answer.
	before func(r *http.Request) bool
	after  func(r *http.Request)
}

func newGate(t *testing.T, tracker http.Handler) *gate {
	g := &gate{before: always, after: nothing}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		before, after := g.before, g.after
		g.mu.Unlock()
		if !before(r) {
			return
		}
		answer := httptest.NewRecorder()
		tracker.ServeHTTP(answer, r)
		after(r)
		w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
		w.WriteHeader(answer.Code)
		_, _ = answer.Body.WriteTo(w)
	}))
	t.Cleanup(g.Close)
	return g
}

func always(*http.Request) bool { return true }
func nothing(*http.Request)     {}

func (g *gate) on(before func(*http.Request) bool, after func(*http.Request)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.before, g.after = before, after
}
