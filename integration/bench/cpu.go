package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of times in proc_pid_stat(5), 100 a second on every Linux: what the children
// of a process had used that have ended is known in it alone.
const tick = 10 * time.Millisecond

// cpuTime is what a process and its descendants have used, those that ended included.
func cpuTime(root int) (time.Duration, error) {
	all, err := family(root)
	var sum time.Duration
	for _, used := range all {
		sum += used
	}
	return sum, err
}

// family is a process and its descendants, with the CPU that each has used.
func family(root int) (map[int]time.Duration, error) {
	type process struct {
		parent int
		used   time.Duration
	}
	all := map[int]process{}
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
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
		for _, field := range f[13:15] { // cutime cstime
			n, _ := strconv.ParseInt(string(field), 10, 64)
			p.used += time.Duration(n) * tick
		}
		p.used += ownCPU(pid)
		all[pid] = p
	}
	if _, ok := all[root]; !ok {
		return nil, fmt.Errorf("process %d has ended", root)
	}
	of := map[int]time.Duration{}
	for pid, p := range all {
		for up := pid; up > 1; up = all[up].parent {
			if up == root {
				of[pid] = p.used
				break
			}
		}
	}
	return of, nil
}

// ownCPU is what a process has used without those that it started, by its clock
// (clock_getcpuclockid(3)): of the ticks of proc_pid_stat(5) who got few mails has used none.
func ownCPU(pid int) time.Duration {
	var t unix.Timespec
	const sched = 2 // CPUCLOCK_SCHED of the kernel
	if unix.ClockGettime(int32(^pid<<3|sched), &t) != nil {
		return 0 // it has ended
	}
	return time.Duration(t.Nano())
}

// resetPeak begins the peak of a process's memory anew (proc_pid_clear_refs(5)).
func resetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// peakMB is the most memory that a process had since its peak was begun anew.
func peakMB(pid int) int64 {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(data), "VmHWM:")
	var kb int64
	_, _ = fmt.Sscan(rest, &kb)
	return kb >> 10
}
