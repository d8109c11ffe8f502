package world

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"postdesk/postfix/submission"
	"postdesk/ticketing"
	"postdesk/ticketing/mail"
)

const (
	tortureEnv = "POSTDESK_TORTURE"
	seedEnv    = "POSTDESK_TORTURE_SEED"
	countEnv   = "POSTDESK_TORTURE_WORLD" // how many histories, the first with the seed above
	stepsOf    = 200
)

// histories are how many to play, and the seed of the first.
func histories() (n int, first uint64) {
	n, first = 200, 1
	if os.Getenv(tortureEnv) != "" {
		n, first = 10_000, uint64(time.Now().UnixNano())
	}
	if seed, err := strconv.ParseUint(os.Getenv(seedEnv), 10, 64); err == nil {
		n, first = 1, seed
	}
	if count, err := strconv.Atoi(os.Getenv(countEnv)); err == nil {
		n = count
	}
	return n, first
}

// Whatever happens to a desk, it keeps what it promises: see check.
//
// What a seed decides is which operations there are, with whom and when, how server, DNS and
// disk behave, at which write the process dies, and all keys and tokens. What it does not is
// the order of what goes on at the same time within one operation (deliveries that arrive
// together, parts of the desk that all have something to do), and the chance in the pauses
// between two tries of a mail.
func TestWorld(t *testing.T) {
	seeds, first := histories()
	fmt.Printf("world: %d histories, seeds %d to %d\n", seeds, first, first+uint64(seeds)-1)
	began := time.Now()
	for i := range seeds {
		seed := first + uint64(i)
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) { play(t, seed) }) {
			t.Fatalf("%s=%d go test -count=1 -run TestWorld ./integration/world plays it again", seedEnv, seed)
		}
		if (i+1)%100 == 0 {
			fmt.Printf("world: %d of %d histories, to seed %d, %s\n", i+1, seeds, seed, time.Since(began).Round(time.Second))
		}
	}
}

func play(t *testing.T, seed uint64) {
	live(t, seed, func(w *world) {
		for w.steps < stepsOf && !w.t.Failed() {
			w.step()
		}
		if !w.t.Failed() {
			w.settle()
			w.passes(slowTime) // what a slow server has of a process that died goes out yet
			w.check()
		}
	})
}

// live makes a world for one history.
func live(t *testing.T, seed uint64, history func(*world)) {
	cryptotest.SetGlobalRandom(t, seed)
	folder := scratch(t)
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, rnd: rand.New(rand.NewPCG(seed, 0)), folder: folder, names: &names{},
			known: map[int64]string{}, cc: map[string][]string{}, cancelled: map[string]time.Time{}, again: map[string]int{}}
		w.server = newServer(w.say)
		defer func() {
			if t.Failed() {
				t.Logf("seed %d; what happened last:\n%s", seed, strings.Join(w.story[max(0, len(w.story)-60):], "\n"))
			}
		}()
		w.start(w.data())
		defer func() {
			w.stop()
			time.Sleep(slowTime) // for the server, which may have been told a mail by a process that died
		}()
		if _, err := w.desk.PutConsumer(w.ctx, program, follower, ticketing.Filter{}, 0); err != nil {
			t.Fatal(err)
		}
		history(w)
	})
}

