package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"time"

	"postdesk/ticketing"
)

// orphanAge is how old a file of raw mail is before it can be an orphan: the commit that
// makes it known comes within moments.
const orphanAge = time.Hour

// Sweep removes files of raw mail that no row knows and that are older than an hour: what
// deliveries left that were cut off behind their body. It gives how many it removed.
func (d *DB) Sweep(ctx context.Context) (removed int, err error) {
	if err := d.enter(); err != nil {
		return 0, err
	}
	defer d.using.Done()
	limit := time.Now().Add(-orphanAge)
	err = rawFiles(d.dir, func(h ticketing.Hash, path string) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !olderThan(path, limit) {
			return nil
		}
		known := false
		err := d.read(ctx, func(t *tx) (err error) {
			known, err = t.hasRaw(h)
			return err
		})
		if err != nil || known {
			return err
		}
		// The same bytes may come again in this moment, under this name.
		d.publishing.Lock()
		defer d.publishing.Unlock()
		if !olderThan(path, limit) {
			return nil
		}
		if err := os.Remove(path); err != nil {
			return err
		}
		removed++
		return nil
	})
	return removed, err
}

func olderThan(path string, limit time.Time) bool {
	info, err := os.Stat(path)
	return err == nil && info.ModTime().Before(limit)
}

// intact says what is wrong with a message.
func (d *DB) intact(r rawRow) error {
	raw, err := d.decode(r.hash, r.size, r.encoding, r.body)
	switch {
	case err != nil:
		return err
	case int64(len(raw)) != r.size:
		return errors.New("it has another size than it should have")
	case sha256.Sum256(raw) != r.hash:
		return errors.New("its bytes were changed on disk")
	}
	return nil
}

// parseHash reads what Hash.String writes; the caller knows that it is one.
func parseHash(s string) (h ticketing.Hash) {
	_, _ = hex.Decode(h[:], []byte(s))
	return h
}
