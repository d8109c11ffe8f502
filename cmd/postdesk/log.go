package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"golang.org/x/sys/unix"
)

// newLogger writes one line for each event; level can be moved while running. For the
// journal each line begins with its priority (sd-daemon(3)), and a text has no time and
// level: the journal has its own.
func newLogger(w io.Writer, cfg *config, level *slog.LevelVar, journal bool) *slog.Logger {
	l, _ := cfg.logLevel() // was checked
	level.Set(l)
	options := &slog.HandlerOptions{Level: level}
	if cfg.Log.Format == "json" {
		return slog.New(forJournal(journal, w, func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, options) }))
	}
	if journal {
		options.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
				return slog.Attr{}
			}
			return a
		}
	}
	return slog.New(forJournal(journal, w, func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, options) }))
}

// toJournal says that a file is the stream which systemd has made to its journal
// ($JOURNAL_STREAM of systemd.exec(5)): the variable alone is inherited by anybody.
func toJournal(stream string, w io.Writer) bool {
	f, ok := w.(*os.File)
	var st unix.Stat_t
	if !ok || stream == "" || unix.Fstat(int(f.Fd()), &st) != nil {
		return false
	}
	return stream == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// priorities are those of syslog(3) for the levels of slog, the gravest first.
var priorities = [...]struct {
	least slog.Level
	mark  string
}{{slog.LevelError, "<3>"}, {slog.LevelWarn, "<4>"}, {slog.LevelInfo, "<6>"}, {slog.LevelDebug, "<7>"}}

// journalHandler has a handler for each priority.
type journalHandler [len(priorities)]slog.Handler

func forJournal(journal bool, w io.Writer, make func(io.Writer) slog.Handler) slog.Handler {
	if !journal {
		return make(w)
	}
	var h journalHandler
	for i, p := range priorities {
		h[i] = make(marked{w, p.mark})
	}
	return h
}

// marked writes a mark before each line; a handler of slog writes a line at once.
type marked struct {
	w    io.Writer
	mark string
}

func (m marked) Write(line []byte) (int, error) {
	if _, err := m.w.Write(append([]byte(m.mark), line...)); err != nil {
		return 0, err
	}
	return len(line), nil
}

func (h journalHandler) Enabled(ctx context.Context, l slog.Level) bool { return h[0].Enabled(ctx, l) }

func (h journalHandler) Handle(ctx context.Context, r slog.Record) error {
	for i, p := range priorities {
		if r.Level >= p.least {
			return h[i].Handle(ctx, r)
		}
	}
	return h[len(h)-1].Handle(ctx, r)
}

func (h journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	for i := range h {
		h[i] = h[i].WithAttrs(attrs)
	}
	return h
}

func (h journalHandler) WithGroup(name string) slog.Handler {
	for i := range h {
		h[i] = h[i].WithGroup(name)
	}
	return h
}
