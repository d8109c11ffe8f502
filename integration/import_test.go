package integration

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"postdesk/integration/lab"
)

// hashOf is the hash of a mail as the database shows it.
func hashOf(raw []byte) string { return fmt.Sprintf("%X", sha256.Sum256(raw)) }

// importing is an import that runs.
type importing struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
	stdout bytes.Buffer
}

// startImport begins an import of files into a queue.
func (d *desk) startImport(queue string, files ...string) *importing {
	d.t.Helper()
	i := &importing{cmd: exec.CommandContext(d.ctx, d.agent.Binary, append([]string{"--config", d.agent.Config, "import", "--queue", queue}, files...)...)}
	i.cmd.Stdout, i.cmd.Stderr = &i.stdout, &i.stderr
	d.must(i.cmd.Start())
	return i
}

// wait gives the exit code.
func (i *importing) wait() int {
	_ = i.cmd.Wait() // the state says it
	return i.cmd.ProcessState.ExitCode()
}

// importAll runs an import to its end and gives what it says.
func (d *desk) importAll(queue string, files ...string) string {
	d.t.Helper()
	i := d.startImport(queue, files...)
	if code := i.wait(); code != 0 {
		d.t.Fatalf("import ends with %d: %s", code, i.stderr.String())
	}
	return i.stdout.String()
}

// oldMessage is what an import makes of a mail, without what depends on the moment.
type oldMessage struct {
	Number                       int64
	Subject, Status, Requester   string
	Created, Updated             int64
	Kind, From, MessageID, Title string
	Raw                          string
	Received                     int64
}

// imported reads the messages of a queue in the order of the tickets and their messages.
func imported(d *desk, queue string) (all []oldMessage) {
	d.t.Helper()
	rows, err := database(d).QueryContext(d.ctx, `SELECT t.number, t.subject, t.status, t.requester, t.created, t.updated,
		m.kind, m.from_address, m.message_id, m.subject, hex(r.hash), m.received
		FROM message m JOIN ticket t ON t.id = m.ticket JOIN raw r ON r.id = m.raw WHERE t.queue = ? ORDER BY t.number, m.id`, queue)
	d.must(err)
	defer func() { d.must(rows.Close()) }()
	for rows.Next() {
		var m oldMessage
		d.must(rows.Scan(&m.Number, &m.Subject, &m.Status, &m.Requester, &m.Created, &m.Updated, &m.Kind, &m.From, &m.MessageID, &m.Title, &m.Raw, &m.Received))
		all = append(all, m)
	}
	d.must(rows.Err())
	return all
}

func importDesk(t *testing.T) *desk {
	queue := func(key, address string) lab.Queue {
		return lab.Queue{Key: key, Name: key, Addresses: []string{address}, FirstNumber: 100}
	}
	return newDesk(t, 2*time.Minute, lab.Options{NoPostfix: true}, lab.AgentOptions{
		Queues: []lab.Queue{queue("WHOLE", "support@"+lab.Domain), queue("BROKEN", "new@"+lab.Domain)}})
}

// writeMbox writes mails into a file of the lab.
func (d *desk) writeMbox(name string, mails []lab.OldMail) string {
	d.t.Helper()
	path := filepath.Join(d.Dir, name)
	f, err := os.Create(path)
	d.must(err)
	d.must(errors.Join(lab.WriteMbox(f, mails), f.Close()))
	return path
}

