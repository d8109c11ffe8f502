package integration

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"postdesk/integration/lab"
)

// tortureEnv asks for the whole of a test of which make test runs a share; make torture
// sets it. tortureSeedEnv plays a run again.
const (
	tortureEnv     = "POSTDESK_TORTURE"
	tortureSeedEnv = "POSTDESK_TORTURE_SEED"
)

// answering is a shell script that answers mail under postdesk consume, with what kills it.
type answering struct {
	*desk
	rnd      *rand.Rand
	script   string
	pid      string // file with the process of the script that runs
	words    *os.File
	consumer *exec.Cmd
	mails    int
}

func newAnswering(t *testing.T, mails int) *answering {
	// One mail on its way at a time, from the agent and from Postfix, so that the bound
	// of what may go out twice is one that can be broken.
	d := newDesk(t, 15*time.Minute, lab.Options{ExtraMain: "smtp_destination_concurrency_limit = 1"},
		lab.AgentOptions{Env: []string{"POSTDESK_SUBMISSION_WORKERS=1"}})
	a := &answering{desk: d, rnd: random(t), pid: filepath.Join(t.TempDir(), "pid"), mails: mails}
	a.script = d.script(fmt.Sprintf(`echo $$ > %q
event=$(cat)
printf '%%s\n' "Your mail was: $POSTDESK_TICKET" | %q --config %q reply "$POSTDESK_TICKET"
`, a.pid, d.agent.Binary, d.agent.Config))
	var err error
	a.words, err = os.Create(filepath.Join(t.TempDir(), "words"))
	d.must(err)
	t.Cleanup(func() { a.words.Close() })
	return a
}

func (a *answering) start() {
	a.t.Helper()
	cmd := exec.Command(a.agent.Binary, "--config", a.agent.Config, "consume", "answers", "--type", "message.received", "--actor", "human",
		"--backoff", "20ms", "--tries", "100", "--", a.script)
	cmd.Stderr, cmd.Stdout = a.words, a.words
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	a.must(cmd.Start())
	a.consumer = cmd
}

func (a *answering) end() {
	_ = syscall.Kill(-a.consumer.Process.Pid, syscall.SIGKILL) // the script too
	_ = a.consumer.Wait()
}

// kill ends one of the parts, and starts it again where nobody else does.
func (a *answering) kill(part string) {
	a.t.Helper()
	switch part {
	case "script": // postdesk consume runs it again
		a.killScript()
	case "consume":
		a.end()
		a.start()
	case "agent":
		a.must(errors.Join(a.agent.Kill(), a.agent.Start(a.ctx)))
	case "postfix":
		a.must(errors.Join(a.KillPostfix(a.ctx), a.StartPostfix(a.ctx)))
	}
}

// killScript waits until the script is at work, which it is but for moments, unless all
// mail is answered.
func (a *answering) killScript() {
	a.t.Helper()
	a.until("the script at work", func() (bool, error) {
		text, err := os.ReadFile(a.pid)
		if err != nil {
			return false, err
		}
		pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if pid > 1 && err == nil && bytes.Contains(line, []byte(a.script)) {
			return true, syscall.Kill(pid, syscall.SIGKILL)
		}
		if a.answered() == a.mails {
			return true, nil
		}
		return false, errors.New("no script runs")
	})
}

// answered counts the mails whose answer is at the sink.
func (a *answering) answered() int { return len(a.answers()) }

// answers are the answers at the sink: by recipient and Message-ID, how often.
func (a *answering) answers() map[string]map[string]int {
	out := map[string]map[string]int{}
	for _, m := range a.Sink.Mails() {
		to := strings.Join(m.To, " ")
		if !bytes.Contains(m.Data, []byte("Your mail was: SUPPORT-")) || m.Header("Auto-Submitted") != "auto-replied" {
			a.t.Errorf("this is no answer of the script: %s", m.Data)
		}
		if out[to] == nil {
			out[to] = map[string]int{}
		}
		out[to][m.Header("Message-ID")]++
	}
	return out
}

