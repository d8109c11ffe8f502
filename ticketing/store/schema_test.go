package store

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"

	"postdesk/ticketing"
)

const (
	upgradeDir = "POSTDESK_STORE_UPGRADE"
	upgradeAt  = "POSTDESK_STORE_KILL_AT"
)

// oldSchema makes a database as an older postdesk left it: data of schema 1, a row in each
// table that matters, at schema n.
func oldSchema(t *testing.T, dir string, n int64) {
	t.Helper()
	db, err := sql.Open("sqlite", writerDSN(filepath.Join(dir, databaseName), "NORMAL", true))
	ok(t, err)
	db.SetMaxOpenConns(1)
	files := must[fs.FS](t)(schemas())
	p := must[*goose.Provider](t)(provider(db, files))
	_, err = p.UpTo(t.Context(), 1)
	ok(t, err)
	for _, s := range []string{
		"INSERT INTO raw (id, hash, size, encoding, body) VALUES (1, x'" + strings.Repeat("ab", 32) + "', 1, 'none', x'61')",
		"INSERT INTO arrival VALUES (1, 1, 'a@b.example', '[]', 5, 0, 1)",
		"INSERT INTO ticket VALUES (1, 'SUPPORT', 7102, 'Fire', 'open', 'a@b.example', 'A', '', 0, 0, 0, NULL, 1, 5, 6)",
		"INSERT INTO message VALUES (1, 1, 'inbound', 'public', '1', 'why', 'A', 'a@b.example', 'Fire', 'm@b', 1, 1, '', 'body', '', 0, '', '" + strings.Repeat("cd", 32) + "', 1, 5)",
		"INSERT INTO participant VALUES (1, 1, 'a@b.example', 'A', 'requester')",
		"INSERT INTO event VALUES (1, 5, 'ticket.created', 1, 1, NULL, 'x', 'mail', '')",
		"INSERT INTO outgoing VALUES (1, 1, 1, 'a@b.example', 'r@d', 'o@d', '', 1, 'queued', 0, 0, 0, '', '', 5)",
		"INSERT INTO hmac_key VALUES (0, x'00ff', 5)",
		"UPDATE counter SET value = 1",
		"INSERT INTO counter VALUES ('ticket:SUPPORT', 7102)",
	} {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	_, err = p.UpTo(t.Context(), n)
	ok(t, err)
	ok(t, db.Close())
	ok(t, writeMarker(dir))
}

// oldData is what schema 1 knew, column by column, and the schema that it is in now.
func oldData(t *testing.T, dir string) (data, schema string) {
	t.Helper()
	db, err := sql.Open("sqlite", copyDSN(filepath.Join(dir, databaseName)))
	ok(t, err)
	defer db.Close()
	for _, q := range []string{
		"SELECT * FROM raw", "SELECT id, reverse_path, recipients, received, pending, attempts FROM arrival", "SELECT * FROM event", "SELECT * FROM hmac_key", "SELECT * FROM counter WHERE name <> 'raw_hash'",
		"SELECT id, queue, number, subject, status, requester, requester_name, assignee, unverified, suspicious, held, linked, last_seq, created, updated FROM ticket",
		"SELECT id, ticket, kind, visibility, trust_row, reason, from_name, from_address, subject, message_id, coalesce(raw, arrival), arrival, actor, body, authentication, automatic, problems, CASE typeof(fold) WHEN 'blob' THEN lower(hex(fold)) ELSE fold END, seq, received FROM message",
		"SELECT id, ticket, address, name, role FROM participant",
		"SELECT id, ticket, message, recipient, reverse_path, message_id, envelope_id, raw, state, attempts, next_attempt, lease, last_reply, queue_id, created FROM outgoing",
	} {
		data += dump(t, db, q)
	}
	return data, dump(t, db, "SELECT max(version_id) FROM goose_db_version") + dump(t, db, "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY sql")
}

func dump(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	ok(t, err)
	var out strings.Builder
	for rows.Next() {
		row := make([]any, len(columns))
		for i := range row {
			row[i] = new(any)
		}
		ok(t, rows.Scan(row...))
		for _, v := range row {
			fmt.Fprintf(&out, "%v|", *v.(*any))
		}
		out.WriteString("\n")
	}
	ok(t, rows.Err())
	return out.String()
}

// An old database is upgraded with all that was in it, with a copy beside it and a word in
// the log for each step; two copies stay.
func TestUpgrade(t *testing.T) {
	dir := t.TempDir()
	oldSchema(t, dir, 1)
	before, _ := oldData(t, dir)
	for _, old := range []string{"postdesk.db.schema-0.20250101T000000Z", "postdesk.db.schema-9.20240101T000000Z"} {
		ok(t, os.WriteFile(filepath.Join(dir, old), nil, 0o600))
	}
	var log bytes.Buffer
	var told []string
	d, err := Open(t.Context(), dir, Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Starting: func(what string) { told = append(told, what) }})
	ok(t, err)
	newest := must[int64](t)(newestSchema())
	for _, want := range []string{"the database was copied before it is upgraded", fmt.Sprintf("schema=%d of=%d", newest, newest), "schema=2 of="} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q: %s", want, &log)
		}
	}
	if len(told) < 3 || !strings.Contains(told[0], "copying") || !strings.Contains(told[1], "at schema 1 of") {
		t.Errorf("told: %q", told)
	}
	var n int64
	ok(t, d.read(t.Context(), func(x *tx) error { return x.get("SELECT count(*) FROM outgoing WHERE permanent = 0", nil, &n) }))
	same(t, "rows with a new column", n, int64(1))
	ok(t, d.Close())
	after, schema := oldData(t, dir)
	same(t, "data", after, before)
	fresh := t.TempDir()
	ok(t, open(t, fresh).Close())
	_, want := oldData(t, fresh)
	same(t, "schema", schema, want)

	kept := must[[]string](t)(filepath.Glob(filepath.Join(dir, "postdesk.db.schema-*")))
	if len(kept) != keptCopies || !strings.Contains(kept[0]+kept[1], "schema-1.") || strings.Contains(kept[0]+kept[1], "schema-9.") {
		t.Fatalf("copies: %q", kept)
	}
	back := t.TempDir()
	for _, k := range kept {
		if strings.Contains(k, "schema-1.") {
			ok(t, os.Rename(k, filepath.Join(back, databaseName)))
		}
	}
	data, schema := oldData(t, back)
	same(t, "data of the copy", data, before)
	if !strings.HasPrefix(schema, "1|\n") {
		t.Errorf("the copy has schema %.3s", schema)
	}
	// Nothing to do, nothing to copy.
	ok(t, open(t, dir).Close())
	if again := must[[]string](t)(filepath.Glob(filepath.Join(dir, "postdesk.db.schema-*"))); len(again) != keptCopies-1 {
		t.Errorf("copies after another start: %q", again)
	}
}

