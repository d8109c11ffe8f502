// Package examples holds programs that work with a desk, each in a folder of its own, and
// the tests that they do what README.md says.
package examples

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postdesk/integration/desktest"
	"postdesk/integration/lab"
	"postdesk/ticketing"
)

// bin is a folder with the postdesk under test, built once for all tests.
var bin string

func TestMain(m *testing.M) {
	os.Exit(lab.RunTests(m, func(program string) error {
		bin = filepath.Dir(program)
		return exec.Command("go", "build", "-o", bin, "./tracker").Run()
	}))
}

// command runs a program of the examples with postdesk in its path, and gives what it prints.
func command(t *testing.T, stdin string, env []string, name string, args ...string) string {
	t.Helper()
	if err := lab.LookAtSources(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	if !strings.Contains(name, "/") {
		cmd.Path, cmd.Err = filepath.Join(bin, name), nil
	}
	cmd.Env = append(append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH")), env...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func letter(from, to, fields, subject, text string) []byte {
	return fmt.Appendf(nil, "From: %s\nTo: %s\nSubject: %s\n%s\n%s\n", from, to, subject, fields, text)
}

// answers are the mails that go out, but for acknowledgements.
func answers(t *testing.T, desk *desktest.Desk) (to []string) {
	t.Helper()
	desk.Settle(t)
	for _, m := range desk.Outbox() {
		if strings.HasPrefix(m.Header("Subject"), "RE: ") {
			to = append(to, m.To...)
		}
	}
	return to
}

// Who has forgotten a password and is proven gets one answer, who asks something else or
// may be anybody gets none, and who asks again is left to people.
func TestPasswords(t *testing.T) {
	t.Parallel()
	desk := desktest.Start(t, desktest.Options{})
	consume := func() {
		t.Helper()
		command(t, "", []string{"POSTDESK_SOCKET=" + desk.Control}, "postdesk", "consume", "passwords", "--type", "message.received", "--proven", "--once", "--tries", "1", "--", "passwords/answer.sh")
		if list := command(t, "", []string{"POSTDESK_SOCKET=" + desk.Control}, "postdesk", "consumer", "list", "--json"); !strings.Contains(list, `"dead":0`) {
			t.Fatalf("the consumers are %s", list)
		}
	}
	question, err := os.ReadFile("passwords/question.eml")
	if err != nil {
		t.Fatal(err)
	}
	asked := desk.Deliver(t, "jane@customer.example", desktest.Address, question)
	desk.Deliver(t, "bob@customer.example", desktest.Address, letter("bob@customer.example", desktest.Address, "", "Invoice", "Where is it?"))
	desk.DeliverUnproven(t, "eve@evil.example", desktest.Address, letter("jane@customer.example", desktest.Address, "", "My password", "I forgot it."))
	desk.Deliver(t, "", desktest.Address, letter("robot@customer.example", desktest.Address, "Auto-Submitted: auto-generated\n", "Password expired", "Now."))
	consume()
	if to := answers(t, desk); len(to) != 1 || to[0] != "jane@customer.example" {
		t.Fatalf("answers went to %v", to)
	}
	reply := desk.WaitMail(t, func(m desktest.Mail) bool { return m.Header("Subject") == "RE: I can't log in" })
	if reply.Header("Auto-Submitted") != "auto-replied" {
		t.Errorf("a program's answer says Auto-Submitted: %q", reply.Header("Auto-Submitted"))
	}
	again := desk.Deliver(t, "jane@customer.example", asked.Ticket+"@"+desktest.Domain, letter("jane@customer.example", desktest.Address, "", "RE: I can't log in", "The password page is broken."))
	consume()
	if to := answers(t, desk); again.Ticket != asked.Ticket || len(to) != 1 {
		t.Errorf("a second question in %s: answers went to %v", again.Ticket, to)
	}
}

// Alarms of a host are one ticket. It is resolved when all of the host's services are OK, by
// the monitor's own word alone; what happens after that is a new ticket.
func TestMonitor(t *testing.T) {
	t.Parallel()
	const monitor, alerts = "monitor@company.example", "alerts@support-ticket.example"
	// As in monitor/postdesk.toml, which the test of README.md runs.
	desk := desktest.Start(t, desktest.Options{Desk: ticketing.Config{Queues: []ticketing.Queue{
		{Key: "ALERTS", Addresses: []string{alerts}, Automatic: ticketing.AutomaticGroup + "X-Host"}}}})
	says := func(deliver func(testing.TB, string, string, []byte) desktest.Outcome, host, subject string) string {
		t.Helper()
		ticket := deliver(t, monitor, alerts, letter(monitor, alerts, "Auto-Submitted: auto-generated\nX-Host: "+host+"\n", subject, "-")).Ticket
		command(t, "", []string{"POSTDESK_SOCKET=" + desk.Control}, "postdesk", "consume", "monitor", "--queue", "ALERTS", "--type", "message.received", "--proven", "--once", "--tries", "1", "--", "monitor/resolve.sh")
		return ticket
	}
	for _, step := range []struct {
		host, subject  string
		forged         bool
		ticket, status string
	}{
		{"web1", "CRITICAL: disk on web1", false, "ALERTS-1", "new"},
		{"web1", "WARNING: load on web1", false, "ALERTS-1", "new"},
		{"web2", "CRITICAL: disk on web2", false, "ALERTS-2", "new"},
		{"web1", "OK: disk on web1", false, "ALERTS-1", "new"},
		{"web2", "OK: disk on web2", true, "ALERTS-2", "new"},
		{"web1", "OK: load on web1", false, "ALERTS-1", "resolved"},
		{"web1", "CRITICAL: disk on web1", false, "ALERTS-3", "new"},
		{"web2", "OK: disk on web2", false, "ALERTS-2", "resolved"},
	} {
		deliver := desk.Deliver
		if step.forged {
			deliver = desk.DeliverUnproven
		}
		got := says(deliver, step.host, step.subject)
		c, err := desk.Ticketing().Ticket(t.Context(), got)
		if err != nil || got != step.ticket || string(c.Ticket.Status) != step.status {
			t.Errorf("%+v: %s is %s: %v", step, got, c.Ticket.Status, err)
		}
	}
}
