package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"postdesk/ticketing"
)

const (
	helperSync = "POSTDESK_STORE_SYNCHRONOUS"
	torture    = "POSTDESK_TORTURE"
	seedEnv    = "POSTDESK_TORTURE_SEED"
)

// seedOf says from which number a test draws, so that a failure can be played again.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed, err := strconv.ParseUint(os.Getenv(seedEnv), 10, 64)
	if err != nil {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d: %s=%[1]d plays it again", seed, seedEnv)
	return seed
}

// A loss of power keeps what was synced, and of the rest what the disk happened to have
// written. A kill cannot show this, since the system keeps what a process wrote. strace
// records all writes and syncs of a store under load; from that, images are made of what a
// disk could hold at random moments. Every one opens, and has all that was acknowledged.
func TestPowerLoss(t *testing.T) {
	images := 12
	if os.Getenv(torture) != "" {
		images = 500
	}
	seed := seedOf(t)
	for name, c := range map[string]struct {
		sync  string
		loses bool
	}{
		"as shipped": {"FULL", false},
		// The same test must see a store that does not sync its commits.
		"negative control": {"NORMAL", true},
	} {
		t.Run(name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			d := record(t, c.sync)
			lost := 0
			for range images {
				lost += d.check(t, rnd)
			}
			if (lost > 0) != c.loses {
				t.Errorf("%d acknowledged mails are lost in %d images", lost, images)
			}
		})
	}
}

// disk is what a store did to its files, in order.
type disk struct {
	dir, base string // where it ran, and a copy of how it was before
	ops       []diskOp
}

type diskOp struct {
	kind   string // write, truncate, sync, rename, mkdir, ack
	path   string // of a sync also a folder
	to     string // of a rename
	offset int64  // of a write, the size of a truncate, the mail of an ack
	data   []byte
	done   int // of a sync: how many operations had begun when it was complete; 0 is never
}

// record runs a store under load beneath strace until it is killed.
func record(t *testing.T, synchronous string) disk {
	t.Helper()
	d := disk{dir: filepath.Join(t.TempDir(), "desk"), base: filepath.Join(t.TempDir(), "base")}
	if err := open(t, d.dir).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(d.base, os.DirFS(d.dir)); err != nil {
		t.Fatal(err)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command("strace", "-f", "-y", "-xx", "-s", "200000", "-e", "signal=none", "-o", trace,
		"-e", "trace=pwrite64,write,ftruncate,fsync,fdatasync,renameat,mkdirat", os.Args[0])
	cmd.Env = append(os.Environ(), helperDir+"="+d.dir, helperFrom+"=0", helperSync+"="+synchronous, helperMails+"=120")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "enough") {
		t.Fatalf("strace: %v: %s", err, out)
	}
	lines, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	d.parse(t, lines)
	return d
}

var (
	calledOnFile = regexp.MustCompile(`^(\d+) +(pwrite64|write|ftruncate|fsync|fdatasync)\(\d+<([^>]*)>(?:, ""(?:\.\.\.)?, \d+)?(?:, (\d+))?(.*)$`)
	calledRename = regexp.MustCompile(`^(\d+) +renameat\([^,]*, "([^"]*)", [^,]*, "([^"]*)"`)
	calledMkdir  = regexp.MustCompile(`^(\d+) +mkdirat\([^,]*, "([^"]*)"`)
	resumed      = regexp.MustCompile(`^(\d+) +<\.\.\. (fsync|fdatasync) resumed>.*= 0$`)
)

func (d *disk) parse(t *testing.T, trace []byte) {
	t.Helper()
	open := map[string]int{} // the sync that a thread waits for
	for line := range strings.SplitSeq(string(trace), "\n") {
		// What was written is long: it is looked at once.
		rest, data := line, ""
		if from, to := strings.IndexByte(line, '"'), strings.LastIndexByte(line, '"'); from < to {
			rest, data = line[:from+1]+line[to:], line[from+1:to]
		}
		m := calledOnFile.FindStringSubmatch(rest)
		if m == nil {
			d.parseOther(t, open, line)
			continue
		}
		op := diskOp{path: string(unhex(t, m[3])), data: unhex(t, data)}
		op.offset, _ = strconv.ParseInt(m[4], 10, 64) // not there for what appends
		switch m[2] {
		case "pwrite64":
			op.kind = "write"
		case "ftruncate":
			op.kind = "truncate"
		case "write":
			op.kind, op.offset = "write", -1
			if strings.HasPrefix(op.path, "pipe:") {
				op.kind = "ack"
				var err error
				if op.offset, err = strconv.ParseInt(strings.TrimSpace(string(op.data)), 10, 64); err != nil {
					continue // its last words
				}
			}
		default:
			op.kind = "sync"
			if strings.HasSuffix(m[5], "= 0") {
				op.done = len(d.ops) + 1
			}
			open[m[1]] = len(d.ops)
		}
		d.ops = append(d.ops, op)
	}
	if acks := slices.IndexFunc(d.ops, func(o diskOp) bool { return o.kind == "ack" }); len(d.ops) < 300 || acks < 0 {
		t.Fatalf("%d operations: the recording is none", len(d.ops))
	}
}

