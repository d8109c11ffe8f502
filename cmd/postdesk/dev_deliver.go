package main

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

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
	if a.socket == "" {
		return fault{exitUsage, "which desk? postdesk dev says: export POSTDESK_SOCKET=…"}
	}
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
	if cmd.JSON {
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
