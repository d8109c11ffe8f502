package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/foxcpp/go-mockdns"

	"postdesk/ticketing"
)

// patience is how long a test waits for what must come: other work on the machine must not look
// like an agent that hangs.
const patience = 2 * time.Minute

// desk is an agent that runs as a process of its own.
type desk struct {
	t      *testing.T
	dir    string
	config string
	cmd    *exec.Cmd
	log    chan map[string]any // lines of its log
	notify *net.UnixConn       // where it notifies systemd
}

const deskConfig = `domain = "support-ticket.example"
data = "DIR/data"
[lmtp]
listen = "unix:DIR/lmtp.sock"
group = ""
[submission]
server = "127.0.0.1:1"
[dns]
nameserver = "DNS"
[http]
listen = "127.0.0.1:0"
[control]
socket = "DIR/control.sock"
[log]
format = "json"
[[queue]]
key = "SUPPORT"
address = ["new@support-ticket.example"]
first_number = 7102
`

// newDesk prepares a desk whose DNS knows no domain and whose submission server does
// not answer.
func newDesk(t *testing.T) *desk {
	t.Helper()
	dns, err := mockdns.NewServerWithLogger(map[string]mockdns.Zone{}, log.New(io.Discard, "", 0), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dns.Close() })
	dir := t.TempDir()
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { notify.Close() })
	text := strings.NewReplacer("DIR", dir, "DNS", dns.LocalAddr().String()).Replace(deskConfig)
	d := &desk{t: t, dir: dir, config: filepath.Join(dir, "postdesk.toml"), notify: notify}
	d.write(text)
	return d
}

func (d *desk) write(text string) {
	d.t.Helper()
	if err := os.WriteFile(d.config, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// start runs the agent and waits until it has told systemd that it is ready.
func (d *desk) start() {
	d.t.Helper()
	d.cmd = exec.Command("postdesk", "--config", d.config, "serve")
	d.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+d.notify.LocalAddr().String(), "POSTDESK_TEST_SYNCHRONOUS=OFF")
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	cmd := d.cmd
	d.t.Cleanup(func() { cmd.Process.Kill() })
	lines := make(chan map[string]any, 1000)
	d.log = lines
	go func() {
		defer close(lines)
		for scan := bufio.NewScanner(stderr); scan.Scan(); {
			line := map[string]any{}
			if json.Unmarshal(scan.Bytes(), &line) != nil {
				line["msg"] = scan.Text()
			}
			lines <- line
		}
	}()
	d.notified("READY=1")
}

func (d *desk) notified(state string) {
	d.t.Helper()
	buf := make([]byte, 100)
	d.notify.SetReadDeadline(time.Now().Add(patience))
	for {
		n, err := d.notify.Read(buf)
		if err != nil {
			d.t.Fatalf("no %s: %v; log: %v", state, err, d.drain())
		}
		if string(buf[:n]) == state {
			return
		}
	}
}

// drain gives what is in the log and was not looked at.
func (d *desk) drain() (lines []map[string]any) {
	for {
		select {
		case line, ok := <-d.log:
			if !ok {
				return lines
			}
			lines = append(lines, line)
		default:
			return lines
		}
	}
}

// logged waits for a line of the log.
func (d *desk) logged(text string) map[string]any {
	d.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case line, ok := <-d.log:
			if !ok {
				d.t.Fatalf("the agent ended without %q", text)
			}
			if strings.Contains(fmt.Sprint(line["msg"]), text) {
				return line
			}
		case <-limit:
			d.t.Fatalf("no %q in the log", text)
		}
	}
}

// signalAndWait gives the exit code.
func (d *desk) signalAndWait(s os.Signal) int {
	d.t.Helper()
	d.cmd.Process.Signal(s)
	limit := time.AfterFunc(patience, func() { d.cmd.Process.Kill() })
	defer limit.Stop()
	for range d.log { // Wait closes the pipe, so it must be empty
	}
	d.cmd.Wait()
	return d.cmd.ProcessState.ExitCode()
}

// run runs another command of postdesk, which must end with this exit code. It runs in this
// process: what a start costs, the scripts pay.
func (d *desk) run(code int, args ...string) string {
	d.t.Helper()
	var out, errs bytes.Buffer
	if got := run(append([]string{"--config", d.config}, args...), strings.NewReader(""), &out, &errs); got != code {
		d.t.Fatalf("postdesk %v: exit code %d, want %d: %s%s", args, got, code, &out, &errs)
	}
	return out.String() + errs.String()
}

func (d *desk) deliver(message string) {
	d.t.Helper()
	d.deliverTo("new@support-ticket.example", message)
}

