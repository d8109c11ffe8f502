package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"

	"postdesk/lmtp/verify"
	"postdesk/postfix"
)

type postfixCmd struct {
	Print postfixPrintCmd `cmd:"" help:"Print lines and tables for Postfix. Nothing is changed."`
	Check postfixCheckCmd `cmd:"" help:"Compare the Postfix of this machine with what the desk needs."`
}

// postfixPlace is where Postfix's files are.
type postfixPlace struct {
	Table     string `default:"/etc/postfix/postdesk_recipients" placeholder:"FILE" help:"Where the recipient table is, or will be (${default}); other tables stand beside it."`
	ConfigDir string `placeholder:"DIR" help:"Postfix's configuration directory, where it is not the usual one."`
}

type postfixPrintCmd struct {
	postfixPlace
	What string `arg:"" optional:"" default:"all" enum:"recipients,transport,senders,headers,master,main,all" help:"recipients, transport, senders, headers, master, main or all (${default})."`
}

func (cmd *postfixPrintCmd) Run(a *app) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	site, err := cfg.site(cmd.postfixPlace)
	if err != nil {
		return err
	}
	texts := []struct{ what, text string }{
		{"master", postfix.MasterCF(site)},
		{"main", postfix.MainCF(site)},
		{"recipients", postfix.RecipientTable(site)},
		{"transport", postfix.TransportTable(site)},
		{"senders", postfix.SubmissionAccount(site)},
		{"headers", postfix.HeaderTable(site)},
	}
	for _, t := range texts {
		if cmd.What != "all" && cmd.What != t.what {
			continue
		}
		if _, err := fmt.Fprintln(a.stdout, strings.TrimRight(t.text, "\n")); err != nil {
			return err
		}
		if cmd.What == "all" {
			fmt.Fprintln(a.stdout)
		}
	}
	return nil
}

// site is what Postfix needs to know of this configuration.
func (c *config) site(place postfixPlace) (postfix.Site, error) {
	dir, err := c.directory()
	if err != nil {
		return postfix.Site{}, err
	}
	own, shared := c.domains()
	socket := c.LMTP.Listen
	if rest, tcp := strings.CutPrefix(socket, "tcp:"); tcp {
		socket = "inet:" + rest // as lmtp(8) writes it
	} else if strings.HasPrefix(socket, "systemd") {
		socket = defaults().LMTP.Listen // where the .socket unit should listen
	}
	return postfix.Site{
		Patterns: dir.Patterns(), Socket: socket, OwnDomains: own, SharedDomains: shared, TablePath: place.Table,
		SubmissionUser: c.Submission.Username, MessageSizeLimit: c.LMTP.MaxMessageBytes, ConfigDir: place.ConfigDir,
		AuthservID: c.Trust.AuthservID, SpamHeader: c.Trust.SpamHeader, FieldsBelow: c.Trust.AuthservPlace == verify.Below,
	}, nil
}

// domains parts the desk's own domains from those in which only some addresses are its.
func (c *config) domains() (own, shared []string) {
	owned, others := map[string]bool{}, map[string]bool{}
	for _, q := range c.Queues {
		if contains(c.SharedDomains, q.Domain) {
			others[q.Domain] = true
		} else {
			owned[q.Domain] = true
		}
	}
	for _, q := range c.Queues {
		for _, address := range q.Address {
			if domain := strings.ToLower(address[strings.LastIndexByte(address, '@')+1:]); !owned[domain] {
				others[domain] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(owned)), slices.Sorted(maps.Keys(others))
}

type postfixCheckCmd struct{ postfixPlace }

func (cmd *postfixCheckCmd) Run(a *app) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	r := &report{p: printer{w: a.stdout}}
	checkPostfix(a.ctx, r, cfg, cmd.postfixPlace)
	return r.end()
}

// checkPostfix reports what is wrong with the Postfix of this machine.
func checkPostfix(ctx context.Context, r *report, cfg *config, place postfixPlace) {
	site, err := cfg.site(place)
	if err != nil {
		r.wrong("postfix: %s", err.Error())
		return
	}
	findings := postfix.Check(ctx, runProgram, site)
	for _, f := range findings {
		say := r.wrong
		if f.Severity == postfix.Warning {
			say = r.note
		}
		say("postfix: %s", f.What)
		for line := range strings.SplitSeq(f.Mend, "\n") {
			r.p.line("      %s", line)
		}
	}
	if len(findings) == 0 {
		r.ok("postfix: it has what the desk needs")
	}
}

// runProgram runs one of Postfix's programs, also where /usr/sbin is not in the path.
func runProgram(ctx context.Context, name string, args ...string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		path = "/usr/sbin/" + name
	}
	out, err := exec.CommandContext(ctx, path, args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(exit.Stderr))
	}
	return string(out), err
}
