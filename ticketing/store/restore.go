package store

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"syscall"

	"github.com/klauspost/compress/zstd"
)

// RestoreOptions say what a restored desk may do.
type RestoreOptions struct {
	// Release lets outgoing mail go at once. What waited when the backup was made may have
	// gone out after it: without Release all outgoing mail is held until somebody says so.
	Release bool
	// SkipNumbers leaves out so many ticket numbers of each queue: the ones after the backup
	// were given already, and their customers have them.
	SkipNumbers int64
	// Erasures is the list of a desk that is newer than the backup, or its directory: what was
	// erased after the backup is erased again. Without it the list is looked for in Look and
	// in directories beside the new one; when none is found it must be said with NoErasures
	// that nothing was erased since.
	Erasures   string
	Look       []string
	NoErasures bool
	Log        *slog.Logger // nil: nothing is logged
}

// Restored says what was restored.
type Restored struct {
	Manifest Manifest
	Waiting  int64 // outgoing mail that waits
	Pending  int64 // mail that was accepted and not processed yet
	LastSeq  int64 // the newest event
	Erased   int   // erasures that were done again
}

// Restore makes dir from a backup and proves it: the hash of each message, the structure of
// the database, and the counts of the manifest. dir must be empty or not there; when it
// fails, dir is empty again.
func Restore(ctx context.Context, file, dir string, o RestoreOptions, progress Progress) (r Restored, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return r, err
	}
	in, err := os.Open(file)
	if err != nil {
		return r, err
	}
	defer in.Close()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return r, err
	}
	if there, err := os.ReadDir(dir); err != nil || len(there) > 0 {
		return r, errors.Join(err, fmt.Errorf("%s is not empty: a backup is restored into an empty directory, beside what is there", dir))
	}
	lock, err := lockDir(dir)
	if err != nil {
		return r, err
	}
	defer lock.Close()
	defer func() {
		if err != nil {
			err = errors.Join(err, empty(dir))
		}
	}()
	// First: an agent that is started on half a desk refuses instead of making a new one.
	if err := writeMarker(dir); err != nil {
		return r, err
	}
	if r.Manifest, err = extract(ctx, in, dir, progress); err != nil {
		return r, fmt.Errorf("%s: %w", file, err)
	}
	if err := prove(ctx, dir, r.Manifest, progress); err != nil {
		return r, err
	}
	if err := r.settle(ctx, filepath.Join(dir, databaseName), o); err != nil {
		return r, err
	}
	if r.Erased, err = takeOver(dir, o); err != nil {
		return r, err
	}
	if err := lock.Close(); err != nil {
		return r, err
	}
	if r.Erased > 0 {
		progress.tell("erasing again", 0, 0)
		if err := eraseAgain(ctx, dir, o); err != nil {
			return r, err
		}
	}
	return r, give(dir)
}

// backupName is what may be in a backup: no other path is written.
var backupName = regexp.MustCompile(`^(postdesk\.db|erasures|raw/[0-9a-f]{2}/[0-9a-f]{64})$`)

// extract writes the files of a backup into dir.
func extract(ctx context.Context, from io.Reader, dir string, progress Progress) (m Manifest, err error) {
	z, err := zstd.NewReader(from)
	if err != nil {
		return m, err
	}
	defer z.Close()
	t := tar.NewReader(z)
	head, err := t.Next()
	if err != nil || head.Name != manifestName {
		return m, errors.Join(errors.New("this is no backup of postdesk"), err)
	}
	if err := json.NewDecoder(io.LimitReader(t, 1<<20)).Decode(&m); err != nil {
		return m, err
	}
	if newest, err := newestSchema(); err != nil || m.Format != backupFormat || m.Schema > newest {
		return m, errors.Join(err, fmt.Errorf("it has format %d and schema %d, and this postdesk knows %d and %d: use the postdesk that made it, %s", m.Format, m.Schema, backupFormat, newest, m.Program))
	}
	if err := prepareRaw(dir); err != nil {
		return m, err
	}
	for n := int64(0); ; n++ {
		head, err := t.Next()
		if err == io.EOF {
			return m, syncRaw(dir)
		}
		if err == nil && !backupName.MatchString(head.Name) {
			err = fmt.Errorf("it has a file of an odd name: %q", head.Name)
		}
		if err == nil {
			err = writeFile(filepath.Join(dir, head.Name), t)
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return m, err
		}
		progress.tell("files", n, m.RawFiles)
	}
}

func writeFile(path string, from io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncRaw makes the names of all files durable.
func syncRaw(dir string) error {
	raw := filepath.Join(dir, "raw")
	folders, err := os.ReadDir(raw)
	errs := []error{err, syncDir(dir), syncDir(raw)}
	for _, folder := range folders {
		errs = append(errs, syncDir(filepath.Join(raw, folder.Name())))
	}
	return errors.Join(errs...)
}

// prove compares what was written with what the manifest says, byte for byte where it can.
func prove(ctx context.Context, dir string, m Manifest, progress Progress) error {
	audit, err := verifyAll(ctx, dir, progress)
	if err != nil {
		return err
	}
	if len(audit.Problems) > 0 {
		return fmt.Errorf("the backup is damaged: %s (%d problems)", audit.Problems[0], len(audit.Problems))
	}
	if audit.Schema != m.Schema || !maps.Equal(audit.Counts, m.Counts) {
		return fmt.Errorf("the backup is damaged: it has %v rows, and should have %v", audit.Counts, m.Counts)
	}
	return nil
}

// settle holds the outgoing mail and leaves numbers out.
func (r *Restored) settle(ctx context.Context, path string, o RestoreOptions) (err error) {
	c := &conn{dsn: writerDSN(path, "FULL", false)}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	t := &tx{ctx: ctx, conn: c, watched: true}
	if r.Waiting, err = one(t, scanInt, "SELECT count(*) FROM outgoing WHERE state = 'queued'"); err != nil {
		return err
	}
	if r.Pending, err = t.CountPending(); err != nil {
		return err
	}
	if r.LastSeq, err = t.LastSeq(); err != nil {
		return err
	}
	if !o.Release {
		if err := t.SetHold(true); err != nil {
			return err
		}
	}
	if _, err := t.exec("UPDATE counter SET value = value + $1 WHERE name LIKE 'ticket:%'", o.SkipNumbers); err != nil {
		return err
	}
	return c.exec(ctx, "COMMIT")
}

// empty takes away what was written.
func empty(dir string) error {
	there, err := os.ReadDir(dir)
	for _, e := range there {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

// give makes the files belong to whom the directory belongs: root restores for the
// agent's user.
func give(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || st.Uid == 0 {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, int(st.Uid), int(st.Gid)))
	})
}
