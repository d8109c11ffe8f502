package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"postdesk/ticketing"
)

// bring uploads what a reader gives.
func (s *site) bring(secret string, content io.Reader, header ...string) (*http.Response, Upload) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), "POST", s.tcp.URL+"/api/v1/uploads?name=..%2Fb%C3%A4.pdf", content)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+secret)
	r.Header.Set("Content-Type", "application/octet-stream")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	var u Upload
	if err := json.NewDecoder(res.Body).Decode(&u); err != nil {
		s.t.Fatal(err)
	}
	return res, u
}

// A file that is brought as a stream goes with the reply that names it, as it was; too much
// is refused while it comes, and nobody else can use it.
func TestUploads(t *testing.T) {
	s := newSite(t)
	s.mail(1)
	jane, joe := s.named("jane"), s.named("joe")
	content := bytes.Repeat([]byte("0123456789\x00\xff"), 200_000)
	res, u := s.bring(jane, struct{ io.Reader }{bytes.NewReader(content)}, "Idempotency-Key", "k") // without a length
	if res.StatusCode != 201 || u.Name != "bä.pdf" || u.Type != "application/pdf" || u.Size != int64(len(content)) || len(u.Upload) < 26 {
		t.Fatalf("%d %+v", res.StatusCode, u)
	}
	if _, again := s.bring(jane, bytes.NewReader(content), "Idempotency-Key", "k"); again.Upload != u.Upload {
		t.Errorf("the same key: %+v", again)
	}
	const path = "/api/v1/tickets/SUPPORT-7102/replies"
	request := fmt.Sprintf(`{"text":"x","attachments":[{"name":"guide.pdf","upload":%q}]}`, u.Upload)
	if res := s.call(s.tcp.URL, "POST", path, joe, request, nil); res.StatusCode != 422 {
		t.Errorf("the upload of somebody else: %d, want 422", res.StatusCode)
	}
	var m Message
	if res := s.call(s.tcp.URL, "POST", path, jane, request, &m); res.StatusCode != 201 || len(m.Attachments) != 1 || m.Attachments[0].Name != "guide.pdf" || m.Attachments[0].SHA256 != u.SHA256 {
		t.Fatalf("%d %+v", res.StatusCode, m)
	}
	r, _ := http.NewRequestWithContext(t.Context(), "GET", fmt.Sprintf("%s/api/v1/messages/%d/attachments/0", s.tcp.URL, m.ID), nil)
	r.Header.Set("Authorization", "Bearer "+joe)
	back, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer back.Body.Close()
	if got, err := io.ReadAll(back.Body); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d octets come back of %d: %v", len(got), len(content), err)
	}
	if raw := s.sent(m.ID); !strings.Contains(raw, "guide.pdf") || len(raw) < len(content) {
		t.Errorf("the mail has %d octets", len(raw))
	}
	// More than fits is refused before it has come.
	endless := &counting{}
	if res, _ := s.bring(jane, endless); res.StatusCode != 413 || endless.n.Load() > 3*s.desk.MaxAttachmentBytes() {
		t.Errorf("an endless file: %d after %d octets", res.StatusCode, endless.n.Load())
	}
	_, big := s.bring(jane, bytes.NewReader(make([]byte, 5_000_000)))
	two := fmt.Sprintf(`{"text":"x","attachments":[{"name":"a","upload":%q},{"name":"b","upload":%[1]q}]}`, big.Upload)
	for body, want := range map[string]int{two: 413, `{"text":"x","attachments":[{"name":"a"}]}`: 422, `{"text":"x","attachments":[{"name":"a","upload":"none"}]}`: 422,
		fmt.Sprintf(`{"text":"x","attachments":[{"name":"a","content":"","upload":%q}]}`, u.Upload): 422} {
		if res := s.call(s.tcp.URL, "POST", path, jane, body, nil); res.StatusCode != want {
			t.Errorf("%s: %d, want %d", body, res.StatusCode, want)
		}
	}
	if res, _ := s.bring(s.token(ticketing.ScopeRead, false), strings.NewReader("x")); res.StatusCode != 403 {
		t.Errorf("who may read: %d", res.StatusCode)
	}
}

// What was changed on the disk is no download that looks whole.
func TestDownloadOfChangedFile(t *testing.T) {
	s := newSite(t)
	s.mail(1)
	jane := s.named("jane")
	content := make([]byte, 300_000)
	for i := range content {
		content[i] = byte(i * i >> 3)
	}
	_, u := s.bring(jane, bytes.NewReader(content))
	var m Message
	s.call(s.tcp.URL, "POST", "/api/v1/tickets/SUPPORT-7102/notes", jane, fmt.Sprintf(`{"text":"x","attachments":[{"name":"a","upload":%q}]}`, u.Upload), &m)
	get := func() (int, error) {
		r, _ := http.NewRequestWithContext(t.Context(), "GET", fmt.Sprintf("%s/api/v1/messages/%d/attachments/0", s.tcp.URL, m.ID), nil)
		r.Header.Set("Authorization", "Bearer "+jane)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, err
		}
		defer res.Body.Close()
		if res.StatusCode != 200 {
			return 0, fmt.Errorf("%d", res.StatusCode)
		}
		got, err := io.ReadAll(res.Body)
		return len(got), err
	}
	if n, err := get(); n != len(content) || err != nil {
		t.Fatalf("%d octets, %v", n, err)
	}
	path := filepath.Join(s.dir, "raw", u.SHA256[:2], u.SHA256)
	kept, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	kept[len(kept)/2] ^= 0x10
	if err := os.WriteFile(path, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := get(); err == nil {
		t.Errorf("a changed file is a download of %d octets", n)
	}
}

// counting is a file without an end.
type counting struct{ n atomic.Int64 }

func (c *counting) Read(p []byte) (int, error) {
	c.n.Add(int64(len(p))) // whoever sends it may go on to read when the answer is there
	return len(p), nil
}
