package store

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"postdesk/ticketing"
)

// manifestName is the first file of a backup.
const manifestName = "manifest.json"

// backupFormat is the number of the layout: a manifest, the database, the files of raw mail.
const backupFormat = 1

// Manifest says what is in a backup.
type Manifest struct {
	Format   int              `json:"format"`
	Program  string           `json:"program"` // version of the postdesk that made it
	Created  time.Time        `json:"created"`
	Schema   int64            `json:"schema"`
	Counts   map[string]int64 `json:"counts"` // rows of each table
	RawFiles int64            `json:"raw_files"`
}

// Backup writes what is in dir into one file, while an agent runs there or not: a snapshot
// of the database, with the keys in it, and every file of raw mail that it refers to. The
// file has its name when it is whole and durable. Beside it there must be room for a copy
// of the database.
func Backup(ctx context.Context, dir, file, program string, progress Progress) (m Manifest, err error) {
	if _, err := os.Stat(filepath.Join(dir, databaseName)); err != nil {
		return m, err
	}
	if err := beside(ctx, dir); err != nil {
		return m, err
	}
	snapshot, partial := file+".database.partial", file+".partial"
	defer func() { err = errors.Join(err, remove(snapshot), remove(partial)) }()
	if err := remove(snapshot); err != nil {
		return m, err
	}
	// Before the database: what is done in this list is done in the copy too.
	erased, err := os.ReadFile(filepath.Join(dir, journalName))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return m, err
	}
	progress.tell("database", 0, 0)
	if err := copyDatabase(ctx, filepath.Join(dir, databaseName), snapshot); err != nil {
		return m, fmt.Errorf("copy of the database: %w", err)
	}
	if err := beside(ctx, dir); err != nil {
		return m, err
	}
	m, hashes, err := describe(ctx, snapshot)
	if err != nil {
		return m, err
	}
	m.Program, m.Created = program, time.Now().UTC().Truncate(time.Second)
	out, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return m, err
	}
	if err := errors.Join(archive(ctx, out, m, erased, snapshot, dir, hashes, progress), out.Sync(), out.Close()); err != nil {
		return m, err
	}
	if err := os.Rename(partial, file); err != nil {
		return m, err
	}
	return m, syncDir(filepath.Dir(file))
}

// remove is for what may not be there.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// copyDatabase copies a database as it is at one moment; writers go on meanwhile.
func copyDatabase(ctx context.Context, from, to string) (err error) {
	// The mail of others is in it, whatever the umask is.
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	c := &conn{dsn: copyDSN(from)}
	defer func() { err = errors.Join(err, c.close()) }()
	s, err := c.stmt(ctx, "VACUUM INTO $1")
	if err != nil {
		return err
	}
	if _, err := s.ExecContext(ctx, values([]any{to})); err != nil {
		return err
	}
	f, err = os.OpenFile(to, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close(), syncDir(filepath.Dir(to)))
}

// describe reads a snapshot: its manifest, and the mail that lies in files.
func describe(ctx context.Context, snapshot string) (m Manifest, hashes []ticketing.Hash, err error) {
	c := &conn{dsn: copyDSN(snapshot)}
	defer func() { err = errors.Join(err, c.close()) }()
	t := &tx{ctx: ctx, conn: c, watched: true}
	m.Format = backupFormat
	if m.Schema, err = schemaOf(t); err != nil {
		return m, nil, err
	}
	if m.Counts, err = tableCounts(t); err != nil {
		return m, nil, err
	}
	hashes, err = list(t, func(r row, h *ticketing.Hash) error {
		return r.Scan(hashCol{h})
	}, "SELECT hash FROM raw WHERE encoding = $1 ORDER BY hash", encodingFile)
	m.RawFiles = int64(len(hashes))
	return m, hashes, err
}

// archive writes the file.
func archive(ctx context.Context, w io.Writer, m Manifest, erased []byte, snapshot, dir string, hashes []ticketing.Hash, progress Progress) error {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	head, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := addFile(t, manifestName, int64(len(head)), bytes.NewReader(head)); err != nil {
		return err
	}
	if len(erased) > 0 {
		if err := addFile(t, journalName, int64(len(erased)), bytes.NewReader(erased)); err != nil {
			return err
		}
	}
	if err := addPath(t, databaseName, snapshot); err != nil {
		return err
	}
	files := &DB{dir: dir}
	for i, h := range hashes {
		if err := ctx.Err(); err != nil {
			return err
		}
		path := files.rawPath(h)
		if err := addPath(t, strings.TrimPrefix(path, dir+"/"), path); err != nil {
			return err
		}
		progress.tell("raw files", int64(i+1), m.RawFiles)
	}
	return errors.Join(t.Close(), z.Close())
}

func addPath(t *tar.Writer, name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return addFile(t, name, info.Size(), f)
}

func addFile(t *tar.Writer, name string, size int64, from io.Reader) error {
	if err := t.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o600, Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err := io.Copy(t, from)
	return err
}
