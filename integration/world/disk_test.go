package world

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"postdesk/ticketing"
	"postdesk/ticketing/store"
)

var (
	errDisk = errors.New("the disk fails")
	errDead = errors.New("the process is dead")
)

// disk is a store whose writes can fail, and whose process can die at one of them: before
// it is committed, or after that, when nobody has heard of it. Of the dead nothing more is
// written, and what was on its disk at that moment is in its image.
type disk struct {
	*store.DB
	dir, image string

	gate sync.RWMutex // the write at which it dies is alone

	mu        sync.Mutex
	left      int // writes until it dies; 0: it does not
	after     bool
	dead      bool
	died      chan struct{}
	failUntil time.Time // all writes before then fail
	failNext  int       // so many writes fail
	failed    int
	err       error // of making the image
}

func newDisk(ctx context.Context, dir, image string) (*disk, error) {
	db, err := store.Open(ctx, dir, store.Options{Synchronous: "OFF"})
	return &disk{DB: db, dir: dir, image: image, died: make(chan struct{})}, err
}

type fate int

const (
	lives fate = iota
	dies
	isDead
	fails
	failsLate // when everything was written but the commit
)

// fate says how one write goes.
func (d *disk) fate() fate {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return isDead
	}
	if d.left > 0 {
		if d.left--; d.left == 0 {
			d.dead = true
			return dies
		}
	}
	if d.failNext == 0 && !time.Now().Before(d.failUntil) {
		return lives
	}
	d.failNext = max(0, d.failNext-1)
	if d.failed++; d.failed%2 == 0 {
		return failsLate
	}
	return fails
}

func (d *disk) Write(ctx context.Context, fn func(ticketing.Tx) error) error {
	f := d.fate()
	switch f {
	case isDead:
		return errDead
	case fails:
		return errDisk
	case dies:
		return d.die(ctx, fn)
	}
	d.gate.RLock()
	defer d.gate.RUnlock()
	if d.isDead() {
		return errDead
	}
	return d.DB.Write(ctx, func(tx ticketing.Tx) error {
		if err := fn(tx); err != nil || f == lives {
			return err
		}
		return errDisk
	})
}

func (d *disk) die(ctx context.Context, fn func(ticketing.Tx) error) error {
	d.gate.Lock()
	defer d.gate.Unlock()
	defer close(d.died)
	if d.after {
		_ = d.DB.Write(context.WithoutCancel(ctx), fn)
	}
	d.err = copyDir(d.image, d.dir)
	return errDead
}

func (d *disk) isDead() bool { d.mu.Lock(); defer d.mu.Unlock(); return d.dead }

// dieAt lets the process die at the nth write from now.
func (d *disk) dieAt(n int, after bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left, d.after = n, after
}

// fail lets the next writes fail, or all for a while.
func (d *disk) fail(next int, until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failNext, d.failUntil = next, until
}

func (d *disk) failing() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Now().Before(d.failUntil)
}

func (d *disk) Stage(ctx context.Context, body io.Reader) (ticketing.Staged, error) {
	switch {
	case d.isDead():
		return ticketing.Staged{}, errDead
	case d.failing():
		return ticketing.Staged{}, errDisk
	}
	return d.DB.Stage(ctx, body)
}

func (d *disk) Raw(ctx context.Context, h ticketing.Hash) ([]byte, error) {
	if d.failing() {
		return nil, errDisk
	}
	return d.DB.Raw(ctx, h)
}

// copyDir copies what a process leaves: not its lock, and not the memory that it shared.
func copyDir(to, from string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if e.IsDir() || rel == "lock" || strings.HasSuffix(rel, "-shm") {
			return nil
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a file of mail that was on its way in
		}
		if err != nil {
			return err
		}
		return errors.Join(os.MkdirAll(filepath.Join(to, filepath.Dir(rel)), 0o700), os.WriteFile(filepath.Join(to, rel), content, 0o600))
	})
}
