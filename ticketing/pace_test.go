package ticketing_test

import (
	"testing"
	"testing/synctest"
	"time"

	"postdesk/ticketing"
)

// Who follows sees what happens now and then at once, and under load as often as it is to.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := ticketing.Pace{Every: 20 * time.Millisecond}
		waited := func() time.Duration {
			begun := time.Now()
			if !p.Wait(t.Context()) {
				t.Fatal("the pace has ended")
			}
			return time.Since(begun)
		}
		for i := range 100 { // two pages of one mail, each 50 ms
			if d := waited() + waited(); d != 0 {
				t.Fatalf("mail %d is seen after %v", i, d)
			}
			time.Sleep(50 * time.Millisecond)
		}
		begun := time.Now()
		for range 1000 {
			waited()
		}
		if d := time.Since(begun); d < 19*time.Second || d > 20*time.Second {
			t.Errorf("a thousand pages of a load took %v, want 20 s but for the first", d)
		}
	})
}
