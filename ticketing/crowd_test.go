package ticketing

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// at lets the crowd be asked at a moment after its last look.
func (c *crowd) at(start time.Time, after time.Duration) bool { return c.first(start.Add(after)) }

func TestCrowdIsFirstForAWhile(t *testing.T) {
	var c crowd
	start := time.Now()
	for range crowdFrom - 1 {
		c.enter()
	}
	if c.at(start, crowdLook) {
		t.Error("few are a crowd")
	}
	// One that came and went between two looks was there all the same: a commit lets all
	// of them out at once.
	c.enter()
	for range crowdFrom {
		c.leave()
	}
	if !c.at(start, 2*crowdLook) {
		t.Error("a crowd that has just been let out is not seen")
	}
	if c.at(start, 3*crowdLook) {
		t.Error("a crowd that has gone is first")
	}
	for range crowdFrom {
		c.enter()
	}
	if !c.at(start, 4*crowdLook) {
		t.Error("a crowd is not first")
	}
	if c.at(start, 2*crowdLook+crowdPatience) {
		t.Error("a crowd is first for ever")
	}
	c.over()
	if !c.at(start, 5*crowdLook+crowdPatience) {
		t.Error("after nothing waited, a crowd has no time")
	}
}

func TestCrowdPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c crowd
		for range crowdFrom {
			c.enter()
		}
		passed := make(chan struct{})
		go func() {
			c.letPass(t.Context())
			close(passed)
		}()
		time.Sleep(crowdPatience - crowdLook)
		select {
		case <-passed:
			t.Fatal("processing did not wait for the crowd")
		default:
		}
		for range crowdFrom {
			c.leave()
		}
		<-passed
		for range crowdFrom {
			c.enter()
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		c.letPass(ended) // a desk that stops waits for nobody
	})
}
