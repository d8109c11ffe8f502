package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// errLogGone is for a log, or the index of it, that is not the file that was opened.
var errLogGone = errors.New("the log of the database was taken away")

// place are the files that were opened, by which it shows when others are in their place: SQLite
// goes on to write to a file without a name, and that is gone with the process. It keeps one
// connection open as long as the store is, so that SQLite itself never removes its log, and
// so that what was in a log which is gone can still be brought into the database.
type place struct {
	dir    string
	anchor *conn
	files  []placed
	log    *slog.Logger
}

type placed struct {
	name string
	fs.FileInfo
}

func openPlace(ctx context.Context, dir, synchronous string, log *slog.Logger) (*place, error) {
	p := &place{dir: dir, log: log, anchor: &conn{dsn: anchorDSN(filepath.Join(dir, databaseName), synchronous)}}
	var tables int64
	// SQLite opens the log with the first read, and makes it then.
	err := (&tx{ctx: ctx, conn: p.anchor}).get("SELECT count(*) FROM sqlite_schema", nil, &tables)
	for _, name := range []string{databaseName, databaseName + "-wal", databaseName + "-shm"} {
		if err != nil {
			break
		}
		var info fs.FileInfo
		info, err = os.Stat(filepath.Join(dir, name))
		p.files = append(p.files, placed{name, info})
	}
	if err != nil {
		return nil, errors.Join(err, p.anchor.close())
	}
	return p, nil
}

// check says that the database and its log are the files that were opened.
func (p *place) check() error {
	for _, f := range p.files {
		info, err := os.Stat(filepath.Join(p.dir, f.name))
		if err == nil && !os.SameFile(info, f.FileInfo) {
			err = errors.New("another file is in its place")
		}
		switch {
		case err == nil:
		case f.name == databaseName:
			return fmt.Errorf("%s was taken away while it was in use: put it back where it was, or stop postdesk and restore a backup: %w", f.name, err)
		default:
			return fmt.Errorf("%w: restart postdesk in good order (systemctl restart, not kill -9), and touch none of its files while it runs: %s: %w", errLogGone, f.name, err)
		}
	}
	return nil
}

// startTime is how long one that has just taken the directory may be without its log.
const startTime = time.Second / 2

// beside says of a database that another process may have open that its log is where that process
// has it. Without its name what the other has committed is not seen, and nothing tells.
func beside(ctx context.Context, dir string) error {
	for begun := time.Now(); ; {
		gone := ""
		for _, name := range []string{databaseName + "-wal", databaseName + "-shm"} {
			if _, err := os.Stat(filepath.Join(dir, name)); errors.Is(err, fs.ErrNotExist) {
				gone = name
			}
		}
		if gone == "" {
			return nil
		}
		if used, err := isInUse(dir); err != nil || !used { // SQLite took the log away itself
			return err
		}
		if time.Since(begun) > startTime {
			return fmt.Errorf("%w: restart postdesk in good order (systemctl restart, not kill -9), and do this again; unless it was just beginning: %s", errLogGone, gone)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(startTime / 50):
		}
	}
}

// save brings what is in the log into the database, through the files that are still open. Of
// the writer alone: nobody may commit meanwhile.
func (p *place) save() error {
	var busy, frames, done int64
	err := (&tx{ctx: context.Background(), conn: p.anchor}).get("PRAGMA wal_checkpoint(FULL)", nil, &busy, &frames, &done)
	if err == nil && (busy != 0 || done < frames) {
		err = fmt.Errorf("somebody reads an old moment: %d of %d pages", done, frames)
	}
	if err != nil {
		return err
	}
	return p.putAside()
}

// putAside renames a log that is not ours: after a kill the next start would write its old pages
// over the database, which has all by now.
func (p *place) putAside() error {
	log := filepath.Join(p.dir, databaseName+"-wal")
	info, err := os.Stat(log)
	if errors.Is(err, fs.ErrNotExist) || err == nil && os.SameFile(info, p.files[1].FileInfo) {
		return nil
	}
	if err == nil {
		err = os.Rename(log, log+".strange")
		p.log.Warn("a log that is not of this database was put aside; look whose it is, and remove it", "file", log+".strange")
	}
	return errors.Join(err, syncDir(p.dir))
}

// whole is check, after which it is also true that what was committed is kept: of a log that
// is gone all was brought into the database. Then only who comes next is refused.
func (p *place) whole() error {
	err := p.check()
	if !errors.Is(err, errLogGone) {
		return err
	}
	if lost := p.save(); lost != nil {
		return unsaved(err, lost)
	}
	p.log.Warn("the log of the database was taken away while it was in use; all that was in it is in the database now")
	return nil
}

// free is check, with what has become of the log that is gone.
func (p *place) free() error {
	err := p.check()
	if !errors.Is(err, errLogGone) {
		return err
	}
	if lost := p.save(); lost != nil {
		return unsaved(err, lost)
	}
	return fmt.Errorf("all that was taken is in the database, nothing more is: %w", err)
}

func unsaved(gone, lost error) error {
	return fmt.Errorf("what was taken in the last moments is not yet in the database (%w) and is lost when postdesk is killed: %w", lost, gone)
}