// An import of four thousand mails that is interrupted again and again, at both ends, makes
// the same tickets as one that is not, and nothing is sent.
func TestImportInterrupted(t *testing.T) {
	t.Parallel()
	const mails, kills = 4_000, 4
	d := importDesk(t)
	rnd := random(t)
	history := lab.History(rnd, lab.Domain, mails)
	box := d.writeMbox("history.mbox", history)

	begun := time.Now()
	said := d.importAll("WHOLE", box)
	t.Logf("%.1f s: %s", time.Since(begun).Seconds(), said)
	whole := imported(d, "WHOLE")
	checkThreads(t, history, whole)

	interruptImport(d, rnd, box, kills, len(whole))
	if said := d.importAll("BROKEN", box); !strings.HasPrefix(said, "BROKEN: ") {
		t.Errorf("the last run says %q", said)
	}
	if broken := imported(d, "BROKEN"); !reflect.DeepEqual(broken, whole) {
		t.Errorf("%d messages after interruptions, %d without; the first that differs: %s", len(broken), len(whole), firstDifference(broken, whole))
	}
	if said := d.importAll("BROKEN", box); !strings.HasPrefix(said, "BROKEN: 0 mails added, 0 tickets made;") {
		t.Errorf("importing again says %q", said)
	}
	nothingSent(d)
	checkIntegrity(d)
}

// interruptImport runs an import several times, and ends the command or the agent in the
// middle of each.
func interruptImport(d *desk, rnd *rand.Rand, box string, kills, total int) {
	d.t.Helper()
	db := database(d)
	count := func() (n int) {
		d.must(db.QueryRowContext(d.ctx, "SELECT count(*) FROM imported WHERE queue = 'BROKEN'").Scan(&n))
		return n
	}
	for k := range kills {
		i := d.startImport("BROKEN", box)
		mark := 1 + (k*total+rnd.IntN(total/2))/(kills+1) // with none the command may not listen yet; the last has a third before it ends
		d.must(lab.Until(d.ctx, "the import's progress", func() (bool, error) { return count() >= mark, nil }))
		if k%2 == 0 {
			d.must(i.cmd.Process.Signal(syscall.SIGINT))
		} else {
			d.must(d.agent.Kill())
		}
		if code := i.wait(); code != 75 {
			d.t.Errorf("an import that is interrupted ends with %d: %s", code, i.stderr.String())
		}
		if k%2 == 1 {
			d.must(d.agent.Start(d.ctx))
		}
		if n := count(); n >= total {
			d.t.Errorf("interruption %d came after the end: %d mails", k, n)
		}
	}
}

func firstDifference(a, b []oldMessage) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("%+v, want %+v", a[i], b[i])
		}
	}
	return "the length"
}

// checkThreads compares the tickets with the conversations that the mails were made of.
func checkThreads(t *testing.T, history []lab.OldMail, got []oldMessage) {
	t.Helper()
	thread, distinct := map[string]lab.OldMail{}, map[string]bool{}
	for _, m := range history {
		thread[hashOf(m.Raw)] = m
		distinct[string(m.Raw[max(0, bytes.Index(m.Raw, []byte("From:"))):])] = true
	}
	if len(got) != len(distinct) || len(distinct) == len(history) {
		t.Errorf("%d messages, want %d of %d mails", len(got), len(distinct), len(history))
	}
	ticket := map[int]int64{}
	talk := map[int64]int{}
	last := map[int64]int64{}
	for _, m := range got {
		old, known := thread[m.Raw]
		if !known {
			t.Fatalf("a message whose mail was not in the history: %+v", m)
		}
		if at, seen := ticket[old.Thread]; seen && at != m.Number {
			t.Errorf("conversation %d is in tickets %d and %d", old.Thread, at, m.Number)
		}
		if at, seen := talk[m.Number]; seen && at != old.Thread {
			t.Errorf("ticket %d has conversations %d and %d", m.Number, at, old.Thread)
		}
		ticket[old.Thread], talk[m.Number] = m.Number, old.Thread
		if old.Own != (m.Kind == "reply") || m.Status != "closed" || m.Requester == "support@"+lab.Domain {
			t.Errorf("%+v of a mail that is the desk's own: %t", m, old.Own)
		}
		if m.Received < last[m.Number] {
			t.Errorf("ticket %d is not in order", m.Number)
		}
		last[m.Number] = m.Received
	}
}

