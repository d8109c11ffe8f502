package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postdesk/integration/lab"
)

// A desk that is backed up under load and restored elsewhere goes on: the tokens that it
// gave land on their tickets, its API tokens work, and no answer goes out twice.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 3*time.Minute, lab.Options{}, lab.AgentOptions{})
	d.write(lab.Letter{From: jane, To: "new@" + lab.Domain, Subject: "before", MessageID: "before@" + lab.SignedDomain, Body: strings.Repeat("A line.\n", 20000)})
	ticket := d.waitTickets(1)[0].Name
	d.reply(ticket, "first", "An answer that is out.")
	d.until("the answer", func() (bool, error) { return len(d.Sink.Mails()) == 1, nil })
	_, err := d.agent.Command(d.ctx, "queue", "hold")
	d.must(err)
	d.reply(ticket, "second", "An answer that waits at the backup.")
	d.until("the second answer's mail", func() (bool, error) {
		out, err := d.agent.Command(d.ctx, "queue", "list")
		return strings.Contains(out, "queued"), err
	})

	file, elsewhere := filepath.Join(d.Dir, "desk.tar.zst"), filepath.Join(d.Dir, "elsewhere")
	sent, end := underLoad(d)
	d.until("mail", func() (bool, error) { return sent.Load() >= 20, nil })
	said, err := d.agent.Command(d.ctx, "backup", file)
	d.must(err)
	t.Log(said)
	end(1)
	_, err = d.agent.Command(d.ctx, "queue", "release")
	d.must(err)
	d.until("the second answer", func() (bool, error) { return len(d.Sink.Mails()) == 2, nil })

	// The first desk is gone, the second one takes its place.
	d.must(d.agent.Stop(d.ctx))
	if _, err := d.agent.Command(d.ctx, "restore", file, "--data", d.agent.Data); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("restored over a desk: %v", err)
	}
	said, err = d.agent.Command(d.ctx, "restore", file, "--data", elsewhere)
	d.must(err)
	if !strings.Contains(said, "1 outgoing mails wait that may have gone out") || !strings.Contains(said, "postdesk queue release") {
		t.Errorf("restore says: %s", said)
	}
	config, err := os.ReadFile(d.agent.Config)
	d.must(err)
	d.must(os.WriteFile(d.agent.Config, []byte(strings.ReplaceAll(string(config), fmt.Sprintf("%q", d.agent.Data), fmt.Sprintf("%q", elsewhere))), 0o600))
	d.must(d.agent.Start(d.ctx))
	if said, err := d.agent.Command(d.ctx, "verify"); err != nil || !strings.HasPrefix(said, "ok ") {
		t.Errorf("verify: %s %v", said, err)
	}
	checkGoesOn(d, ticket)
}

// checkGoesOn plays what comes after a restore: the customer answers, staff answer, and the
// operator looks through the mail that was held.
func checkGoesOn(d *desk, ticket string) {
	d.t.Helper()
	before, err := d.api.Messages(d.ctx, ticket) // the old token of the API
	d.must(err)
	first := d.Sink.Mails()[0]
	d.write(lab.Letter{From: jane, To: strings.ToLower(ticket) + "@" + lab.Domain, Subject: "RE: before", MessageID: "after@" + lab.SignedDomain,
		InReplyTo: strings.Trim(first.Header("Message-ID"), "<>"), Body: "It works.\n"})
	d.waitMessages(ticket, len(before)+1)
	d.reply(ticket, "third", "An answer after the restore.")
	if _, text, err := d.agent.Ready(d.ctx); err != nil || !strings.Contains(text, "outgoing mail is held") {
		d.t.Errorf("/readyz says nothing of the mail that is held: %s %v", text, err)
	}
	out := ""
	d.until("two mails that are held", func() (bool, error) {
		out, err = d.agent.Command(d.ctx, "queue", "list")
		if rows := strings.Count(out, "queued"); err == nil && rows != 2 {
			err = fmt.Errorf("there are %d:\n%s", rows, out)
		}
		return err == nil, err
	})
	id := strings.Fields(strings.Split(out, "\n")[1])[0]
	_, err = d.agent.Command(d.ctx, "queue", "cancel", id)
	d.must(err)
	if n := len(d.Sink.Mails()); n != 2 {
		d.t.Errorf("%d mails went out, and 2 were before the restore", n)
	}
	_, err = d.agent.Command(d.ctx, "queue", "release")
	d.must(err)
	d.until("the third answer", func() (bool, error) { return len(d.Sink.Mails()) >= 3, nil })
	times := map[string]int{}
	for _, m := range d.Sink.Mails() {
		times[m.Header("Message-ID")]++
	}
	if len(times) != 3 {
		d.t.Errorf("Message-IDs: %v, want 3 once each", times)
	}
	d.write(lab.Letter{From: jane, To: "new@" + lab.Domain, Subject: "new", MessageID: "new@" + lab.SignedDomain, Body: "x\n"})
	d.until("a ticket whose number was not given before", func() (bool, error) {
		tickets, err := d.api.Tickets(d.ctx)
		for _, k := range tickets {
			var n int
			if _, err := fmt.Sscanf(k.Name, "SUPPORT-%d", &n); k.Subject == "new" && err == nil && n > 8102 {
				return true, nil
			}
		}
		return false, err
	})
}
