package ticketing

import (
	"context"
	"slices"
	"sync"
)

// Mails whose octets are in memory at the same time. A small one never waits: it is so
// many at most that the number of mails in flight bounds them.
const (
	smallMail   = 64 << 10
	readingRoom = 32 << 20 // mails that are read; what is decoded of one may be as large again
	waitingRoom = 32 << 20 // mails that wait for DNS with their octets
	// Files of answers that are made at the same time: one answer with as much as may go with it.
	composingRoom = 8 << 20
)

// room bounds the octets of the large mails that are in memory for one purpose. Who comes
// first is let in first; a mail larger than the room has it for itself.
type room struct {
	mu    sync.Mutex
	size  int64
	taken int64
	queue []*guest
}

type guest struct {
	octets int64
	in     chan struct{} // closed when it is let in
}

func newRoom(size int64) *room { return &room{size: size} }

// enter waits until there is room, and gives what leaves it again. It fails when ctx ends.
func (r *room) enter(ctx context.Context, octets int64) (leave func(), err error) {
	if leave, ok := r.tryEnter(octets); ok {
		return leave, nil
	}
	g := &guest{min(octets, r.size), make(chan struct{})}
	r.mu.Lock()
	r.queue = append(r.queue, g)
	r.admit()
	r.mu.Unlock()
	select {
	case <-g.in:
		return func() { r.leave(g.octets) }, nil
	case <-ctx.Done():
		r.giveUp(g)
		return nil, ctx.Err()
	}
}

// tryEnter is enter for who has something else to do when there is no room.
func (r *room) tryEnter(octets int64) (leave func(), ok bool) {
	if octets <= smallMail {
		return func() {}, true
	}
	octets = min(octets, r.size)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) > 0 || r.taken+octets > r.size {
		return nil, false
	}
	r.taken += octets
	return func() { r.leave(octets) }, true
}

func (r *room) leave(octets int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken -= octets
	r.admit()
}

// admit lets in who has waited longest. The caller holds the lock.
func (r *room) admit() {
	for len(r.queue) > 0 && r.taken+r.queue[0].octets <= r.size {
		r.taken += r.queue[0].octets
		close(r.queue[0].in)
		r.queue = r.queue[1:]
	}
}

func (r *room) giveUp(g *guest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.Index(r.queue, g); i >= 0 {
		r.queue = slices.Delete(r.queue, i, i+1)
	} else {
		r.taken -= g.octets // it was let in at the same moment
	}
	r.admit()
}
