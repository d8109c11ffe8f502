package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// tick is the unit of times in proc_pid_stat(5): 100 a second on every Linux.
const tick = 10 * time.Millisecond

// cpuTime is what a process and its descendants have used, those that ended included.
func cpuTime(root int) (time.Duration, error) {
	type process struct {
		parent int
		ticks  int64
	}
	all := map[int]process{}
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		// The name is in brackets and may hold any character.
		f := bytes.Fields(data[bytes.LastIndexByte(data, ')')+2:])
		p := process{}
		p.parent, _ = strconv.Atoi(string(f[1]))
		for _, field := range f[11:15] { // utime stime cutime cstime
			n, _ := strconv.ParseInt(string(field), 10, 64)
			p.ticks += n
		}
		all[pid] = p
	}
	if _, ok := all[root]; !ok {
		return 0, fmt.Errorf("process %d has ended", root)
	}
	var sum int64
	for pid, p := range all {
		for up := pid; up > 1; up = all[up].parent {
			if up == root {
				sum += p.ticks
				break
			}
		}
	}
	return time.Duration(sum) * tick, nil
}
