package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"postdesk/ticketing"
)

// prune takes events away from below, as a site does that does not keep them for ever.
func (s *site) prune(until int64) {
	s.t.Helper()
	if err := s.db.Write(s.t.Context(), func(tx ticketing.Tx) error { return tx.TruncateEvents(until) }); err != nil {
		s.t.Fatal(err)
	}
}

// Whose place is gone learns where to go on, by each way to follow the feed, and can go on.
func TestGone(t *testing.T) {
	s := newSite(t)
	for n := range 4 {
		s.mail(n) // two events each
	}
	secret := s.token(ticketing.ScopeWrite, false)
	s.call(s.tcp.URL, "PUT", "/api/v1/consumers/slow", secret, `{"after":1}`, nil)
	s.prune(5)
	for _, path := range []string{"/events?after=2", "/events/stream?after=2", "/events/3", "/consumers/slow/events", "/consumers/slow/stream"} {
		var problem GoneProblem
		res := s.call(s.tcp.URL, "GET", "/api/v1"+path, secret, "", &problem)
		if res.StatusCode != 410 || res.Header.Get("Content-Type") != "application/problem+json" || problem.Oldest != 6 || problem.After != 5 || !strings.Contains(problem.Detail, "/seek") {
			t.Errorf("%s: %d %+v", path, res.StatusCode, problem)
		}
	}
	for _, path := range []string{"/events", "/events?after=5"} { // the beginning of what there is
		var page Events
		if res := s.call(s.tcp.URL, "GET", "/api/v1"+path, secret, "", &page); res.StatusCode != 200 || len(page.Items) != 3 || page.Items[0].Seq != 6 {
			t.Errorf("%s: %d %+v", path, res.StatusCode, page)
		}
	}
	var c Consumer
	if s.call(s.tcp.URL, "POST", "/api/v1/consumers/slow/seek", secret, `{"seq":5}`, &c); c.Seq != 5 {
		t.Errorf("the place is set to %+v", c)
	}
	var page Deliveries
	if res := s.call(s.tcp.URL, "GET", "/api/v1/consumers/slow/events", secret, "", &page); res.StatusCode != 200 || len(page.Items) != 3 || page.Items[0].Event.Seq != 6 {
		t.Errorf("after that: %d %+v", res.StatusCode, page)
	}
	s.prune(8)
	if res := s.call(s.tcp.URL, "GET", "/api/v1/events?after=2", secret, "", nil); res.StatusCode != 410 {
		t.Errorf("nothing is left: %d", res.StatusCode)
	}
	if res := s.call(s.tcp.URL, "GET", "/api/v1/events?after=8", secret, "", nil); res.StatusCode != 200 {
		t.Errorf("at the end of it: %d", res.StatusCode)
	}
}

// read gives the frames of a stream until it has n with data: id, name, data.
func (s *site) read(path, secret string, n int, header ...string) (frames [][3]string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", s.tcp.URL+"/api/v1"+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+secret)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	var f [3]string
	for lines := bufio.NewScanner(res.Body); len(frames) < n && lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "id":
			f[0] = value
		case "event":
			f[1] = value
		case "data":
			f[2] = value
		case "":
			if value == "" && f[0] != "" {
				frames = append(frames, f)
			}
			f = [3]string{}
		}
	}
	if len(frames) < n {
		s.t.Fatalf("%s ended after %v", path, frames)
	}
	return frames
}

// A named consumer by stream gets what it has not acknowledged, with ticket and message, and
// is led over what its filter leaves out.
func TestConsumerStream(t *testing.T) {
	s := newSite(t)
	s.mail(1) // events 1 and 2
	s.mail(2)
	secret := s.token(ticketing.ScopeWrite, false)
	s.call(s.tcp.URL, "PUT", "/api/v1/consumers/mine", secret, `{"types":["message.received"]}`, nil)
	frames := s.read("/consumers/mine/stream", secret, 2)
	var d Delivery
	if err := json.Unmarshal([]byte(frames[0][2]), &d); err != nil || frames[0][0] != "2" || frames[0][1] != "message.received" || frames[1][0] != "4" ||
		d.Event.Seq != 2 || d.Ticket.Name != "SUPPORT-7102" || !strings.Contains(d.Message.Text, "Help 1") {
		t.Errorf("%v %+v %v", frames, d, err)
	}
	if again := s.read("/consumers/mine/stream", secret, 1); again[0][0] != "2" {
		t.Errorf("what was not acknowledged does not come again: %v", again)
	}
	if on := s.read("/consumers/mine/stream", secret, 1, "Last-Event-ID", "2"); on[0][0] != "4" {
		t.Errorf("after Last-Event-ID 2: %v", on)
	}
	s.call(s.tcp.URL, "POST", "/api/v1/consumers/mine/acknowledge", secret, `{"seq":4}`, nil)
	s.call(s.tcp.URL, "PATCH", "/api/v1/tickets/SUPPORT-7102", secret, `{"priority":"high"}`, nil) // event 5
	if over := s.read("/consumers/mine/stream", secret, 1, "Last-Event-ID", "1"); over[0] != [3]string{"5", "", ""} {
		t.Errorf("a frame without data for what is left out: %v", over)
	}
}

