package examples

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// github is a tracker with the part of GitHub's API that the bridge speaks, in GitHub's
// shapes: lists by labels and state, 201 for what was made, 404 for a label that is not
// there, 401 without a token.
type github struct {
	*gate
	mu   sync.Mutex
	made []*ghIssue
}

type ghIssue struct {
	Number   int       `json:"number"`
	URL      string    `json:"html_url"`
	Title    string    `json:"title"`
	Body     string    `json:"body"`
	State    string    `json:"state"`
	Labels   []ghLabel `json:"labels"`
	ClosedAt *string   `json:"closed_at"`
}

type ghLabel struct {
	Name string `json:"name"`
}

func newGithub(t *testing.T) *github {
	g := &github{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /repos/acme/shop/issues", g.list)
	mux.HandleFunc("POST /repos/acme/shop/issues", g.create)
	mux.HandleFunc("PATCH /repos/acme/shop/issues/{number}", g.patch)
	mux.HandleFunc("DELETE /repos/acme/shop/issues/{number}/labels/{label}", g.unlabel)
	g.gate = newGate(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		if r.Header.Get("Authorization") != "Bearer ghp_test" {
			http.Error(w, `{"message": "Requires authentication"}`, http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	return g
}

func (g *github) list(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	found := []*ghIssue{}
	for _, i := range slices.Backward(g.made) { // the newest first
		state := r.URL.Query().Get("state")
		fits := state == "all" || state == i.State || state == "" && i.State == "open"
		for _, want := range strings.Split(r.URL.Query().Get("labels"), ",") {
			fits = fits && slices.Contains(i.Labels, ghLabel{want})
		}
		if fits {
			found = append(found, i)
		}
	}
	_ = json.NewEncoder(w).Encode(found[:min(len(found), 30)]) // a page
}

func (g *github) create(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var in struct {
		Title, Body string
		Labels      []string
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Title == "" {
		http.Error(w, `{"message": "Validation Failed"}`, http.StatusUnprocessableEntity)
		return
	}
	n := len(g.made) + 1
	i := &ghIssue{Number: n, URL: fmt.Sprintf("https://github.example/acme/shop/issues/%d", n), Title: in.Title, Body: in.Body, State: "open"}
	for _, l := range in.Labels {
		i.Labels = append(i.Labels, ghLabel{l})
	}
	g.made = append(g.made, i)
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(i)
}

func (g *github) unlabel(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, i := range g.made {
		at := slices.Index(i.Labels, ghLabel{r.PathValue("label")})
		if fmt.Sprint(i.Number) == r.PathValue("number") && at >= 0 {
			i.Labels = slices.Delete(i.Labels, at, at+1)
			_ = json.NewEncoder(w).Encode(i.Labels)
			return
		}
	}
	http.Error(w, `{"message": "Label does not exist"}`, http.StatusNotFound)
}

func (g *github) patch(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.PathValue("number"))
	var in struct{ State string }
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.State != "closed" || n < 1 || n > len(g.all()) {
		http.Error(w, `{"message": "Not Found"}`, http.StatusNotFound)
		return
	}
	g.close(n)
	_ = json.NewEncoder(w).Encode(g.all()[n-1])
}

// close is what a developer does.
func (g *github) close(number int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := time.Now().UTC().Format(time.RFC3339)
	g.made[number-1].State, g.made[number-1].ClosedAt = "closed", &at
}

func (g *github) all() (issues []ghIssue) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, i := range g.made {
		issues = append(issues, *i)
	}
	return issues
}

func (g *github) issues() (found []issue) {
	for _, i := range g.all() {
		found = append(found, issue{i.Number, i.URL, i.Title, i.Body, slices.Contains(i.Labels, ghLabel{"customer-waits"})})
	}
	return found
}

func (g *github) env() []string {
	return []string{"TRACKER_URL=" + g.URL + "/repos/acme/shop", "TRACKER_TOKEN=ghp_test"}
}
