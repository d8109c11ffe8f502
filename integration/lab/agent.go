package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"text/template"
	"time"
)

// Queue is a [[queue]] of the agent's configuration.
type Queue struct {
	Key, Name   string
	Addresses   []string // whole ones
	Domain      string   // of ticket addresses; empty: the lab's
	FirstNumber int
	Acknowledge bool // proven authors get an acknowledgement
}

// AgentOptions says how an agent is to be configured. The zero value is one queue
// SUPPORT with new@ and support@, whose first ticket is SUPPORT-7102.
type AgentOptions struct {
	Data      string // folder; empty: one in the lab's
	Queues    []Queue
	HTTPPort  int      // 0: a free one
	Extra     string   // TOML put first, before any table
	WithStaff bool     // sam, who logs in at the submission port, and ann, whose mail server signs
	Env       []string // of the process, beside the caller's
}

// Agent is a postdesk in a lab. Its data outlive its processes.
type Agent struct {
	Binary  string
	Config  string // path of the configuration file
	Data    string
	Control string // path of the control socket
	URL     string // of the HTTP port

	// Sockets are held open over the agent's restarts, as systemd does (sd_listen_fds(3)).
	Sockets []*os.File

	lab  *Lab
	env  []string
	logs string

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

const agentConfig = `{{.Options.Extra}}
domain = "{{.Lab.Domain}}"
data = "{{.Data}}"

[lmtp]
listen = "unix:{{.Lab.Socket}}"

[submission]
server = "{{.Lab.Submission}}"
username = "{{.Lab.Login}}"
password_file = "{{.Lab.Dir}}/password"
ca_file = "{{.Lab.CAFile}}"
tls_name = "{{.Lab.Host}}"

[dns]
nameserver = "{{.Lab.DNS.Addr}}"

[http]
listen = "{{.Listen}}"

[control]
socket = "{{.Control}}"
{{range .Options.Queues}}
[[queue]]
key = "{{.Key}}"
name = "{{.Name}}"
address = [{{range $i, $a := .Addresses}}{{if $i}}, {{end}}"{{$a}}"{{end}}]
first_number = {{.FirstNumber}}
{{if .Domain}}domain = "{{.Domain}}"
{{end}}acknowledge = "{{if .Acknowledge}}proven{{else}}off{{end}}"
{{end}}{{if .Options.WithStaff}}{{.Lab.TwoStaff}}{{end}}`

// TwoStaff are sam, who logs in at the submission port, and ann, whose mail server signs.
func (l *Lab) TwoStaff() string {
	return fmt.Sprintf(`
[[staff]]
name = "sam"
display_name = "Sam Hill"
address = ["%s"]
login = ["%s"]
notify = { all = ["new", "assigned", "answers", "held"] }

[[staff]]
name = "ann"
address = ["ann@%s"]
notify = { all = ["assigned"] }
`, l.StaffAddress, l.StaffLogin, StaffDomain)
}

// NewAgent writes the configuration of an agent that is built at binary. Start or
// Launch runs it.
func (l *Lab) NewAgent(binary string, o AgentOptions) (*Agent, error) {
	if err := LookAtSources(); err != nil {
		return nil, err
	}
	if o.Data == "" {
		o.Data = filepath.Join(l.Dir, "agent")
	}
	if o.Queues == nil {
		o.Queues = []Queue{{Key: "SUPPORT", Name: "Support", Addresses: []string{"new@" + l.Domain, "support@" + l.Domain}, FirstNumber: 7102}}
	}
	p, err := l.port(o.HTTPPort)
	if err != nil {
		return nil, err
	}
	listen := fmt.Sprintf("127.0.0.1:%d", p)
	a := &Agent{
		Binary: binary, Config: filepath.Join(l.Dir, "postdesk.toml"), Data: o.Data, Control: filepath.Join(l.Dir, "postdesk", "control.sock"),
		URL: "http://" + listen, lab: l, env: append(os.Environ(), o.Env...), logs: filepath.Join(l.Dir, "agent.log"),
	}
	t, err := template.New("postdesk.toml").Parse(agentConfig)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := t.Execute(&text, struct {
		Lab                   *Lab
		Options               AgentOptions
		Data, Listen, Control string
	}{l, o, a.Data, listen, a.Control}); err != nil {
		return nil, err
	}
	return a, errors.Join(
		os.MkdirAll(a.Data, 0o700),
		os.WriteFile(a.Config, text.Bytes(), 0o600),
		os.WriteFile(filepath.Join(l.Dir, "password"), []byte(Password), 0o600),
	)
}

// Env adds to the environment of the processes to come.
func (a *Agent) Env(vars ...string) { a.env = append(a.env, vars...) }

// Start runs the agent and waits until it says that it is ready.
func (a *Agent) Start(ctx context.Context) error {
	if err := a.Launch(); err != nil {
		return err
	}
	return a.WaitReady(ctx)
}

// Launch runs the agent and waits for nothing.
func (a *Agent) Launch() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cmd != nil {
		return errors.New("the agent runs already")
	}
	log, err := os.OpenFile(a.logs, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(a.Binary, "--config", a.Config, "serve")
	if len(a.Sockets) > 0 {
		// The pid is known to the shell alone, and stays when it becomes the agent.
		cmd = exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=$0 exec "$@"`, fmt.Sprint(len(a.Sockets)), a.Binary, "--config", a.Config, "serve")
		cmd.ExtraFiles = a.Sockets
	}
	cmd.Stdout, cmd.Stderr, cmd.Env = log, log, a.env
	// A test that panics runs no deferred calls, and the agent must not stay. Of its
	// own group, so that Ctrl-C reaches it through us alone.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	a.cmd, a.done = cmd, done
	go func() {
		_ = cmd.Wait() // ProcessState keeps the outcome
		close(done)
	}()
	return nil
}

// WaitReady waits until /readyz says 200.
func (a *Agent) WaitReady(ctx context.Context) error {
	return a.while(ctx, "a ready agent", func() (bool, error) {
		code, text, err := a.Ready(ctx)
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("/readyz says %d %s", code, text)
		}
		return err == nil, err
	})
}

// while is Until, but gives up when the agent ends.
func (a *Agent) while(ctx context.Context, what string, cond func() (bool, error)) error {
	var ended error
	err := Until(ctx, what, func() (bool, error) {
		if a.PID() == 0 {
			ended = fmt.Errorf("the agent ended while waiting for %s:%s", what, a.LogTail(10))
			return true, nil
		}
		return cond()
	})
	return errors.Join(err, ended)
}

// Ready asks /readyz once.
func (a *Agent) Ready(ctx context.Context) (code int, text string, err error) {
	return get(ctx, a.URL+"/readyz")
}

// PID is that of the process, 0 when none runs.
func (a *Agent) PID() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cmd == nil {
		return 0
	}
	select {
	case <-a.done:
		return 0
	default:
		return a.cmd.Process.Pid
	}
}

// Kill ends the agent at once, as the OOM killer does.
func (a *Agent) Kill() error {
	cmd, done := a.take()
	if cmd == nil {
		return nil
	}
	err := cmd.Process.Kill()
	<-done
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Stop asks the agent to end and waits until it has. It is an error when the agent
// gives another exit code than 0.
func (a *Agent) Stop(ctx context.Context) error {
	cmd, done := a.take()
	if cmd == nil {
		return nil
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-done:
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		<-done
		return fmt.Errorf("the agent did not end by SIGTERM:%s", a.LogTail(10))
	}
	if !cmd.ProcessState.Success() {
		return fmt.Errorf("the agent ended with %s:%s", cmd.ProcessState, a.LogTail(10))
	}
	return nil
}

// take gives the process, so that only one caller ends it.
func (a *Agent) take() (*exec.Cmd, chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	cmd := a.cmd
	a.cmd = nil
	return cmd, a.done
}

// Command runs another command of the agent's program and gives its standard output.
func (a *Agent) Command(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, a.Binary, append([]string{"--config", a.Config}, args...)...)
	cmd.Env = a.env
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("postdesk %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(exit.Stderr))
	}
	return string(out), err
}

// Client makes a token of a scope ("read" or "write") and gives a client with it.
func (a *Agent) Client(ctx context.Context, name, scope string) (*Client, error) {
	out, err := a.Command(ctx, "token", "create", "--name", name, "--scope", scope)
	if err != nil {
		return nil, err
	}
	secret := strings.TrimSpace(out)
	if secret == "" || strings.ContainsAny(secret, " \n") {
		return nil, fmt.Errorf("token create printed %q, not a secret alone", out)
	}
	return &Client{URL: a.URL, Token: secret}, nil
}

// Log is all that the agent wrote, over all its processes.
func (a *Agent) Log() string {
	b, _ := os.ReadFile(a.logs)
	return string(b)
}

// LogTail is the end of the agent's log, for the message of a failure.
func (a *Agent) LogTail(lines int) string { return tail(a.Log(), lines) }

// Metric gives the value of a metric without labels.
func (a *Agent) Metric(ctx context.Context, name string) (float64, error) {
	code, text, err := get(ctx, a.URL+"/metrics")
	if err != nil {
		return 0, err
	}
	for _, line := range strings.Split(text, "\n") {
		var v float64
		if n, _ := fmt.Sscanf(line, name+" %g", &v); n == 1 {
			return v, nil
		}
	}
	return 0, fmt.Errorf("/metrics (%d) has no %s", code, name)
}

// scrapeEvery is how often metrics are read while something is waited for: reading them
// takes as much of the agent as several mails do.
const scrapeEvery = 100 * time.Millisecond

// Drained waits until all that was accepted is processed.
func (a *Agent) Drained(ctx context.Context) error {
	return a.while(ctx, "the agent to process its arrivals", func() (bool, error) {
		time.Sleep(scrapeEvery)
		n, err := a.Metric(ctx, "postdesk_arrivals_pending")
		if err == nil && n != 0 {
			err = fmt.Errorf("%g arrivals are pending", n)
		}
		return err == nil, err
	})
}

// Searchable waits until the index of words has all that was processed: it is filled when
// nothing else is to be done, and would take its time from what is measured next.
func (a *Agent) Searchable(ctx context.Context) error {
	return a.while(ctx, "the agent to index its messages", func() (bool, error) {
		time.Sleep(scrapeEvery)
		n, err := a.Metric(ctx, "postdesk_search_behind")
		if err == nil && n != 0 {
			err = fmt.Errorf("%g events are not indexed", n)
		}
		return err == nil, err
	})
}

func tail(text string, lines int) string {
	if text = strings.TrimSpace(text); text == "" {
		return ""
	}
	all := strings.Split(text, "\n")
	return "\n" + strings.Join(all[max(0, len(all)-lines):], "\n")
}
