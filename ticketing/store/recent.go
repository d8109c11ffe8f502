package store

import (
	"sync"
	"time"

	"postdesk/ticketing"
)

// recent keeps the bytes of messages that have just come until somebody reads them, which
// is once and soon: fetching them from the database, expanding and hashing them again
// would cost more than deciding what becomes of them. What does not fit is read from the
// database.
type recent struct {
	mu    sync.Mutex
	raws  map[ticketing.Hash][]byte
	order []came // the oldest first; also of some that are taken
	size  int
}

type came struct {
	hash ticketing.Hash
	came time.Time
}

const (
	recentBytes   = 16 << 20         // all together
	recentMessage = 2 << 20          // one of them
	recentAge     = 20 * time.Second // what nobody reads goes, as that of a mail which came twice
)

func newRecent() *recent { return &recent{raws: map[ticketing.Hash][]byte{}} }

func (r *recent) put(h ticketing.Hash, raw []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.raws[h]; known || len(raw) > recentMessage {
		return
	}
	now := time.Now()
	for len(r.order) > 0 && (now.Sub(r.order[0].came) > recentAge || len(r.order) > 2*len(r.raws)+64) {
		r.drop(r.order[0].hash)
		r.order = r.order[1:]
	}
	if r.size+len(raw) > recentBytes {
		return // the first to come are the first to be read
	}
	r.raws[h] = raw
	r.order = append(r.order, came{h, now})
	r.size += len(raw)
}

// take gives the bytes and forgets them; nil when they are not here.
func (r *recent) take(h ticketing.Hash) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	raw := r.raws[h]
	r.drop(h)
	return raw
}

// pieces are the parts of a message whose length is not known yet: a slice that grows with
// it would be copied again and again, which was a sixth of all the work on 1 MB.
type pieces struct {
	pool *sync.Pool // of *[inlineLimit + 1]byte
	full []*[inlineLimit + 1]byte
	size int // octets, of which each piece but the last is full
}

// add keeps a copy of what comes next, which ends a piece or the message; of more than
// recentMessage nothing is kept.
func (p *pieces) add(b []byte) {
	if p.size += len(b); p.size > recentMessage {
		p.free()
		return
	}
	piece := p.pool.Get().(*[inlineLimit + 1]byte)
	copy(piece[:], b)
	p.full = append(p.full, piece)
}

// join gives the message, nil when it was not kept.
func (p *pieces) join() []byte {
	if p.size > recentMessage {
		return nil
	}
	whole := make([]byte, 0, p.size)
	for _, piece := range p.full {
		whole = append(whole, piece[:min(len(piece), p.size-len(whole))]...)
	}
	return whole
}

func (p *pieces) free() {
	for _, piece := range p.full {
		p.pool.Put(piece)
	}
	p.full = nil
}

func (r *recent) drop(h ticketing.Hash) {
	r.size -= len(r.raws[h])
	delete(r.raws, h)
}
