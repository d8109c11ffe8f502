package ticketing

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"postdesk/ticketing/mail"
)

// Upload is a file that was brought before the reply that it goes with, so that it need
// not be held in memory.
type Upload struct {
	ID      int64
	Secret  string // by which a reply names it
	Owner   string // who brought it, and who alone can use it
	Name    string
	Type    string // media type
	Size    int64  // octets
	Raw     Hash
	Created time.Time
}

// UploadLife is how long an upload waits for its reply.
const UploadLife = 24 * time.Hour

// uploadRest is how much longer it is kept: a reply that has just found it still takes it.
const uploadRest = time.Hour

// retireUploads removes uploads whose time is over, and their bytes where nothing else has
// them: no reply has taken those.
func (d *Desk) retireUploads(ctx context.Context) (n int, err error) {
	before := d.now().Add(-UploadLife - uploadRest)
	for {
		var some []Upload
		err := d.store.Read(ctx, func(tx Tx) (err error) {
			some, err = tx.UploadsBefore(before, retireChunk)
			return err
		})
		if err != nil || len(some) == 0 {
			return n, err
		}
		if err := d.calm(ctx); err != nil {
			return n, err
		}
		err = d.write(ctx, func(tx Tx) error {
			var hashes []Hash
			for _, u := range some {
				if err := tx.RemoveUpload(u.ID); err != nil {
					return err
				}
				hashes = append(hashes, u.Raw)
			}
			_, err := tx.DropRaw(hashes)
			return err
		})
		if err != nil {
			return n, err
		}
		n += len(some)
	}
}

// Upload keeps a file, which it reads as it comes. It waits a day for the reply of the same
// actor that names it.
func (d *Desk) Upload(ctx context.Context, by Actor, name, mediaTypeSaid string, body io.Reader) (u Upload, err error) {
	f := File{Name: name, Type: mediaTypeSaid}
	if err := d.checkFiles([]File{f}); err != nil {
		return u, err
	}
	staged, err := d.store.Stage(ctx, &bounded{body, d.cfg.MaxAttachmentBytes, d.cfg.MaxAttachmentBytes})
	if err != nil {
		return u, err
	}
	u = Upload{Secret: rand.Text(), Owner: by.String(), Name: mail.FileName(name), Type: mediaType(f), Size: staged.Size, Raw: staged.Hash, Created: d.now()}
	id, again, err := d.once(ctx, by, by.Key, requested("upload", u.Name, u.Type, u.Raw), func(tx Tx) (int64, error) {
		u.ID = 0
		if err := tx.PutRaw(staged); err != nil {
			return 0, err
		}
		err := tx.AddUpload(&u)
		return u.ID, err
	})
	if err == nil && again {
		err = d.store.Read(ctx, func(tx Tx) (err error) {
			u, err = tx.Upload(id)
			return err
		})
	}
	return u, err
}

// bounded refuses more than there may be, as soon as it comes.
type bounded struct {
	r          io.Reader
	left, most int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("%w: more than %d octets; at most so many go with one reply", ErrTooLarge, b.most)
	}
	return n, err
}

// uploaded gives the uploads that files name, each at the place of its file; those of
// others, and what is forgotten, are not there.
func (d *Desk) uploaded(ctx context.Context, by Actor, files []File) (out []Upload, err error) {
	out = make([]Upload, len(files))
	err = d.store.Read(ctx, func(tx Tx) error {
		for i, f := range files {
			if f.Upload == "" {
				continue
			}
			u, err := tx.UploadBySecret(f.Upload)
			if errors.Is(err, ErrNotFound) || err == nil && (u.Owner != by.String() || d.now().Sub(u.Created) > UploadLife) {
				return fmt.Errorf("%w: attachment %d: there is no such upload of yours (any more): bring the file again", ErrInvalid, i+1)
			}
			if err != nil {
				return err
			}
			out[i] = u
		}
		return nil
	})
	return out, err
}
