package main

import (
	"context"
	"maps"
	"os"
	"reflect"
	"slices"

	"github.com/coreos/go-systemd/v22/daemon"
)

// reloadOn reads the configuration again at each signal.
func (r *running) reloadOn(ctx context.Context, hangup <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			notify(r.log, daemon.SdNotifyReloading+"\n"+daemon.SdNotifyMonotonicUsec())
			status := "the configuration was read again"
			if !r.reload(ctx) {
				status = "the configuration is wrong and was not taken over: see the log"
			}
			notify(r.log, "STATUS="+status)
			notify(r.log, daemon.SdNotifyReady)
		}
	}
}

// reload takes over what can be changed while running. A file that is not valid
// changes nothing; false says so.
func (r *running) reload(ctx context.Context) bool {
	cfg, err := r.load()
	if err != nil {
		r.log.Error("configuration not reloaded, the old one stays", "error", err)
		return false
	}
	// The password itself is read at each login: a new one works from now on.
	if _, err := cfg.submission(); err != nil {
		r.log.Error("configuration not reloaded, the old one stays", "error", err)
		return false
	}
	if err := r.agent.Desk().SetQueues(cfg.queues(), cfg.roles()); err != nil {
		r.log.Error("configuration not reloaded, the old one stays", "error", err)
		return false
	}
	if err := r.agent.Desk().SetStaff(ctx, cfg.staff()); err != nil {
		r.log.Error("staff not reloaded, the old list stays", "error", err)
		return false
	}
	r.cfg.Queues, r.cfg.Roles, r.cfg.SharedDomains = cfg.Queues, cfg.Roles, cfg.SharedDomains
	level, _ := cfg.logLevel()
	r.level.Set(level)
	r.cfg.Log.Level = cfg.Log.Level
	if changed := changedSettings(r.cfg, cfg); len(changed) > 0 {
		r.log.Warn("configuration reloaded; these settings change with a restart only", "settings", changed)
		return true
	}
	r.log.Info("configuration reloaded")
	return true
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
