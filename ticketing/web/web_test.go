package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"postdesk/integration/blank"
	"postdesk/ticketing"
	"postdesk/ticketing/mail"
	"postdesk/ticketing/store"
)

// site is an API on a desk on a real store.
type site struct {
	t        *testing.T
	desk     *ticketing.Desk
	web      *Server
	db       *store.DB
	dir      string // of the store
	tcp      *httptest.Server
	control  *httptest.Server
	fault    error // of readiness
	warnings []string
}

func newSite(t *testing.T, more ...ticketing.Queue) *site {
	t.Helper()
	dir := t.TempDir()
	if err := blank.Desk(dir); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), dir, store.Options{Synchronous: "OFF"})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, db: db, dir: dir}
	index := store.OpenIndex(dir, nil)
	s.desk, err = ticketing.New(t.Context(), ticketing.Config{
		Domain: "desk.example", Queues: append([]ticketing.Queue{{Key: "SUPPORT", Name: "Support", Addresses: []string{"new@desk.example"}, Domain: "desk.example", FirstNumber: 7102}}, more...),
		Verify: func(context.Context, []byte, *mail.Message) mail.Authentication { return mail.Authentication{} },
		Index:  index,
	}, db)
	if err != nil {
		t.Fatal(err)
	}
	run, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.desk.Run(run) }()
	w := New(Config{Desk: s.desk, Version: "test", Heartbeat: 20 * time.Millisecond, Warnings: func() []string { return s.warnings }, Ready: map[string]func(context.Context) error{
		"thing": func(context.Context) error { return s.fault },
	}})
	s.web = w
	s.tcp, s.control = httptest.NewServer(w.Handler()), httptest.NewServer(w.ControlHandler())
	t.Cleanup(func() {
		s.tcp.CloseClientConnections()
		s.tcp.Close()
		s.control.Close()
		stop()
		<-done
		index.Close()
		db.Close()
	})
	return s
}

// deliver hands a mail to the desk.
func (s *site) deliver(n int) error {
	raw := fmt.Sprintf("From: jo@customer.example\r\nSubject: mail %d\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHelp %d\r\n--b\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename=\"a.html\"\r\n\r\n<script>\r\n--b--\r\n", n, n)
	return s.desk.Deliver(s.t.Context(), mail.Envelope{ReversePath: "jo@customer.example", Recipients: []string{"new@desk.example"}}, strings.NewReader(raw))[0].Err
}

// mail delivers a mail and waits until it is processed.
func (s *site) mail(n int) {
	s.t.Helper()
	if err := s.deliver(n); err != nil {
		s.t.Fatal(err)
	}
	s.settled()
}

// settled waits until all that came in is processed.
func (s *site) settled() {
	s.t.Helper()
	s.until("the mail is processed", func() bool {
		pending, err := s.desk.Backlog(s.t.Context())
		return err == nil && pending == 0
	})
}

func (s *site) until(what string, is func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatal("waited in vain: ", what)
		}
	}
}

func (s *site) token(scope string, program bool) string {
	s.t.Helper()
	_, secret, err := s.desk.CreateToken(s.t.Context(), ticketing.Actor{}, ticketing.Token{Name: "test", Scope: scope, Program: program})
	if err != nil {
		s.t.Fatal(err)
	}
	return secret
}

