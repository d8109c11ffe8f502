package integration

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"postdesk/integration/lab"
)

// random is a source whose seed a failing run prints.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed, err := strconv.ParseUint(os.Getenv(tortureSeedEnv), 10, 64)
	if err != nil {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d: %s=%[1]d plays it again", seed, tortureSeedEnv)
	return rand.New(rand.NewPCG(seed, 0))
}

// share is what make test runs of a test, and the whole of it what make torture runs.
func share(small, whole int) int {
	if os.Getenv(tortureEnv) != "" {
		return whole
	}
	return small
}

// killer kills the agent and starts it again, each time that progress has come to the
// next of n random marks and a random moment more has gone by.
func killer(d *desk, rnd *rand.Rand, n, total int, progress func() int) (wait func()) {
	marks := make([]int, n)
	for i := range marks {
		marks[i] = (i*total + rnd.IntN(total)) / n
	}
	delays := make([]time.Duration, n)
	for i := range delays {
		delays[i] = time.Duration(rnd.Int64N(int64(30 * time.Millisecond)))
	}
	done := make(chan error, 1)
	go func() {
		for i, mark := range marks {
			err := lab.Until(d.ctx, fmt.Sprintf("progress to %d", mark), func() (bool, error) { return progress() >= mark, nil })
			if err != nil {
				done <- err
				return
			}
			moment := time.NewTimer(delays[i]) // a moment is what this test is about
			<-moment.C
			if err := errors.Join(d.agent.Kill(), d.agent.Start(d.ctx)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	return func() { d.t.Helper(); d.must(<-done) }
}

// Killed at random moments while Postfix delivers, the agent loses no mail and makes
// no ticket twice.
func TestKilledWhileReceiving(t *testing.T) {
	t.Parallel()
	mails, kills := share(500, 10_000), share(10, 200)
	const senders = 8
	d := newDesk(t, time.Duration(share(3, 60))*time.Minute, lab.Options{}, lab.AgentOptions{})
	rnd := random(t)
	sent := make([][]byte, mails)
	for i := range sent {
		sent[i] = lab.Letter{From: jane, To: "new@" + lab.Domain, Subject: fmt.Sprintf("kill %d", i), MessageID: fmt.Sprintf("kill.%d@%s", i, lab.SignedDomain),
			Body: strings.Repeat(fmt.Sprintf("line of mail %d\n", i), 1+rnd.IntN(200))}.Raw()
	}
	accepted := func() int { return strings.Count(d.agent.Log(), `msg="mail accepted"`) }
	wait := killer(d, rnd, kills, mails*9/10, accepted)
	sendAll(d, senders, sent)
	wait()
	d.must(d.Empty(d.ctx))
	d.must(d.agent.Drained(d.ctx))
	checkOnce(d, sent)
	d.must(d.agent.Stop(d.ctx))
	checkIntegrity(d)
}

// sendAll hands the mails to the MX over several connections.
func sendAll(d *desk, senders int, mails [][]byte) {
	d.t.Helper()
	var next atomic.Int64
	errs := make(chan error, senders)
	for range senders {
		go func() {
			c, err := d.Dial(d.ctx)
			if err != nil {
				errs <- err
				return
			}
			defer func() { _ = c.Close() }()
			for err == nil {
				i := int(next.Add(1)) - 1
				if i >= len(mails) {
					break
				}
				err = lab.Transmit(c, jane, []string{"new@" + lab.Domain}, mails[i])
			}
			errs <- err
		}()
	}
	for range senders {
		d.must(<-errs)
	}
}

// lineOf is what follows a prefix on the first line that begins with it.
func lineOf(raw []byte, prefix string) string {
	_, rest, _ := bytes.Cut(raw, []byte("\r\n"+prefix))
	line, _, _ := bytes.Cut(rest, []byte("\r\n"))
	return string(line)
}

// checkOnce wants each mail on one ticket of its own, which has its subject, with its bytes.
func checkOnce(d *desk, sent [][]byte) {
	d.t.Helper()
	tickets := d.waitTickets(len(sent))
	bySubject := map[string]string{}
	for _, ticket := range tickets {
		if other, twice := bySubject[ticket.Subject]; twice {
			d.t.Errorf("%q is on %s and on %s", ticket.Subject, other, ticket.Name)
		}
		bySubject[ticket.Subject] = ticket.Name
	}
	for _, raw := range sent {
		subject := lineOf(raw, "Subject: ")
		name, ok := bySubject[subject]
		if !ok {
			d.t.Errorf("mail %q is lost", subject)
			continue
		}
		messages, err := d.api.Messages(d.ctx, name)
		d.must(err)
		if len(messages) != 1 {
			d.t.Errorf("%s has %d messages", name, len(messages))
			continue
		}
		got, err := d.api.Raw(d.ctx, messages[0].ID)
		d.must(err)
		if !bytes.HasSuffix(got, raw) {
			d.t.Errorf("mail %q has other bytes than were sent", subject)
		}
	}
}

// database opens the stopped or running agent's database beside it.
func database(d *desk) *sql.DB {
	d.t.Helper()
	u := url.URL{Scheme: "file", Path: filepath.Join(d.agent.Data, "postdesk.db"), RawQuery: "_busy_timeout=5000"}
	db, err := sql.Open("sqlite", u.String())
	d.must(err)
	db.SetMaxOpenConns(1)
	d.t.Cleanup(func() { _ = db.Close() })
	return db
}

func checkIntegrity(d *desk) {
	d.t.Helper()
	db := database(d)
	var verdict string
	d.must(db.QueryRowContext(d.ctx, "PRAGMA integrity_check").Scan(&verdict))
	if verdict != "ok" {
		d.t.Errorf("integrity_check: %s", verdict)
	}
	d.must(db.Close())
}

// Killed while replies go out, the agent loses none. What was on its way to Postfix
// at a kill may go out again, and is then the same mail.
func TestKilledWhileReplying(t *testing.T) {
	t.Parallel()
	replies, kills := share(100, 2000), share(5, 100)
	const workers, inFlight = 4, 4 // inFlight: submission.workers of the agent
	d := newDesk(t, time.Duration(share(3, 60))*time.Minute, lab.Options{}, lab.AgentOptions{})
	rnd := random(t)
	letters := make([][]byte, replies)
	for i := range letters {
		letters[i] = lab.Letter{From: jane, To: "new@" + lab.Domain, Subject: fmt.Sprintf("kill %d", i), MessageID: fmt.Sprintf("kill.%d@%s", i, lab.SignedDomain), Body: "x"}.Raw()
	}
	sendAll(d, workers, letters)
	tickets := d.waitTickets(replies)
	wait := killer(d, rnd, kills, replies*9/10, func() int { return len(d.Sink.Mails()) })
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < replies; i += workers {
				if err := insist(d, tickets[i].Name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	wait()
	byTicket := map[string][]lab.Mail{}
	d.until("all replies at the sink", func() (bool, error) {
		clear(byTicket)
		for _, m := range d.Sink.Mails() {
			from := m.Header("From")
			byTicket[from] = append(byTicket[from], m)
		}
		if len(byTicket) < replies {
			return false, fmt.Errorf("%d of %d tickets are answered", len(byTicket), replies)
		}
		return d.settled()
	})
	d.must(d.Empty(d.ctx))
	again := 0
	for from, mails := range byTicket {
		for _, m := range mails[1:] {
			again++
			if m.Header("Message-ID") != mails[0].Header("Message-ID") || m.Header("Message-ID") == "" {
				t.Errorf("%s went out twice under different Message-IDs", from)
			}
		}
		for _, m := range mails {
			if !bytes.Contains(m.Data, []byte("The end of the answer.")) {
				t.Errorf("the reply of %s is cut off", from)
			}
		}
	}
	if again > kills*inFlight {
		t.Errorf("%d replies went out again, more than were in flight at %d kills", again, kills)
	}
	t.Logf("%d replies went out again", again)
}

// settled says that the agent has nothing more to submit.
func (d *desk) settled() (bool, error) {
	n, err := d.agent.Metric(d.ctx, "postdesk_outgoing_queued")
	return err == nil && n == 0, err
}

// insist answers a ticket as a program does that knows its agent may be down.
func insist(d *desk, ticket string) error {
	return lab.Until(d.ctx, "the reply to "+ticket, func() (bool, error) {
		ctx, cancel := context.WithTimeout(d.ctx, 5*time.Second)
		defer cancel()
		_, err := d.api.Reply(ctx, ticket, "key of "+ticket, "An answer.\n\nThe end of the answer.")
		return err == nil, err
	})
}
