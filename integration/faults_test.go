package integration

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"postdesk/integration/lab"
)

// waitDeferred waits until Postfix has n mails that the agent did not take.
func (d *desk) waitDeferred(n int) {
	d.t.Helper()
	d.until(fmt.Sprintf("%d deferred mails or more", n), func() (bool, error) {
		// Postfix tries again each second, so that a deferred mail may be active just now:
		// it is one that is in the queue and that the log says was deferred.
		q, err := d.Queue(d.ctx)
		deferred := 0
		log := strings.Split(d.Log(), "\n")
		for _, m := range q {
			if slices.ContainsFunc(log, func(l string) bool { return strings.Contains(l, m.ID+": ") && strings.Contains(l, "status=deferred") }) {
				deferred++
			}
		}
		if err == nil && deferred < n {
			err = fmt.Errorf("%d are deferred", deferred)
		}
		return err == nil, err
	})
}

// waitReady waits until /readyz says what it should: ready, or not ready because of
// something whose name is in its text.
func (d *desk) waitReady(want int, because string) {
	d.t.Helper()
	d.until(fmt.Sprintf("%d %s at /readyz", want, because), func() (bool, error) {
		code, text, err := d.agent.Ready(d.ctx)
		if err == nil && (code != want || !strings.Contains(text, because)) {
			err = fmt.Errorf("it says %d %s", code, text)
		}
		return err == nil, err
	})
}

// noBounce wants that nobody was told of our fault.
func (d *desk) noBounce() {
	d.t.Helper()
	log := d.Log()
	for _, bad := range []string{"status=bounced", "sender non-delivery", "said: 5"} {
		if strings.Contains(log, bad) {
			d.t.Errorf("Postfix's log has %q", bad)
		}
	}
	if n := len(d.Sink.Mails()); n != 0 {
		d.t.Errorf("%d mails went out", n)
	}
}

func (d *desk) writeNumbered(from, to int) {
	d.t.Helper()
	for i := from; i < to; i++ {
		d.write(lab.Letter{From: jane, To: "new@" + lab.Domain, Subject: fmt.Sprintf("mail %d", i), MessageID: fmt.Sprintf("fault.%d@%s", i, lab.SignedDomain),
			Body: strings.Repeat(fmt.Sprintf("mail %d\n", i), 500)})
	}
}

// With a full disk mail is deferred, pages stay readable, and everything arrives by
// itself once there is room.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	data := smallDisk(t, 32)
	d := newDesk(t, time.Minute, lab.Options{}, lab.AgentOptions{Data: data})
	d.writeNumbered(0, 2)
	d.waitTickets(2)
	ballast := filepath.Join(data, "ballast")
	fill(t, ballast)
	// What the log of the database has room for, which it takes from no disk, is taken still.
	const all = 60
	rnd := random(t)
	for i := 2; i < all; i++ {
		d.write(lab.Letter{From: jane, To: "new@" + lab.Domain, Subject: fmt.Sprintf("mail %d", i), MessageID: fmt.Sprintf("fault.%d@%s", i, lab.SignedDomain),
			Body: incompressible(rnd, 40<<10)})
	}
	d.waitDeferred(4)
	d.waitReady(http.StatusServiceUnavailable, "store")
	if tickets, err := d.api.Tickets(d.ctx); err != nil || len(tickets) < 2 {
		t.Errorf("%d tickets can be read: %v", len(tickets), err)
	}
	d.must(os.Remove(ballast))
	d.must(d.Empty(d.ctx))
	d.waitTickets(all)
	d.waitReady(http.StatusOK, "")
	d.noBounce()
}

// incompressible is so much text that no compression makes half as small.
func incompressible(rnd *rand.Rand, size int) string {
	var b strings.Builder
	for b.Len() < size {
		fmt.Fprintf(&b, "%016x%016x%016x\n", rnd.Uint64(), rnd.Uint64(), rnd.Uint64())
	}
	return b.String()
}

