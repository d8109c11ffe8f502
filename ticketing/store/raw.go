package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"postdesk/ticketing"
)

// inlineLimit is the size up to which a message lies in the database.
const inlineLimit = 64 << 10

// How the bytes of a message are kept.
const (
	encodingZstd = "zstd"
	encodingNone = "none"
	encodingFile = "file" // compressed in a file of its own
)

// Stage reads a message to its end and compresses it. One over 64 KB goes to a file
// while it is read, and is durable when Stage returns.
func (d *DB) Stage(ctx context.Context, body io.Reader) (ticketing.Staged, error) {
	if err := d.enter(); err != nil {
		return ticketing.Staged{}, err
	}
	defer d.using.Done()
	buf := d.codec.buffers.Get().(*[inlineLimit + 1]byte)
	defer d.codec.buffers.Put(buf)
	n, err := fill(ctx, body, buf[:])
	if err != nil && err != io.EOF {
		return ticketing.Staged{}, err
	}
	if err == nil || n > inlineLimit {
		return d.stageFile(ctx, body, buf[:], n, err == io.EOF)
	}
	s := ticketing.Staged{Hash: sha256.Sum256(buf[:n]), Size: int64(n), Encoding: encodingZstd}
	enc := d.codec.small.Get().(*zstd.Encoder)
	s.Encoded = enc.EncodeAll(buf[:n], make([]byte, 0, n))
	d.codec.small.Put(enc)
	if len(s.Encoded) >= n {
		s.Encoding, s.Encoded = encodingNone, append(s.Encoded[:0], buf[:n]...)
	}
	d.recent.put(s.Hash, pieces{one: bytes.Clone(buf[:n]), size: n})
	return s, nil
}

// fill reads until buf is full (nil), the message ends (io.EOF), or reading fails.
// io.ReadFull would not tell the end of the message from io.ErrUnexpectedEOF, which
// is what a server says of a message that was cut off.
func fill(ctx context.Context, body io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		var m int
		m, err = body.Read(buf[n:])
		n += m
	}
	return n, err
}

// stageFile writes a message to a file; the first n octets of it are in buf.
func (d *DB) stageFile(ctx context.Context, body io.Reader, buf []byte, n int, ended bool) (s ticketing.Staged, err error) {
	f, err := os.CreateTemp(filepath.Join(d.dir, "raw", "tmp"), "")
	if err != nil {
		return s, err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	enc := d.codec.large.Get().(*zstd.Encoder)
	defer func() {
		enc.Reset(nil) // lets go of the file
		d.codec.large.Put(enc)
	}()
	enc.Reset(f)
	hash := sha256.New()
	s = ticketing.Staged{Encoding: encodingFile}
	kept := pieces{pool: d.codec.buffers}
	defer func() {
		if err != nil {
			kept.free()
		}
	}()
	for {
		hash.Write(buf[:n])
		kept.add(buf[:n])
		if _, err := enc.Write(buf[:n]); err != nil {
			return s, err
		}
		s.Size += int64(n)
		if ended {
			break
		}
		n, err = fill(ctx, body, buf)
		if err != nil && err != io.EOF {
			return s, err
		}
		ended = err == io.EOF
	}
	s.Hash = ticketing.Hash(hash.Sum(nil))
	if err = enc.Close(); err != nil {
		return s, err
	}
	d.publishing.RLock()
	defer d.publishing.RUnlock()
	if err = d.publish(f, d.rawPath(s.Hash)); err == nil {
		d.recent.put(s.Hash, kept)
	}
	return s, err
}

// publish gives a finished file its name. Each step comes before the next: a name
// never stands for half a file, and the commit that makes the message known comes
// after all of this.
func (d *DB) publish(f *os.File, path string) error {
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := d.rawFolder(path); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func (d *DB) rawPath(h ticketing.Hash) string { return rawPath(d.dir, h) }

func rawPath(dir string, h ticketing.Hash) string {
	name := h.String()
	return filepath.Join(dir, "raw", name[:2], name)
}

// Raw gives the bytes of a message, and an error when they are not what was stored. Nobody
// may write to them.
func (d *DB) Raw(ctx context.Context, h ticketing.Hash) ([]byte, error) {
	if raw := d.recent.take(h); raw != nil {
		return raw, nil
	}
	size, encoding, body, err := d.rawRow(ctx, h)
	if err != nil {
		return nil, err
	}
	return d.proven(h, size, encoding, body)
}

func (d *DB) rawRow(ctx context.Context, h ticketing.Hash) (size int64, encoding string, body []byte, err error) {
	err = d.read(ctx, func(t *tx) error {
		return t.rawByHash("r.size, r.encoding, r.body", h, &size, &encoding, &body)
	})
	return size, encoding, body, err
}

// proven decodes a message and proves that it is what was stored.
func (d *DB) proven(h ticketing.Hash, size int64, encoding string, body []byte) ([]byte, error) {
	raw, err := d.decode(h, size, encoding, body)
	if err != nil {
		return nil, fmt.Errorf("raw mail %s: %w", h, err)
	}
	if sha256.Sum256(raw) != h {
		return nil, fmt.Errorf("raw mail %s: its bytes were changed on disk", h)
	}
	return raw, nil
}

func (d *DB) decode(h ticketing.Hash, size int64, encoding string, body []byte) ([]byte, error) {
	var from io.Reader = bytes.NewReader(body)
	switch encoding {
	case encodingNone:
		return body, nil
	case encodingZstd:
	case encodingFile:
		f, err := os.Open(d.rawPath(h))
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	default:
		return nil, fmt.Errorf("unknown encoding %q", encoding)
	}
	dec := d.codec.decoders.Get().(*zstd.Decoder)
	defer func() {
		err := dec.Reset(nil)
		if err == nil {
			d.codec.decoders.Put(dec)
		}
	}()
	if err := dec.Reset(from); err != nil {
		return nil, err
	}
	// size is believed only so far: a flipped bit in it must not take all memory.
	raw := bytes.NewBuffer(make([]byte, 0, max(0, min(size, 32<<20))+bytes.MinRead))
	_, err := raw.ReadFrom(io.LimitReader(dec, size))
	return raw.Bytes(), err
}
