package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"postdesk/ticketing"
)

// A conversation that we begin: a ticket, one mail without a mark of a reply, and what a
// repetition and a second bridge get.
func TestOpenTicket(t *testing.T) {
	s := newSite(t)
	secret := s.token(ticketing.ScopeWrite, false)
	request := `{"queue":"support","to":"Kim@customer.example","name":"Kim","subject":"Your  order","text":"It is here.","references":["GitHub:owner/repo#12"]}`
	var first, second Opened
	res := s.call(s.tcp.URL, "POST", "/api/v1/tickets", secret, request, &first, "Idempotency-Key", "a")
	if res.StatusCode != 201 || first.Ticket.Name != "SUPPORT-7102" || first.Ticket.Requester != "kim@customer.example" || first.Ticket.Status != "waiting" || first.Message.Kind != "reply" {
		t.Fatalf("%d %+v", res.StatusCode, first)
	}
	if res := s.call(s.tcp.URL, "POST", "/api/v1/tickets", secret, request, &second, "Idempotency-Key", "a"); res.StatusCode != 201 || second.Message.ID != first.Message.ID {
		t.Errorf("again: %d %+v", res.StatusCode, second)
	}
	// Without a key it is another request, whose reference is taken: no second ticket is made.
	var problem struct{ Detail string }
	if res := s.call(s.tcp.URL, "POST", "/api/v1/tickets", secret, request, &problem); res.StatusCode != 409 || !strings.Contains(problem.Detail, "SUPPORT-7102") {
		t.Errorf("the same reference: %d %s", res.StatusCode, problem.Detail)
	}
	var list List[Ticket]
	s.call(s.tcp.URL, "GET", "/api/v1/tickets?ref=github:owner/repo%2312", secret, "", &list)
	if len(list.Items) != 1 || list.Items[0].Name != "SUPPORT-7102" {
		t.Errorf("by reference: %+v", list.Items)
	}
	var all List[Ticket]
	if s.call(s.tcp.URL, "GET", "/api/v1/tickets", secret, "", &all); len(all.Items) != 1 {
		t.Errorf("%d tickets", len(all.Items))
	}
	raw := s.sent(first.Message.ID)
	for _, want := range []string{"Subject: Your order\r\n", "To: Kim <kim@customer.example>\r\n", "It is here."} {
		if !strings.Contains(strings.ReplaceAll(raw, `"Kim"`, "Kim"), want) {
			t.Errorf("the mail lacks %q:\n%s", want, raw)
		}
	}
	if strings.Contains(raw, "In-Reply-To:") || strings.Contains(raw, "Auto-Submitted:") {
		t.Errorf("a mail that answers nothing:\n%s", raw)
	}
	for _, wrong := range []string{`"to":"new@desk.example"`, `"to":"nobody"`, `"subject":" "`, `"text":" "`, `"references":["12"]`, `"status":"odd"`} {
		if res := s.call(s.tcp.URL, "POST", "/api/v1/tickets", secret, merged(t, request, "{"+wrong+"}"), nil); res.StatusCode != 422 {
			t.Errorf("%s: %d, want 422", wrong, res.StatusCode)
		}
	}
}

// merged is an object with members of another one in place of its own.
func merged(t *testing.T, object, with string) string {
	t.Helper()
	all := map[string]any{}
	for _, text := range []string{object, with} {
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			t.Fatal(err)
		}
	}
	out, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// sent waits for the mail of a reply and gives its bytes.
func (s *site) sent(message int64) (mail string) {
	s.t.Helper()
	s.until(fmt.Sprintf("message %d goes out", message), func() bool {
		out, err := s.desk.Outgoing(s.t.Context(), nil, 0, 100)
		if err != nil {
			s.t.Fatal(err)
		}
		i := slices.IndexFunc(out, func(o ticketing.Outgoing) bool { return o.Message == message })
		if i < 0 {
			return false
		}
		raw, err := s.desk.Raw(s.t.Context(), out[i].Raw)
		if err != nil {
			s.t.Fatal(err)
		}
		mail = string(raw)
		return true
	})
	return mail
}

