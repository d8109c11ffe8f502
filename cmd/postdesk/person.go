package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"postdesk/ticketing"
)

type personCmd struct {
	Export personExportCmd `cmd:"" help:"Write all that the desk holds of a person into one zip archive."`
	Erase  personEraseCmd  `cmd:"" help:"Take away for good what the desk holds of a person."`
}

type personExportCmd struct {
	Address string `arg:"" help:"Mail address; one that somebody has besides is a person of its own."`
	Output  string `short:"o" default:"-" placeholder:"FILE" help:"The file to write; - is standard output."`
}

// Help is shown by: postdesk person export --help.
func (personExportCmd) Help() string { return ticketing.ExportRule }

// Run writes the archive. A file has its name when it is whole.
func (cmd *personExportCmd) Run(a *app) (err error) {
	c, err := a.dial("")
	if err != nil {
		return err
	}
	res, err := c.open(a.ctx, http.MethodPost, "/api/v1/people/export", map[string]string{"address": cmd.Address})
	if err != nil {
		return err
	}
	defer res.Close()
	if cmd.Output == "-" {
		_, err = io.Copy(a.stdout, res)
		return err
	}
	f, err := os.OpenFile(cmd.Output+".partial", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = io.Copy(f, res); err != nil {
		_ = f.Close()
		return fmt.Errorf("%s.partial is not whole: %w", cmd.Output, err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(cmd.Output+".partial", cmd.Output)
}

type personEraseCmd struct {
	Address string `arg:"" help:"Mail address; one that somebody has besides is a person of its own."`
	DryRun  bool   `help:"Say what would go, and take nothing."`
	Yes     bool   `help:"Do not ask."`
}

// Help is shown by: postdesk person erase --help.
func (personEraseCmd) Help() string {
	return "It takes away the words, subjects, names, files and raw mail of this address, what was sent to it, and what waits to be sent; " +
		"in mail of others in the same tickets its quotes, name and address become [erased], and that mail is written anew without its history. " +
		"Tickets, numbers, times and the sequence of events stay; copies of the database from before upgrades go. " +
		"Notes of staff stay, without the name, address, numbers and quotes of the person: postdesk ticket redact takes the rest. " +
		"Printed is a certificate in JSON that names nobody. What was begun is finished after a crash, and done again by postdesk restore when the backup is older. " +
		"A database above 1 GB keeps copies in its pages until: postdesk compact."
}

// Run erases a person.
func (cmd *personEraseCmd) Run(a *app) error {
	c, err := a.dial("")
	if err != nil {
		return err
	}
	would, err := cmd.ask(a, c, true)
	if err != nil {
		return err
	}
	if cmd.DryRun {
		return printPretty(a.stdout, would)
	}
	if !cmd.Yes {
		r := would.Removed
		fmt.Fprintf(a.stderr, "%d messages and %d mails to %s on %d tickets will be gone, and %d messages of others changed. Nobody can bring them back.\nType the address to go on: ",
			len(r.Messages), len(r.Outgoing), printable(cmd.Address), len(r.Tickets), len(r.Changed))
		answer, _ := bufio.NewReader(a.stdin).ReadString('\n')
		if !strings.EqualFold(strings.TrimSpace(answer), strings.TrimSpace(cmd.Address)) {
			return fault{exitUsage, "nothing was erased"}
		}
	}
	done, err := cmd.ask(a, c, false)
	if err != nil {
		return err
	}
	return printPretty(a.stdout, done)
}

func (cmd *personEraseCmd) ask(a *app, c *client, dry bool) (out ticketing.Certificate, err error) {
	err = c.do(a.ctx, http.MethodPost, "/api/v1/people/erase", nil, map[string]any{"address": cmd.Address, "dry_run": dry}, &out)
	return out, err
}

func printPretty(w io.Writer, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = io.Copy(w, bytes.NewReader(append(text, '\n')))
	return err
}

type ticketRedactCmd struct {
	Message    int64  `arg:"" help:"Its number, as ticket show gives it."`
	Why        string `required:"" help:"For the record, which all who follow the feed see; without the words that are taken away."`
	Attachment int    `placeholder:"N" help:"Only this file of it, from 1 as ticket show lists them."`
	Subject    bool   `help:"The subject too, and that of the ticket when this message opened it."`
	As         string `placeholder:"NAME" help:"Who does it; you, when nothing is said."`
}

// Help is shown by: postdesk ticket redact --help.
func (ticketRedactCmd) Help() string {
	return "Readers see [redacted], in the raw mail too; so does who quotes it in this ticket. A reply that brings it and has not gone out is cancelled. " +
		"The event message.redacted says who did it, when and why. Printed is a certificate in JSON."
}

// Run redacts a message.
func (cmd *ticketRedactCmd) Run(a *app) error {
	c, err := a.dial(cmd.As)
	if err != nil {
		return err
	}
	var out ticketing.Certificate
	in := map[string]any{"why": cmd.Why, "subject": cmd.Subject}
	if cmd.Attachment > 0 {
		in["attachment"] = cmd.Attachment
	}
	if err := c.do(a.ctx, http.MethodPost, fmt.Sprintf("/api/v1/messages/%d/redact", cmd.Message), nil, in, &out); err != nil {
		return err
	}
	return printPretty(a.stdout, out)
}
