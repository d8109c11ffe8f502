package ticketing

import (
	"context"
	"time"
)

// paceBurst is how many pages of the feed are read as soon as they are there.
const paceBurst = 8

// Pace is how fast one who follows the feed reads it: what happens now and then is seen at
// once, and of what happens all the time a page is read each Every. Under load such a page has
// what many commits have told, and costs hardly more than one event.
type Pace struct {
	Every time.Duration
	due   time.Time // when a page would be read, were they all Every apart
}

// Wait waits until the next page may be read; false at the end of ctx.
func (p *Pace) Wait(ctx context.Context) bool {
	now := time.Now()
	if rested := now.Add(-paceBurst * p.Every); p.due.Before(rested) {
		p.due = rested
	}
	p.due = p.due.Add(p.Every)
	return pause(ctx, p.due.Sub(now))
}