// nothingSent: no mail is queued, and each event says that it is of an import.
func nothingSent(d *desk) {
	d.t.Helper()
	out, err := d.agent.Command(d.ctx, "queue", "list", "--state", "all")
	d.must(err)
	if lines := strings.Count(out, "\n"); lines != 1 {
		d.t.Errorf("outgoing mail after an import:\n%s", out)
	}
	if sent := d.Sink.Mails(); len(sent) > 0 {
		d.t.Errorf("%d mails reached the outside", len(sent))
	}
	var others int
	d.must(database(d).QueryRowContext(d.ctx, "SELECT count(*) FROM event WHERE origin <> 'import'").Scan(&others))
	if others != 0 {
		d.t.Errorf("%d events do not say that they are of an import", others)
	}
}

// A mailbox that has grown adds what is new to the tickets that are there, its progress
// is on standard error, and old numbers find the tickets.
func TestImportGrows(t *testing.T) {
	t.Parallel()
	d := importDesk(t)
	history := lab.History(rand.New(rand.NewPCG(7, 7)), lab.Domain, 600)
	slices.SortStableFunc(history, func(a, b lab.OldMail) int { return a.At.Compare(b.At) })
	first := d.writeMbox("first.mbox", history[:400])
	i := d.startImport("WHOLE", first)
	if code := i.wait(); code != 0 || !strings.Contains(i.stderr.String(), "importing ") || !strings.Contains(i.stderr.String(), "100 %") {
		t.Fatalf("exit code %d, and on standard error: %s", code, i.stderr.String())
	}
	before := imported(d, "WHOLE")
	d.importAll("WHOLE", d.writeMbox("grown.mbox", history))
	after := imported(d, "WHOLE")
	checkThreads(t, history, after)
	tickets := map[string]int64{}
	for _, m := range after {
		tickets[m.Raw] = m.Number
	}
	for _, m := range before {
		if tickets[m.Raw] != m.Number {
			t.Errorf("a mail of ticket %d is in %d now", m.Number, tickets[m.Raw])
		}
	}
	findByNumber(d, history, tickets)
	nothingSent(d)
}

// findByNumber asks for the ticket of the first mail that bears an old number.
func findByNumber(d *desk, history []lab.OldMail, tickets map[string]int64) {
	d.t.Helper()
	first := slices.IndexFunc(history, func(m lab.OldMail) bool { return m.Number != 0 && m.Own })
	name, want := fmt.Sprintf("#%d", history[first].Number), fmt.Sprintf("WHOLE-%d ", tickets[hashOf(history[first].Raw)])
	out, err := d.agent.Command(d.ctx, "ticket", "show", name)
	d.must(err)
	list, err := d.agent.Command(d.ctx, "ticket", "list", "--alias", name)
	d.must(err)
	if !strings.HasPrefix(out, want) || strings.Count(list, "\n") != 2 || !strings.Contains(list, want) {
		d.t.Errorf("%s finds %.60q and %q, want %s", name, out, list, want)
	}
}

// Nobody imports into a queue that is not there, or from what is no mail.
func TestImportRefused(t *testing.T) {
	t.Parallel()
	d := importDesk(t)
	empty := filepath.Join(d.Dir, "empty")
	d.must(os.Mkdir(empty, 0o700))
	box := d.writeMbox("box.mbox", lab.History(rand.New(rand.NewPCG(1, 1)), lab.Domain, 1))
	for want, args := range map[int][]string{65: {"--queue", "NONE", box}, 66: {"--queue", "WHOLE", empty}, 64: {"--queue", "WHOLE", "--status", "new", box}} {
		_, err := d.agent.Command(context.WithoutCancel(d.ctx), append([]string{"import"}, args...)...)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != want {
			t.Errorf("%v: %v, want exit code %d", args, err, want)
		}
	}
	if got := imported(d, "WHOLE"); len(got) != 0 {
		t.Errorf("%d messages all the same", len(got))
	}
}
