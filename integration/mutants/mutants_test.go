package mutants

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	tortureEnv = "POSTDESK_TORTURE"
	seedEnv    = "POSTDESK_TORTURE_SEED"
)

// edit is one exact change of a file; that its text is not there, or is there twice, is an
// error.
type edit struct{ file, old, new string }

// mutant is a fault, and the test that sees it.
type mutant struct {
	name   string
	edits  []edit
	pkg    string
	run    string
	seed   string // of the test; empty: its own
	reason string // what the failing test says
	cheap  bool   // in make test too
}

var all = []mutant{{
	name: "a commit is not synced",
	edits: []edit{{"ticketing/store/conn.go", "q.Set(\"_journal_mode\", \"WAL\")\n\tq.Set(\"_synchronous\", synchronous)",
		"q.Set(\"_journal_mode\", \"WAL\")\n\tq.Set(\"_synchronous\", \"NORMAL\"+synchronous[:0])"}},
	pkg: "./ticketing/store", run: "^TestPowerLoss$/^as_shipped$", reason: `\d+ acknowledged mails are lost`,
}, {
	name: "a redelivery is not known by its bytes",
	edits: []edit{
		{"ticketing/store/tx_mail.go", "if _, err = t.rawID(s.Hash); !errors.Is(", "if _, err = t.rawID(s.Hash); err != nil && !errors.Is("},
	},
	pkg: "./ticketing", run: "^TestOverlappingDeliveries$", reason: `\d+ tickets, 1 messages`,
}, {
	name:  "requeued mail is not known by what is below its Received fields",
	edits: []edit{{"ticketing/fold.go", "return hex.EncodeToString(h.Sum(nil))", "return hex.EncodeToString(h.Sum(nil))[:0]"}},
	pkg:   "./integration/world", run: "^TestWorld$", seed: "1", reason: `is 2 items, want 1`,
}, {
	name:  "the lease of a submission is shorter than its time-out",
	edits: []edit{{"postfix/submission/queue.go", "lease: 10 * c.cfg.Timeout", "lease: c.cfg.Timeout / 10"}},
	pkg:   "./integration/world", run: "^TestTakenBack$", reason: `was taken back at .* and went out at`, cheap: true,
}, {
	name: "the cursor of a consumer moves outside its transaction",
	edits: []edit{{"ticketing/effect.go", "\t\t}\n\t\treturn tx.SetCursor(f.name, all[len(all)-1].event.Seq)\n\t})\n",
		"\t\t}\n\t\treturn nil\n\t})\n"}, {"ticketing/effect.go", "\treturn n, true, d.write(ctx, func(tx Tx) error {\n",
		"\tdefer func() {\n\t\tif err == nil {\n\t\t\terr = d.write(ctx, func(tx Tx) error { return tx.SetCursor(f.name, all[len(all)-1].event.Seq) })\n\t\t}\n\t}()\n" +
			"\treturn n, true, d.write(ctx, func(tx Tx) error {\n"}},
	pkg: "./ticketing", run: "^TestCrashOnce$", reason: `died at write \d+ of .*: map\[.*jo@customer.example:2`,
}, {
	name: "a write is answered before its COMMIT",
	edits: []edit{{"ticketing/store/writer.go", "\terr := w.conn.exec(context.Background(), \"COMMIT\")\n",
		"\tfor _, r := range members {\n\t\tr.done <- r.err\n\t}\n\terr := w.conn.exec(context.Background(), \"COMMIT\")\n"}},
	pkg: "./ticketing/store", run: "^TestWriteErrorAtCommit$", reason: `want .*the write was undone`, cheap: true,
}}

func TestMutants(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	whole := os.Getenv(tortureEnv) != ""
	for _, m := range all {
		overlay := m.overlay(t, root) // of each, so that make test says when one fits no more
		if !m.cheap && !whole {
			continue
		}
		t.Run(strings.ReplaceAll(m.name, " ", "_"), func(t *testing.T) {
			if whole {
				fmt.Println("mutant:", m.name)
				if out, err := m.test(t, root, ""); err != nil {
					t.Fatalf("%s fails without the fault: %v\n%s", m.run, err, out)
				}
			}
			out, err := m.test(t, root, overlay)
			switch {
			case err == nil:
				t.Errorf("%s of %s passes: it does not see the fault", m.run, m.pkg)
			case !bytes.Contains(out, []byte("--- FAIL: ")) || !regexp.MustCompile(m.reason).Match(out):
				t.Errorf("%s fails for another reason than %q:\n%s", m.run, m.reason, out)
			}
		})
	}
}

// overlay writes the changed files and the list by which go takes them for the real ones.
func (m mutant) overlay(t *testing.T, root string) string {
	t.Helper()
	dir := t.TempDir()
	replace := map[string]string{}
	for i, e := range m.edits {
		path := filepath.Join(root, e.file)
		now := path
		if edited := replace[path]; edited != "" {
			now = edited // by the edit before
		}
		source, err := os.ReadFile(now)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(source), e.old); n != 1 {
			t.Fatalf("%q is %d times in %s: the fault does not fit the file any more", e.old, n, e.file)
		}
		replace[path] = filepath.Join(dir, fmt.Sprint(i)+filepath.Ext(e.file))
		if err := os.WriteFile(replace[path], []byte(strings.Replace(string(source), e.old, e.new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, list, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// test runs the test, with an overlay when there is one.
func (m mutant) test(t *testing.T, root, overlay string) ([]byte, error) {
	t.Helper()
	args := []string{"test", "-count=1", "-run", m.run}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(t.Context(), "go", append(args, m.pkg)...)
	cmd.Dir = root
	// What make torture asks of the tests is not asked of these.
	cmd.Env = append(os.Environ(), tortureEnv+"=", seedEnv+"="+m.seed)
	return cmd.CombinedOutput()
}
