package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"postdesk/ticketing"
)

// rewriteMax is the largest database that Clean writes anew while others wait for it: it is
// done in less time than a Write waits for its turn.
const rewriteMax = 1 << 30

// Clean takes away what deleted rows have left on the disk. Rows go first and files after
// them: a file without a row is removed by the next Clean, a row without its file would be
// a loss. Deleted rows are overwritten where they were (secure_delete); but pages that were
// split or merged before keep copies, which only writing the database anew takes away.
func (d *DB) Clean(rewrite bool) (c ticketing.Cleaned, err error) {
	if err := d.enter(); err != nil {
		return c, err
	}
	defer d.using.Done()
	ctx := context.Background()
	if c.Files, err = d.DropFiles(ctx); err != nil {
		return c, err
	}
	copies, err := filepath.Glob(filepath.Join(d.dir, databaseName+".schema-*.*"))
	for _, old := range copies {
		err = errors.Join(err, os.Remove(old))
	}
	if c.Copies = len(copies); err != nil {
		return c, err
	}
	if rewrite && fileSize(filepath.Join(d.dir, databaseName)) <= rewriteMax {
		c.Written = true
		if err := d.alone(ctx, func() error { return rewriteDatabase(ctx, filepath.Join(d.dir, databaseName), nil) }); err != nil {
			return c, err
		}
	}
	return c, d.alone(ctx, func() error { return emptyLog(ctx, filepath.Join(d.dir, databaseName)) })
}

// DropFiles removes the files of raw mail whose rows are gone. Each is removed in the writer,
// where no row can be made of it at the same time.
func (d *DB) DropFiles(ctx context.Context) (n int, err error) {
	var hashes []ticketing.Hash
	err = d.read(ctx, func(t *tx) (err error) {
		hashes, err = list(t, func(r row, h *ticketing.Hash) error {
			return r.Scan(hashCol{h})
		}, "SELECT hash FROM dropped")
		return err
	})
	for _, h := range hashes {
		d.recent.take(h)
		err = errors.Join(err, d.Write(ctx, func(x ticketing.Tx) error {
			t := x.(*tx)
			if known, err := t.hasRaw(h); err != nil || known { // it came again
				return err
			}
			return remove(d.rawPath(h))
		}), syncDir(filepath.Dir(d.rawPath(h))), d.Write(ctx, func(x ticketing.Tx) error {
			_, err := x.(*tx).exec("DELETE FROM dropped WHERE hash = $1", h)
			return err
		}))
		n++
	}
	return n, err
}

// alone runs fn while nobody writes.
func (d *DB) alone(ctx context.Context, fn func() error) error {
	done := make(chan error, 1)
	select {
	case d.writer.alone <- func() {
		err := d.place.check() // fn opens what has the name
		if err == nil {
			err = fn()
		}
		done <- err
	}:
		return <-done
	case <-ctx.Done():
		return ctx.Err()
	}
}

// emptyLog brings the log into the database and makes it empty: it has old pages in it.
// While somebody reads an old moment that cannot be done, and nobody reads for long.
func emptyLog(ctx context.Context, path string) error {
	c := &conn{dsn: copyDSN(path)}
	defer c.close()
	for try := 0; ; try++ {
		var busy, frames, done int64
		err := (&tx{ctx: ctx, conn: c, watched: true}).get("PRAGMA wal_checkpoint(TRUNCATE)", nil, &busy, &frames, &done)
		if err != nil || busy == 0 || try > 100 {
			if err == nil && busy != 0 {
				err = errors.New("the log of the database cannot be emptied: somebody reads it; try again")
			}
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Compact writes the database, and the index of words, anew: without what is deleted in it, and
// as small as can be. No agent may run in dir meanwhile: deliveries would wait for minutes. It
// gives the octets of both before and after.
func Compact(ctx context.Context, dir string, progress Progress) (before, after int64, err error) {
	if _, err := os.Stat(filepath.Join(dir, databaseName)); err != nil {
		return 0, 0, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return 0, 0, err
	}
	defer lock.Close()
	for _, name := range []string{databaseName, indexName} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			continue // the index is made anew by the agent
		}
		before += fileSize(path)
		if err := errors.Join(rewriteDatabase(ctx, path, progress), emptyLog(ctx, path)); err != nil {
			return before, after, err
		}
		after += fileSize(path)
	}
	return before, after, give(dir)
}

// rewriteDatabase writes a database anew, without what is deleted in it and with its pages
// in order.
func rewriteDatabase(ctx context.Context, path string, progress Progress) (err error) {
	size := fileSize(path)
	if err := enoughRoom(filepath.Dir(path), 2*size); err != nil { // the new pages go through the log
		return err
	}
	c := &conn{dsn: copyDSN(path)}
	defer func() { err = errors.Join(err, c.close()) }()
	done := make(chan struct{})
	go func() {
		for tick := time.NewTicker(time.Second); ; {
			select {
			case <-done:
				tick.Stop()
				return
			case <-tick.C:
				progress.tell("compacting "+filepath.Base(path), min(fileSize(path+"-wal"), size), size)
			}
		}
	}()
	defer close(done)
	return c.exec(ctx, "VACUUM")
}

func enoughRoom(dir string, need int64) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("free space of %s: %w", dir, err)
	}
	if free := int64(fs.Bavail) * int64(fs.Bsize); free < need {
		return fmt.Errorf("%s has %d MB left, and to write the database anew takes %d MB: make room", dir, free>>20, need>>20)
	}
	return nil
}
