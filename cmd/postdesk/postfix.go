package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"postdesk/lmtp/verify"
	"postdesk/postfix"
)

type postfixCmd struct {
	Print postfixPrintCmd `cmd:"" help:"Show what the Postfix of this site lacks for the desk, and the commands that add it. Nothing is changed."`
	Check postfixCheckCmd `cmd:"" help:"Compare the Postfix of this machine with what the desk needs."`
}

// postfixPlace is where Postfix's files are.
type postfixPlace struct {
	Table     string `placeholder:"FILE" help:"Where the recipient table is, or will be (postdesk_recipients in Postfix's directory); other tables stand beside it."`
	ConfigDir string `short:"c" placeholder:"DIR" help:"Postfix's configuration directory, where it is not the usual one."`
}

// site is what Postfix needs to know of this configuration.
func (a *app) site(c *config, place postfixPlace) (postfix.Site, error) {
	dir, err := c.directory()
	if err != nil {
		return postfix.Site{}, err
	}
	own, shared := c.domains()
	samples, senders := c.samples()
	table := place.Table
	if table == "" {
		table = filepath.Join(cmp.Or(place.ConfigDir, "/etc/postfix"), "postdesk_recipients")
	}
	socket := c.LMTP.Listen
	if rest, tcp := strings.CutPrefix(socket, "tcp:"); tcp {
		socket = "inet:" + rest // as lmtp(8) writes it
	} else if strings.HasPrefix(socket, "systemd") {
		socket = defaults().LMTP.Listen // where the .socket unit should listen
	}
	return postfix.Site{
		Patterns: dir.Patterns(), Socket: socket, OwnDomains: own, SharedDomains: shared, TablePath: table,
		Samples: samples, Senders: senders, Program: a.printCommand(place), StaffLogins: c.staffLogin(),
		SubmissionServer: c.Submission.Server, SubmissionUser: c.Submission.Username, MessageSizeLimit: c.LMTP.MaxMessageBytes, ConfigDir: place.ConfigDir,
		AuthservID: c.Trust.AuthservID, SpamHeader: c.Trust.SpamHeader, FieldsBelow: c.Trust.AuthservPlace == verify.Below,
	}, nil
}

// samples are addresses to try: of each queue, of a ticket and of returned mail, and those by
// which the desk sends.
func (c *config) samples() (samples, senders []string) {
	for _, q := range c.Queues {
		key := strings.ToLower(q.Key)
		returned := fmt.Sprintf("%s-bounces+1@%s", key, q.Domain)
		ticket := fmt.Sprintf("%s-%d@%s", key, q.FirstNumber, q.Domain)
		samples = append(append(samples, q.Address...), ticket, returned)
		senders = append(senders, ticket, returned)
	}
	for domain := range c.roles() {
		samples = append(samples, "postmaster@"+domain)
	}
	slices.Sort(samples)
	return slices.Compact(samples), senders
}

func (c *config) staffLogin() bool {
	return slices.ContainsFunc(c.Staff, func(s staffConfig) bool { return len(s.Login) > 0 })
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

// printCommand is how this program is called to print for the same Postfix.
func (a *app) printCommand(place postfixPlace) string {
	args := []string{"postdesk"}
	if a.configFile != "" {
		args = append(args, "--config", postfix.Quote(a.configFile))
	}
	args = append(args, "postfix", "print")
	if place.ConfigDir != "" {
		args = append(args, "-c", postfix.Quote(place.ConfigDir))
	}
	if place.Table != "" {
		args = append(args, "--table", postfix.Quote(place.Table))
	}
	return strings.Join(args, " ")
}

// runProgram runs one of Postfix's programs, also where /usr/sbin is not in the path.
func runProgram(ctx context.Context, input, name string, args ...string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		path = "/usr/sbin/" + name
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(exit.Stderr))
	}
	return string(out), err
}
