package main

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"postdesk/integration/lab"
)

// memory is the most that each contender's processes had in a round, from the first
// mail to the end of its processing.
func memory(ctx context.Context, s settings, r *report) error {
	for _, g := range []struct {
		load
		goal float64 // MB
	}{{load{2 << 10, 32}, 120}, {load{1 << 20, 32}, 200}} {
		// A new agent for each: what one load left must not count for the next.
		err := withContenders(ctx, withAgent(s.binary), func(l *lab.Lab, all []*contender) error {
			pool, err := newPool(l.Keys, g.size)
			if err != nil {
				return err
			}
			peaks := map[string][]float64{}
			for range s.rounds {
				for _, c := range all {
					if c.name == sinkName {
						continue
					}
					peak, err := peakOf(ctx, c, pool, g.load, s.window)
					if err != nil {
						return fmt.Errorf("%s, %s: %w", c.name, g.load, err)
					}
					peaks[c.name] = append(peaks[c.name], peak)
				}
			}
			r.add(row{what: "peak memory, " + g.load.String(), unit: "MB", ours: peaks[agentName],
				peer: dovecotName, theirs: peaks[dovecotName], goal: g.goal, atMost: true, absolute: true})
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func peakOf(ctx context.Context, c *contender, p *pool, ld load, window time.Duration) (float64, error) {
	before, err := family(c.pid)
	if err != nil {
		return 0, err
	}
	for pid := range before {
		_ = resetPeak(pid) // it may have ended
	}
	if _, err := send(ctx, c, p, ld.connections, window); err != nil {
		return 0, err
	}
	if err := c.drain(ctx); err != nil {
		return 0, err
	}
	after, err := family(c.pid)
	if err != nil {
		return 0, err
	}
	sum := int64(0)
	for pid := range after {
		sum += peakMB(pid)
	}
	return float64(sum), c.clean(ctx)
}

// disk is what the data directory grows by for a mail of 2 KB, with everything that is in it.
// Each mail has a text of its own: the same one twice would be compressed away.
func disk(ctx context.Context, s settings, r *report) error {
	return withLab(ctx, lab.Options{NoPostfix: true}, func(l *lab.Lab) error {
		c, a, err := startAgent(ctx, l, s.binary, lab.AgentOptions{})
		if c != nil {
			defer c.stop()
		}
		if err != nil {
			return err
		}
		pool, err := newPoolOf(l.Keys, 2<<10, s.disk)
		if err != nil {
			return err
		}
		octets := 0
		for _, m := range pool.messages {
			octets += len(m)
		}
		if _, err := sendN(ctx, c, pool, 32, s.disk); err != nil {
			return err
		}
		if err := indexed(ctx, l, a); err != nil {
			return err
		}
		// The log of the database goes into it when the agent stops.
		if err := a.Stop(ctx); err != nil {
			return err
		}
		size, err := folderBytes(a.Data)
		if err != nil {
			return err
		}
		r.say("\ndisk after %d mails of %d octets:", s.disk, octets/s.disk)
		var sum float64
		for _, name := range slices.Sorted(maps.Keys(size)) {
			r.say("  %-24s %8.0f bytes a mail", name, size[name]/float64(s.disk))
			sum += size[name] / float64(s.disk)
		}
		r.add(row{what: "disk for a mail of 2 KB, with its index", unit: "KB/mail", ours: []float64{sum / 1024}, goal: 2.5, atMost: true, absolute: true})
		return nil
	})
}

// indexed waits until all mail so far is processed and its words can be found: those of a
// mail that is sent after the others.
func indexed(ctx context.Context, l *lab.Lab, a *lab.Agent) error {
	if err := a.Drained(ctx); err != nil {
		return err
	}
	if err := hand(ctx, l.Socket, []byte("From: <jane@last.example>\r\nSubject: lastofall\r\n\r\nx\r\n")); err != nil {
		return err
	}
	return lab.Until(ctx, "the index of words", func() (bool, error) {
		out, err := a.Command(ctx, "search", "lastofall")
		return strings.Contains(out, "lastofall"), err
	})
}

// folderBytes is what each file or folder in a folder takes of the disk.
func folderBytes(dir string) (map[string]float64, error) {
	size := map[string]float64{}
	return size, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		first, _, _ := strings.Cut(rel, "/")
		size[first] += float64(info.Sys().(*syscall.Stat_t).Blocks) * 512
		return nil
	})
}
