// Command postdesk is the mail interface to a problem desk behind Postfix: the agent
// (postdesk serve), and the commands that speak to it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"

	"github.com/alecthomas/kong"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// commands is the whole command line; kong makes usage and help of it.
type commands struct {
	Config string `env:"POSTDESK_CONFIG" placeholder:"FILE" help:"Configuration file (${defaultFile})."`
	Socket string `env:"POSTDESK_SOCKET" placeholder:"PATH" help:"Control socket of the agent, in place of the configured one."`

	Serve         serveCmd       `cmd:"" help:"Run the agent."`
	Check         checkCmd       `cmd:"" help:"Say what is wrong with this installation, and how to mend it."`
	Ticket        ticketCmd      `cmd:"" help:"List and show tickets."`
	Search        searchCmd      `cmd:"" help:"Find messages by their words, the newest first."`
	Reply         replyCmd       `cmd:"" help:"Answer the requester of a ticket by mail."`
	Note          noteCmd        `cmd:"" help:"Add a note that staff alone see."`
	Ask           askCmd         `cmd:"" help:"Ask a third party by mail; its answers are for staff alone."`
	Status        statusCmd      `cmd:"" help:"Move a ticket to another status."`
	Assign        assignCmd      `cmd:"" help:"Give a ticket to a member of staff."`
	Prio          prioCmd        `cmd:"" help:"Say how urgent a ticket is."`
	Tag           tagCmd         `cmd:"" help:"Put tags on a ticket, or take them off."`
	Ref           refCmd         `cmd:"" help:"Tie to a ticket what it is called in another system."`
	Held          heldCmd        `cmd:"" help:"List messages that wait to be accepted or dismissed, the oldest first."`
	Accept        acceptCmd      `cmd:"" help:"Take a held message into its ticket."`
	Dismiss       dismissCmd     `cmd:"" help:"Turn a held message down."`
	Participant   participantCmd `cmd:"" help:"Who takes part in a ticket: list, add, remove, mute, revoke."`
	Events        eventsCmd      `cmd:"" help:"Print the event feed, one JSON object a line."`
	Queue         queueCmd       `cmd:"" help:"Outgoing mail: list, retry, cancel."`
	Key           keyCmd         `cmd:"" help:"Keys of reply tokens and Message-IDs: list, rotate."`
	Import        importCmd      `cmd:"" help:"Bring old mail in as tickets: mbox files, Maildirs, .eml files. Nothing is sent."`
	Person        personCmd      `cmd:"" help:"What the desk holds of a person: export, erase."`
	Retention     retentionCmd   `cmd:"" help:"Remove tickets, events and unused uploads whose time is over, as the agent does by itself each hour."`
	Token         tokenCmd       `cmd:"" help:"API tokens: add, list, revoke."`
	Inspect       inspectCmd     `cmd:"" help:"Say what postdesk understands of mail in files; needs no agent."`
	Postfix       postfixCmd     `cmd:"" help:"Print Postfix's side of the configuration, or check it."`
	Configuration configCmd      `cmd:"" name:"config" help:"Print settings with their sources, or check the configuration."`
	Backup        backupCmd      `cmd:"" help:"Write everything that must not be lost into one file; the agent may run."`
	Restore       restoreCmd     `cmd:"" help:"Make a data directory from a backup, and prove it."`
	Verify        verifyCmd      `cmd:"" help:"Read all data and say what is wrong with it; the agent may run."`
	Compact       compactCmd     `cmd:"" help:"Write the database anew without what was deleted in it; the agent must be stopped."`
	Systemd       systemdCmd     `cmd:"" help:"Print units for systemd: the service, its sockets, its user."`
	Man           manCmd         `cmd:"" help:"Print a manual page, for man(1)."`
	Completion    completionCmd  `cmd:"" help:"Print what completes postdesk's words in a shell."`
	Version       versionCmd     `cmd:"" help:"Print the version."`
	Consume       consumeCmd     `cmd:"" help:"Run a program for each event of the feed, until it has handled it."`
	Consumer      consumerCmd    `cmd:"" help:"Named consumers of the feed: list, seek, remove."`
	Dev           devCmd         `cmd:"" help:"A desk to write automations against: no Postfix, no root, nothing leaves."`
}

// exitCodes are those of sysexits.h that are used, with what they say here.
var exitCodes = [...]struct {
	code int
	text string
}{
	{0, "done"},
	{exitFailure, "something failed; the message says what"},
	{exitUsage, "wrong usage"},
	{exitData, "the agent refuses the request: invalid, or the ticket has moved on"},
	{exitNoInput, "no such ticket, message, file or directory"},
	{exitSoftware, "a fault in postdesk"},
	{exitTemp, "the agent does not run or cannot answer now: try again later"},
	{exitNoPerm, "you may not do that"},
	{exitConfig, "wrong configuration"},
}

const summary = "The mail interface to a problem desk, behind Postfix."

func description() string {
	text := summary + "\n\nExit codes are those of sysexits.h:\n"
	for _, e := range exitCodes {
		text += fmt.Sprintf("\n %2d  %s", e.code, e.text)
	}
	return text
}

// app is what every command needs of its surroundings.
type app struct {
	ctx            context.Context
	configFile     string
	socket         string
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
}

func newParser(cli *commands, stdout, stderr io.Writer) (*kong.Kong, error) {
	return kong.New(cli, kong.Name("postdesk"), kong.Description(description()), kong.Writers(stdout, stderr),
		kong.Vars{"defaultFile": defaultFile}, kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, NoAppDescFormat: true}))
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var cli commands
	parser, err := newParser(&cli, stdout, stderr)
	if err != nil {
		return fail(stderr, err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return fail(stderr, fault{exitUsage, fmt.Sprintf("%s; see: postdesk --help", err)})
	}
	a := &app{context.Background(), cli.Config, cli.Socket, stdin, stdout, stderr, os.Environ()}
	return fail(stderr, parsed.Run(a))
}

// The exit codes of sysexits.h that are used.
const (
	exitFailure  = 1
	exitUsage    = 64
	exitData     = 65
	exitNoInput  = 66
	exitSoftware = 70
	exitTemp     = 75
	exitNoPerm   = 77
	exitConfig   = 78
)

// fault is an error that knows its exit code. Its text is what the operator reads.
type fault struct {
	code int
	text string
}

func (f fault) Error() string { return f.text }

// fail prints an error and gives its exit code; nil is 0.
func fail(stderr io.Writer, err error) int {
	if err == nil {
		return 0
	}
	var f fault
	var wrongConfig configError
	code := exitFailure
	switch {
	case errors.As(err, &f):
		code = f.code
	case errors.As(err, &wrongConfig):
		code = exitConfig
	}
	if err.Error() != "" { // some commands have said all themselves
		fmt.Fprintf(stderr, "postdesk: %s\n", err)
	}
	return code
}

func (a *app) config() (*config, error) { return loadConfig(a.configFile, a.environ) }

// getenv gives a variable of the environment, empty when it is not set.
func (a *app) getenv(name string) string {
	for _, e := range a.environ {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}

// person is who uses the command line, also behind sudo.
func person() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "admin"
}