// What a program begins is automatic mail, and no more of it than of its answers.
func TestProgramOpens(t *testing.T) {
	s := newSite(t)
	secret := s.token(ticketing.ScopeWrite, true)
	open := func(n int) (*http.Response, Opened) {
		var out Opened
		res := s.call(s.tcp.URL, "POST", "/api/v1/tickets", secret, fmt.Sprintf(`{"queue":"SUPPORT","to":"kim@customer.example","subject":"Alarm %d","text":"x"}`, n), &out)
		return res, out
	}
	res, first := open(0)
	if res.StatusCode != 201 || !first.Message.Automatic {
		t.Fatalf("%d %+v", res.StatusCode, first)
	}
	if raw := s.sent(first.Message.ID); !strings.Contains(raw, "Auto-Submitted: auto-generated\r\n") {
		t.Errorf("a program's mail:\n%s", raw)
	}
	for n := 1; ; n++ {
		res, next := open(n)
		if res.StatusCode == 201 && n < 10 {
			s.sent(next.Message.ID)
			continue
		}
		if after := res.Header.Get("Retry-After"); res.StatusCode != 429 || n != 10 || after == "" || after == "0" {
			t.Errorf("mail %d by a program: %d, Retry-After %q; want 429 for the eleventh", n+1, res.StatusCode, after)
		}
		break
	}
}

// The tag of a ticket changes with what somebody must know, and with nothing else.
func TestIfMatch(t *testing.T) {
	s := newSite(t)
	s.mail(1)
	jane, joe := s.named("jane"), s.named("joe")
	const path = "/api/v1/tickets/SUPPORT-7102"
	tag := func() string { return s.call(s.tcp.URL, "GET", path, jane, "", nil).Header.Get("ETag") }
	seen := tag()
	var reply Message
	if res := s.call(s.tcp.URL, "POST", path+"/replies", joe, `{"text":"x"}`, &reply, "If-Match", seen); res.StatusCode != 201 {
		t.Fatalf("a reply to the ticket as it is: %d", res.StatusCode)
	}
	for what, res := range map[string]*http.Response{
		"a change":  s.call(s.tcp.URL, "PATCH", path, jane, `{"priority":"high"}`, nil, "If-Match", seen),
		"a reply":   s.call(s.tcp.URL, "POST", path+"/replies", jane, `{"text":"x"}`, nil, "If-Match", seen),
		"no number": s.call(s.tcp.URL, "PATCH", path, jane, `{"priority":"high"}`, nil, "If-Match", `W/"x"`),
	} {
		if res.StatusCode != 412 {
			t.Errorf("%s to the ticket as it was: %d, want 412", what, res.StatusCode)
		}
	}
	// The mail of the reply goes out: nobody must know that before they go on.
	seen = tag()
	s.sent(reply.ID)
	var ticket Ticket
	s.call(s.tcp.URL, "GET", path, jane, "", &ticket)
	if now := tag(); now != seen {
		t.Errorf("the tag moved from %s to %s by what became of a mail", seen, now)
	}
	for _, body := range []string{`{"text":"x","seen":2}`, fmt.Sprintf(`{"text":"x","seen":%d}`, reply.Seq)} {
		want := map[bool]int{true: 409, false: 201}[strings.HasSuffix(body, ":2}")]
		if res := s.call(s.tcp.URL, "POST", path+"/replies", jane, body, nil); res.StatusCode != want {
			t.Errorf("%s after the reply of a colleague: %d, want %d", body, res.StatusCode, want)
		}
	}
	if res := s.call(s.tcp.URL, "PATCH", path, jane, `{"requester":"kim@customer.example"}`, nil); res.StatusCode != 428 {
		t.Errorf("another requester, blindly: %d, want 428", res.StatusCode)
	}
	if res := s.call(s.tcp.URL, "PATCH", path, jane, `{"requester":"kim@customer.example"}`, &ticket, "If-Match", tag()); res.StatusCode != 200 || ticket.Requester != "kim@customer.example" || res.Header.Get("ETag") != tag() {
		t.Errorf("another requester: %d %+v", res.StatusCode, ticket)
	}
}

// named gives the token of a member of staff.
func (s *site) named(name string) string {
	s.t.Helper()
	_, secret, err := s.desk.CreateToken(s.t.Context(), ticketing.Actor{}, ticketing.Token{Name: name, Scope: ticketing.ScopeWrite})
	if err != nil {
		s.t.Fatal(err)
	}
	return secret
}