// CloudEvents where they are asked for, in each form.
func TestCloudEvents(t *testing.T) {
	s := newSite(t)
	s.mail(1)
	secret := s.token(ticketing.ScopeWrite, false)
	const accept = "application/cloudevents+json"
	s.call(s.tcp.URL, "PUT", "/api/v1/consumers/mine", secret, `{}`, nil)
	check := func(what string, e map[string]any) {
		t.Helper()
		data, _ := e["data"].(map[string]any)
		_, noTime := time.Parse(time.RFC3339, fmt.Sprint(e["time"]))
		if e["specversion"] != "1.0" || e["id"] != "2" || e["source"] != "//desk.example/postdesk" || e["type"] != "postdesk.message.received" || e["subject"] != "SUPPORT-7102" ||
			e["datacontenttype"] != "application/json" || e["dataschema"] != "/api/v1/schemas/message.received" || noTime != nil || data["seq"] != 2.0 {
			t.Errorf("%s: %v", what, e)
		}
	}
	var one map[string]any
	if res := s.call(s.tcp.URL, "GET", "/api/v1/events/2", secret, "", &one, "Accept", accept); res.Header.Get("Content-Type") != accept {
		t.Errorf("one: %v", res.Header)
	}
	check("one", one)
	for _, path := range []string{"/events?after=1", "/tickets/SUPPORT-7102/events?after=1", "/consumers/mine/events?after=1"} {
		var batch []map[string]any
		res := s.call(s.tcp.URL, "GET", "/api/v1"+path, secret, "", &batch, "Accept", accept)
		if res.Header.Get("Content-Type") != cloudBatch || res.Header.Get("Postdesk-Next") != "2" || len(batch) != 1 {
			t.Fatalf("%s: %v %v", path, res.Header, batch)
		}
		check(path, batch[0])
	}
	for _, path := range []string{"/events/stream?after=1", "/consumers/mine/stream?after=1"} {
		var e map[string]any
		if err := json.Unmarshal([]byte(s.read(path, secret, 1, "Accept", "text/event-stream, "+accept)[0][2]), &e); err != nil {
			t.Error(err)
		}
		check(path, e)
	}
	var plain Events
	if res := s.call(s.tcp.URL, "GET", "/api/v1/events", secret, "", &plain); res.Header.Get("Content-Type") != "application/json" || len(plain.Items) != 2 {
		t.Errorf("not asked for: %v %+v", res.Header, plain)
	}
}

// Every event of a whole story is as its published schema says, and has no fact that the
// schema does not name.
func TestEventsHaveTheirSchema(t *testing.T) {
	s := canarySite(t)
	secret := s.token(ticketing.ScopeWrite, false)
	s.call(s.tcp.URL, "POST", "/api/v1/tickets", secret, `{"queue":"SUPPORT","to":"kim@customer.example","subject":"x","text":"x","references":["github:o/r#1"]}`, nil)
	s.call(s.tcp.URL, "PATCH", "/api/v1/tickets/SUPPORT-7102", secret, `{"priority":"high","add_tags":["vip"],"status":"closed"}`, nil)
	var kinds List[EventKind]
	s.call(s.tcp.URL, "GET", "/api/v1/schemas", secret, "", &kinds)
	schemas := map[string]*huma.Schema{}
	for _, k := range kinds.Items {
		var published huma.Schema
		if res := s.call(s.tcp.URL, "GET", k.Schema, secret, "", &published); res.Header.Get("Content-Type") != "application/schema+json" {
			t.Errorf("%s: %v", k.Schema, res.Header)
		}
		published.Properties["facts"].AdditionalProperties = false
		published.AdditionalProperties = false
		published.PrecomputeMessages()
		schemas[k.Type] = &published
	}
	var page struct{ Items []map[string]any }
	s.until("a mail is queued", func() bool { // it comes by itself, after the rest
		page.Items = nil
		s.call(s.tcp.URL, "GET", "/api/v1/events?limit=1000", secret, "", &page)
		return slices.ContainsFunc(page.Items, func(e map[string]any) bool { return e["type"] == "message.queued" })
	})
	registry := huma.NewMapRegistry("#/", huma.DefaultSchemaNamer)
	var seen []string
	check := func(e map[string]any) []error {
		var result huma.ValidateResult
		huma.Validate(registry, schemas[fmt.Sprint(e["type"])], huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, e, &result)
		return result.Errors
	}
	for _, e := range page.Items {
		if errs := check(e); schemas[fmt.Sprint(e["type"])] == nil || len(errs) > 0 {
			t.Errorf("%v: %v", e, errs)
		}
		seen = append(seen, fmt.Sprint(e["type"]))
	}
	for _, want := range []string{"ticket.created", "ticket.updated", "message.received", "message.held", "reply.added", "note.added", "question.added", "message.queued"} {
		if !slices.Contains(seen, want) {
			t.Errorf("no %s in the story", want)
		}
	}
	for _, spoil := range []func(map[string]any){
		func(e map[string]any) { delete(e, "ticket") }, func(e map[string]any) { e["facts"] = map[string]any{"row": 1} },
		func(e map[string]any) { e["origin"] = "moon" }, func(e map[string]any) { e["facts"] = map[string]any{"news": "x"} },
	} {
		if spoil(page.Items[0]); len(check(page.Items[0])) == 0 {
			t.Errorf("the schema lets pass: %v", page.Items[0])
		}
	}
}
