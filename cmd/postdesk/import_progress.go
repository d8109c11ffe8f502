package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// progress says on standard error how far a long work is: a bar on a terminal, a line
// every second elsewhere.
type progress struct {
	w        io.Writer
	terminal bool
	what     string
	begun    time.Time
	shown    time.Time
	done     int64 // when the work began: it may go on from before
	width    int   // of the line that stands on the terminal
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w}
	if f, ok := w.(*os.File); ok {
		_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
		p.terminal = err == nil
	}
	return p
}

// start names what is done next, and how much of it is done already.
func (p *progress) start(what string, done int64) {
	now := time.Now()
	p.what, p.begun, p.shown, p.done = what, now, now, done
}

// step shows where the work is, when it is time to. unit is for people: "mails".
func (p *progress) step(done, total int64, unit string) {
	pause := time.Second
	if p.terminal {
		pause = 100 * time.Millisecond
	}
	if now := time.Now(); now.Sub(p.shown) >= pause {
		p.shown = now
		p.show(done, total, unit)
	}
}

// end shows the last of it.
func (p *progress) end(done, total int64, unit string) {
	p.show(done, total, unit)
	p.leave()
}

// leave goes below the bar, so that what comes next has a line of its own.
func (p *progress) leave() {
	if p.width > 0 {
		fmt.Fprintln(p.w)
		p.width = 0
	}
}

func (p *progress) show(done, total int64, unit string) {
	spent := time.Since(p.begun).Seconds()
	percent := int64(100)
	if total > 0 {
		percent = 100 * done / total
	}
	text := fmt.Sprintf("%s %d of %d %s, %d %%", p.what, done, total, unit, percent)
	if rate := float64(done-p.done) / max(spent, 0.001); spent > 1 && rate > 0 {
		text += fmt.Sprintf(", %.0f/s, %s left", rate, (time.Duration(float64(total-done)/rate) * time.Second).Round(time.Second))
	}
	if !p.terminal {
		fmt.Fprintln(p.w, text)
		return
	}
	const cells = 24
	full := int(cells * percent / 100)
	text = "[" + strings.Repeat("#", full) + strings.Repeat(".", cells-full) + "] " + text
	fmt.Fprintf(p.w, "\r%-*s", p.width, text)
	p.width = len(text)
}
