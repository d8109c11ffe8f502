package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date. known says that there was a database before.
func migrate(ctx context.Context, dsn string, known bool) (err error) {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	have, want, err := p.GetVersions(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("schema of %s: %w", databaseName, err)
	case have > want:
		return fmt.Errorf("%s has schema %d, and this postdesk knows %d at most: run the newer postdesk that made it", databaseName, have, want)
	case have <= 0 && known:
		return fmt.Errorf("%s has no tables but had before; restore it from a backup", databaseName)
	case have == want:
		return nil
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("schema of %s: %w", databaseName, err)
	}
	return nil
}