// From every schema that there was, the data come through as they are.
func TestUpgradeFromEach(t *testing.T) {
	fresh := t.TempDir()
	ok(t, open(t, fresh).Close())
	_, want := oldData(t, fresh)
	for n := must[int64](t)(newestSchema()); n >= 1; n-- {
		dir := t.TempDir()
		oldSchema(t, dir, n)
		before, _ := oldData(t, dir)
		ok(t, open(t, dir).Close())
		after, schema := oldData(t, dir)
		same(t, fmt.Sprintf("data of schema %d", n), after, before)
		same(t, fmt.Sprintf("schema after %d", n), schema, want)
	}
}

// killing puts the end of the process behind the n-th statement of the migrations. It gives
// the schema before the migration of each statement.
func killing(n int) (files fs.FS, before []int64, err error) {
	from, err := schemas()
	if err != nil {
		return nil, nil, err
	}
	names, err := fs.Glob(from, "*.sql")
	if err != nil {
		return nil, nil, err
	}
	schema := int64(0)
	slices.Sort(names)
	out := fstest.MapFS{}
	for _, name := range names {
		text, err := fs.ReadFile(from, name)
		if err != nil {
			return nil, nil, err
		}
		var changed strings.Builder
		for line := range strings.Lines(string(text)) {
			changed.WriteString(line)
			code, _, _ := strings.Cut(line, "--")
			if !strings.HasSuffix(strings.TrimSpace(code), ";") || strings.HasPrefix(name, "00001") {
				continue
			}
			if before = append(before, schema); len(before) == n {
				changed.WriteString("SELECT end_of_process();\n")
			}
		}
		out[name] = &fstest.MapFile{Data: []byte(changed.String())}
		if schema, err = goose.NumericComponent(name); err != nil {
			return nil, nil, err
		}
	}
	return out, before, nil
}

