package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"postdesk/ticketing"
	"postdesk/ticketing/store"
)

// The watchdog is fed as long as the writer and the readers answer, and not a moment
// longer: a timer that runs beside a store that hangs proves nothing.
func TestWatchdogAsksTheStore(t *testing.T) {
	db, err := store.Open(t.Context(), t.TempDir(), store.Options{Synchronous: "OFF"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	const interval = 400 * time.Millisecond
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", strconv.Itoa(int(interval.Microseconds())))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); watchdog(ctx, slog.New(slog.DiscardHandler), db.Alive) }()
	t.Cleanup(func() { stop(); <-ended })
	fed := func(limit time.Duration) bool {
		conn.SetReadDeadline(time.Now().Add(limit))
		_, err := conn.Read(make([]byte, 100))
		return err == nil
	}
	hangs := func(what string, hang func(func(ticketing.Tx) error) error, calls int) {
		if !fed(patience) {
			t.Fatalf("before the %s hang the watchdog is not fed", what)
		}
		release, done, entered := make(chan struct{}), make(chan error, calls), make(chan struct{}, calls)
		for range calls {
			go func() { done <- hang(func(ticketing.Tx) error { entered <- struct{}{}; <-release; return nil }) }()
		}
		for range calls {
			<-entered
		}
		for fed(time.Millisecond) { // what was said before
		}
		underWay := fed(2 * interval)
		if underWay && fed(2*interval) {
			t.Errorf("the watchdog is fed while the %s hang", what)
		}
		close(release)
		for range calls {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if !fed(patience) {
			t.Errorf("the watchdog is not fed again after the %s", what)
		}
	}
	hangs("writes", func(fn func(ticketing.Tx) error) error { return db.Write(t.Context(), fn) }, 1)
	hangs("reads", func(fn func(ticketing.Tx) error) error { return db.Read(t.Context(), fn) }, store.ReaderCount)
}

// In the journal a line has its priority before it and neither time nor level in it.
func TestJournalLines(t *testing.T) {
	for _, tt := range []struct {
		format  string
		journal bool
		want    string
	}{
		{"text", true, "<4>msg=odd part=x g.n=1\n"},
		{"json", true, `<4>{"time":"2026-11-24T10:00:00Z","level":"WARN","msg":"odd","part":"x","g":{"n":1}}` + "\n"},
		{"text", false, "time=2026-11-24T10:00:00.000Z level=WARN msg=odd part=x g.n=1\n"},
	} {
		var out lines
		log := newLogger(&out, &config{Log: logConfig{Format: tt.format, Level: "info"}}, &slog.LevelVar{}, tt.journal)
		r := slog.NewRecord(time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC), slog.LevelWarn, "odd", 0)
		r.Add("n", 1)
		if err := log.With("part", "x").WithGroup("g").Handler().Handle(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		log.Debug("not shown")
		if fmt.Sprint(out) != fmt.Sprint(lines{tt.want}) {
			t.Errorf("%s, journal %v: %q, want %q", tt.format, tt.journal, out, tt.want)
		}
	}
	if toJournal("1:2", &lines{}) {
		t.Error("what is no file was taken for the journal")
	}
}

// lines keeps what each Write wrote.
type lines []string

func (l *lines) Write(p []byte) (int, error) { *l = append(*l, string(p)); return len(p), nil }
