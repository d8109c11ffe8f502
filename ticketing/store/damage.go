package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	sqlite3 "modernc.org/sqlite/lib"
)

// checkedSize is how large a database is looked through at each start: as much as takes no
// time that anybody notices. Of a larger one a check of all would keep mail waiting.
const checkedSize = 8 << 20

// damageWord is what an operator can do about a file that is not as SQLite has written it.
const damageWord = "the database is damaged: stop postdesk, and put a backup in its place (postdesk restore)"

// damage is an error of a damaged database, with what is to be done.
type damage struct{ error }

func (d damage) Error() string { return damageWord + ": " + d.error.Error() }
func (d damage) Unwrap() error { return d.error }

// damaged adds to an error of a damaged database what is to be done, once.
func damaged(err error) error {
	if known := (damage{}); errors.As(err, &known) || !isSpoiled(err) && !isUnknown(err) {
		return err
	}
	return damage{err}
}

// isUnknown says that a statement names what the database does not have: all of ours fit the
// migrations, so that it is the text of the schema which is not as they wrote it.
func isUnknown(err error) bool {
	return code(err) == sqlite3.SQLITE_ERROR && (strings.Contains(err.Error(), "no such ") || strings.Contains(err.Error(), "has no column named "))
}

// checkDatabase refuses a database of which parts cannot be found any more, before anybody
// takes it for one that has nothing in it. What is damaged elsewhere shows when it is read.
func checkDatabase(ctx context.Context, db *sql.DB, path string) error {
	if fileSize(path) > checkedSize {
		empty, err := looksEmpty(ctx, db)
		if err != nil || !empty {
			return damaged(err)
		}
	}
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return damaged(err)
	}
	if verdict != "ok" {
		return damage{errors.New(verdict)}
	}
	return nil
}

// looksEmpty says that one of the tables that every desk fills has nothing in it.
func looksEmpty(ctx context.Context, db *sql.DB) (bool, error) {
	for _, table := range []string{"ticket", "message", "event", "arrival", "raw", "counter", "hmac_key"} {
		var one int
		err := db.QueryRowContext(ctx, "SELECT 1 FROM "+table+" LIMIT 1").Scan(&one)
		if errors.Is(err, sql.ErrNoRows) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}
