package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"postdesk/ticketing"
)

// Audit is what Verify found.
type Audit struct {
	Schema   int64
	Counts   map[string]int64 // rows of each table
	Problems []string         // each is a fault of the data
	Notes    []string         // each is worth a word and harms nothing
}

// Progress hears how far a long work is.
type Progress func(what string, done, total int64)

func (p Progress) tell(what string, done, total int64) {
	if p != nil {
		p(what, done, total)
	}
}

// maxProblems bounds a report: after so many of one kind the rest is a number.
const maxProblems = 20

// Verify reads everything in dir on one snapshot, also while an agent runs there: SQLite's
// own structure, references, sequences, and the hash of every message.
func Verify(ctx context.Context, dir string, progress Progress) (*Audit, error) {
	if err := beside(ctx, dir); err != nil {
		return nil, err
	}
	return verifyAll(ctx, dir, progress)
}

// verifyAll is Verify, also for who has the directory.
func verifyAll(ctx context.Context, dir string, progress Progress) (*Audit, error) {
	path := filepath.Join(dir, databaseName)
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	c := &conn{dsn: readerDSN(path)}
	err := c.exec(ctx, "BEGIN DEFERRED")
	if err == nil {
		a := &audit{Audit: &Audit{}, t: &tx{ctx: ctx, conn: c, watched: true}, files: &DB{dir: dir, codec: newCodec()}, progress: progress}
		if err = a.run(); err == nil {
			return a.Audit, c.close()
		}
	}
	return nil, errors.Join(err, c.close())
}

// audit is a Verify under way.
type audit struct {
	*Audit
	t        *tx
	files    *DB // not open: it knows where raw mail is and how to read it
	progress Progress
}

