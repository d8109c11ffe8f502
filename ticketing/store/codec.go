package store

import (
	_ "embed"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// dictionaryID is in each frame that was made with the dictionary. What the dictionary has
// never changes, or mail cannot be read any more: a better one gets another number, and
// this one stays for reading.
const dictionaryID = 1

// dictionary is what small messages repeat of other ones, as the fields of their headers:
// the most frequent last, where it is cheapest to refer to.
//
//go:embed dictionary/1
var dictionary string

// codec reuses compressors and buffers: making one costs more than a small mail does.
type codec struct {
	small, large *sync.Pool // compressors, for the database with the dictionary and for files without
	decoders     *sync.Pool
	buffers      *sync.Pool
}

func newCodec() codec {
	known := []byte(dictionary)
	// One goroutine each and a small window bound the memory of many at once. No checksum:
	// the SHA-256 is one. These options cannot fail.
	encoders := func(more ...zstd.EOption) *sync.Pool {
		options := append(more, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(512<<10), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
		return &sync.Pool{New: func() any {
			e, _ := zstd.NewWriter(nil, options...)
			return e
		}}
	}
	return codec{
		small: encoders(zstd.WithEncoderDictRaw(dictionaryID, known)),
		large: encoders(), // where it is of no use: any zstd reads these
		decoders: &sync.Pool{New: func() any {
			d, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20),
				zstd.WithDecoderDictRaw(dictionaryID, known))
			return d
		}},
		buffers: &sync.Pool{New: func() any { return new([inlineLimit + 1]byte) }},
	}
}
