package integration

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"postdesk/integration/lab"
)

// The ways in which one page is shown.
const (
	asSent     = "sent"    // the control: what a page does that nobody stops
	withPolicy = "policy"  // as sent, under the policy that our pages have
	withoutOne = "without" // ours, without the policy
	asServed   = "served"  // what the agent serves
)

// counter is a server elsewhere: everything that reaches it is a leak.
type counter struct {
	mu   sync.Mutex
	hits map[string]int // by way of showing
	of   map[string]map[string]bool
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.SplitN(r.URL.Path, "/", 4) // "/way/vector/what"
	if len(parts) < 3 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hits[parts[1]]++
	if c.of[parts[1]] == nil {
		c.of[parts[1]] = map[string]bool{}
	}
	c.of[parts[1]][parts[2]+": "+r.URL.Path] = true
}

// vector fills in one of the pages.
func vector(n int, way, remote string) string {
	run := fmt.Sprintf("parent.postMessage('%s-%d-','*')", way, n)
	base := fmt.Sprintf("%s/%s/%d", remote, way, n)
	host := strings.TrimPrefix(base, "http://")
	return strings.NewReplacer("REMOTEHOST", host, "REMOTE", base, "RUN", run).Replace(htmlVectors[n])
}

// TestHostileHTML: of what a stranger's HTML tries in a real browser nothing runs and
// nothing leaves, by the sanitizer alone and by the policy alone. The same pages as they
// were sent do both, so that this test can fail.
func TestHostileHTML(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 3*time.Minute, lab.Options{NoPostfix: true}, lab.AgentOptions{})
	elsewhere := &counter{hits: map[string]int{}, of: map[string]map[string]bool{}}
	remote := httptest.NewServer(elsewhere)
	defer remote.Close()
	for n := range htmlVectors {
		dialLMTP(d).deliver(fmt.Sprintf("From: <%s>\r\nSubject: %d\r\nContent-Type: text/html; charset=utf-8\r\n\r\n%s\r\n", jane, n, vector(n, "mail", remote.URL)))
	}
	d.must(d.agent.Drained(d.ctx))
	show := &showcase{d: d, remote: remote.URL, ids: map[string]int64{}, loaded: map[string]int{}}
	for _, ticket := range d.waitTickets(len(htmlVectors)) {
		show.ids[ticket.Subject] = d.waitMessages(ticket.Name, 1)[0].ID
	}
	origin := httptest.NewServer(show)
	defer origin.Close()
	dom, err := lab.DumpDOM(d.ctx, origin.URL+"/")
	d.must(err)
	ran := map[string]int{}
	for _, m := range regexp.MustCompile(`<li>([a-z]+)-([0-9]+)-</li>`).FindAllStringSubmatch(dom, -1) {
		ran[m[1]]++
		if m[1] != asSent {
			t.Errorf("a script ran in vector %s (%s): %s", m[2], m[1], htmlVectors[number(m[2])])
		}
	}
	elsewhere.mu.Lock()
	defer elsewhere.mu.Unlock()
	for _, way := range []string{withPolicy, "mail"} {
		for hit := range elsewhere.of[way] {
			t.Errorf("vector %s (%s) reached another server: %s", hit, way, htmlVectors[number(strings.SplitN(hit, ":", 2)[0])])
		}
	}
	for _, way := range []string{withPolicy, withoutOne, asServed} {
		if show.loaded[way] != len(htmlVectors) {
			t.Errorf("%d pages were loaded (%s)", show.loaded[way], way)
		}
	}
	t.Logf("%d pages; as sent: %d scripts ran, %d requests left; otherwise none", len(htmlVectors), ran[asSent], elsewhere.hits[asSent])
	if ran[asSent] < 12 || elsewhere.hits[asSent] < 25 || show.stray > 0 {
		t.Errorf("the control is too quiet, or %d requests went astray: %s", show.stray, dom)
	}
}

func number(s string) (n int) {
	fmt.Sscan(s, &n)
	return n
}

// showcase serves the pages in all ways, and a page that frames them and hears their scripts.
type showcase struct {
	d      *desk
	remote string
	ids    map[string]int64 // of the messages, by subject
	mu     sync.Mutex
	stray  int // requests of our own pages that no page of ours makes
	loaded map[string]int
}

func (s *showcase) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if r.URL.Path == "/" {
		s.frames(w)
		return
	}
	if len(parts) != 2 || strings.Trim(parts[1], "0123456789") != "" {
		s.astray(r)
		http.NotFound(w, r)
		return
	}
	n := number(parts[1])
	s.mu.Lock()
	s.loaded[parts[0]]++
	s.mu.Unlock()
	switch parts[0] {
	case asSent:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, vector(n, asSent, s.remote))
	case withPolicy:
		res, _ := s.ours(r, n)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", res.Header.Get("Content-Security-Policy"))
		io.WriteString(w, vector(n, withPolicy, s.remote))
	case withoutOne:
		_, page := s.ours(r, n)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, page)
	case asServed:
		s.proxy(n).ServeHTTP(w, r)
	default:
		s.astray(r)
		http.NotFound(w, r)
	}
}

// astray counts what a page of ours asks of its own server: a path out of the mail. The
// policy alone allows that, for images.
func (s *showcase) astray(r *http.Request) {
	from := r.Referer()
	if strings.Contains(from, withoutOne) || strings.Contains(from, asServed) {
		s.mu.Lock()
		s.stray++
		s.mu.Unlock()
	}
}

func (s *showcase) frames(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, "<!DOCTYPE html><ul id=ran></ul><script>onmessage = e => { const li = document.createElement('li'); li.textContent = e.data; ran.append(li) }</script>\n")
	for n := range htmlVectors {
		for _, way := range []string{asSent, withPolicy, withoutOne, asServed} {
			fmt.Fprintf(w, "<iframe src=\"/%s/%d\" title=\"%s\"></iframe>\n", way, n, html.EscapeString(way))
		}
	}
}

// path is where the agent serves a message.
func (s *showcase) path(n int) string {
	return fmt.Sprintf("/api/v1/messages/%d/html", s.ids[fmt.Sprint(n)])
}

// ours is the page of the agent, as it comes.
func (s *showcase) ours(r *http.Request, n int) (*http.Response, string) {
	req, err := http.NewRequestWithContext(r.Context(), "GET", s.d.api.URL+s.path(n), nil)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.d.api.Token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		panic(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res, string(b)
}

// proxy passes the agent's answer on, with the token that a browser does not have.
func (s *showcase) proxy(n int) http.Handler {
	target, err := url.Parse(s.d.api.URL)
	if err != nil {
		panic(err)
	}
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.URL.Path = s.path(n)
		r.Out.Header.Set("Authorization", "Bearer "+s.d.api.Token)
	}}
}
