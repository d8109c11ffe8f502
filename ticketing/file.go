package ticketing

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"mime"
	"path"
	"strings"

	"postdesk/ticketing/mail"
)

// File is a file that goes with a reply or a note.
type File struct {
	Name      string
	Type      string // media type; empty: by the name
	ContentID string // what the text calls an image, as ![…](cid:ID)
	Content   []byte
	Upload    string // secret of an upload, in place of Content
}

// filesMax is how many files go with one reply.
const filesMax = 100

// contentIDPattern is what an image of the text may be called. It stands in a link of
// Markdown and in a header (RFC 2392), so it is plain.
var contentIDPattern = pattern(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// mediaTypePattern is a type and subtype of RFC 6838 section 4.2.
var mediaTypePattern = pattern(`^[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}$`)

// stagedFile is durable, or on its way with its message.
type stagedFile struct {
	Attachment
	staged Staged
}

// stageFiles checks files and stages their bytes, before and outside the transaction
// that accepts the reply.
func (d *Desk) stageFiles(ctx context.Context, by Actor, files []File) ([]stagedFile, error) {
	if err := d.checkFiles(files); err != nil {
		return nil, err
	}
	uploads, err := d.uploaded(ctx, by, files)
	if err != nil {
		return nil, err
	}
	var out []stagedFile
	var total int64
	for i, f := range files {
		if u := uploads[i]; u.ID != 0 {
			f.Type = cmp.Or(f.Type, u.Type)
			out = append(out, stagedFile{Attachment: Attachment{Name: mail.FileName(f.Name), Type: mediaType(f), ContentID: f.ContentID, Size: u.Size, Raw: u.Raw}})
			total += u.Size
			continue
		}
		total += int64(len(f.Content))
		s, err := d.store.Stage(ctx, bytes.NewReader(f.Content))
		if err != nil {
			return nil, err
		}
		out = append(out, stagedFile{Attachment{
			Name: mail.FileName(f.Name), Type: mediaType(f), ContentID: f.ContentID, Size: s.Size, Raw: s.Hash,
		}, s})
	}
	return out, d.fitsTogether(total)
}

// fitsTogether bounds the files of one reply: Postfix refuses a mail that is too large.
func (d *Desk) fitsTogether(total int64) error {
	if total > d.cfg.MaxAttachmentBytes {
		return fmt.Errorf("%w: the attachments have %d octets; at most %d go with one reply", ErrTooLarge, total, d.cfg.MaxAttachmentBytes)
	}
	return nil
}

func (d *Desk) checkFiles(files []File) error {
	if len(files) > filesMax {
		return fmt.Errorf("%w: %d attachments; at most %d go with one reply", ErrInvalid, len(files), filesMax)
	}
	var total int64
	ids := map[string]bool{}
	for i, f := range files {
		total += int64(len(f.Content))
		if mail.FileName(f.Name) == "" {
			return fmt.Errorf("%w: attachment %d has no file name", ErrInvalid, i+1)
		}
		if f.Type != "" && !mediaTypePattern().MatchString(f.Type) {
			return fmt.Errorf("%w: attachment %d: %q is no media type, as application/pdf", ErrInvalid, i+1, f.Type)
		}
		if f.ContentID == "" {
			continue
		}
		if !contentIDPattern().MatchString(f.ContentID) {
			return fmt.Errorf("%w: attachment %d: content_id %q: want letters, digits, dots, dashes and underscores", ErrInvalid, i+1, f.ContentID)
		}
		if ids[f.ContentID] {
			return fmt.Errorf("%w: attachment %d: content_id %q is used twice", ErrInvalid, i+1, f.ContentID)
		}
		ids[f.ContentID] = true
	}
	return d.fitsTogether(total)
}

func mediaType(f File) string {
	if f.Type != "" {
		return f.Type
	}
	byName, _, _ := mime.ParseMediaType(mime.TypeByExtension(strings.ToLower(path.Ext(f.Name))))
	if !mediaTypePattern().MatchString(byName) {
		return "application/octet-stream"
	}
	return byName
}

// addFiles writes the files of a message, in the commit that accepts it.
func addFiles(tx Tx, message int64, files []stagedFile) error {
	for _, f := range files {
		if !f.staged.Hash.IsZero() { // not an upload, which is there
			if err := tx.PutRaw(f.staged); err != nil {
				return err
			}
		}
		f.Message = message
		if err := tx.AddAttachment(&f.Attachment); err != nil {
			return err
		}
	}
	return nil
}

// requestHash tells a request that is made again from another one with the same key.
func requestHash(r ReplyRequest, files []stagedFile) Hash {
	text := fmt.Appendf(nil, "%q %q %v %q %q", r.Ticket, r.Text, r.Note, r.Status, r.Cc)
	for _, f := range files {
		text = fmt.Appendf(text, " %q %q %q %s", f.Name, f.Type, f.ContentID, f.Raw)
	}
	return sha256.Sum256(text)
}
