package ticketing

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// crowdFrom is how many messages at once are a crowd: more than Postfix has under way
	// when it brings what comes in at port 25, fewer than when it empties a queue.
	crowdFrom = 6
	// crowdPatience is how long mail that was accepted waits for a crowd to pass, at the most.
	crowdPatience = 2 * time.Second
	crowdLook     = 10 * time.Millisecond
)

// crowd lets those at the door go first: they hold a delivery process of Postfix each,
// while what was accepted is safe and only waits to be seen. A crowd that does not end
// has been first for long enough: then both share the machine until nothing waits.
type crowd struct {
	inside, most atomic.Int64 // messages at the door now, and at most since the last look

	mu            sync.Mutex
	looked, since time.Time // the last look, and when the crowd began to be first
	crowded       bool      // at the last look
}

func (c *crowd) enter() {
	for n := c.inside.Add(1); ; {
		most := c.most.Load()
		if n <= most || c.most.CompareAndSwap(most, n) {
			return
		}
	}
}

func (c *crowd) leave() { c.inside.Add(-1) }

// letPass waits until those at the door have passed, or have been first for long enough.
func (c *crowd) letPass(ctx context.Context) {
	for c.first(time.Now()) && pause(ctx, crowdLook) {
	}
}

func (c *crowd) first(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.looked) >= crowdLook {
		c.looked, c.crowded = now, c.most.Swap(c.inside.Load()) >= crowdFrom
	}
	if !c.crowded {
		return false
	}
	if c.since.IsZero() {
		c.since = now
	}
	return now.Sub(c.since) < crowdPatience
}

// over is told that nothing waits any more: the next crowd has all its time.
func (c *crowd) over() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since = time.Time{}
}
