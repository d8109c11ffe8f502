package dev

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// memory is where files cost no disk, and roomy what must be free there: containers
// often have a small one.
const (
	memory = "/dev/shm"
	roomy  = 256 << 20
	prefix = "postdesk-dev-"
)

// scratch is a folder that is locked while its process lives.
type scratch struct {
	folder string
	lock   *os.File
}

// newScratch makes a folder, in memory where there is room, and removes those whose
// process was killed. Its name leaves room for that of a socket: unix(7) has 108 octets.
func newScratch() (*scratch, error) {
	parent := os.TempDir()
	if len(parent) > 60 {
		parent = "/tmp"
	}
	var free unix.Statfs_t
	if unix.Statfs(memory, &free) == nil && free.Bavail*uint64(free.Bsize) > roomy && unix.Access(memory, unix.W_OK) == nil {
		parent = memory
	}
	if left, err := filepath.Glob(filepath.Join(parent, prefix+"*")); err == nil {
		for _, folder := range left {
			removeLeft(folder)
		}
	}
	for {
		folder, err := os.MkdirTemp(parent, prefix)
		if err != nil {
			return nil, err
		}
		s, err := lock(folder, 0)
		switch {
		case errors.Is(err, fs.ErrNotExist): // another one took it for left behind before it was locked
		case err != nil:
			return nil, errors.Join(err, os.RemoveAll(folder))
		default:
			return s, nil
		}
	}
}

// lock waits for a folder's lock, unless how says otherwise, and looks whether the folder
// is still there.
func lock(folder string, how int) (*scratch, error) {
	f, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|how)
	if err == nil {
		_, err = os.Stat(folder)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &scratch{folder, f}, nil
}

// removeLeft removes a folder that nobody holds. One that is another user's stays.
func removeLeft(folder string) {
	if s, err := lock(folder, unix.LOCK_NB); err == nil {
		_ = s.remove()
	}
}

func (s *scratch) remove() error { return errors.Join(os.RemoveAll(s.folder), s.lock.Close()) }
