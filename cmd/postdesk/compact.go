package main

import (
	"errors"
	"os/signal"
	"strings"
	"syscall"

	"postdesk/ticketing/store"
)

type compactCmd struct{ dataPlace }

// Help is shown by: postdesk compact --help.
func (compactCmd) Help() string {
	return "The agent must be stopped: while the database is written anew, which takes about ten seconds a GB, no mail could be taken; Postfix keeps it. " +
		"There must be room for two copies of the database beside it and for one where temporary files go (SQLITE_TMPDIR, /var/tmp). " +
		"Without it a database does not grow either: what was deleted is overwritten, and its room is used again. " +
		"It is needed to give room back to the disk, and after person erase where the certificate says so."
}

// Run compacts.
func (cmd *compactCmd) Run(a *app) error {
	dir, err := cmd.dir(a)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(a.ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	before, after, err := store.Compact(ctx, dir, a.longWork())
	if errors.Is(err, store.ErrInUse) {
		return fault{exitTemp, strings.TrimSpace(err.Error()) + ": stop the agent first, with its sockets: systemctl stop 'postdesk*'"}
	}
	if err != nil {
		return ofData(dir, err)
	}
	p := &printer{w: a.stdout}
	p.line("%s: %d MB before, %d MB now", dir, before>>20, after>>20)
	return p.err
}