// send hands the mails in, one after another, and again where Postfix was killed before
// it said that it has one.
func (a *answering) send(done chan<- error) {
	for i := range a.mails {
		from := fmt.Sprintf("person%d@%s", i, lab.SignedDomain)
		letter := lab.Letter{From: from, To: "new@" + lab.Domain, Subject: fmt.Sprintf("Question %d", i),
			MessageID: fmt.Sprintf("q%d@%s", i, lab.SignedDomain), Body: "How do I set my password?\n"}
		raw, err := a.Keys.Sign(letter.Raw(), lab.SignedDomain) // once: sent again it is the same mail
		if err == nil {
			err = lab.Until(a.ctx, "Postfix to take a mail", func() (bool, error) {
				err := a.Send(a.ctx, from, []string{letter.To}, raw)
				return err == nil, err
			})
		}
		if err != nil {
			done <- err
			return
		}
	}
	done <- nil
}

// A shell script answers mail. The script, the command that runs it, the agent and Postfix
// are each killed, in random order and at random moments: each mail is answered, and no
// mail twice but under the same Message-ID, and then only what was on its way at a kill.
func TestConsumeAnswersOnceThroughKills(t *testing.T) {
	t.Parallel()
	mails, kills := share(12, 100), share(2, 20) // of each
	a := newAnswering(t, mails)
	var parts []string
	for range kills {
		parts = append(parts, "script", "consume", "agent", "postfix")
	}
	a.rnd.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	sent := make(chan error, 1)
	go a.send(sent)
	a.start()
	defer func() { a.end() }()
	for i, part := range parts {
		// Each at its share of the work, so that the last one still interrupts something.
		a.until("answers at the sink", func() (bool, error) { return a.answered() >= i*(mails-2)/len(parts), nil })
		select { // at a random moment of its work; nothing is waited for here
		case <-a.ctx.Done():
		case <-time.After(time.Duration(a.rnd.IntN(60)) * time.Millisecond):
		}
		a.kill(part)
	}
	a.must(<-sent)
	a.finish()
	a.check(kills)
}

// finish waits until all is answered and nothing is on its way any more.
func (a *answering) finish() {
	a.t.Helper()
	a.until("the consumer to be done", func() (bool, error) {
		if c := a.pushed(); c.Dead > 0 || c.Behind > 0 || a.answered() < a.mails {
			return c.Dead > 0, fmt.Errorf("%+v, %d mails are answered", c, a.answered())
		}
		return a.settled()
	})
	a.must(a.Empty(a.ctx))
}

// pushed is the state of the consumer; the agent's queue is given a push, since what a
// kill of Postfix broke off is tried again after half a minute only.
func (a *answering) pushed() consumed {
	out, err := a.agent.Command(a.ctx, "queue", "list", "--json", "--state", "queued")
	a.must(err)
	for line := range strings.Lines(out) {
		if _, id, ok := strings.Cut(line, `"id":`); ok {
			id, _, _ = strings.Cut(id, ",")
			_, _ = a.agent.Command(a.ctx, "queue", "retry", id) // it may be gone by now
		}
	}
	_ = a.Flush(a.ctx)
	return a.desk.consumer("answers")
}

func (a *answering) check(kills int) {
	a.t.Helper()
	answers, again := a.answers(), 0
	for i := range a.mails {
		ids := answers[fmt.Sprintf("person%d@%s", i, lab.SignedDomain)]
		if len(ids) != 1 {
			a.t.Errorf("person %d has %d answers: %v", i, len(ids), ids)
		}
		for _, n := range ids {
			again += n - 1
		}
	}
	// The agent may have had one mail on its way to Postfix when either was killed, and
	// Postfix one to the sink when it was.
	if most := 3 * kills; again > most {
		a.t.Errorf("%d answers went out again, more than the %d that were on their way at %d kills", again, most, 2*kills)
	}
	tickets := a.waitTickets(a.mails)
	names := []string{}
	for _, ticket := range tickets {
		names = append(names, ticket.Subject)
		messages, err := a.api.Messages(a.ctx, ticket.Name)
		a.must(err)
		if len(messages) != 2 {
			a.t.Errorf("%s has %d messages, want the mail and its answer", ticket.Name, len(messages))
		}
	}
	if slices.Sort(names); len(slices.Compact(names)) != a.mails {
		a.t.Errorf("a mail has become two tickets: %v", names)
	}
	a.t.Logf("%d mails, %d kills, %d answers went out again", a.mails, 4*kills, again)
}
