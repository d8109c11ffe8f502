package integration

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"postdesk/integration/lab"
)

// A sender that falls silent in the middle of a body gets no second mail in: what it
// sends afterwards, LMTP commands with a forged envelope, is never carried out.
func TestStalledBodyInjectsNothing(t *testing.T) {
	t.Parallel()
	kilobytes := share(5, 96)
	d := newDesk(t, time.Duration(share(1, 10))*time.Minute, lab.Options{NoPostfix: true}, lab.AgentOptions{Env: []string{"POSTDESK_LMTP_STALL=4s"}})
	head := "From: <" + jane + ">\r\nSubject: hostile\r\n\r\n"
	body := head + strings.Repeat("A line of text that is longer than nothing.\r\n", kilobytes*1024/45+1)
	forged := "From: <boss@" + lab.SignedDomain + ">\r\nSubject: injected\r\nAuthentication-Results: mx." + lab.Domain + "; dkim=pass\r\n\r\ninjected\r\n.\r\n"
	commands := "\r\nMAIL FROM:<boss@" + lab.SignedDomain + ">\r\nRCPT TO:<new@" + lab.Domain + ">\r\nDATA\r\n" + forged
	offsets := []int{0, len(head) / 2, len(head), 1024, len(body)}
	if kilobytes > 5 {
		for k := range kilobytes {
			offsets = append(offsets, 1024*(k+1))
		}
	}
	var stalls sync.WaitGroup // of one test: others would have to wait for their turn while the time runs
	for _, offset := range offsets {
		c := dialLMTP(d)
		c.begin()
		_, err := c.conn.Write([]byte(body[:offset]))
		d.must(err)
		stalls.Go(func() { c.stalled(offset, commands) })
	}
	stalls.Wait()
	// One good mail, so that "nothing" is not the answer of a dead agent.
	dialLMTP(d).deliver(head + "good\r\n")
	d.must(d.agent.Drained(d.ctx))
	for _, ticket := range d.waitTickets(1) {
		if ticket.Subject != "hostile" {
			t.Errorf("ticket %+v", ticket)
		}
		if m := d.waitMessages(ticket.Name, 1)[0]; m.Text != "good\n" && m.Text != "good" && m.Text != "good\r\n" {
			t.Errorf("the mail is %+v", fmt.Sprintf("%.80q", m.Text))
		}
	}
}

// stalled is silent in a body until the agent has waited for long enough, which is longer than a
// busy machine keeps an honest sender from going on.
func (c *lmtpConn) stalled(offset int, commands string) {
	c.d.t.Helper()
	// The agent answers or closes when it has waited long enough; the commands come
	// at once after that, as from a sender who knows the time. Twice: what still reads
	// the body would take the first ones for its end.
	before := make([]byte, 512)
	n, err := c.conn.Read(before)
	if err == nil && !strings.HasPrefix(string(before[:n]), "4") {
		c.d.t.Errorf("offset %d: a stalled body was answered %q", offset, before[:n])
	}
	_, _ = c.conn.Write([]byte(commands + commands)) // fails where the connection is closed
	after, _ := io.ReadAll(c.conn)                   // until the agent closes
	if strings.Contains(string(after), "250") || strings.Contains(string(after), "354") {
		c.d.t.Errorf("offset %d: the agent carried out the body: %q", offset, after)
	}
}