// Asked twice with one key, each of these is done once; the same key for something else is
// refused.
func TestEveryPostOnce(t *testing.T) {
	s := newSite(t)
	s.mail(1)
	_, secret, err := s.desk.CreateToken(t.Context(), ticketing.Actor{}, ticketing.Token{Name: "boss", Scope: ticketing.ScopeAdmin})
	if err != nil {
		t.Fatal(err)
	}
	ok := func(method, path, body, key string) string {
		t.Helper()
		var out json.RawMessage
		into := any(&out)
		if strings.HasSuffix(path, "/retry") || strings.HasSuffix(path, "/acknowledge") || strings.HasSuffix(path, "/dead") {
			into = nil
		}
		if res := s.call(s.tcp.URL, method, path, secret, body, into, "Idempotency-Key", key); res.StatusCode >= 300 {
			t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, out)
		}
		return string(out)
	}
	const ticket = "/api/v1/tickets/SUPPORT-7102"
	ok("POST", ticket+"/participants", `{"address":"kim@customer.example"}`, "person")
	ok("PUT", "/api/v1/consumers/mine", `{}`, "")
	ok("POST", "/api/v1/consumers/mine/acknowledge", `{"seq":2}`, "done")
	for _, c := range []struct{ path, body, other string }{
		{ticket + "/participants/kim@customer.example/revoke", "", ""},
		{ticket + "/replies", `{"text":"x"}`, `{"text":"y"}`},
		{ticket + "/notes", `{"text":"x"}`, `{"text":"y"}`},
		{ticket + "/questions", `{"address":"third@party.example","text":"x"}`, `{"address":"third@party.example","text":"y"}`},
		{"/api/v1/tickets", `{"queue":"SUPPORT","to":"lee@customer.example","subject":"x","text":"x"}`, `{"queue":"SUPPORT","to":"lee@customer.example","subject":"y","text":"x"}`},
		{"/api/v1/keys/rotate", "", ""},
		{"/api/v1/tokens", `{"name":"x","scope":"read"}`, `{"name":"y","scope":"read"}`},
		{"/api/v1/consumers/mine/dead", `{"seq":1,"reason":"x"}`, `{"seq":2,"reason":"x"}`},
		{"/api/v1/consumers/mine/seek", `{"seq":1}`, `{"seq":2}`},
	} {
		ok("POST", c.path, c.body, c.path)
		before := s.everything()
		ok("POST", c.path, c.body, c.path)
		if after := s.everything(); after != before {
			t.Errorf("%s a second time changes something:\n%s\n%s", c.path, before, after)
		}
		if c.other == "" {
			continue
		}
		if res := s.call(s.tcp.URL, "POST", c.path, secret, c.other, nil, "Idempotency-Key", c.path); res.StatusCode != 409 {
			t.Errorf("%s with the key of another request: %d, want 409", c.path, res.StatusCode)
		}
	}
}

// everything is all that a request of TestEveryPostOnce can change, once the responder has
// done its part.
func (s *site) everything() string {
	s.t.Helper()
	ctx := s.t.Context()
	var out []any
	add := func(v any, err error) {
		if err != nil {
			s.t.Fatal(err)
		}
		out = append(out, v)
	}
	tickets, err := s.desk.Tickets(ctx, ticketing.TicketQuery{Limit: 100})
	add(len(tickets), err)
	for _, k := range tickets {
		c, err := s.desk.Ticket(ctx, k.Name())
		add([]any{len(c.Messages), c.Participants}, err)
	}
	consumers, err := s.desk.Consumers(ctx, ticketing.Actor{})
	for i := range consumers {
		consumers[i].Behind = 0 // the responder goes on
	}
	add(consumers, err)
	tokens, err := s.desk.Tokens(ctx)
	add([]any{len(tokens), s.desk.Keys()}, err)
	text, err := json.Marshal(out)
	add(nil, err)
	return string(text)
}

// A program is one whatever it says: also one that may everything.
func TestProgramStaysProgram(t *testing.T) {
	s := newSite(t)
	s.mail(1)
	for program, want := range map[bool]string{true: "program:bot", false: "staff:jane"} {
		_, secret, err := s.desk.CreateToken(t.Context(), ticketing.Actor{}, ticketing.Token{Name: "bot", Scope: ticketing.ScopeAdmin, Program: program})
		if err != nil {
			t.Fatal(err)
		}
		var m Message
		s.call(s.tcp.URL, "POST", "/api/v1/tickets/SUPPORT-7102/replies", secret, `{"text":"x"}`, &m, "Postdesk-Actor", "jane", "Postdesk-Program", "x")
		if m.Actor != want || m.Automatic != program {
			t.Errorf("program %t: %s, automatic %t", program, m.Actor, m.Automatic)
		}
	}
	var m Message
	if s.call(s.tcp.URL, "POST", "/api/v1/tickets/SUPPORT-7102/notes", s.named("joe"), `{"text":"x"}`, &m, "Postdesk-Actor", "jane"); m.Actor != "staff:joe" {
		t.Errorf("who is no administrator acts as %s", m.Actor)
	}
}
