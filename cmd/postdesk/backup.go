package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"syscall"

	"postdesk/ticketing/store"
)

// dataPlace is where the data is, for commands that work without the agent.
type dataPlace struct {
	Data string `placeholder:"DIR" help:"Data directory, in place of the configured one."`
}

func (p dataPlace) dir(a *app) (string, error) {
	if p.Data != "" {
		return p.Data, nil
	}
	cfg, err := a.config()
	if err != nil {
		return "", err
	}
	return cfg.Data, nil
}

type backupCmd struct {
	dataPlace
	File string `arg:"" help:"The file to write; one that is there is replaced when the new one is whole."`
}

// Help is shown by: postdesk backup --help.
func (backupCmd) Help() string {
	return "The agent may run meanwhile. The file has everything that must not be lost: database, keys and raw mail; " +
		"not the configuration and its password file. Beside it there must be room for a copy of the database."
}

func (cmd *backupCmd) Run(a *app) error {
	dir, err := cmd.dir(a)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(a.ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	m, err := store.Backup(ctx, dir, cmd.File, version(), a.longWork())
	if err != nil {
		return ofData(dir, err)
	}
	p := &printer{w: a.stdout}
	p.line("%s: schema %d, %d tickets, %d messages, %d events, %d mails in files", cmd.File, m.Schema, m.Counts["ticket"], m.Counts["message"], m.Counts["event"], m.RawFiles)
	return p.err
}

type restoreCmd struct {
	File        string `arg:"" help:"A backup."`
	Data        string `required:"" placeholder:"DIR" help:"Where the data goes: a directory that is empty or not there. What is restored belongs to its owner."`
	Release     bool   `help:"Let outgoing mail go at once, though what waited at the backup may have gone out since."`
	Erasures    string `placeholder:"FILE" help:"List of erasures of the desk that was lost, or its data directory, where it is not found by itself."`
	NoErasures  bool   `help:"Nothing was erased after this backup, and no list of erasures is left."`
	SkipNumbers int64  `default:"1000" placeholder:"N" help:"Leave out so many ticket numbers: those after the backup are in people's mail already (${default})."`
}

// Help is shown by: postdesk restore --help.
func (restoreCmd) Help() string {
	return "The restored desk is proven before it is said to be one: the hash of each mail, the structure of the database, the counts. " +
		"Outgoing mail is held until: postdesk queue release. " +
		"What was erased after the backup is erased again: its list is taken from the configured data directory, or from one beside DIR where the old one was moved; " +
		"where none is found you have to say so. Erasures that were asked for on a disk that is lost with its list have to be asked for again."
}

func (cmd *restoreCmd) Run(a *app) error {
	ctx, stop := signal.NotifyContext(a.ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if cmd.SkipNumbers < 0 {
		return fault{exitUsage, "--skip-numbers cannot be negative"}
	}
	options := store.RestoreOptions{Release: cmd.Release, SkipNumbers: cmd.SkipNumbers, Erasures: cmd.Erasures, NoErasures: cmd.NoErasures}
	if cfg, err := a.config(); err == nil {
		options.Look = []string{cfg.Data}
	}
	r, err := store.Restore(ctx, cmd.File, cmd.Data, options, a.longWork())
	if errors.Is(err, fs.ErrNotExist) {
		return fault{exitNoInput, err.Error()}
	}
	if err != nil {
		return err
	}
	m := r.Manifest
	p := &printer{w: a.stdout}
	p.line("%s: restored and proven: %d tickets, %d messages, %d events, %d mails in files; as of %s", cmd.Data, m.Counts["ticket"], m.Counts["message"], m.Counts["event"], m.RawFiles, shortTime(m.Created))
	if r.Erased > 0 {
		p.line("%d erasures that are newer than the backup were done again", r.Erased)
	}
	p.line("%d outgoing mails wait that may have gone out after the backup; %d incoming mails were not processed yet", r.Waiting, r.Pending)
	if cmd.Release {
		p.line("outgoing mail goes out when the agent starts: those mails perhaps a second time")
	} else {
		p.line("outgoing mail is held. Start the agent, then: postdesk queue list --json; postdesk queue cancel ID for each whose message_id Postfix's log knows; postdesk queue release")
	}
	p.line("programs that keep their own place in the feed go on after event %d", r.LastSeq)
	return p.err
}

type verifyCmd struct{ dataPlace }

// Help is shown by: postdesk verify --help.
func (verifyCmd) Help() string {
	return "Reads everything: the structure of the database, references, sequences without gaps, and the hash of each mail. " +
		"The agent may run meanwhile. Exits 1 when something is wrong, and says what."
}

func (cmd *verifyCmd) Run(a *app) error {
	dir, err := cmd.dir(a)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(a.ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	found, err := store.Verify(ctx, dir, a.longWork())
	if err != nil {
		return ofData(dir, err)
	}
	r := &report{p: printer{w: a.stdout}}
	for _, problem := range found.Problems {
		r.wrong("%s", problem)
	}
	for _, note := range found.Notes {
		r.note("%s", note)
	}
	if r.bad == 0 {
		r.ok("%s: schema %d, %d tickets, %d messages, %d events, %d raw mails", dir, found.Schema, found.Counts["ticket"], found.Counts["message"], found.Counts["event"], found.Counts["raw"])
	}
	return r.end()
}

// ofData says what to do about an error of the data directory.
func ofData(dir string, err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return fault{exitTemp, "ended by a signal; nothing is left behind"}
	case errors.Is(err, fs.ErrNotExist):
		return fault{exitNoInput, fmt.Sprintf("there is no desk in %s, or a part of it is missing: %s", dir, err)}
	case errors.Is(err, fs.ErrPermission):
		return fault{exitNoPerm, fmt.Sprintf("%s: be root or the user of the agent", err)}
	}
	return err
}

// longWork shows how far a work is.
func (a *app) longWork() store.Progress {
	if _, terminal := a.stderr.(*os.File); !terminal {
		return nil
	}
	p := newProgress(a.stderr)
	return func(what string, done, total int64) {
		if what != p.what {
			p.leave()
			p.start(what, 0)
		}
		if total > 0 {
			p.step(done, total, "done")
		}
	}
}
