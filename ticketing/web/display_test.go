package web

import (
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"testing"

	"postdesk/ticketing/mail"
)

const pngBytes = "\x89PNG\r\n\x1a\n-"

// take delivers the nth mail of a site and gives its message.
func (s *site) take(n int, raw string) (m Message) {
	s.t.Helper()
	env := mail.Envelope{ReversePath: "jo@customer.example", Recipients: []string{"new@desk.example"}}
	if err := s.desk.Deliver(s.t.Context(), env, strings.NewReader(raw))[0].Err; err != nil {
		s.t.Fatal(err)
	}
	s.settled()
	s.call(s.control.URL, "GET", fmt.Sprintf("/api/v1/messages/%d", n), "", "", &m)
	return m
}

func TestDisplay(t *testing.T) {
	s := newSite(t)
	m := s.take(1, "From: jo@customer.example\r\nSubject: look\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"+
		`<p onclick="x()">Hi<script>x()</script><img src="cid:a@x"><img src="https://t.example/p" width=90><a href="https://x.example/">there</a>`+
		"\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <a@x>\r\nContent-Transfer-Encoding: base64\r\n\r\n"+base64.StdEncoding.EncodeToString([]byte(pngBytes))+
		"\r\n--b\r\nContent-Type: image/png; name=b.png\r\n\r\n<svg onload=x()>\r\n--b--\r\n")
	path := fmt.Sprintf("/api/v1/messages/%d", m.ID)
	for query, image := range map[string]string{"": "data:image/png;base64,", "?images=link": path + "/parts/0"} {
		r, body := s.get(path + "/html" + query)
		for _, want := range []string{"default-src 'none'", "img-src 'self' data:", "sandbox allow-popups"} {
			if !strings.Contains(r.Header.Get("Content-Security-Policy"), want) {
				t.Errorf("policy %q", r.Header.Get("Content-Security-Policy"))
			}
		}
		if r.Header.Get("X-Content-Type-Options") != "nosniff" || r.Header.Get("Postdesk-Blocked") != "1" || r.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%v", r.Header)
		}
		if strings.Contains(body, "script") || strings.Contains(body, "onclick") || strings.Contains(body, "t.example") || !strings.Contains(body, `src="`+image) {
			t.Errorf("%s", body)
		}
	}
	r, body := s.get(path + "/parts/0")
	if r.Header.Get("Content-Type") != "image/png" || r.Header.Get("Content-Disposition") != "inline" || r.Header.Get("X-Content-Type-Options") != "nosniff" || body != pngBytes {
		t.Errorf("%v %q", r.Header, body)
	}
	if r, _ := s.get(path + "/parts/1"); !isDownload(r) {
		t.Errorf("%v", r.Header)
	}
	if r, _ := s.get(path + "/parts/9"); r.StatusCode != http.StatusNotFound {
		t.Errorf("%v", r.Status)
	}
}

func (s *site) get(path string) (*http.Response, string) {
	s.t.Helper()
	r, err := http.Get(s.control.URL + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return r, string(b)
}

func isDownload(r *http.Response) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Disposition"))
	return err == nil && kind == "attachment" && r.Header.Get("Content-Type") == "application/octet-stream" &&
		r.Header.Get("X-Content-Type-Options") == "nosniff" && strings.Contains(r.Header.Get("Content-Security-Policy"), "sandbox")
}

// evilNames are file names as attackers write them, and types that browsers act on.
func evilNames() (names, types []string) {
	parts := []string{"../../etc/passwd", `..\..\boot.ini`, "a.html", "a.svg", "<script>x()</script>.png", `a"; filename="b.exe`, "a\r\nSet-Cookie: x=1", "a\u202egnp.exe",
		"a\u200b.html", "CON", ".htaccess", "%2e%2e%2fa", "a;b", "ä\u0301.html", strings.Repeat("long", 100), "\x00.php", "a\x1b[31m.sh", "' or 1=1 --", "$(id).sh", "{{7*7}}",
		"|id", "a.png.", "a.png/", "\u2028.html", "-rf", "~/.ssh/id", "file:///etc/passwd", "\\\\host\\share", "a\tb", "javascript:alert(1)"}
	types = []string{"text/html", "image/svg+xml", "text/xml", "application/xhtml+xml", "application/javascript", "image/png", "application/x-shockwave-flash", "text/html\x00",
		"multipart/x-mixed-replace; boundary=x", "message/rfc822", "text/css", "application/pdf", "text/plain", "image/png, text/html", "x/" + strings.Repeat("y", 300), "text/vtt", "application/hta"}
	for i := range 500 {
		names = append(names, parts[i%len(parts)]+strings.Repeat(parts[(i*7)%len(parts)], i/len(parts)%2))
	}
	return names, types
}

// TestEvilFiles: whatever a file is called, it is a download under our own number.
func TestEvilFiles(t *testing.T) {
	s := newSite(t)
	names, types := evilNames()
	for n := 1; len(names) > 0; n++ {
		var b strings.Builder
		b.WriteString("From: jo@customer.example\r\nSubject: files\r\nContent-Type: multipart/mixed; boundary=cut\r\n\r\n")
		for i, name := range names[:250] {
			encoded := "=?utf-8?B?" + base64.StdEncoding.EncodeToString([]byte(name)) + "?="
			fmt.Fprintf(&b, "--cut\r\nContent-Type: %s\r\nContent-Disposition: attachment; filename=\"%s\"\r\n\r\n<script>x()</script>\r\n", types[i%len(types)], encoded)
		}
		names = names[250:]
		m := s.take(n, b.String()+"--cut--\r\n")
		if len(m.Attachments) != 250 {
			t.Fatalf("%d files", len(m.Attachments))
		}
		s.checkFiles(m)
	}
}

func (s *site) checkFiles(m Message) {
	for i, a := range m.Attachments {
		if strings.ContainsAny(a.Name, "/\\\x00\r\n\x1b\u202e\u200b") {
			s.t.Errorf("the name %q is shown", a.Name)
		}
		for _, kind := range []string{"attachments", "parts"} {
			if i%17 != 0 && kind == "attachments" { // parts are made of them
				continue
			}
			r, body := s.get(fmt.Sprintf("/api/v1/messages/%d/%s/%d", m.ID, kind, i))
			if !isDownload(r) || !strings.Contains(body, "script") || r.Header.Get("Set-Cookie") != "" {
				s.t.Fatalf("%q: %v", a.Name, r.Header)
			}
		}
	}
}