// call makes a request and decodes a JSON answer.
func (s *site) call(base, method, path, secret, body string, into any, header ...string) *http.Response {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, base+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if secret != "" {
		r.Header.Set("Authorization", "Bearer "+secret)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
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
	if into != nil {
		if err := json.Unmarshal(b, into); err != nil {
			s.t.Fatalf("%s %s: %v in %s", method, path, err, b)
		}
	}
	return res
}

// Each route wants a token, of sufficient scope, and nothing else opens it.
func TestRights(t *testing.T) {
	s := newSite(t)
	s.mail(1)
	read, write := s.token(ticketing.ScopeRead, false), s.token(ticketing.ScopeWrite, false)
	for _, c := range []struct {
		method, path, secret, body string
		want                       int
	}{
		{"GET", "/api/v1/tickets", "", "", 401},
		{"GET", "/api/v1/tickets", "pd_wrong", "", 401},
		{"GET", "/api/v1/events/stream", "", "", 401},
		{"GET", "/api/v1/messages/1/raw", "", "", 401},
		{"GET", "/api/v1/tickets", read, "", 200},
		{"GET", "/api/v1/tickets/SUPPORT-1", read, "", 404},
		{"GET", "/api/v1/tickets/nonsense", read, "", 422},
		{"GET", "/api/v1/tickets?cursor=x", read, "", 422},
		{"POST", "/api/v1/tickets/SUPPORT-7102/notes", read, `{"text":"x"}`, 403},
		{"POST", "/api/v1/tickets/SUPPORT-7102/notes", write, `{"text":"x"}`, 201},
		{"POST", "/api/v1/tickets/SUPPORT-7102/notes", write, `{"text":""}`, 422},
		{"POST", "/api/v1/tickets/SUPPORT-7102/replies", write, `{"text":"x","seen":1}`, 201},
		{"PATCH", "/api/v1/tickets/SUPPORT-7102", write, `{"status":"nonsense"}`, 422},
		{"PATCH", "/api/v1/tickets/SUPPORT-7102", write, `{"status":"resolved"}`, 200},
		{"PATCH", "/api/v1/tickets/SUPPORT-7102", read, `{"priority":"high"}`, 403},
		{"PATCH", "/api/v1/tickets/SUPPORT-7102", write, `{"priority":"high","assignee":"jane","add_tags":["VIP"]}`, 200},
		{"PATCH", "/api/v1/tickets/SUPPORT-7102", write, `{"priority":"1"}`, 422},
		{"PATCH", "/api/v1/tickets/SUPPORT-7102", write, `{"add_tags":["two words"]}`, 422},
		{"PATCH", "/api/v1/tickets/SUPPORT-7102", write, `{"requester":"new@desk.example"}`, 428},
		{"POST", "/api/v1/messages/1/accept", write, "", 409},
		{"GET", "/api/v1/tokens", write, "", 403},
		{"POST", "/api/v1/outgoing/9/retry", write, "", 404},
		{"GET", "/api/v1/openapi.json", "", "", 200},
		{"GET", "/healthz", "", "", 200},
		{"GET", "/metrics", "", "", 200},
	} {
		if res := s.call(s.tcp.URL, c.method, c.path, c.secret, c.body, nil); res.StatusCode != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, res.StatusCode, c.want)
		}
	}
	// A page of somebody else's, open in a browser on this machine, changes nothing.
	res := s.call(s.tcp.URL, "POST", "/api/v1/tickets/SUPPORT-7102/notes", write, `{"text":"x"}`, nil, "Sec-Fetch-Site", "cross-site")
	if res.StatusCode != 403 {
		t.Errorf("a cross-site request: %d, want 403", res.StatusCode)
	}
}

// Pages follow each other without gap or repetition.
func TestPaging(t *testing.T) {
	s := newSite(t)
	for n := range 7 {
		s.mail(n)
	}
	secret := s.token(ticketing.ScopeRead, false)
	seen := map[string]bool{}
	for cursor, pages := "", 0; ; pages++ {
		var page List[Ticket]
		s.call(s.tcp.URL, "GET", "/api/v1/tickets?limit=3&cursor="+cursor, secret, "", &page)
		for _, k := range page.Items {
			if seen[k.Name] {
				t.Errorf("%s comes twice", k.Name)
			}
			seen[k.Name] = true
		}
		if cursor = page.Next; cursor == "" || pages > 5 {
			break
		}
	}
	if len(seen) != 7 {
		t.Errorf("%d tickets on all pages, want 7", len(seen))
	}
}

// What a stranger sent is a download, whatever he calls it.
func TestDownloads(t *testing.T) {
	s := newSite(t)
	s.mail(1)
	secret := s.token(ticketing.ScopeRead, false)
	for path, mediaType := range map[string]string{"/api/v1/messages/1/raw": "message/rfc822", "/api/v1/messages/1/attachments/0": "application/octet-stream"} {
		h := s.call(s.tcp.URL, "GET", path, secret, "", nil).Header
		if h.Get("Content-Type") != mediaType || h.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.HasPrefix(h.Get("Content-Disposition"), "attachment") || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: %v", path, h)
		}
	}
}

