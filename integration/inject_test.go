package integration

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"postdesk/integration/lab"
)

// What the disk can refuse, and how. Only the database uses pwrite64 and fdatasync; openat,
// renameat and mkdirat are of large mails in files of their own. Plain writes cannot be told
// from those of the connections: what a full disk does to them is TestDiskFullByMail.
var (
	injectedCalls  = []string{"pwrite64", "fdatasync", "fsync", "openat", "renameat", "mkdirat"}
	injectedErrors = []string{"EIO", "ENOSPC", "EROFS"}
)

// The Nth operation on the disk fails, once or from then on, for N = 1, 2, … until the
// deliveries need no more of them. Every answer is temporary or kept: what got its 250 is
// there, byte for byte, and once the disk is well all the rest arrives.
func TestNthOperationFails(t *testing.T) {
	t.Parallel()
	upTo, errorsTried := 2, injectedErrors[:1]
	if os.Getenv(tortureEnv) != "" {
		upTo, errorsTried = 1000, injectedErrors
	}
	d := newDesk(t, time.Hour, lab.Options{NoPostfix: true}, lab.AgentOptions{})
	w := &injected{desk: d, raws: map[string]bool{}}
	fired := 0
	for _, call := range injectedCalls {
		for _, code := range errorsTried {
			for _, from := range []string{"", "+"} {
				n := 1
				for n <= upTo && w.round(fmt.Sprintf("%s:error=%s:when=%d%s", call, code, n, from)) {
					n++
				}
				if fired += n - 1; n == 1 {
					t.Errorf("%s%s of %s was never met: the test sees nothing of it", code, from, call)
				}
				if upTo > 2 && n > upTo {
					t.Errorf("%s%s of %s: the deliveries need more than %d of them", code, from, call, upTo)
				}
			}
		}
	}
	t.Logf("%d faults, %d mails deferred and %d accepted under them", fired, w.deferred, w.accepted)
	if w.deferred == 0 || w.accepted == 0 {
		t.Error("want mails of both kinds")
	}
	w.allThere()
}

// injected is a desk whose disk fails.
type injected struct {
	*desk
	serial             int
	raws               map[string]bool // by Message-ID; true once it got its 250
	accepted, deferred int
}

// round delivers a few mails while the fault is there, and says whether it was met.
func (w *injected) round(fault string) bool {
	w.t.Helper()
	call, _, _ := strings.Cut(fault, ":")
	stop := w.strace("-e", "trace="+call, "-e", "inject="+fault)
	var again []string
	for range 3 {
		w.serial++
		id := fmt.Sprintf("inject%d@%s", w.serial, lab.SignedDomain)
		w.raws[id] = true
		if w.try(id) {
			w.accepted++
			continue
		}
		w.deferred++
		again = append(again, id)
	}
	trace, err := os.ReadFile(stop())
	w.must(err)
	for _, id := range again {
		w.until(fmt.Sprintf("the mail that %s deferred", fault), func() (bool, error) { return w.try(id), nil })
	}
	return bytes.Contains(trace, []byte("(INJECTED)"))
}

// text of every third mail is large enough for a file of its own.
func injectedText(id string) string {
	var serial int
	_, _ = fmt.Sscanf(id, "inject%d@", &serial)
	n := 5
	if serial%3 == 0 {
		n = 3000
	}
	return fmt.Sprintf("Message-ID: <%s>\r\nFrom: <%s>\r\nSubject: %s\r\n\r\n%s", id, jane, id, strings.Repeat("All is well that ends on the disk "+id+".\r\n", n))
}

// try delivers a mail once. It says whether it got its 250; a refusal for good is a fault.
func (w *injected) try(id string) bool {
	w.t.Helper()
	c := dialLMTP(w.desk)
	defer c.Close()
	c.begin()
	_, err := c.conn.Write([]byte(injectedText(id) + ".\r\n"))
	w.must(err)
	code, text, err := c.ReadResponse(0)
	if code == 250 {
		return true
	}
	if code != 451 || !strings.Contains(text, "Temporary failure, try again later") {
		w.t.Fatalf("%s: %d %s, %v", id, code, text, err)
	}
	return false
}

// allThere wants every mail as one ticket with its bytes.
func (w *injected) allThere() {
	w.t.Helper()
	w.must(w.agent.Drained(w.ctx))
	tickets, err := w.api.Tickets(w.ctx)
	w.must(err)
	seen := map[string]int{}
	for _, ticket := range tickets {
		seen[ticket.Subject]++
		m := w.waitMessages(ticket.Name, 1)[0]
		raw, err := w.api.Raw(w.ctx, m.ID)
		w.must(err)
		if !bytes.Equal(raw, []byte(injectedText(ticket.Subject))) {
			w.t.Errorf("%s: its bytes are not what was sent", ticket.Subject)
		}
	}
	for id := range w.raws {
		if seen[id] != 1 {
			w.t.Errorf("%s is on %d tickets", id, seen[id])
		}
	}
}