func (a *audit) run() (err error) {
	if a.Schema, err = schemaOf(a.t); err != nil {
		return err
	}
	if a.Counts, err = tableCounts(a.t); err != nil {
		return err
	}
	for _, step := range []struct {
		what string
		do   func() error
	}{{"structure", a.structure}, {"references", a.references}, {"sequences", a.sequences}, {"raw mail", a.raws}, {"raw files", a.orphans}} {
		a.progress.tell(step.what, 0, 0)
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

// has says whether there is a table: a backup may be older than this program.
func (a *audit) has(table string) bool {
	_, is := a.Counts[table]
	return is
}

// problem notes a fault; kind bounds how many of one sort are written out.
func (a *audit) problem(format string, args ...any) {
	a.Problems = append(a.Problems, fmt.Sprintf(format, args...))
}

// structure asks SQLite: pages, indexes, constraints, declared references.
func (a *audit) structure() error {
	verdicts, err := list(a.t, scanText, fmt.Sprintf("PRAGMA integrity_check(%d)", maxProblems))
	if err != nil {
		return err
	}
	for _, v := range verdicts {
		if v != "ok" {
			a.problem("database: %s", v)
		}
	}
	return a.t.each("SELECT \"table\", coalesce(rowid, 0), parent FROM pragma_foreign_key_check", nil, func(r row) error {
		var table, parent string
		var id int64
		err := r.Scan(&table, &id, &parent)
		a.problem("%s %d refers to a %s that is not there", table, id, parent)
		return err
	})
}

// references are those that the schema does not declare.
func (a *audit) references() error {
	for _, q := range []struct{ query, text string }{
		{"SELECT seq FROM event e WHERE message IS NOT NULL AND NOT EXISTS (SELECT 1 FROM message WHERE id = e.message)", "event %d is about a message that is not there"},
		{"SELECT seq FROM event e WHERE outgoing IS NOT NULL AND NOT EXISTS (SELECT 1 FROM outgoing WHERE id = e.outgoing)", "event %d is about an outgoing mail that is not there"},
		{"SELECT id FROM ticket k WHERE last_seq <> coalesce((SELECT max(seq) FROM event WHERE ticket = k.id), min(last_seq, " + oldestEvent + " - 1))", "the newest event of ticket %d is not the one that it names"},
		{"SELECT id FROM ticket k WHERE number > coalesce((SELECT value FROM counter WHERE name = 'ticket:' || k.queue), 0)", "the number of ticket %d will be given again"},
		{"SELECT message FROM message_id i WHERE NOT EXISTS (SELECT 1 FROM message WHERE id = i.message AND ticket = i.ticket)", "a Message-ID is of message %d, which is not in that ticket"},
		{"SELECT id FROM message m WHERE seq > (SELECT value FROM counter WHERE name = 'event')", "message %d is of an event that is not there"},
		{"SELECT id FROM raw r WHERE id <= (SELECT value FROM counter WHERE name = 'raw_hash') AND NOT EXISTS (SELECT 1 FROM raw_hash WHERE start = substr(r.hash, 1, 6) AND raw = r.id)", "raw mail %d is not found by its hash"},
		{"SELECT raw FROM raw_hash k WHERE NOT EXISTS (SELECT 1 FROM raw WHERE id = k.raw AND substr(hash, 1, 6) = k.start)", "a hash is of raw mail %d, which has another one or is not there"},
		{"SELECT seq FROM dead_letter d WHERE NOT EXISTS (SELECT 1 FROM event WHERE seq = d.seq)", "a dead letter is of event %d, which is not there"},
	} {
		if strings.Contains(q.query, "dead_letter") && !a.has("dead_letter") || strings.Contains(q.query, "raw_hash") && !a.has("raw_hash") {
			continue // a database of before there were any
		}
		ids, err := list(a.t, scanInt, q.query+" LIMIT 1000")
		if err != nil {
			return err
		}
		a.several(q.text, ids)
	}
	// By sets: not every reference to raw mail has an index, and looking for each one apart
	// takes hours when there are millions.
	var users []string
	for _, user := range []string{"message", "outgoing", "attachment", "upload"} {
		if a.has(user) {
			users = append(users, "SELECT raw FROM "+user+" WHERE raw IS NOT NULL")
		}
	}
	if a.has("raw_hash") {
		users = append(users, "SELECT id FROM arrival")
	} else { // before schema 16
		users = append(users, "SELECT raw FROM arrival")
	}
	query := "SELECT (SELECT count(*) FROM raw) - (SELECT count(*) FROM (" + strings.Join(users, " UNION ") + "))"
	unused, err := one(a.t, scanInt, query)
	if err == nil && unused > 0 {
		a.Notes = append(a.Notes, fmt.Sprintf("%d raw mails belong to nothing", unused))
	}
	return err
}

func (a *audit) several(text string, ids []int64) {
	for _, id := range ids[:min(len(ids), maxProblems)] {
		a.problem(text, id)
	}
	if more := len(ids) - maxProblems; more > 0 {
		a.problem("and %d more of this kind", more)
	}
}

// oldestEvent is the number of the first event that is kept.
const oldestEvent = "coalesce((SELECT value FROM counter WHERE name = '" + oldestCounter + "'), 1)"

// sequences: events are numbered from 1, or from where they are kept, without gaps, up to
// the counter.
func (a *audit) sequences() error {
	counter, err := a.t.LastSeq()
	if err != nil {
		return err
	}
	last, err := one(a.t, scanInt, "SELECT coalesce(max(seq), "+oldestEvent+" - 1) FROM event")
	if err != nil {
		return err
	}
	if last != counter {
		a.problem("the newest event is %d, and the counter says %d", last, counter)
	}
	gaps, err := list(a.t, scanInt, `SELECT seq FROM event e WHERE seq > (SELECT min(seq) FROM event) AND NOT EXISTS (SELECT 1 FROM event WHERE seq = e.seq - 1)
		UNION ALL SELECT min(seq) FROM event HAVING min(seq) <> `+oldestEvent+" LIMIT 1000")
	a.several("before event %d one is missing", gaps)
	return err
}

// raws reads every message and compares its hash.
func (a *audit) raws() error {
	total, err := one(a.t, scanInt, "SELECT count(*) FROM raw")
	if err != nil {
		return err
	}
	done, wrong := int64(0), 0
	for after := int64(-1); ; {
		page, err := list(a.t, scanRaw, "SELECT id, hash, size, encoding, body FROM raw WHERE id > $1 ORDER BY id LIMIT 100", after)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, r := range page {
			after = r.id
			if err := a.files.intact(r); err != nil {
				if wrong++; wrong <= maxProblems {
					a.problem("raw mail %s: %s", r.hash, err)
				}
			}
			done++
		}
		a.progress.tell("raw mail", done, total)
		if err := a.t.ctx.Err(); err != nil {
			return err
		}
	}
}

// orphans are files of raw mail that no row knows, which Sweep takes away.
func (a *audit) orphans() error {
	n, known := 0, map[ticketing.Hash]bool{}
	err := a.t.each("SELECT hash FROM raw WHERE encoding = $1", []any{encodingFile}, func(r row) error {
		var h ticketing.Hash
		err := r.Scan(hashCol{&h})
		known[h] = true
		return err
	})
	if err != nil {
		return err
	}
	err = rawFiles(a.files.dir, func(h ticketing.Hash, _ string) error {
		if !known[h] {
			n++
		}
		return nil
	})
	if n > 0 {
		a.Notes = append(a.Notes, fmt.Sprintf("%d files of raw mail belong to nothing; the agent removes those that are older than %s", n, orphanAge))
	}
	return err
}

// rawRow is one row of raw.
type rawRow struct {
	id       int64
	hash     ticketing.Hash
	size     int64
	encoding string
	body     []byte
}

func scanRaw(r row, w *rawRow) error {
	return r.Scan(&w.id, hashCol{&w.hash}, &w.size, &w.encoding, &w.body)
}

func scanInt(r row, n *int64) error {
	return r.Scan(n)
}

func scanText(r row, s *string) error {
	return r.Scan(s)
}

// schemaOf is the number of the newest migration that was applied.
func schemaOf(t *tx) (int64, error) {
	return one(t, scanInt, "SELECT max(version_id) FROM goose_db_version WHERE is_applied = 1")
}

// tableCounts counts the rows of every table.
func tableCounts(t *tx) (map[string]int64, error) {
	names, err := list(t, scanText, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
	if err != nil {
		return nil, err
	}
	counts := map[string]int64{}
	for _, name := range names {
		if counts[name], err = one(t, scanInt, fmt.Sprintf("SELECT count(*) FROM %q", name)); err != nil {
			return nil, err
		}
	}
	return counts, nil
}

// rawName is the name of a file of raw mail, below raw.
var rawName = regexp.MustCompile(`^[0-9a-f]{64}$`)

// rawFiles calls do for each file of raw mail.
func rawFiles(dir string, do func(ticketing.Hash, string) error) error {
	root := filepath.Join(dir, "raw")
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := e.Name()
		if e.IsDir() || !rawName.MatchString(name) || !strings.HasSuffix(filepath.Dir(path), name[:2]) {
			return nil
		}
		return do(parseHash(name), path)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a desk that never had a large mail, or a file that went meanwhile
	}
	return err
}
