package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"

	"postdesk/ticketing"
)

// OpenRaw gives the bytes of a message as a stream, and their number. Where they are not
// what was stored, reading ends with an error before the last of them.
func (d *DB) OpenRaw(ctx context.Context, h ticketing.Hash) (io.ReadCloser, int64, error) {
	size, encoding, body, err := d.rawRow(ctx, h)
	if err != nil {
		return nil, 0, err
	}
	if encoding != encodingFile { // small
		raw, err := d.proven(h, size, encoding, body)
		return io.NopCloser(bytes.NewReader(raw)), int64(len(raw)), err
	}
	f, err := os.Open(d.rawPath(h))
	if err != nil {
		return nil, 0, err
	}
	dec := d.codec.decoders.Get().(*zstd.Decoder)
	if err := dec.Reset(f); err != nil {
		f.Close()
		return nil, 0, fmt.Errorf("raw mail %s: %w", h, err)
	}
	return &rawStream{io.LimitReader(dec, size), size, sha256.New(), h, dec, f, d.codec}, size, nil
}

// rawStream reads a file and proves at its end what it has read.
type rawStream struct {
	from  io.Reader
	left  int64 // octets
	sum   hash.Hash
	want  ticketing.Hash
	dec   *zstd.Decoder
	file  *os.File
	codec codec
}

func (r *rawStream) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	r.sum.Write(p[:n])
	r.left -= int64(n)
	if (r.left == 0 || err == io.EOF) && (r.left != 0 || ticketing.Hash(r.sum.Sum(nil)) != r.want) {
		return 0, fmt.Errorf("raw mail %s: its bytes were changed on disk", r.want) // the last bytes are kept back: nobody has it whole
	}
	return n, err
}

func (r *rawStream) Close() error {
	if r.dec.Reset(nil) == nil { // lets go of the file
		r.codec.decoders.Put(r.dec)
	}
	return r.file.Close()
}
