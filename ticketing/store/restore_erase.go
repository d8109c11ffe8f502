package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"postdesk/ticketing"
)

// errNoErasures says what restore has to be told.
var errNoErasures = errors.New("nobody says what was erased after this backup, and it would be back: give the file \"erasures\" of the desk that was lost, " +
	"or its directory, with --erasures; or say that nothing was erased since with --no-erasures")

// takeOver puts the newest list of erasures into a restored directory, with those marked as to
// be done that the backup does not have as done. It gives their number.
func takeOver(dir string, o RestoreOptions) (pending int, err error) {
	own, err := readJournal(filepath.Join(dir, journalName))
	if errors.Is(err, fs.ErrNotExist) { // a backup of before there was a list
		own, err = nil, nil
	}
	if err != nil {
		return 0, err
	}
	others, err := findJournals(dir, own, o)
	if err != nil {
		return 0, err
	}
	if len(others) == 0 && !o.NoErasures {
		return 0, errNoErasures
	}
	if own == nil && len(others) > 0 {
		own = &journal{key: others[0].key}
	}
	if own == nil {
		return 0, nil // the agent makes a new one
	}
	own.path = filepath.Join(dir, journalName)
	for _, j := range others {
		for _, e := range j.all {
			e.Done = false // what the backup has as done stays so
			if err := own.take(journalLine{Digest: e.Digest.String(), Erasure: &e}); err != nil {
				return 0, err
			}
		}
	}
	for _, e := range own.all {
		if !e.Done {
			pending++
		}
	}
	return pending, own.write()
}

// findJournals reads the lists of the same desk that there are.
func findJournals(dir string, own *journal, o RestoreOptions) (found []*journal, err error) {
	if o.NoErasures {
		return nil, nil
	}
	places, named := o.Look, o.Erasures != ""
	beside, err := filepath.Glob(filepath.Join(filepath.Dir(dir), "*", journalName))
	if err != nil {
		return nil, err
	}
	places = append(places, beside...)
	if named {
		places = []string{o.Erasures}
	}
	for _, path := range places {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			path = filepath.Join(path, journalName)
		}
		if filepath.Clean(path) == filepath.Join(dir, journalName) {
			continue
		}
		j, err := readJournal(path)
		switch {
		case err == nil && (own == nil || bytes.Equal(j.key, own.key)):
			found = append(found, j)
		case err == nil && named:
			return nil, fmt.Errorf("%s is the list of another desk", path)
		case err != nil && (named || !errors.Is(err, fs.ErrNotExist)):
			return nil, fmt.Errorf("list of erasures: %w", err)
		}
	}
	return found, nil
}

// eraseAgain does what was erased after the backup.
func eraseAgain(ctx context.Context, dir string, o RestoreOptions) (err error) {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	d, err := Open(ctx, dir, Options{Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return ticketing.FinishErasures(ctx, d, log)
}
