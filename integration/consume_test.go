package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// An event that a program cannot handle steps aside, and can be handled later.
func TestConsumeDeadLetter(t *testing.T) {
	t.Parallel()
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