// scratch is a folder in memory where there is one: nothing here is to outlive the test.
func scratch(t *testing.T) string {
	folder, err := os.MkdirTemp("/dev/shm", "postdesk-world-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

// world is one history.
type world struct {
	t       *testing.T
	rnd     *rand.Rand
	folder  string
	lives   int // of the process
	steps   int
	telling sync.Mutex
	story   []string

	server *server
	names  *names
	disk   *disk
	desk   *ticketing.Desk
	ctx    context.Context // of the process
	end    func()          // ends the process

	letters []*letter
	mailq   []delivery // what Postfix still has
	replies []*reply
	cc      map[string][]string // whom staff put in copy, by ticket

	acked     int64            // by the consumer, which was told so
	read      int64            // by the consumer
	known     map[int64]string // events that it has seen
	cancelled map[string]time.Time
	again     map[string]int // Message-ID: how often it was asked for once more
}

func (w *world) data() string { return filepath.Join(w.folder, fmt.Sprint(w.lives)) }

func (w *world) say(format string, args ...any) {
	w.telling.Lock()
	defer w.telling.Unlock()
	w.story = append(w.story, fmt.Sprintf("%3d %s ", w.steps, time.Now().Format("15:04:05"))+fmt.Sprintf(format, args...))
}

// start is the start of the process.
func (w *world) start(dir string) {
	w.t.Helper()
	var err error
	if w.disk, err = newDisk(context.Background(), dir, filepath.Join(w.folder, fmt.Sprint(w.lives+1))); err != nil {
		w.t.Fatal(err)
	}
	w.doubtful()
	ctx, cancel := context.WithCancel(context.Background())
	w.ctx = ctx
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("POSTDESK_WORLD_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	w.desk, err = ticketing.New(ctx, ticketing.Config{
		Domain: "desk.example", Log: log, Workers: 4,
		Queues: []ticketing.Queue{
			{Key: "SUPPORT", Name: "Support", Addresses: []string{"new@desk.example"}, Domain: "desk.example", FirstNumber: 1},
			{Key: "SALES", Name: "Sales", Addresses: []string{"sales@desk.example"}, Domain: "desk.example", FirstNumber: 1},
		},
		Staff:  []ticketing.Person{{Name: "bob", Addresses: []string{bob}, Notify: map[string][]ticketing.Topic{ticketing.AllQueues: {ticketing.TopicAll}}}},
		Verify: w.names.verify,
	}, w.disk)
	if err != nil {
		w.t.Fatal(err)
	}
	queue := submission.NewQueue(submission.NewClient(submission.Config{Server: "unix:msa", Timeout: commandTime, Dial: w.server.dial}), w.desk, 2, log)
	run := func(part func(context.Context) error) chan struct{} {
		done := make(chan struct{})
		go func() { defer close(done); _ = part(ctx) }()
		return done
	}
	desk, out := run(w.desk.Run), run(queue.Run)
	w.end = func() { cancel(); <-desk; <-out }
}

// stop is the orderly end of the process.
func (w *world) stop() {
	w.end()
	w.server.cut()
	if err := w.disk.Close(); err != nil {
		w.t.Error(err)
	}
}

// resurrect starts the process that has died, on what it left.
func (w *world) resurrect() {
	w.t.Helper()
	<-w.disk.died
	w.server.cut()
	old := w.disk
	w.stop()
	if old.err != nil {
		w.t.Fatal(old.err)
	}
	_ = os.RemoveAll(old.dir)
	w.lives++
	w.say("it lives again")
	w.start(w.data())
}

// doubtful notes what the server took and the dead had no time to write down.
func (w *world) doubtful() {
	took := map[string]bool{}
	for _, a := range w.server.all() {
		took[a.id] = true
	}
	var all []ticketing.Outgoing
	if err := w.disk.Read(context.Background(), func(tx ticketing.Tx) (err error) {
		all, err = tx.OutgoingList([]ticketing.OutgoingState{ticketing.OutQueued}, nil, 0, 100_000)
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	for _, o := range all {
		if took[o.MessageID] {
			w.server.doubt(o.MessageID)
		}
	}
}

// names is DNS, as far as a verifier shows it. What X-Proof says would be proven: pass, fail,
// none, or temperror, for which there is no answer before the end.
type names struct {
	outage bool // nobody's author can be proven
	mended bool
}

func (n *names) verify(_ context.Context, _ []byte, m *mail.Message) (a mail.Authentication) {
	from, sole := m.SoleAuthor()
	proof := strings.Join(m.Header("X-Proof"), "")
	if !sole {
		return a
	}
	if n.outage || proof == "temperror" && !n.mended {
		return mail.Authentication{Temporary: true, DMARC: mail.AuthTempError}
	}
	switch proof {
	case "pass":
		a.Author, a.Method, a.DMARC = from.Address, "dkim", mail.AuthPass
	case "fail":
		a.Policy, a.DMARC = "reject", mail.AuthFail
	}
	return a
}
