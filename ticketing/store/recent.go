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
	raws  map[ticketing.Hash]pieces
	order []came // the oldest first; also of some that are taken
	size  int
}

type came struct {
	hash ticketing.Hash
	came time.Time
}

const (
	recentBytes   = 8 << 20          // all together
	recentMessage = 2 << 20          // one of them
	recentAge     = 20 * time.Second // what nobody reads goes, as that of a mail which came twice
)

func newRecent() *recent { return &recent{raws: map[ticketing.Hash]pieces{}} }

// put keeps a message, or lets it go.
func (r *recent) put(h ticketing.Hash, raw pieces) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for len(r.order) > 0 && (now.Sub(r.order[0].came) > recentAge || len(r.order) > 2*len(r.raws)+64) {
		r.drop(r.order[0].hash)
		r.order = r.order[1:]
	}
	// The first to come are the first to be read: where there is no room, those behind them
	// are not kept.
	if _, known := r.raws[h]; known || raw.size > recentMessage || r.size+raw.size > recentBytes {
		raw.free()
		return
	}
	r.raws[h] = raw
	r.order = append(r.order, came{h, now})
	r.size += raw.size
}

// take gives the bytes and forgets them; nil when they are not here.
func (r *recent) take(h ticketing.Hash) []byte {
	r.mu.Lock()
	raw, known := r.raws[h]
	delete(r.raws, h)
	r.size -= raw.size
	r.mu.Unlock()
	if !known {
		return nil
	}
	defer raw.free()
	return raw.join()
}

func (r *recent) drop(h ticketing.Hash) {
	raw := r.raws[h]
	raw.free()
	delete(r.raws, h)
	r.size -= raw.size
}

// pieces are the parts of a message whose length was not known: a slice that grows with it
// would be copied again and again, which was a sixth of all the work on 1 MB.
type pieces struct {
	pool *sync.Pool // of *[inlineLimit + 1]byte
	full []*[inlineLimit + 1]byte
	size int    // octets, of which each piece but the last is full
	one  []byte // all of a small message, in place of full
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

func (p *pieces) join() []byte {
	if p.one != nil {
		return p.one
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