// upgradeUntilKilled is the process that TestKilledWhileUpgrading kills.
func upgradeUntilKilled(dir string) error {
	at, err := strconv.Atoi(os.Getenv(upgradeAt))
	if err != nil {
		return err
	}
	sqlite.MustRegisterScalarFunction("end_of_process", 0, func(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) {
		return nil, syscall.Kill(os.Getpid(), syscall.SIGKILL)
	})
	files, _, err := killing(at)
	if err != nil {
		return err
	}
	return upgrade(context.Background(), dir, files)
}

func upgrade(ctx context.Context, dir string, files fs.FS) error {
	path := filepath.Join(dir, databaseName)
	m := migration{path, writerDSN(path, "OFF", false), true, files, slog.New(slog.DiscardHandler), func(string) {}}
	return m.run(ctx)
}

// Killed behind any statement of an upgrade, the database is at one of its numbered
// schemas with all its data, and the next start ends the upgrade.
func TestKilledWhileUpgrading(t *testing.T) {
	_, statements, err := killing(0)
	ok(t, err)
	if len(statements) < 15 {
		t.Fatalf("only %d statements found", len(statements))
	}
	fresh := t.TempDir()
	ok(t, open(t, fresh).Close())
	_, want := oldData(t, fresh)
	old, schema, before := "", int64(0), ""
	for i, of := range statements {
		if of != schema {
			schema, old = of, t.TempDir()
			oldSchema(t, old, schema)
			before, _ = oldData(t, old)
		}
		at, dir := i+1, t.TempDir()
		ok(t, os.CopyFS(dir, os.DirFS(old)))
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), upgradeDir+"="+dir, fmt.Sprintf("%s=%d", upgradeAt, at))
		out, err := cmd.CombinedOutput()
		if status, is := cmd.ProcessState.Sys().(syscall.WaitStatus); !is || status.Signal() != syscall.SIGKILL {
			t.Fatalf("statement %d: the process ended with %v: %s", at, err, out)
		}
		if after, _ := oldData(t, dir); after != before {
			t.Fatalf("statement %d: the data were\n%s\nand are\n%s", at, before, after)
		}
		ok(t, upgrade(t.Context(), dir, must[fs.FS](t)(schemas()))) // what the next start does
		after, schema := oldData(t, dir)
		same(t, fmt.Sprintf("data after a kill at statement %d", at), after, before)
		same(t, fmt.Sprintf("schema after a kill at statement %d", at), schema, want)
	}
}

// Files of raw mail that no row knows go when they are old, and no others.
func TestSweepOfOrphans(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	big := sampleMail(1, inlineLimit+10)
	_, _, err := deliver(d, big, "a@x.example")
	ok(t, err)
	old := time.Now().Add(-2 * orphanAge)
	age := func(h ticketing.Hash) string {
		ok(t, os.Chtimes(d.rawPath(h), old, old))
		return d.rawPath(h)
	}
	var hashes []ticketing.Hash
	for i := range 3 {
		s, err := d.Stage(t.Context(), bytes.NewReader(sampleMail(int64(10+i), inlineLimit+10)))
		ok(t, err)
		hashes = append(hashes, s.Hash)
	}
	known := must[[]ticketing.Hash](t)(knownFiles(d))
	age(known[0])
	gone := age(hashes[0])
	again := age(hashes[1])
	// Its bytes come again before it is swept: it is as young as a new one.
	_, err = d.Stage(t.Context(), bytes.NewReader(sampleMail(11, inlineLimit+10)))
	ok(t, err)
	same(t, "removed", must[int](t)(d.Sweep(t.Context())), 1)
	if _, err := os.Stat(gone); err == nil {
		t.Error("an old orphan is still there")
	}
	for _, path := range []string{again, d.rawPath(hashes[2]), d.rawPath(known[0])} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

// knownFiles are the files of raw mail that have a row.
func knownFiles(d *DB) (hashes []ticketing.Hash, err error) {
	err = d.read(context.Background(), func(t *tx) (err error) {
		hashes, err = list(t, func(r row, h *ticketing.Hash) error {
			return r.Scan(hashCol{h})
		}, "SELECT hash FROM raw WHERE encoding = 'file' ORDER BY id")
		return err
	})
	return hashes, err
}