func (d *desk) deliverTo(to, message string) {
	d.t.Helper()
	conn, err := net.Dial("unix", filepath.Join(d.dir, "lmtp.sock"))
	if err != nil {
		d.t.Fatal(err)
	}
	c := smtp.NewClientLMTP(conn)
	defer c.Close()
	if err := c.SendMail("jane@customer.example", []string{to}, strings.NewReader(strings.ReplaceAll(message, "\n", "\r\n"))); err != nil {
		d.t.Fatal(err)
	}
}

// follow reads the feed with postdesk events --follow.
func (d *desk) follow() (cmd *exec.Cmd, events chan ticketing.Event) {
	d.t.Helper()
	cmd = exec.Command("postdesk", "--config", d.config, "events", "--follow")
	out, err := cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { cmd.Process.Kill() })
	events = make(chan ticketing.Event, 100)
	go func() {
		defer close(events)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			var e ticketing.Event
			if json.Unmarshal(scan.Bytes(), &e) == nil {
				events <- e
			}
		}
	}()
	return cmd, events
}

func await(t *testing.T, events chan ticketing.Event, kind string) ticketing.Event {
	t.Helper()
	limit := time.After(patience)
	for {
		select {
		case e, ok := <-events:
			if !ok {
				t.Fatalf("the feed ended without %s", kind)
			}
			if e.Type == kind {
				return e
			}
		case <-limit:
			t.Fatalf("no %s on the feed", kind)
		}
	}
}

const letter = `From: Jane <jane@customer.example>
To: new@support-ticket.example
Subject: The printer is on fire
Message-ID: <1@customer.example>
Date: Tue, 24 Nov 2026 10:00:00 +0000

It burns.
`

// From mail to answer to stop, with all the parts together.
func TestServe(t *testing.T) {
	d := newDesk(t)
	d.start()
	address := d.logged("HTTP API")["address"].(string)
	feed, events := d.follow()
	d.deliver(letter)
	e := await(t, events, ticketing.TicketCreated)
	if e.Name != "SUPPORT-7102" {
		t.Errorf("ticket %q, want SUPPORT-7102", e.Name)
	}
	if list := d.run(0, "ticket", "list"); !strings.Contains(list, "SUPPORT-7102") || !strings.Contains(list, "jane@customer.example") {
		t.Errorf("ticket list:\n%s", list)
	}
	if show := d.run(0, "ticket", "show", "support-7102"); !strings.Contains(show, "It burns.") {
		t.Errorf("ticket show:\n%s", show)
	}
	first := d.run(0, "reply", "SUPPORT-7102", "--text", "Use water.", "--as", "jo", "--key", "k1")
	if again := d.run(0, "reply", "SUPPORT-7102", "--text", "Use water.", "--as", "jo", "--key", "k1"); again != first {
		t.Errorf("the same key made another reply: %q, then %q", first, again)
	}
	if e := await(t, events, ticketing.ReplyAdded); e.Actor != "staff:jo" || e.Origin != "cli" {
		t.Errorf("reply by %q from %q", e.Actor, e.Origin)
	}
	await(t, events, ticketing.MessageQueued)
	await(t, events, ticketing.MessageDelayed) // the submission server does not answer
	if list := d.run(0, "queue", "list"); !strings.Contains(list, "jane@customer.example") {
		t.Errorf("queue list:\n%s", list)
	}
	d.testErrors()
	d.testToken(address)

	if code := d.signalAndWait(syscall.SIGTERM); code != 0 {
		t.Errorf("SIGTERM: exit code %d, want 0", code)
	}
	d.notified("STOPPING=1")
	for range events {
	}
	feed.Wait()
	if code := feed.ProcessState.ExitCode(); code != exitTemp {
		t.Errorf("a follower whose agent stopped: exit code %d, want %d", code, exitTemp)
	}
	if _, err := os.Stat(filepath.Join(d.dir, "control.sock")); err == nil {
		t.Error("the control socket is left behind")
	}
}

