package web

import (
	"sync"
	"time"

	"postdesk/ticketing"
)

// rates hold back who asks too much: a program that runs in a circle must not take the desk
// from people. Each key may have a second's share at once, ten times over.
type rates struct {
	perSecond float64 // 0: no limit
	now       func() time.Time

	mu      sync.Mutex
	buckets map[string]bucket
}

type bucket struct {
	level float64 // requests that may still come at once
	at    time.Time
}

// bucketsMax bounds the memory: there may be any number of addresses.
const bucketsMax = 10000

func newRates(perSecond float64) *rates {
	return &rates{perSecond: perSecond, now: time.Now, buckets: map[string]bucket{}}
}

// take counts a request, and refuses it with a ticketing.Busy.
func (r *rates) take(key string) error {
	if r.perSecond == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now, burst := r.now(), 10*r.perSecond
	b, known := r.buckets[key]
	if !known {
		if len(r.buckets) >= bucketsMax {
			r.forget(now)
		}
		b = bucket{burst, now}
	}
	b.level = min(burst, b.level+r.perSecond*now.Sub(b.at).Seconds()) - 1
	b.at = now
	if b.level < 0 {
		wait := time.Duration((1 - (b.level + 1)) / r.perSecond * float64(time.Second))
		b.level++ // what is refused costs nothing
		r.buckets[key] = b
		return ticketing.Busy{Text: "too many requests", After: wait}
	}
	r.buckets[key] = b
	return nil
}

// forget drops those that are full again, and all when these are none.
func (r *rates) forget(now time.Time) {
	for key, b := range r.buckets {
		if b.level+r.perSecond*now.Sub(b.at).Seconds() >= 10*r.perSecond {
			delete(r.buckets, key)
		}
	}
	if len(r.buckets) >= bucketsMax {
		clear(r.buckets)
	}
}
