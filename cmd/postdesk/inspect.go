package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"postdesk/ticketing/mail"
)

type inspectCmd struct {
	Files      []string `arg:"" name:"file" help:"Mail as it came; - is standard input."`
	JSON       bool     `name:"json" help:"One JSON object a line, in the order of the files."`
	Nameserver string   `env:"POSTDESK_DNS_NAMESERVER" placeholder:"HOST:PORT" help:"Ask this name server, in place of the system's."`
	Envelope   string   `name:"reverse-path" placeholder:"ADDRESS" help:"Of the envelope, for SPF."`
	AsDelivery []string `name:"as-delivery" placeholder:"ADDRESS" help:"Ask the running agent what would become of it as a delivery to this address: the row of the trust table, and why. Nothing is written."`
	NoDNS      bool     `name:"no-dns" help:"Ask none: nobody is proven."`
}

// inspection is what inspect prints of one file.
type inspection struct {
	File             string            `json:"file"`
	Subject          string            `json:"subject"`
	From             inspectAddress    `json:"from"`
	To               []inspectAddress  `json:"to"`
	Cc               []inspectAddress  `json:"cc"`
	ReplyTo          []inspectAddress  `json:"reply_to"`
	Date             time.Time         `json:"date,omitzero"`
	MessageID        string            `json:"message_id"`
	InReplyTo        []string          `json:"in_reply_to"`
	References       []string          `json:"references"`
	Duplicates       []string          `json:"duplicates"` // fields of which there may be one
	Text             string            `json:"text"`
	HTMLText         string            `json:"html_text"`
	NewText          string            `json:"new_text"`
	Attachments      []inspectPart     `json:"attachments"`
	BlockedContent   int               `json:"blocked_content"` // what the HTML would fetch from afar
	Calendar         []mail.Invitation `json:"calendar"`
	Automatic        bool              `json:"automatic"`
	SuppressResponse bool              `json:"suppress_response"`
	Why              string            `json:"why"`
	Report           *inspectReport    `json:"report"`
	Authentication   inspectAuth       `json:"authentication"`
	Problems         []string          `json:"problems"`
}

type inspectAddress struct {
	Name    string `json:"name"`
	Address string `json:"address"`
}

type inspectPart struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	Inline bool   `json:"inline"`

	ContentID string `json:"content_id,omitempty"`
	Text      string `json:"text,omitempty"` // of an attached message
}

type inspectReport struct {
	Recipients []inspectRecipient `json:"recipients"`
}

type inspectRecipient struct {
	Address    string `json:"address"`
	Original   string `json:"original,omitempty"`
	Action     string `json:"action"`
	Status     string `json:"status"`
	ReplyCode  int    `json:"reply_code"`
	Diagnostic string `json:"diagnostic"`
	Permanent  bool   `json:"permanent"`
}

type inspectAuth struct {
	DKIM      []inspectSignature `json:"dkim"`
	SPF       *mail.SPF          `json:"spf,omitempty"`
	Server    []string           `json:"server,omitempty"`
	Author    string             `json:"author"`
	Method    string             `json:"method,omitempty"`
	Login     string             `json:"login,omitempty"`
	Spam      bool               `json:"spam,omitempty"`
	Temporary bool               `json:"temporary,omitempty"`
	Policy    string             `json:"policy"`
	DMARC     mail.AuthResult    `json:"dmarc"`
	Reason    string             `json:"reason"`
}

type inspectSignature struct {
	Domain   string          `json:"domain"`
	Selector string          `json:"selector"`
	Result   mail.AuthResult `json:"result"`
	Reason   string          `json:"reason"`
	Aligned  bool            `json:"aligned,omitempty"`
	Testing  bool            `json:"testing,omitempty"`
}

// Run inspects every file; one that cannot be read does not stop the others.
func (cmd *inspectCmd) Run(a *app) error {
	if len(cmd.AsDelivery) > 0 {
		return cmd.asDelivery(a)
	}
	check := func(context.Context, []byte, *mail.Message) mail.Authentication {
		return mail.Authentication{Reason: "DNS was not asked"}
	}
	if !cmd.NoDNS {
		if cmd.Nameserver != "" && !isHostPort(cmd.Nameserver) {
			return fault{exitUsage, fmt.Sprintf("--nameserver %q: want HOST:PORT", cmd.Nameserver)}
		}
		trust, err := a.trust()
		if err != nil {
			return err
		}
		v, err := newVerifier(cmd.Nameserver, trust)
		if err != nil {
			return err
		}
		check = v.Verify
	}
	unread := 0
	for _, file := range cmd.Files {
		raw, err := readMail(file, a.stdin)
		if err != nil {
			fmt.Fprintf(a.stderr, "postdesk: %s\n", printable(err.Error()))
			unread++
			continue
		}
		m := mail.Parse(raw)
		m.ReversePath = cmd.Envelope
		out := inspect(file, m, check(a.ctx, raw, m))
		if cmd.JSON {
			err = printJSON(a.stdout, out)
		} else {
			err = out.print(a.stdout)
		}
		if err != nil {
			return err
		}
	}
	if unread > 0 {
		return fault{exitFailure, fmt.Sprintf("%d of %d files could not be read", unread, len(cmd.Files))}
	}
	return nil
}

