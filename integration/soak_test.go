//go:build soak

package integration

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"postdesk/integration/lab"
)

// grows are what must not grow while an agent works, and by how much the median of late may
// be above that of early: a share, and what is noise.
var grows = map[string]struct{ share, noise float64 }{
	"process_resident_memory_bytes": {0.25, 48 << 20}, // caches of eight readers fill up meanwhile
	"process_open_fds":              {0.10, 10},
	"go_goroutines":                 {0.10, 20},
}

// An agent at half the rate that it was measured to have, for SOAK (24h), keeps its memory,
// its descriptors and its goroutines. The first fifth of the time is for warming up.
func TestSoak(t *testing.T) {
	period, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		period = 24 * time.Hour
	}
	d := newDesk(t, period+10*time.Minute, lab.Options{}, lab.AgentOptions{})
	serial := 0
	send := func(n int) {
		letters := make([][]byte, n)
		for i := range letters {
			serial++
			letters[i] = lab.Letter{From: jane, To: "new@" + lab.Domain, Subject: fmt.Sprintf("soak %d", serial), MessageID: fmt.Sprintf("soak.%d@%s", serial, lab.SignedDomain), Body: "x"}.Raw()
		}
		sendAll(d, 4, letters)
	}
	begun := time.Now()
	send(300)
	d.must(d.Empty(d.ctx))
	d.must(d.agent.Drained(d.ctx))
	each := 2 * time.Since(begun) / 300
	t.Logf("a mail every %s", each)
	batch := max(1, int(time.Second/each))
	samples := map[string][]float64{}
	beat := time.NewTicker(time.Duration(batch) * each)
	defer beat.Stop()
	for end := time.Now().Add(period); time.Now().Before(end); <-beat.C {
		send(batch)
		for name := range grows {
			v, err := d.agent.Metric(d.ctx, name)
			d.must(err)
			samples[name] = append(samples[name], v)
		}
	}
	for name, may := range grows {
		all := samples[name]
		early, late := median(all[len(all)/5:len(all)*2/5]), median(all[len(all)*4/5:])
		fmt.Printf("soak: %s: %.0f early, %.0f late, of %d samples\n", name, early, late, len(all))
		if late > early*(1+may.share)+may.noise {
			t.Errorf("%s grew from %.0f to %.0f", name, early, late)
		}
	}
	d.must(d.Empty(d.ctx))
	d.must(d.agent.Drained(d.ctx))
	t.Logf("%d mails", serial)
}

func median(all []float64) float64 {
	all = slices.Clone(all)
	slices.Sort(all)
	return all[len(all)/2]
}
