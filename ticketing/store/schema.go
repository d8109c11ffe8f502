package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// schemas are the files of the migrations, by their numbers.
func schemas() (fs.FS, error) { return fs.Sub(migrations, "migrations") }

// newestSchema is the number of the newest migration that this program knows.
func newestSchema() (n int64, err error) {
	files, err := schemas()
	if err != nil {
		return 0, err
	}
	names, err := fs.Glob(files, "*.sql")
	for _, name := range names {
		v, e := goose.NumericComponent(name)
		n, err = max(n, v), errors.Join(err, e)
	}
	return n, err
}

// migration brings a schema up to date.
type migration struct {
	path  string // of the database
	dsn   string
	known bool // there was a database before
	files fs.FS
	log   *slog.Logger
	tell  func(what string) // before each step that may take long
}

// run applies what is missing. Each migration is one transaction: when the process ends
// meanwhile, the next start goes on where this one was.
func (m migration) run(ctx context.Context) (err error) {
	db, err := sql.Open("sqlite", m.dsn)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	var have, want int64
	p, err := provider(db, m.files)
	if err == nil {
		have, want, err = p.GetVersions(ctx)
	}
	switch {
	case err != nil && m.known && ctx.Err() == nil:
		return fmt.Errorf("%s cannot be read; where it is damaged, put a backup in its place (postdesk restore): %w", databaseName, err)
	case err != nil:
		return fmt.Errorf("schema of %s: %w", databaseName, err)
	case have > want:
		return fmt.Errorf("%s has schema %d, and this postdesk knows %d at most: run the newer postdesk that made it, or go back to the copy beside it that was made before the upgrade", databaseName, have, want)
	case have <= 0 && m.known:
		return fmt.Errorf("%s has no tables but had before; restore it from a backup", databaseName)
	}
	if m.known {
		if err := checkDatabase(ctx, db, m.path); err != nil {
			return err
		}
	}
	if have == want {
		return nil
	}
	if have > 0 {
		if err := m.keep(ctx, have); err != nil {
			return fmt.Errorf("copy of %s before the upgrade: %w", databaseName, err)
		}
	}
	return m.apply(ctx, p, have, want)
}

// provider is goose with the migrations of files. SQLite itself tells the statements of a file
// apart: goose would look for their ends with a buffer of 4 MB a line, which took the most of what
// an empty desk takes to make under the race detector. What a file has is its way up, and no more.
func provider(db *sql.DB, files fs.FS) (*goose.Provider, error) {
	// A table that others refer to can be made anew; what they refer to is looked at in the end.
	// What a statement may have to undo is all that a large table had: 6 GB in memory, of a
	// million tickets.
	for _, query := range []string{"PRAGMA foreign_keys = 0", "PRAGMA temp_store = FILE"} {
		if _, err := db.Exec(query); err != nil {
			return nil, err
		}
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	var all []*goose.Migration
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return nil, err
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		up := func(ctx context.Context, tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, string(text)); err != nil {
				return err
			}
			var table string
			err := tx.QueryRowContext(ctx, `SELECT "table" FROM pragma_foreign_key_check LIMIT 1`).Scan(&table)
			if errors.Is(err, sql.ErrNoRows) {
				return nil
			}
			return errors.Join(err, fmt.Errorf("a reference of table %s leads to nothing", table))
		}
		all = append(all, goose.NewGoMigration(version, &goose.GoFunc{RunTx: up}, nil))
	}
	return goose.NewProvider(goose.DialectSQLite3, db, nil, goose.WithGoMigrations(all...), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
}

func (m migration) apply(ctx context.Context, p *goose.Provider, have, want int64) error {
	for {
		begun := time.Now()
		m.tell(fmt.Sprintf("upgrading the database, at schema %d of %d", have, want))
		done, err := p.UpByOne(ctx)
		if errors.Is(err, goose.ErrNoNextVersion) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("schema of %s: %w", databaseName, err)
		}
		have = done.Source.Version
		if m.known {
			m.log.Info("database upgraded", "schema", have, "of", want, "took", time.Since(begun).Round(time.Millisecond))
		}
	}
}

// keptCopies is how many copies from before upgrades stay.
const keptCopies = 2

// keep copies the database before it is changed, beside it.
func (m migration) keep(ctx context.Context, have int64) error {
	copied := fmt.Sprintf("%s.schema-%d.%s", m.path, have, time.Now().UTC().Format("20060102T150405Z"))
	m.tell("copying the database before it is upgraded")
	partial := m.path + ".partial"
	if err := remove(partial); err != nil {
		return err
	}
	if err := copyDatabase(ctx, m.path, partial); err != nil {
		return errors.Join(err, remove(partial))
	}
	if err := errors.Join(os.Rename(partial, copied), syncDir(filepath.Dir(m.path))); err != nil {
		return err
	}
	m.log.Info("the database was copied before it is upgraded", "copy", copied, "schema", have)
	all, err := filepath.Glob(m.path + ".schema-*.*")
	if err != nil {
		return err
	}
	// The newest first, by the time that their names end in.
	slices.SortFunc(all, func(a, b string) int { return strings.Compare(path.Ext(b), path.Ext(a)) })
	for _, old := range all[min(keptCopies, len(all)):] {
		if err := os.Remove(old); err != nil {
			return err
		}
	}
	return nil
}