// smallDisk is a folder with room for so many MB.
func smallDisk(t *testing.T, megabytes int) string {
	t.Helper()
	data, err := os.MkdirTemp("/tmp", "deskdisk")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(unix.Unmount(data, unix.MNT_DETACH), os.Remove(data)); err != nil {
			t.Error(err)
		}
	})
	if err := unix.Mount("tmpfs", data, "tmpfs", 0, fmt.Sprintf("size=%dm", megabytes)); err != nil {
		t.Fatal(err)
	}
	return data
}

// fill writes until there is no room.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for size := 1 << 16; size > 0; size /= 2 { // down to the last octet
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
	}
}

// While another process holds the database, under load, mail is deferred; it arrives when
// the lock is gone.
func TestLockedDatabase(t *testing.T) {
	t.Parallel() // it waits for half a minute, as Postfix would
	mails, hold := share(3, 500), time.Duration(share(0, 60))*time.Second
	d := newDesk(t, time.Duration(share(1, 10))*time.Minute, lab.Options{}, lab.AgentOptions{})
	d.writeNumbered(0, 1)
	d.waitTickets(1)
	other := database(d)
	conn, err := other.Conn(d.ctx)
	d.must(err)
	_, err = conn.ExecContext(d.ctx, "BEGIN IMMEDIATE")
	d.must(err)
	held := time.NewTimer(hold)
	d.writeNumbered(1, 1+mails)
	d.waitReady(http.StatusServiceUnavailable, "store")
	if mails == 3 {
		d.waitDeferred(3)
	}
	d.waitTickets(1) // still readable
	<-held.C         // how long is what this test is about
	if !strings.Contains(d.Log(), "status=deferred") {
		t.Error("nothing was deferred: the test sees nothing")
	}
	_, err = conn.ExecContext(d.ctx, "ROLLBACK")
	d.must(err)
	d.must(conn.Close())
	d.must(d.Empty(d.ctx))
	d.waitTickets(1 + mails)
	d.waitReady(http.StatusOK, "")
	d.noBounce()
}

// While nobody takes our mail, mail still comes in and replies wait; they go out when
// submission is back.
func TestSubmissionDown(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 90*time.Second, lab.Options{}, lab.AgentOptions{})
	d.writeNumbered(0, 1)
	ticket := d.waitTickets(1)[0].Name
	d.must(d.Lab.StopPostfix(d.ctx))
	d.reply(ticket, "k", "An answer that waits.")
	d.until("a first attempt", func() (bool, error) {
		messages, err := d.api.Messages(d.ctx, ticket)
		for _, m := range messages {
			for _, o := range m.Outgoing {
				if o.State == "queued" && o.LastReply != "" {
					return true, err
				}
			}
		}
		return false, errors.Join(err, fmt.Errorf("messages: %+v", messages))
	})
	d.waitReady(http.StatusServiceUnavailable, "submission")
	dialLMTP(d).deliver("From: <" + jane + ">\r\nSubject: meanwhile\r\n\r\nx\r\n")
	d.waitTickets(2)
	d.must(d.StartPostfix(d.ctx))
	_, err := d.Sink.Wait(d.ctx, "the reply", lab.To(jane))
	d.must(err)
	d.waitReady(http.StatusOK, "")
}

// While DNS does not answer, mail is taken at once and shown without rights; when DNS
// is back, the verdict is made good.
func TestDNSDown(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 2*time.Minute, lab.Options{}, lab.AgentOptions{})
	d.DNS.Trouble("", lab.ServFail)
	d.writeNumbered(0, 1)
	ticket := d.waitTickets(1)[0] // though DNS never answered
	m := d.waitMessages(ticket.Name, 1)[0]
	if !ticket.Unverified || m.Authentication.Author != "" || !m.Authentication.Temporary || m.Row != "7" {
		t.Errorf("without DNS: %+v, %+v", ticket, m)
	}
	d.waitReady(http.StatusServiceUnavailable, "DNS does not answer")
	d.DNS.Trouble("", lab.Healthy)
	d.until("the author's proof", func() (bool, error) {
		got, err := d.api.Messages(d.ctx, ticket.Name)
		if err != nil || len(got) != 1 || got[0].Authentication.Author != jane {
			return false, errors.Join(err, fmt.Errorf("%+v", got))
		}
		return true, nil
	})
	d.waitReady(http.StatusOK, "")
	d.noBounce()
}
