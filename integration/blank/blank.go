// Package blank has the database of an empty desk ready for tests: to make its tables takes longer
// than most of what a test then does with them, under the race detector above all.
package blank

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"

	"postdesk/ticketing/store"
)

var database = sync.OnceValues(made)

// Desk puts an empty database into dir, unless one is there.
func Desk(dir string) error {
	content, err := database()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, "postdesk.db"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

func made() ([]byte, error) {
	dir, err := os.MkdirTemp("", "blank")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	db, err := store.Open(context.Background(), dir, store.Options{Synchronous: "OFF"})
	if err != nil {
		return nil, err
	}
	// The last connection takes the log into the file.
	if err := db.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, "postdesk.db"))
}
