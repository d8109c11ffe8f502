package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
)

// canarySite has a word in everything that people write and in all that they are called.
func canarySite(t *testing.T) *site {
	s := newSite(t)
	raw := "From: CANARY Jo <canary-jo@customer.example>\r\nSubject: CANARY\r\nMessage-ID: <canary@customer.example>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\n\r\nCANARY\r\n--b\r\nContent-Type: text/html; name=CANARY.html\r\n\r\nCANARY\r\n--b--\r\n"
	for _, to := range []string{"new@desk.example", "SUPPORT-7102@desk.example"} {
		env := mail.Envelope{ReversePath: "canary-jo@customer.example", Recipients: []string{to}}
		if err := s.desk.Deliver(t.Context(), env, strings.NewReader(strings.Replace(raw, "canary@", "canary-"+to, 1)))[0].Err; err != nil {
			t.Fatal(err)
		}
		s.settled()
	}
	by := ticketing.Actor{Kind: "staff", Name: "jane", Origin: "api"}
	for _, note := range []bool{true, false} {
		if _, _, err := s.desk.Reply(t.Context(), by, ticketing.ReplyRequest{Ticket: "SUPPORT-7102", Text: "CANARY", Note: note, Cc: map[bool][]string{false: {"CANARY Cc <canary-cc@customer.example>"}}[note]}); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := s.desk.Ask(t.Context(), by, ticketing.Question{Ticket: "SUPPORT-7102", To: mail.Address{Name: "CANARY", Address: "canary@acme.example"}, Subject: "CANARY", Text: "CANARY"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.desk.AddParticipant(t.Context(), by, "SUPPORT-7102", mail.Address{Address: "canary-2@customer.example"}); err != nil {
		t.Fatal(err)
	}
	return s
}

// apiRoutes are all routes of the API, as its description has them; the control socket's
// are the most.
func (s *site) apiRoutes() (routes []string) {
	s.t.Helper()
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	s.call(s.control.URL, "GET", "/api/v1/openapi.json", "", "", &doc)
	for path, methods := range doc.Paths {
		for method := range methods {
			routes = append(routes, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(routes)
	return routes
}

// raw makes a request and gives the whole answer as text.
func (s *site) raw(method, path, body string, header map[string]string) (code int, text string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.tcp.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for k, v := range header {
		r.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	res.Header.Del("Date")
	return res.StatusCode, fmt.Sprintf("%d %v %s", res.StatusCode, res.Header, b)
}

var parameter = regexp.MustCompile(`\{[a-z]+\}`)

// Who has no token learns nothing from any route: neither a word, nor whether a ticket, a
// message or a consumer is there, whatever they put into the path or the header.
func TestStrangersLearnNothing(t *testing.T) {
	s := canarySite(t)
	routes := s.apiRoutes()
	if len(routes) < 40 {
		t.Fatalf("%d routes: the description is not read", len(routes))
	}
	values := map[string][]string{
		"{name}": {"SUPPORT-7102", "SUPPORT-1", "support-7102", "%23CANARY", "..%2f..", "%00", "x"}, "{id}": {"1", "999", "0", "-1", "x", "9999999999999999999", "%00"},
	}
	wrong := []map[string]string{
		{}, {"Authorization": "Bearer"}, {"Authorization": "Bearer "}, {"Authorization": "Bearer pd_wrong"}, {"Authorization": "Basic YWRtaW46"},
		{"Postdesk-Actor": "jane"}, {"Postdesk-Program": "x"}, {"Content-Type": "application/json"}, {"X-HTTP-Method-Override": "GET"}, {"Last-Event-ID": "x"},
	}
	for _, route := range routes {
		method, path, _ := strings.Cut(route, " ")
		for _, header := range wrong {
			answers := map[string]bool{}
			for i := range 7 {
				at := parameter.ReplaceAllStringFunc(path, func(p string) string {
					if v := values[p]; v != nil {
						return v[i]
					}
					return values["{id}"][i]
				})
				code, text := s.raw(method, at, "{", header)
				if strings.Contains(strings.ToLower(text), "canary") || code < 400 || code >= 500 {
					t.Fatalf("%s %s with %v: %s", method, at, header, text)
				}
				answers[text] = true
			}
			if len(answers) != 1 {
				t.Errorf("%s with %v: the answer depends on what is there: %v", route, header, answers)
			}
		}
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/api/v1/openapi.json", "/api/v1/openapi.yaml", "/api/v1/openapi-3.0.json", "/", "/api/v1/", "/debug/pprof/", "/docs", "/schemas/Ticket.json"} {
		if _, text := s.raw("GET", path, "", nil); strings.Contains(strings.ToLower(text), "canary") {
			t.Errorf("%s shows: %s", path, text)
		}
	}
}

// The feed has numbers and facts and nobody's words, so that it can be kept and passed on.
func TestFeedHasNoWords(t *testing.T) {
	s := canarySite(t)
	header := map[string]string{"Authorization": "Bearer " + s.token(ticketing.ScopeRead, false)}
	_, text := s.raw("GET", "/api/v1/events?limit=1000", "", header)
	for _, want := range []string{"ticket.created", "message.held", "note.added", "reply.added", "question.added", "ticket.updated"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in the feed", want)
		}
	}
	if strings.Contains(strings.ToLower(text), "canary") {
		t.Errorf("the feed has words of people: %s", text)
	}
	// What the test looks for is to be found by who has a token.
	if _, text = s.raw("GET", "/api/v1/tickets/SUPPORT-7102/messages", "", header); strings.Count(text, "CANARY") < 8 {
		t.Errorf("the canaries are not there: %s", text)
	}
}

// A token that is removed opens nothing more, nor keeps open what it has opened.
func TestRemovedTokenEndsStream(t *testing.T) {
	s := newSite(t)
	token, secret, err := s.desk.CreateToken(t.Context(), ticketing.Actor{}, ticketing.Token{Name: "gone", Scope: ticketing.ScopeRead})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, "GET", s.tcp.URL+"/api/v1/events/stream", nil)
	r.Header.Set("Authorization", "Bearer "+secret)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), ":") {
		t.Fatalf("the stream begins with %q", lines.Text())
	}
	if err := s.desk.RemoveToken(t.Context(), token.ID); err != nil {
		t.Fatal(err)
	}
	s.mail(1)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "data:") {
			t.Fatalf("a removed token reads %s", lines.Text())
		}
	}
	if ctx.Err() != nil {
		t.Error("the stream of a removed token stays open")
	}
}
