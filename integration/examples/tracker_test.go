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

// start runs the bridge as a process.
func start(t *testing.T, desk *desktest.Desk, g *github) *exec.Cmd {
	t.Helper()
	// As main.go says: no more rights than it needs.
	_, token, err := desk.Ticketing().CreateToken(t.Context(), tester(),
		ticketing.Token{Name: "tracker", Scope: "read consume reply change", Program: true})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(bin, "tracker"), "--every", "10ms")
	cmd.Env = append(os.Environ(), "POSTDESK_URL="+desk.URL, "POSTDESK_TOKEN="+token,
		"TRACKER_URL="+g.URL+"/repos/acme/shop", "TRACKER_TOKEN=ghp_test")
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

// A tagged ticket gets an issue, another one none; when the issue is closed the customer
// is told and the ticket is resolved.
func TestBridge(t *testing.T) {
	t.Parallel()
	desk, g := desktest.Start(t, desktest.Options{}), newGithub(t)
	start(t, desk, g)
	name := tagged(t, desk, "The basket is empty", "bug")
	tagged(t, desk, "Where is the shop?", "question")
	until(t, "the issue", func() bool { return len(g.all()) > 0 })
	if i := g.all()[0]; i.Title != "The basket is empty" || !strings.Contains(i.Body, name) {
		t.Errorf("the issue is %+v", i)
	}
	g.close(1)
	desk.WaitMail(t, func(m desktest.Mail) bool { return m.Header("Subject") == "RE: The basket is empty" })
	until(t, "the label to be gone", func() bool { return len(g.all()[0].Labels) == 1 })
	desk.Settle(t)
	c, err := desk.Ticketing().Ticket(t.Context(), name)
	if err != nil || c.Ticket.Status != "resolved" || told(desk) != 1 || len(g.all()) != 1 {
		t.Errorf("status %s, %d mails, %d issues: %v", c.Ticket.Status, told(desk), len(g.all()), err)
	}
	if want := []string{"issue:" + g.all()[0].URL}; !slices.Equal(c.References, want) {
		t.Errorf("the ticket's references are %v, want %v", c.References, want)
	}
}

// The bridge is killed at each worst moment: the issue is made, and it does not learn of
// it; the customer is told, and the tracker does not learn of it. What it does after a new
// start leaves one issue and one mail.
func TestBridgeKilled(t *testing.T) {
	t.Parallel()
	desk, g := desktest.Start(t, desktest.Options{}), newGithub(t)
	killed := make(chan bool)
	cmd := start(t, desk, g)
	g.on(always, func(r *http.Request) {
		if r.Method == "POST" {
			_ = cmd.Process.Kill()
			close(killed)
		}
	})
	tagged(t, desk, "The basket is empty", "bug")
	<-killed
	_ = cmd.Wait()
	g.on(always, nothing)

	killed = make(chan bool)
	again := start(t, desk, g)
	g.on(func(r *http.Request) bool {
		if r.Method == "DELETE" {
			_ = again.Process.Kill()
			close(killed)
		}
		return r.Method != "DELETE"
	}, nothing)
	until(t, "the event to be acknowledged", func() bool { return acknowledged(t, desk) })
	if n := len(g.all()); n != 1 {
		t.Fatalf("there are %d issues", n)
	}
	g.close(1)
	<-killed
	_ = again.Wait()

	g.on(always, nothing)
	start(t, desk, g)
	until(t, "the label to be gone", func() bool { return len(g.all()[0].Labels) == 1 })
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
