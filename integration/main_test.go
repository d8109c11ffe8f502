package integration

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"postdesk/integration/lab"
)

const jane = "jane@" + lab.SignedDomain

// binary is the agent under test, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	os.Exit(lab.RunTests(m, func(program string) error { binary = program; return nil }))
}

// desk is an agent in a lab, with a client.
type desk struct {
	*lab.Lab
	t     *testing.T
	ctx   context.Context // ends with the test's time
	agent *lab.Agent
	api   *lab.Client
}

// newDesk starts a lab and a ready agent in it.
func newDesk(t *testing.T, limit time.Duration, lo lab.Options, ao lab.AgentOptions) *desk {
	t.Helper()
	d := stoppedDesk(t, limit, lo, ao)
	d.must(d.agent.Start(d.ctx))
	d.connect()
	return d
}

// patient is by how much a limit is longer than what an idle machine needs: limits end
// what hangs, and other work on the machine must not look like that.
const patient = 5

// stoppedDesk starts a lab whose agent does not run yet.
func stoppedDesk(t *testing.T, limit time.Duration, lo lab.Options, ao lab.AgentOptions) *desk {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient*limit)
	t.Cleanup(cancel)
	l, err := lab.Start(ctx, lo)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{Lab: l, t: t, ctx: ctx}
	t.Cleanup(d.close)
	if d.agent, err = l.NewAgent(binary, ao); err != nil {
		t.Fatal(err)
	}
	return d
}

// connect makes the client; a token outlives the agent's processes.
func (d *desk) connect() {
	d.t.Helper()
	var err error
	d.api, err = d.agent.Client(d.ctx, "test", "write")
	d.must(err)
}

// close stops agent and lab. A test that passed must leave an agent that ends well.
func (d *desk) close() {
	ctx, cancel := context.WithTimeout(context.Background(), patient*20*time.Second)
	defer cancel()
	if d.agent != nil {
		if err := d.agent.Stop(ctx); err != nil {
			d.t.Error(err)
		}
	}
	if d.t.Failed() && d.agent != nil {
		d.t.Logf("the agent's log:%s\nPostfix's log:%s", d.agent.LogTail(40), d.LogTail(40))
	}
	if err := d.Stop(); err != nil {
		d.t.Error(err)
	}
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// until waits for a condition, within the test's time.
func (d *desk) until(what string, cond func() (bool, error)) {
	d.t.Helper()
	d.must(lab.Until(d.ctx, what, cond))
}

// write sends a customer's mail to the MX.
func (d *desk) write(m lab.Letter) {
	d.t.Helper()
	d.must(d.Write(d.ctx, m))
}

// waitTickets waits until there are n tickets, and gives them, the newest update first.
func (d *desk) waitTickets(n int) (tickets []lab.Ticket) {
	d.t.Helper()
	d.until(fmt.Sprintf("%d tickets", n), func() (bool, error) {
		var err error
		tickets, err = d.api.Tickets(d.ctx)
		if err == nil && len(tickets) != n {
			err = fmt.Errorf("there are %d tickets", len(tickets))
		}
		return err == nil, err
	})
	return tickets
}

// waitMessages waits until a ticket has n messages.
func (d *desk) waitMessages(ticket string, n int) (messages []lab.Message) {
	d.t.Helper()
	d.until(fmt.Sprintf("%d messages of %s", n, ticket), func() (bool, error) {
		var err error
		messages, err = d.api.Messages(d.ctx, ticket)
		if err == nil && len(messages) != n {
			err = fmt.Errorf("there are %d messages", len(messages))
		}
		return err == nil, err
	})
	return messages
}

// reply answers a ticket by the API.
func (d *desk) reply(ticket, key, text string) lab.Message {
	d.t.Helper()
	m, err := d.api.Reply(d.ctx, ticket, key, text)
	d.must(err)
	return m
}
