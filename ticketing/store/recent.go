package store

import (
	"sync"

	"postdesk/ticketing"
)

// recent keeps the bytes of messages that have just come until somebody reads them, which
// is once and soon: fetching them from the database, expanding and hashing them again
// would cost more than deciding what becomes of them. What does not fit is read from the
// database.
type recent struct {
	mu    sync.Mutex
	raws  map[ticketing.Hash][]byte
	order []ticketing.Hash // the oldest first; also of some that are taken
	size  int
}

const (
	recentBytes   = 16 << 20 // all together
	recentMessage = 2 << 20  // one of them
)

func newRecent() *recent { return &recent{raws: map[ticketing.Hash][]byte{}} }

func (r *recent) put(h ticketing.Hash, raw []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.raws[h]; known || len(raw) > recentMessage {
		return
	}
	r.raws[h] = raw
	r.order = append(r.order, h)
	r.size += len(raw)
	for r.size > recentBytes || len(r.order) > 2*len(r.raws)+64 {
		r.drop(r.order[0])
		r.order = r.order[1:]
	}
}

// take gives the bytes and forgets them; nil when they are not here.
func (r *recent) take(h ticketing.Hash) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	raw := r.raws[h]
	r.drop(h)
	return raw
}

func (r *recent) drop(h ticketing.Hash) {
	r.size -= len(r.raws[h])
	delete(r.raws, h)
}
