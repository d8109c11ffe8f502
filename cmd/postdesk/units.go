package main

import (
	"embed"
	"errors"
	"fmt"
	"strings"
	tmpl "text/template"
)

//go:embed units
var unitTexts embed.FS

type systemdCmd struct {
	Program string `default:"/usr/local/bin/postdesk" placeholder:"PATH" help:"Where the program is (${default})."`
	What    string `arg:"" optional:"" default:"all" enum:"service,socket,control,http,sysusers,all" help:"service, socket, control, http, sysusers or all (${default})."`
}

// Help is shown by: postdesk systemd --help.
func (systemdCmd) Help() string {
	return "Sockets and directories are those of the configuration, where there is one. " +
		"systemd holds the sockets open while the agent restarts; the one of HTTP is for sites that want it."
}

// unitFiles are the units and where a site has them.
var unitFiles = [...]struct{ what, name, path string }{
	{"service", "postdesk.service", "/etc/systemd/system/postdesk.service"},
	{"socket", "postdesk.socket", "/etc/systemd/system/postdesk.socket"},
	{"control", "postdesk-control.socket", "/etc/systemd/system/postdesk-control.socket"},
	{"http", "postdesk-http.socket", "/etc/systemd/system/postdesk-http.socket"},
	{"sysusers", "postdesk.sysusers", "/etc/sysusers.d/postdesk.conf"},
}

// unitFacts are what the units say of a site.
type unitFacts struct {
	Program, Options    string
	LMTP, Control, HTTP string // as ListenStream= has them
	Unix                bool   // LMTP is a path
	Data                string // empty: that of StateDirectory=
}

func (cmd *systemdCmd) Run(a *app) error {
	cfg, err := a.config()
	var none missingFile
	switch {
	case errors.As(err, &none) && a.configFile == "":
		d := defaults()
		cfg = &d
	case err != nil:
		return err
	}
	facts := unitFacts{Program: cmd.Program, Control: cfg.Control.Socket, HTTP: cfg.HTTP.Listen}
	if a.configFile != "" {
		facts.Options = " --config " + a.configFile
	}
	if cfg.Data != defaults().Data {
		facts.Data = cfg.Data
	}
	scheme, place, _ := strings.Cut(cfg.LMTP.Listen, ":")
	if scheme == "systemd" {
		_, place, _ = strings.Cut(defaults().LMTP.Listen, ":")
	}
	facts.LMTP, facts.Unix = place, strings.HasPrefix(place, "/")
	if facts.HTTP == "" {
		facts.HTTP = defaults().HTTP.Listen
	}
	for i, u := range unitFiles {
		if cmd.What != "all" && cmd.What != u.what {
			continue
		}
		if cmd.What == "all" {
			if i > 0 {
				fmt.Fprintln(a.stdout)
			}
			fmt.Fprintf(a.stdout, "# %s\n", u.path)
		}
		t, err := tmpl.ParseFS(unitTexts, "units/"+u.name)
		if err != nil {
			return err
		}
		if err := t.Execute(a.stdout, facts); err != nil {
			return err
		}
	}
	return nil
}