// The files of a reply come back as they went in, as downloads; too much is refused
// before it is stored.
func TestReplyFiles(t *testing.T) {
	s := newSite(t)
	s.mail(1)
	secret := s.token(ticketing.ScopeWrite, false)
	content := []byte("<script>\x00\xff")
	body := func(size int) string {
		return fmt.Sprintf(`{"text":"x","attachments":[{"name":"../ä.html","type":"text/html","content":%q},{"name":"b.png","content_id":"b","content":%q}]}`,
			base64.StdEncoding.EncodeToString(content), base64.StdEncoding.EncodeToString(make([]byte, size)))
	}
	for _, where := range []string{"replies", "notes"} {
		var m Message
		if res := s.call(s.tcp.URL, "POST", "/api/v1/tickets/SUPPORT-7102/"+where, secret, body(3), &m); res.StatusCode != 201 {
			t.Fatalf("%s: %d", where, res.StatusCode)
		}
		if len(m.Attachments) != 2 || m.Attachments[0].Name != "ä.html" || m.Attachments[0].Type != "text/html" || m.Attachments[0].Size != int64(len(content)) ||
			m.Attachments[1].Type != "image/png" || m.Attachments[1].ContentID != "b" || len(m.Attachments[0].SHA256) != 64 {
			t.Fatalf("%+v", m.Attachments)
		}
		path := fmt.Sprintf("/api/v1/messages/%d/attachments/", m.ID)
		r, _ := http.NewRequestWithContext(t.Context(), "GET", s.tcp.URL+path+"0", nil)
		r.Header.Set("Authorization", "Bearer "+secret)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if h := res.Header; err != nil || !bytes.Equal(got, content) || h.Get("Content-Type") != "application/octet-stream" || h.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.HasPrefix(h.Get("Content-Disposition"), "attachment;") {
			t.Errorf("%q, %v, %v", got, h, err)
		}
		if res := s.call(s.tcp.URL, "GET", path+"2", secret, "", nil); res.StatusCode != 404 {
			t.Errorf("an attachment that is not there: %d", res.StatusCode)
		}
	}
	for size, want := range map[int]int{7_000_000 - len(content): 201, 7_000_000: 413, 20_000_000: 413} {
		if res := s.call(s.tcp.URL, "POST", "/api/v1/tickets/SUPPORT-7102/replies", secret, body(size), nil); res.StatusCode != want {
			t.Errorf("%d octets: %d, want %d", size, res.StatusCode, want)
		}
	}
	for _, wrong := range []string{`{"name":"a","content":"!"}`, `{"name":"","content":""}`, `{"name":"a"}`, `{"name":"a","content":"","content_id":"a b"}`, `{"name":"a","content":"","path":"/etc/passwd"}`} {
		if res := s.call(s.tcp.URL, "POST", "/api/v1/tickets/SUPPORT-7102/replies", secret, `{"text":"x","attachments":[`+wrong+`]}`, nil); res.StatusCode != 422 && res.StatusCode != 400 {
			t.Errorf("%s: %d", wrong, res.StatusCode)
		}
	}
}

// A program's reply is marked as one; the control socket acts for whom it names.
func TestActors(t *testing.T) {
	s := newSite(t)
	s.mail(1)
	var m Message
	s.call(s.tcp.URL, "POST", "/api/v1/tickets/SUPPORT-7102/replies", s.token(ticketing.ScopeWrite, true), `{"text":"x"}`, &m, "Idempotency-Key", "k")
	if m.Actor != "program:test" || !m.Automatic {
		t.Errorf("a program's reply: %+v", m)
	}
	s.call(s.control.URL, "POST", "/api/v1/tickets/SUPPORT-7102/notes", "", `{"text":"x"}`, &m, "Postdesk-Actor", "Jane")
	if m.Actor != "staff:Jane" || m.Kind != "note" {
		t.Errorf("a note of Jane: %+v", m)
	}
}

// The stream goes on after Last-Event-ID, says that it lives, and repeats nothing.
func TestStream(t *testing.T) {
	s := newSite(t)
	s.mail(1) // events 1 and 2
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, "GET", s.tcp.URL+"/api/v1/events/stream", nil)
	r.Header.Set("Authorization", "Bearer "+s.token(ticketing.ScopeRead, false))
	r.Header.Set("Last-Event-ID", "1")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var ids []string
	beats := 0
	for lines := bufio.NewScanner(res.Body); lines.Scan() && len(ids) < 3; {
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			if ids = append(ids, id); len(ids) == 1 {
				if err := s.deliver(2); err != nil {
					t.Fatal(err)
				}
			}
		}
		if strings.HasPrefix(lines.Text(), ":") {
			beats++
		}
	}
	if got := strings.Join(ids, " "); got != "2 3 4" || beats == 0 {
		t.Errorf("ids %s, %d comments; want 2 3 4 and at least one", got, beats)
	}
}

func TestReady(t *testing.T) {
	s := newSite(t)
	if res := s.call(s.tcp.URL, "GET", "/readyz", "", "", nil); res.StatusCode != 200 {
		t.Errorf("ready: %d", res.StatusCode)
	}
	s.warnings = []string{"mail is changed"}
	var warned struct{ Warnings []string }
	if res := s.call(s.tcp.URL, "GET", "/readyz", "", "", &warned); res.StatusCode != 200 || len(warned.Warnings) != 1 || warned.Warnings[0] != s.warnings[0] {
		t.Errorf("with a warning: %d %v", res.StatusCode, warned)
	}
	s.fault = errors.New("the thing is broken: mend it")
	var answer struct{ Checks map[string]string }
	if res := s.call(s.tcp.URL, "GET", "/readyz", "", "", &answer); res.StatusCode != 503 || answer.Checks["thing"] != s.fault.Error() {
		t.Errorf("not ready: %d %v", res.StatusCode, answer)
	}
}
