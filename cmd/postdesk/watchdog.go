package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// notify tells systemd, where it is there (sd_notify(3)).
func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd was not notified", "state", state, "error", err)
	}
}

// watchdog tells systemd that the agent lives, as long as alive says so; when what it
// asks hangs, nothing is told, and systemd starts the agent anew.
func watchdog(ctx context.Context, log *slog.Logger, alive func(context.Context) error) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		return
	}
	// Half the interval in all, as sd_watchdog_enabled(3) advises: a quarter to wait, a
	// quarter for the answer.
	tick := time.NewTicker(interval / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		check, cancel := context.WithTimeout(ctx, interval/4)
		err := alive(check)
		cancel()
		if err != nil && ctx.Err() == nil {
			log.Error("the watchdog is not fed", "error", err)
			continue
		}
		notify(log, daemon.SdNotifyWatchdog)
	}
}
