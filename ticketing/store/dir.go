package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	databaseName = "postdesk.db"
	markerName   = "marker"
	lockName     = "lock"
	markerText   = "A postdesk database belongs beside this file. Without it postdesk refuses to start.\n"
)

// ErrInUse is for a directory that another process has.
var ErrInUse = errors.New("in use by another postdesk")

// lockDir makes the directory and takes its lock, which ends with the process
// however that ends.
func lockDir(dir string) (*os.File, error) {
	// Mail is nobody's business but ours.
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, fmt.Errorf("%s is %w", dir, ErrInUse)
	}
	return nil, fmt.Errorf("lock of %s: %w", dir, err)
}

// isInUse says whether a process has the directory, and makes nothing in it: that would be of the
// user who asks.
func isInUse(dir string) (bool, error) {
	if _, err := os.Stat(filepath.Join(dir, lockName)); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	f, err := lockDir(dir)
	if errors.Is(err, ErrInUse) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, f.Close()
}

// checkMarker says whether a database was here before, and refuses when it is gone:
// an empty desk in its place would open numbers twice and forget who wrote.
func checkMarker(dir string) (known bool, err error) {
	if _, err := os.Stat(filepath.Join(dir, markerName)); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	info, err := os.Stat(filepath.Join(dir, databaseName))
	if errors.Is(err, fs.ErrNotExist) {
		return true, fmt.Errorf("%s is missing but was here before; restore it from a backup, or remove %s to begin with an empty desk", databaseName, markerName)
	}
	if err == nil && info.Size() == 0 {
		return true, fmt.Errorf("%s is empty but was not before; restore it from a backup", databaseName)
	}
	return true, err
}

func writeMarker(dir string) error {
	path := filepath.Join(dir, markerName)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(markerText)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return syncDir(dir)
}

// prepareRaw makes the folder of raw mail and sweeps what a crash left half written.
// A whole file that no row knows is left to Sweep.
func prepareRaw(dir string) error {
	raw := filepath.Join(dir, "raw")
	if err := os.RemoveAll(filepath.Join(raw, "tmp")); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(raw, "tmp"), 0o700); err != nil {
		return err
	}
	// A file in a folder is durable only when the folder is, which a crash may have left
	// without a name on the disk.
	return errors.Join(syncDir(raw), syncDir(dir))
}

// rawFolder makes the folder of a file of raw mail, when it is the first in it.
func (d *DB) rawFolder(path string) error {
	d.folders.Lock() // who finds it there relies on its own name
	defer d.folders.Unlock()
	folder := filepath.Dir(path)
	err := os.Mkdir(folder, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(folder)); err != nil {
		return errors.Join(err, os.Remove(folder))
	}
	return nil
}

// syncDir makes names in a directory durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
