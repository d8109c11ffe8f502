//go:build redmine

package examples

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"postdesk/integration/desktest"
	"postdesk/integration/lab"
)

// The bridge works with a Redmine as Debian packages it: make test-redmine.
func TestRedmine(t *testing.T) {
	r := startRedmine(t)
	t.Run("story", func(t *testing.T) { bridges(t, r.project(t, "shop")) })
	t.Run("killed", func(t *testing.T) { survives(t, r.project(t, "office")) })
	t.Run("words", func(t *testing.T) { customersWords(t, r.project(t, "desk")) })
}

// A customer who writes another ticket's mark takes no issue from it, and one who writes
// more than Redmine's subject holds has one too.
func customersWords(t *testing.T, tr tracker) {
	t.Helper()
	desk := desktest.Start(t, desktest.Options{})
	first := tagged(t, desk, "It is as in [SUPPORT-2]", "bug")
	second := tagged(t, desk, strings.Repeat("ä", 300), "bug")
	start(t, desk, tr)
	until(t, "the events to be acknowledged", func() bool { return acknowledged(t, desk) })
	made := tr.issues()
	if len(made) != 2 || !strings.HasPrefix(made[0].title, "["+first+"] It is as in [") || !strings.HasPrefix(made[1].title, "["+second+"] ää") {
		t.Errorf("the issues are %+v", made)
	}
}

const redmineCode = "/usr/share/redmine"

// redmineServer is a private Redmine on loopback, which lives in a folder of the test.
type redmineServer struct {
	dir, url, key string
	one           sync.Mutex // SQLite has one writer, and Ruby waits for it with all threads stopped
}

func startRedmine(t *testing.T) *redmineServer {
	t.Helper()
	if _, err := os.Stat(redmineCode + "/bin/rails"); err != nil {
		t.Fatalf("there is no Redmine, make test-redmine installs it: %v", err)
	}
	r := &redmineServer{dir: t.TempDir()}
	setup, err := filepath.Abs("redmine_setup.rb")
	err = errors.Join(err, os.Mkdir(r.dir+"/config", 0o700), os.Mkdir(r.dir+"/log", 0o700), os.Mkdir(r.dir+"/tmp", 0o700),
		// Debian's Gemfile takes the database's gem only when it knows the instance.
		os.WriteFile(r.dir+"/Gemfile", []byte("eval_gemfile '"+redmineCode+"/Gemfile'\ngem 'sqlite3', '~> 1.4.0'\ngem 'webrick'\n"), 0o600),
		os.WriteFile(r.dir+"/config/database.yml", fmt.Appendf(nil, "production: {adapter: sqlite3, database: %s/redmine.db, timeout: 10000}\n", r.dir), 0o600),
		os.WriteFile(r.dir+"/config/secret_key.txt", []byte(strings.Repeat("0123456789abcdef", 4)), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"bin/rails", "db:migrate"}, {"bin/rails", "runner", setup, r.dir + "/key"}} {
		if out, err := r.ruby(t.Context(), args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
	key, err := os.ReadFile(r.dir + "/key")
	if err != nil {
		t.Fatal(err)
	}
	r.key = string(key)
	r.serve(t)
	return r
}

// ruby is a Ruby program in Redmine. Debian's Redmine is in one place and its instances
// in another, and the name of an instance may be a path.
func (r *redmineServer) ruby(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "ruby", args...)
	cmd.Dir = redmineCode
	cmd.Env = append(os.Environ(), "HOME="+r.dir, "REDMINE_INSTANCE="+strings.Repeat("../", 8)+r.dir, "BUNDLE_GEMFILE="+r.dir+"/Gemfile",
		"RAILS_ENV=production", "SCHEMA=/dev/null", "LANG=C.UTF-8")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// serve runs WEBrick on a port of the kernel's choice, and waits until it says which. It does
// so without bin/rails server, which makes folders beside Redmine's code.
func (r *redmineServer) serve(t *testing.T) {
	t.Helper()
	out, err := os.Create(r.dir + "/out")
	if err != nil {
		t.Fatal(err)
	}
	cmd := r.ruby(context.Background(), "-S", "rackup", "-s", "webrick", "-E", "none", "-o", "127.0.0.1", "-p", "0")
	cmd.Stdout, cmd.Stderr = out, out
	if err := errors.Join(cmd.Start(), out.Close()); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if log, _ := os.ReadFile(r.dir + "/log/production.log"); t.Failed() {
			t.Logf("%s", log[max(0, len(log)-5000):])
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = lab.Until(ctx, "Redmine", func() (bool, error) {
		said, err := os.ReadFile(r.dir + "/out")
		select {
		case <-ended:
			t.Fatalf("Redmine has ended: %s", said)
		default:
		}
		port := regexp.MustCompile(`#start: pid=\d+ port=(\d+)`).FindSubmatch(said)
		if port == nil {
			return false, err
		}
		r.url = "http://127.0.0.1:" + string(port[1])
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// call asks Redmine itself, not the gate.
func (r *redmineServer) call(t *testing.T, method, path string, in, out any) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, r.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Redmine-API-Key", r.key)
	req.Header.Set("Content-Type", "application/json")
	r.one.Lock()
	defer r.one.Unlock()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= 300 {
		text, _ := io.ReadAll(res.Body)
		t.Fatalf("%s %s: %s: %s", method, path, res.Status, text)
	}
	if out != nil {
		if err := json.NewDecoder(res.Body).Decode(out); err != nil {
			t.Fatal(err)
		}
	}
}

// redmineProject is a tracker behind a gate.
type redmineProject struct {
	*gate
	t      *testing.T
	server *redmineServer
	name   string
}

func (r *redmineServer) project(t *testing.T, name string) *redmineProject {
	t.Helper()
	to, err := url.Parse(r.url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(to) }}
	oneByOne := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.one.Lock()
		defer r.one.Unlock()
		proxy.ServeHTTP(w, req)
	})
	return &redmineProject{gate: newGate(t, oneByOne), t: t, server: r, name: name}
}

func (p *redmineProject) env() []string {
	return []string{"TRACKER_KIND=redmine", "TRACKER_URL=" + p.URL + "/projects/" + p.name, "TRACKER_TOKEN=" + p.server.key}
}

func (p *redmineProject) issues() (found []issue) {
	p.t.Helper()
	var page struct {
		Issues []struct {
			ID                   int
			Subject, Description string
		}
	}
	p.server.call(p.t, "GET", "/projects/"+p.name+"/issues.json?status_id=*&sort=id", nil, &page)
	for _, i := range page.Issues {
		found = append(found, issue{i.ID, fmt.Sprintf("%s/issues/%d", p.URL, i.ID), i.Subject, i.Description, strings.Contains(i.Description, "customer-waits")})
	}
	return found
}

// close is what a developer does.
func (p *redmineProject) close(number int) {
	p.t.Helper()
	var known struct {
		Statuses []struct {
			ID     int  `json:"id"`
			Closed bool `json:"is_closed"`
		} `json:"issue_statuses"`
	}
	p.server.call(p.t, "GET", "/issue_statuses.json", nil, &known)
	for _, s := range known.Statuses {
		if s.Closed {
			p.server.call(p.t, "PUT", fmt.Sprintf("/issues/%d.json", number), map[string]any{"issue": map[string]int{"status_id": s.ID}}, nil)
			return
		}
	}
	p.t.Fatal("no status is a closed one")
}
