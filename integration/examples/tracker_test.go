package examples

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"postdesk/integration/desktest"
	"postdesk/ticketing"
)

// tracker is one that the bridge works with, behind a gate.
type tracker interface {
	env() []string
	on(before func(*http.Request) bool, after func(*http.Request))
	issues() []issue // the oldest first
	close(number int)
}

type issue struct {
	number           int
	url, title, body string
	waits            bool // it has the mark of a customer who waits
}

// start runs the bridge as a process.
func start(t *testing.T, desk *desktest.Desk, tr tracker) *exec.Cmd {
	t.Helper()
	// As main.go says: no more rights than it needs.
	_, token, err := desk.Ticketing().CreateToken(t.Context(), tester(),
		ticketing.Token{Name: "tracker", Scope: "read consume reply change", Program: true})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(bin, "tracker"), "--every", "50ms")
	cmd.Env = append(append(os.Environ(), "POSTDESK_URL="+desk.URL, "POSTDESK_TOKEN="+token), tr.env()...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var words strings.Builder
	cmd.Stderr = &words
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(words.String())
		}
	})
	return cmd
}

func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(desktest.Patience); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func tagged(t *testing.T, desk *desktest.Desk, subject, tag string) string {
	t.Helper()
	out := desk.Deliver(t, "jane@customer.example", desktest.Address, letter("jane@customer.example", desktest.Address, "", subject, "It does not work."))
	if _, err := desk.Ticketing().Change(t.Context(), tester(), out.Ticket, ticketing.Change{AddTags: []string{tag}}); err != nil {
		t.Fatal(err)
	}
	return out.Ticket
}

// tester is who the test is at the desk.
func tester() ticketing.Actor { return ticketing.Actor{Kind: "staff", Name: "test", Origin: "cli"} }

// told are the mails to the customer that say that the problem is solved.
func told(desk *desktest.Desk) (n int) {
	for _, m := range desk.Outbox() {
		if strings.Contains(strings.ReplaceAll(string(m.Data), "=\r\n", ""), "is solved") {
			n++
		}
	}
	return n
}

func TestBridge(t *testing.T) {
	t.Parallel()
	bridges(t, newGithub(t))
}

func TestBridgeKilled(t *testing.T) {
	t.Parallel()
	survives(t, newGithub(t))
}

// A tagged ticket gets an issue, another one none; when the issue is closed the customer
// is told and the ticket is resolved.
func bridges(t *testing.T, tr tracker) {
	t.Helper()
	desk := desktest.Start(t, desktest.Options{})
	start(t, desk, tr)
	name := tagged(t, desk, "The basket is empty", "bug")
	tagged(t, desk, "Where is the shop?", "question")
	until(t, "the issue", func() bool { return len(tr.issues()) > 0 })
	made := tr.issues()[0]
	if !strings.HasSuffix(made.title, "The basket is empty") || !strings.Contains(made.body, name) || !made.waits {
		t.Errorf("the issue is %+v", made)
	}
	tr.close(made.number)
	desk.WaitMail(t, func(m desktest.Mail) bool { return m.Header("Subject") == "RE: The basket is empty" })
	until(t, "the mark to be gone", func() bool { return !tr.issues()[0].waits })
	desk.Settle(t)
	c, err := desk.Ticketing().Ticket(t.Context(), name)
	if err != nil || c.Ticket.Status != "resolved" || told(desk) != 1 || len(tr.issues()) != 1 {
		t.Errorf("status %s, %d mails, %d issues: %v", c.Ticket.Status, told(desk), len(tr.issues()), err)
	}
	if want := []string{"issue:" + made.url}; !slices.Equal(c.References, want) {
		t.Errorf("the ticket's references are %v, want %v", c.References, want)
	}
}

// The bridge is killed at each worst moment: the issue is made, and it does not learn of
// it; the customer is told, and the tracker does not learn of it. What it does after a new
// start leaves one issue and one mail.
func survives(t *testing.T, tr tracker) {
	t.Helper()
	desk := desktest.Start(t, desktest.Options{})
	killed := make(chan bool)
	cmd := start(t, desk, tr)
	tr.on(always, func(r *http.Request) {
		if r.Method == "POST" {
			_ = cmd.Process.Kill()
			close(killed)
		}
	})
	tagged(t, desk, "The basket is empty", "bug")
	<-killed
	_ = cmd.Wait()
	tr.on(always, nothing)

	killed = make(chan bool)
	again := start(t, desk, tr)
	tr.on(func(r *http.Request) bool {
		takesOff := r.Method == "DELETE" || r.Method == "PUT"
		if takesOff {
			_ = again.Process.Kill()
			close(killed)
		}
		return !takesOff
	}, nothing)
	until(t, "the event to be acknowledged", func() bool { return acknowledged(t, desk) })
	made := tr.issues()
	if len(made) != 1 {
		t.Fatalf("there are %d issues", len(made))
	}
	tr.close(made[0].number)
	<-killed
	_ = again.Wait()

	tr.on(always, nothing)
	start(t, desk, tr)
	until(t, "the mark to be gone", func() bool { return !tr.issues()[0].waits })
	desk.Settle(t)
	if n := told(desk); n != 1 {
		t.Errorf("the customer was told %d times", n)
	}
}

func acknowledged(t *testing.T, desk *desktest.Desk) bool {
	t.Helper()
	all, err := desk.Ticketing().Consumers(t.Context(), tester())
	if err != nil {
		t.Fatal(err)
	}
	return len(all) == 1 && all[0].Behind == 0
}