// parseOther takes what has names alone: a folder, a rename, the end of a sync.
func (d *disk) parseOther(t *testing.T, open map[string]int, line string) {
	t.Helper()
	if m := resumed.FindStringSubmatch(line); m != nil {
		d.ops[open[m[1]]].done = len(d.ops)
	} else if m := calledRename.FindStringSubmatch(line); m != nil {
		d.ops = append(d.ops, diskOp{kind: "rename", path: string(unhex(t, m[2])), to: string(unhex(t, m[3]))})
	} else if m := calledMkdir.FindStringSubmatch(line); m != nil {
		d.mkdir(string(unhex(t, m[2])))
	}
}

// mkdir notes a new folder; a further mkdir finds it there.
func (d *disk) mkdir(path string) {
	made := func(o diskOp) bool { return o.kind == "mkdir" && o.path == path }
	rel, err := filepath.Rel(d.dir, path)
	if _, before := os.Stat(filepath.Join(d.base, rel)); err == nil && before != nil && !slices.ContainsFunc(d.ops, made) {
		d.ops = append(d.ops, diskOp{kind: "mkdir", path: path})
	}
}

// unhex reads what strace -xx writes: \x and two digits for each octet. There are millions of
// them, which nobody else has: that the race detector looks at each took half of the test.
//
//go:norace
func unhex(t *testing.T, s string) []byte {
	t.Helper()
	out := make([]byte, len(s)/4)
	for i := range out {
		high, low := strings.IndexByte(digits, s[4*i+2]), strings.IndexByte(digits, s[4*i+3])
		if s[4*i:4*i+2] != `\x` || high < 0 || low < 0 {
			t.Fatalf("%.60q is not of strace", s)
		}
		out[i] = byte(high<<4 | low)
	}
	return out
}

const digits = "0123456789abcdef"

// check makes an image of a random moment, and gives how many acknowledged mails it lacks.
func (d *disk) check(t *testing.T, rnd *rand.Rand) (lost int) {
	t.Helper()
	at := 1 + rnd.IntN(len(d.ops))
	image := filepath.Join(t.TempDir(), "image")
	if err := os.CopyFS(image, os.DirFS(d.base)); err != nil {
		t.Fatal(err)
	}
	for path, content := range d.files(rnd, at) {
		rel, err := filepath.Rel(d.dir, path)
		if err != nil || strings.HasPrefix(rel, "..") {
			continue
		}
		if err := os.MkdirAll(filepath.Join(image, filepath.Dir(rel)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(image, rel), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db := open(t, image)
	defer db.Close()
	if err := db.Read(t.Context(), func(x ticketing.Tx) error {
		var verdict string
		err := x.(*tx).get("PRAGMA integrity_check", nil, &verdict)
		if verdict != "ok" {
			t.Errorf("after %d operations: integrity: %s", at, verdict)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, o := range d.ops[:at] {
		if o.kind != "ack" {
			continue
		}
		body := sampleMail(o.offset, killSize(o.offset))
		hash := ticketing.Hash(sha256.Sum256(body))
		got, err := db.Raw(t.Context(), hash)
		var arrivals int // without one, nobody would make a ticket of the bytes
		err = errors.Join(err, db.read(t.Context(), func(x *tx) error {
			return x.get("SELECT count(*) FROM arrival JOIN raw ON raw.id = arrival.id WHERE raw.hash = $1", []any{hash}, &arrivals)
		}))
		if err != nil || arrivals != 1 || !bytes.Equal(got, body) {
			lost++
		}
	}
	return lost
}

// files are those that changed, as a disk could have them after the first operations: what
// a sync had made durable, and of the rest each write whole, in part, or not at all.
func (d *disk) files(rnd *rand.Rand, at int) map[string][]byte {
	out, missing := map[string][]byte{}, map[string]bool{}
	for i, o := range d.ops[:at] {
		durable := slices.ContainsFunc(d.ops[i:at], func(s diskOp) bool {
			return s.kind == "sync" && s.done > 0 && s.done <= at && s.path == o.syncedBy()
		})
		luck := rnd.IntN(3)
		if !durable && luck == 0 {
			missing[o.path] = o.kind == "mkdir"
			continue
		}
		content, known := out[o.path]
		if !known {
			if rel, err := filepath.Rel(d.dir, o.path); err == nil {
				content, _ = os.ReadFile(filepath.Join(d.base, rel)) // a new one is empty
			}
		}
		switch o.kind {
		case "write":
			data, offset := o.data, int(o.offset)
			if offset < 0 {
				offset = len(content)
			}
			if !durable && luck == 1 {
				data = data[:len(data)/2/512*512] // a torn write ends between sectors
			}
			if need := offset + len(data); need > len(content) {
				content = append(content, make([]byte, need-len(content))...)
			}
			copy(content[offset:], data)
			out[o.path] = content
		case "truncate":
			out[o.path] = append(content[:min(len(content), int(o.offset)):min(len(content), int(o.offset))], make([]byte, max(0, int(o.offset)-len(content)))...)
		case "rename":
			out[o.to] = content
			delete(out, o.path)
		}
	}
	maps.DeleteFunc(out, func(path string, _ []byte) bool { return missing[filepath.Dir(path)] })
	return out
}

// syncedBy is the file or folder whose sync makes an operation durable.
func (o diskOp) syncedBy() string {
	switch o.kind {
	case "rename":
		return filepath.Dir(o.to)
	case "mkdir":
		return filepath.Dir(o.path)
	}
	return o.path
}