// testErrors: what the agent refuses has the exit code that --help promises.
func (d *desk) testErrors() {
	d.t.Helper()
	d.run(exitNoInput, "ticket", "show", "SUPPORT-999")
	d.run(exitNoInput, "accept", "999")
	d.run(exitData, "status", "SUPPORT-7102", "finished")
	d.run(exitData, "reply", "SUPPORT-7102", "--text", "Other words.", "--as", "jo", "--key", "k1")
	d.run(exitData, "reply", "SUPPORT-7102", "--text", "Late.", "--seen", "1")
	d.run(0, "note", "SUPPORT-7102", "--text", "Call the fire brigade.")
	d.run(0, "status", "SUPPORT-7102", "resolved")
	d.run(exitUsage, "assign", "SUPPORT-7102")
	d.run(exitData, "prio", "SUPPORT-7102", "1")
	for want, args := range map[string][]string{
		"assigned to jo": {"assign", "SUPPORT-7102", "me", "--as", "jo"},
		"priority high":  {"prio", "SUPPORT-7102", "high"},
		"tags fire vip":  {"tag", "SUPPORT-7102", "VIP", "fire"},
	} {
		if got := d.run(0, args...); !strings.Contains(got, "SUPPORT-7102: "+want) {
			d.t.Errorf("%v says %q, want %q", args, got, want)
		}
	}
	if got := d.run(0, "tag", "SUPPORT-7102", "--remove", "fire"); !strings.Contains(got, "tags vip\n") {
		d.t.Errorf("a tag taken off: %q", got)
	}
	if got := d.run(0, "assign", "SUPPORT-7102", "nobody"); !strings.Contains(got, "assigned to nobody") {
		d.t.Errorf("given to nobody: %q", got)
	}
}

// testToken: TCP needs a token, and one that may read cannot write.
func (d *desk) testToken(address string) {
	d.t.Helper()
	secret := strings.TrimSpace(d.run(0, "token", "create", "--name", "robot", "--scope", "read", "--program"))
	get := func(method, path, secret string) (code int, text string) {
		req, _ := http.NewRequestWithContext(context.Background(), method, "http://"+address+path, nil)
		if secret != "" {
			req.Header.Set("Authorization", "Bearer "+secret)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			d.t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(body)
	}
	for _, tt := range []struct {
		method, path, secret string
		want                 int
	}{
		{"GET", "/api/v1/tickets", secret, 200},
		{"GET", "/api/v1/tickets", "", 401},
		{"GET", "/api/v1/tickets", secret + "x", 401},
		{"POST", "/api/v1/outgoing/1/retry", secret, 403},
		{"GET", "/api/v1/tokens", secret, 403},
		{"GET", "/readyz", "", 503}, // answers wait: nobody takes them
		{"GET", "/metrics", "", 200},
	} {
		if got, text := get(tt.method, tt.path, tt.secret); got != tt.want {
			d.t.Errorf("%s %s with token %q: %d, want %d: %s", tt.method, tt.path, tt.secret, got, tt.want, text)
		}
	}
	_, metrics := get("GET", "/metrics", "")
	places := runtime.GOMAXPROCS(0) + 1
	if os.Getenv("GOMAXPROCS") != "" {
		places-- // who says how many has them
	}
	if want := fmt.Sprintf("\ngo_sched_gomaxprocs_threads %d\n", places); !strings.Contains(metrics, want) {
		d.t.Errorf("the metrics do not say%s", want)
	}
	if list := d.run(0, "token", "list"); !strings.Contains(list, "robot") || strings.Contains(list, secret) {
		d.t.Errorf("token list:\n%s", list)
	}
	d.run(0, "token", "remove", "1")
	if got, _ := get("GET", "/api/v1/tickets", secret); got != 401 {
		d.t.Errorf("a removed token: %d, want 401", got)
	}
}

// A valid file changes what can be changed; one that is not valid changes nothing.
func TestReload(t *testing.T) {
	d := newDesk(t)
	d.start()
	text, err := os.ReadFile(d.config)
	if err != nil {
		t.Fatal(err)
	}
	hangup := func(text string, says string) map[string]any {
		d.write(text)
		d.cmd.Process.Signal(syscall.SIGHUP)
		return d.logged(says)
	}
	hangup("domain = ", "not reloaded, the old one stays")
	hangup(strings.Replace(string(text), "[log]", "[log]\nlevel = \"debug\"", 1), "configuration reloaded")
	line := hangup(strings.Replace(string(text), "nameserver = ", "# nameserver = ", 1), "with a restart only")
	if got := fmt.Sprint(line["settings"]); got != "[dns.nameserver]" {
		t.Errorf("settings %s, want [dns.nameserver]", got)
	}
	if code := d.signalAndWait(syscall.SIGINT); code != 0 {
		t.Errorf("SIGINT: exit code %d, want 0", code)
	}
}

// What a killed agent leaves behind does not keep the next one from starting; a second
// agent beside a running one is refused with a word.
func TestRestart(t *testing.T) {
	d := newDesk(t)
	d.start()
	d.deliver(letter)
	if text := d.run(exitFailure, "serve"); !strings.Contains(text, "in use by another postdesk") {
		t.Errorf("a second agent: %s", text)
	}
	d.signalAndWait(syscall.SIGKILL)
	d.start()
	_, events := d.follow()
	if e := await(t, events, ticketing.TicketCreated); e.Name != "SUPPORT-7102" {
		t.Errorf("after a kill: ticket %q", e.Name)
	}
}
