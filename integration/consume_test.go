package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"postdesk/integration/lab"
)

// consumed is what postdesk consumer list says of one consumer.
type consumed struct {
	Name   string `json:"name"`
	Behind int64  `json:"behind"`
	Dead   int    `json:"dead"`
}

func (d *desk) consumer(name string) (c consumed) {
	d.t.Helper()
	out, err := d.agent.Command(d.ctx, "consumer", "list", "--json")
	d.must(err)
	for line := range strings.Lines(out) {
		d.must(json.Unmarshal([]byte(line), &c))
		if c.Name == name {
			return c
		}
	}
	return consumed{}
}

func (d *desk) script(text string) string {
	d.t.Helper()
	path := filepath.Join(d.t.TempDir(), "script")
	d.must(os.WriteFile(path, []byte("#!/bin/sh\nset -eu\n"+text), 0o700))
	return path
}

// A shell script answers mail. It, the agent and the command that runs it are killed at
// random: each mail is answered, and no mail twice but under the same Message-ID.
func TestConsumeAnswersOnceThroughKills(t *testing.T) {
	const mails, kills = 20, 4
	d := newDesk(t, 2*time.Minute, lab.Options{}, lab.AgentOptions{})
	script := d.script(fmt.Sprintf(`event=$(cat)
printf '%%s\n' "Your mail was: $POSTDESK_TICKET" | %q --config %q reply "$POSTDESK_TICKET"
`, d.agent.Binary, d.agent.Config))
	for i := range mails {
		d.write(lab.Letter{From: fmt.Sprintf("person%d@%s", i, lab.SignedDomain), To: "new@" + lab.Domain, Subject: fmt.Sprintf("Question %d", i),
			MessageID: fmt.Sprintf("q%d@%s", i, lab.SignedDomain), Body: "How do I set my password?\n"})
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	words, err := os.Create(filepath.Join(t.TempDir(), "words"))
	d.must(err)
	defer words.Close()
	start := func() *exec.Cmd {
		cmd := exec.Command(d.agent.Binary, "--config", d.agent.Config, "consume", "answers", "--type", "message.received", "--actor", "human", "--workers", "2", "--backoff", "50ms", "--", script)
		cmd.Stderr, cmd.Stdout = words, words
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		d.must(cmd.Start())
		return cmd
	}
	end := func(cmd *exec.Cmd) {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the script too
		_ = cmd.Wait()
	}
	consumer := start()
	for range kills {
		select { // at a random moment of its work; nothing is waited for here
		case <-d.ctx.Done():
		case <-time.After(time.Duration(random.IntN(200)) * time.Millisecond):
		}
		end(consumer)
		d.must(d.agent.Kill())
		d.must(d.agent.Start(d.ctx))
		consumer = start()
	}
	defer func() { end(consumer) }()
	d.until("the consumer to be done", func() (bool, error) {
		c := d.consumer("answers")
		if c.Dead == 0 && (len(d.Sink.Mails()) < mails || c.Behind > 0) {
			return false, fmt.Errorf("%+v, %d mails out; its words: %s", c, len(d.Sink.Mails()), words.Name())
		}
		return true, nil
	})
	d.must(d.Empty(d.ctx))
	answers := map[string]map[string]int{} // recipient, Message-ID
	for _, m := range d.Sink.Mails() {
		if !bytes.Contains(m.Data, []byte("Your mail was: SUPPORT-")) {
			continue // an acknowledgement
		}
		if m.Header("Auto-Submitted") != "auto-replied" {
			t.Errorf("a program's answer says Auto-Submitted: %q", m.Header("Auto-Submitted"))
		}
		to := strings.Join(m.To, " ")
		if answers[to] == nil {
			answers[to] = map[string]int{}
		}
		answers[to][m.Header("Message-ID")]++
	}
	for i := range mails {
		if ids := answers[fmt.Sprintf("person%d@%s", i, lab.SignedDomain)]; len(ids) != 1 {
			t.Errorf("person %d has %d answers: %v", i, len(ids), ids)
		}
	}
}

// An event that a program cannot handle steps aside, and can be handled later.
func TestConsumeDeadLetter(t *testing.T) {
	d := newDesk(t, time.Minute, lab.Options{}, lab.AgentOptions{})
	out := filepath.Join(t.TempDir(), "out")
	failing := d.script(fmt.Sprintf(`if grep -q poison; then echo "I cannot" >&2; exit 3; fi
echo "$POSTDESK_TICKET $POSTDESK_EVENT $POSTDESK_PROGRAM $POSTDESK_IDEMPOTENCY_KEY" >> %q
`, out))
	for i, subject := range []string{"fine", "poison", "fine too"} {
		d.write(lab.Letter{From: jane, To: "new@" + lab.Domain, Subject: subject, MessageID: fmt.Sprintf("d%d@%s", i, lab.SignedDomain), Body: "Words.\n"})
		d.waitTickets(i + 1)
	}
	_, err := d.agent.Command(d.ctx, "consume", "picky", "--type", "ticket.created", "--tries", "2", "--backoff", "10ms", "--once", "--", failing)
	d.must(err)
	if c := d.consumer("picky"); c.Dead != 1 {
		t.Errorf("the consumer is %+v, want one dead letter", c)
	}
	text, err := os.ReadFile(out)
	d.must(err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "SUPPORT-7102 ticket.created picky consumer:picky:") || !strings.HasPrefix(lines[1], "SUPPORT-7104 ") {
		t.Errorf("the program has handled %q", lines)
	}
	if _, err := d.agent.Command(d.ctx, "consume", "picky", "--dead", "--type", "ticket.created", "--", failing); err == nil {
		t.Error("what fails again is said to be handled")
	}
	healed := d.script("cat > /dev/null\n")
	_, err = d.agent.Command(d.ctx, "consume", "picky", "--dead", "--type", "ticket.created", "--", healed)
	d.must(err)
	if c := d.consumer("picky"); c.Dead != 0 {
		t.Errorf("the consumer is %+v, want no dead letter", c)
	}
}
