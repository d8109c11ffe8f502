package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"postdesk/integration/dev"
	"postdesk/ticketing/mail"
)

type devDeliverCmd struct {
	File string   `arg:"" help:"Mail as it is to come; - is standard input."`
	To   []string `required:"" placeholder:"ADDRESS" help:"Recipient in the envelope; may be given several times."`
	From *string  `placeholder:"REVERSE-PATH" help:"Of the envelope; '' is that of a bounce. The address in From else."`
	Sign bool     `help:"Sign it with DKIM by the author's domain, with the key of this desk: the author is proven then."`
	JSON bool     `name:"json" help:"What became of it as JSON, one object a line."`
}

// Run delivers one mail.
func (cmd *devDeliverCmd) Run(a *app) error {
	raw, err := readMail(cmd.File, a.stdin)
	if err != nil {
		return err
	}
	m := dev.Delivery{To: cmd.To, Raw: raw, Sign: cmd.Sign}
	switch from := mail.Parse(raw).From; {
	case cmd.From != nil:
		m.ReversePath = *cmd.From
	case len(from) > 0:
		m.ReversePath = from[0].Address
	}
	return a.handIn(m, cmd.JSON)
}

type devAnswerCmd struct {
	File string `arg:"" help:"Mail that the desk sent, as in the folder of --outbox."`
	Text string `placeholder:"TEXT" help:"What its recipient types; standard input else."`
	Sign bool   `help:"Sign it with DKIM by the author's domain, with the key of this desk: the author is proven then."`
	JSON bool   `name:"json" help:"What became of it as JSON, one object a line."`
}

// Run answers one mail.
func (cmd *devAnswerCmd) Run(a *app) error {
	raw, err := waitForFile(a.ctx, cmd.File)
	if err != nil {
		return err
	}
	text := cmd.Text
	if text == "" {
		typed, err := io.ReadAll(a.stdin)
		if err != nil {
			return err
		}
		text = string(typed)
	}
	m, err := dev.AnswerTo(raw, text)
	if err != nil {
		return fault{exitData, printable(err.Error())}
	}
	m.Sign = cmd.Sign
	return a.handIn(m, cmd.JSON)
}

// waitForFile reads a file that may come in a moment: mail goes out a little after the
// command that asked for it.
func waitForFile(ctx context.Context, path string) (data []byte, err error) {
	for end := time.Now().Add(5 * time.Second); ; {
		data, err = os.ReadFile(path)
		if !errors.Is(err, fs.ErrNotExist) || time.Now().After(end) || !sleep(ctx, 20*time.Millisecond) {
			return data, err
		}
	}
}

// handIn delivers a mail to the desk of another process, and says what became of it.
func (a *app) handIn(m dev.Delivery, asJSON bool) error {
	if a.socket == "" {
		return fault{exitUsage, "which desk? postdesk dev says: export POSTDESK_SOCKET=…"}
	}
	out, err := dev.DeliverBy(a.ctx, a.socket, m)
	var refused dev.Refused
	switch {
	case errors.As(err, &refused):
		return fault{exitData, printable(err.Error())}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fault{exitTemp, fmt.Sprintf("no postdesk dev runs beside %s; start one with: postdesk dev", a.socket)}
	case err != nil:
		return err
	}
	if asJSON {
		return printLines(a.stdout, out)
	}
	p := &printer{w: a.stdout}
	if len(out) == 0 {
		p.line("nothing new: the same mail was there already")
	}
	for _, o := range out {
		p.line("%s %s: message %d %s: %s%s", o.Ticket, map[bool]string{true: "opened", false: "continued"}[o.New], o.Message, o.Visibility, o.Reason, proof(o.Author))
	}
	return p.err
}

func proof(author string) string {
	if author == "" {
		return ""
	}
	return "; written by " + author
}
