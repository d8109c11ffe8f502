package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

type checkCmd struct {
	postfixPlace
	NoNetwork bool `name:"no-network" help:"Do not try to log in at the submission server, nor ask port 25 and milters."`
}

// Help is shown by: postdesk check --help.
func (checkCmd) Help() string {
	return "Prints one line for each thing that was looked at. Exits 0 when all is well, 78 when the configuration is wrong, 1 otherwise. " +
		"Run it as the user of the agent: what that user may read and write is part of it."
}

// report prints findings and counts the bad ones.
type report struct {
	p   printer
	bad int
}

func (r *report) ok(format string, args ...any) { r.p.line("ok    "+format, args...) }

func (r *report) note(format string, args ...any) { r.p.line("note  "+format, args...) }

func (r *report) warn(format string, args ...any) {
	r.bad++
	r.p.line("warn  "+format, args...)
}

func (r *report) wrong(format string, args ...any) {
	r.bad++
	r.p.line("FAIL  "+format, args...)
}

// end is the outcome of all that was reported.
func (r *report) end() error {
	if r.p.err == nil && r.bad > 0 {
		return fault{exitFailure, fmt.Sprintf("%d to mend", r.bad)}
	}
	return r.p.err
}

func (cmd checkCmd) Run(a *app) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	r := &report{p: printer{w: a.stdout}}
	r.ok("configuration: %d queues", len(cfg.Queues))
	for _, name := range unknownEnv(a.environ) {
		r.wrong("environment: %s is no setting of postdesk", name)
	}
	checkData(r, cfg.Data)
	if path, unix := strings.CutPrefix(cfg.LMTP.Listen, "unix:"); unix {
		checkSocketDir(r, "lmtp.listen", path)
	}
	checkSocketDir(r, "control.socket", cfg.Control.Socket)
	checkSecret(r, cfg.Submission.PasswordFile)
	ctx, cancel := context.WithTimeout(a.ctx, 30*time.Second)
	defer cancel()
	if !cmd.NoNetwork {
		a.checkSubmission(ctx, r, cfg, cmd.postfixPlace)
	}
	a.checkAgent(ctx, r)
	a.checkPostfix(ctx, r, cfg, cmd.postfixPlace, !cmd.NoNetwork)
	return r.end()
}

func checkData(r *report, dir string) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.note("data: %s is not there yet; the first start makes it, if the agent's user may", dir)
	case err != nil:
		r.wrong("data: %s", err.Error())
	case !info.IsDir():
		r.wrong("data: %s is no directory", dir)
	case info.Mode().Perm()&0o077 != 0:
		r.wrong("data: others can look into %s (mode %s), where the mail is: chmod 700 %[1]s", dir, info.Mode().Perm().String())
	case !writable(dir):
		r.wrong("data: this user cannot write to %s; run this as the user of the agent, or chown it", dir)
	default:
		r.ok("data: %s", dir)
	}
}

// writable tries it: modes do not tell of read-only file systems and quotas.
func writable(dir string) bool {
	f, err := os.CreateTemp(dir, ".check-*")
	if err != nil {
		return false
	}
	f.Close()
	return os.Remove(f.Name()) == nil
}

func checkSocketDir(r *report, setting, path string) {
	info, err := os.Stat(filepath.Dir(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.note("%s: the directory of %s is not there yet; the start makes it, if the agent's user may", setting, path)
	case err != nil:
		r.wrong("%s: %s", setting, err.Error())
	case info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0:
		r.wrong("%s: everybody can replace what is in %s: chmod o-w %[2]s", setting, filepath.Dir(path))
	default:
		r.ok("%s: %s", setting, path)
	}
}

func checkSecret(r *report, path string) {
	if path == "" {
		return
	}
	info, err := os.Stat(path)
	if err == nil {
		_, err = readSecret(path)
	}
	switch {
	case err != nil:
		r.wrong("submission.password_file: %s", err.Error())
	case info.Mode().Perm()&0o007 != 0:
		r.wrong("submission.password_file: everybody can read %s: chmod o= %[1]s", path)
	default:
		r.ok("submission.password_file: %s", path)
	}
}

// checkAgent asks a running agent how it is. That none runs is no fault: this command
// is for before the first start too.
func (a *app) checkAgent(ctx context.Context, r *report) {
	c, err := a.dial("")
	if err != nil {
		r.wrong("agent: %s", err.Error())
		return
	}
	err = c.get(ctx, "/readyz", nil, nil)
	var f fault
	switch {
	case err == nil:
		r.ok("agent: it runs and is ready")
	case errors.As(err, &f) && strings.HasPrefix(f.text, "the agent does not run"):
		r.note("%s", err.Error())
	default:
		r.wrong("agent: %s", err.Error())
	}
}

// readSecret reads a password from a file; the newline that editors add is not part of it.
func readSecret(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimRight(string(data), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return secret, nil
}