func readMail(file string, stdin io.Reader) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(file)
}

func inspect(file string, m *mail.Message, auth mail.Authentication) inspection {
	out := inspection{
		File: file, Subject: m.Subject, To: inspectAddresses(m.To), Cc: inspectAddresses(m.Cc), ReplyTo: inspectAddresses(m.ReplyTo), Date: m.Date,
		InReplyTo: append([]string{}, m.InReplyTo...), References: append([]string{}, m.References...), Duplicates: append([]string{}, m.Duplicates...),
		Calendar: append([]mail.Invitation{}, m.Calendar...), BlockedContent: mail.SafeHTML(m, "").Blocked, MessageID: m.MessageID, Text: m.Text, HTMLText: m.HTMLText,
		NewText: m.NewText, Attachments: []inspectPart{}, Automatic: m.Automatic.Automatic,
		SuppressResponse: m.Automatic.Suppress, Why: m.Automatic.Why, Problems: append([]string{}, m.Problems...),
		Authentication: inspectAuth{DKIM: []inspectSignature{}, SPF: auth.SPF, Server: auth.Server, Author: auth.Author, Method: auth.Method,
			Login: auth.Login, Spam: auth.Spam, Temporary: auth.Temporary, Policy: auth.Policy, DMARC: auth.DMARC, Reason: auth.Reason},
	}
	if len(m.From) > 0 {
		out.From = inspectAddress(m.From[0])
	}
	for _, a := range m.Attachments {
		out.Attachments = append(out.Attachments, inspectPart{a.Name, a.Type, a.Size, a.SHA256, a.Inline, a.ContentID, a.Text})
	}
	for _, s := range auth.DKIM {
		out.Authentication.DKIM = append(out.Authentication.DKIM, inspectSignature{s.Domain, s.Selector, s.Result, s.Reason, s.Aligned, s.Testing})
	}
	if m.Report != nil {
		out.Report = &inspectReport{Recipients: []inspectRecipient{}}
		for _, r := range m.Report.Recipients {
			out.Report.Recipients = append(out.Report.Recipients, inspectRecipient(r))
		}
	}
	return out
}

// proof prints what the verifier found.
func (p *printer) proof(a inspectAuth) {
	p.line("  proof:    author %q by %q, dmarc %s, policy %q: %s", a.Author, a.Method, string(a.DMARC), a.Policy, a.Reason)
	for _, s := range a.DKIM {
		p.line("  dkim:     %s (%s) %s aligned %t%s %s", s.Domain, s.Selector, string(s.Result), s.Aligned, map[bool]string{true: " under test"}[s.Testing], s.Reason)
	}
	if a.SPF != nil {
		p.line("  spf:      %s from %s %s aligned %t %s", a.SPF.Domain, a.SPF.Client, string(a.SPF.Result), a.SPF.Aligned, a.SPF.Reason)
	}
	for _, r := range a.Server {
		p.line("  server:   %s", r)
	}
	if a.Login != "" {
		p.line("  login:    %s", a.Login)
	}
	if a.Spam {
		p.line("  spam:     the site's filter takes it for spam")
	}
}

func inspectAddresses(list []mail.Address) []inspectAddress {
	out := []inspectAddress{}
	for _, a := range list {
		out = append(out, inspectAddress(a))
	}
	return out
}

// print is for people: what the desk would see, in lines.
func (i inspection) print(w io.Writer) error {
	p := &printer{w: w}
	p.line("%s", i.File)
	p.line("  from:     %s <%s>", i.From.Name, i.From.Address)
	p.line("  subject:  %s", i.Subject)
	p.proof(i.Authentication)
	if i.Automatic || i.SuppressResponse {
		p.line("  machine:  automatic %t, must not be answered %t: %s", i.Automatic, i.SuppressResponse, i.Why)
	}
	if i.Report != nil {
		for _, r := range i.Report.Recipients {
			p.line("  report:   %s %s %s %s", r.Address, r.Action, r.Status, r.Diagnostic)
		}
	}
	for _, v := range i.Calendar {
		p.line("  calendar: %s", v.Line)
	}
	for _, a := range i.Attachments {
		p.line("  part:     %s (%s, %d octets)", a.Name, a.Type, a.Size)
	}
	for _, problem := range i.Problems {
		p.line("  problem:  %s", problem)
	}
	p.line("")
	p.text(i.NewText)
	p.line("")
	return p.err
}
