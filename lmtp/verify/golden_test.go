package verify

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postdesk/ticketing/mail"
)

var update = flag.Bool("update", false, "make the golden triples anew")

const goldenDir = "testdata/golden"

// world is what is around a message.
type world struct {
	ReversePath string            `json:"reverse_path,omitempty"`
	Trust       *Trust            `json:"trust,omitempty"`
	DNS         []string          `json:"dns"`              // in the words of a zone file
	Faults      map[string]string `json:"faults,omitempty"` // SERVFAIL, REFUSED, TIMEOUT
}

// Every message has the verdict that is written beside it, with a real name server.
func TestGolden(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	files, err := filepath.Glob(goldenDir + "/*.eml")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d triples, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".eml")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var w world
			readJSON(t, strings.TrimSuffix(file, ".eml")+".world.json", &w)
			got := marshal(t, w.verdict(t, raw))
			verdict := strings.TrimSuffix(file, ".eml") + ".json"
			if *update {
				if err := os.WriteFile(verdict, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(verdict)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func (w world) verdict(t *testing.T, raw []byte) mail.Authentication {
	z := newZone(t)
	z.mu.Lock() // it answers already, also stray questions of an earlier server of its port
	clear(z.txt)
	z.mu.Unlock()
	for _, line := range w.DNS {
		z.add(line)
	}
	for name, fault := range w.Faults {
		z.fault(name, fault)
	}
	r, err := NewResolver(z.addr)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Resolver: r, Timeout: z.patience()}
	if w.Trust != nil {
		cfg.Trust = *w.Trust
	}
	m := mail.Parse(raw)
	m.ReversePath = w.ReversePath
	auth := New(cfg).Verify(t.Context(), raw, m)
	for i := range auth.DKIM {
		auth.DKIM[i].Reason = withoutPort(auth.DKIM[i].Reason, z.addr)
	}
	return auth
}

// withoutPort takes out what is another one at each run.
func withoutPort(s, addr string) string {
	if strings.Contains(s, "i/o timeout") || strings.Contains(s, "deadline exceeded") {
		return "no answer"
	}
	return strings.ReplaceAll(s, addr, "the name server")
}

func readJSON(t *testing.T, file string, to any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, to)
	}
	if err != nil {
		t.Fatal(file, err)
	}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
