package main

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"slices"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// newLogger writes one line for each event; level can be moved while running.
func newLogger(w io.Writer, cfg *config, level *slog.LevelVar) *slog.Logger {
	l, _ := cfg.logLevel() // was checked
	level.Set(l)
	options := &slog.HandlerOptions{Level: level}
	if cfg.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// reloadOn reads the configuration again at each signal.
func (r *running) reloadOn(ctx context.Context, hangup <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			r.reload(ctx)
		}
	}
}

// reload takes over what can be changed while running. A file that is not valid
// changes nothing.
func (r *running) reload(ctx context.Context) {
	cfg, err := r.load()
	if err != nil {
		r.log.Error("configuration not reloaded, the old one stays", "error", err)
		return
	}
	// The password itself is read at each login: a new one works from now on.
	if _, err := cfg.submission(); err != nil {
		r.log.Error("configuration not reloaded, the old one stays", "error", err)
		return
	}
	if err := r.agent.Desk().SetQueues(cfg.queues(), cfg.roles()); err != nil {
		r.log.Error("configuration not reloaded, the old one stays", "error", err)
		return
	}
	if err := r.agent.Desk().SetStaff(ctx, cfg.staff()); err != nil {
		r.log.Error("staff not reloaded, the old list stays", "error", err)
		return
	}
	r.cfg.Queues, r.cfg.Roles, r.cfg.SharedDomains = cfg.Queues, cfg.Roles, cfg.SharedDomains
	level, _ := cfg.logLevel()
	r.level.Set(level)
	r.cfg.Log.Level = cfg.Log.Level
	if changed := changedSettings(r.cfg, cfg); len(changed) > 0 {
		r.log.Warn("configuration reloaded; these settings change with a restart only", "settings", changed)
		return
	}
	r.log.Info("configuration reloaded")
}

// changedSettings names the settings in which two configurations differ.
func changedSettings(a, b *config) (changed []string) {
	before, after := map[string]reflect.Value{}, map[string]reflect.Value{}
	settings(reflect.ValueOf(a).Elem(), "", before)
	settings(reflect.ValueOf(b).Elem(), "", after)
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if !reflect.DeepEqual(before[name].Interface(), after[name].Interface()) {
			changed = append(changed, name)
		}
	}
	return changed
}

// notify tells systemd, where it is there (sd_notify(3)).
func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd was not notified", "state", state, "error", err)
	}
}

// watchdog tells systemd that the agent lives, as long as its store answers; when it
// hangs, systemd starts the agent anew.
func (r *running) watchdog(ctx context.Context) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		return
	}
	tick := time.NewTicker(interval / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		check, cancel := context.WithTimeout(ctx, interval/2)
		_, err := r.agent.Desk().LastSeq(check)
		cancel()
		if err != nil {
			r.log.Error("the store does not answer; the watchdog is not fed", "error", err)
			continue
		}
		notify(r.log, daemon.SdNotifyWatchdog)
	}
}
