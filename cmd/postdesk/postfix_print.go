package main

import (
	"fmt"
	"io"
	"strings"

	"postdesk/postfix"
)

type postfixPrintCmd struct {
	postfixPlace
	What string `arg:"" optional:"" default:"all" enum:"all,diff,commands,master,recipients,others,transport,aliases,senders,headers" help:"all (${default}), diff, commands, master, or a table: recipients, others, transport, aliases, senders, headers."`
}

// Help is shown by: postdesk postfix print --help.
func (postfixPrintCmd) Help() string {
	return "Asks postconf what the site has and adds the desk to it: other domains, maps and restrictions stay as they are. " +
		"What is printed is a unified diff with the reasons, and the commands that make the change; after these, nothing is left to print. " +
		"Exits 1 when the desk would take the mail of others, with what has to be decided first."
}

func (cmd *postfixPrintCmd) Run(a *app) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	site, err := a.site(cfg, cmd.postfixPlace)
	if err != nil {
		return err
	}
	for what, text := range map[string]func(postfix.Site) string{
		"master": postfix.MasterCF, "recipients": postfix.RecipientTable, "others": postfix.OtherTable, "transport": postfix.TransportTable,
		"aliases": postfix.AliasTable, "senders": postfix.SubmissionAccount, "headers": postfix.HeaderTable,
	} {
		if cmd.What == what {
			_, err := io.WriteString(a.stdout, text(site))
			return err
		}
	}
	plan, err := postfix.NewPlan(a.ctx, runProgram, site)
	if err != nil {
		return fault{exitFailure, err.Error()}
	}
	return cmd.show(a, plan, site)
}

func (cmd *postfixPrintCmd) show(a *app, plan postfix.Plan, site postfix.Site) error {
	p := printer{w: a.stdout}
	if len(plan.Decide) > 0 {
		p.w = a.stderr
		for _, f := range plan.Decide {
			p.line("%s", f.What)
			p.line("  %s", f.Mend)
		}
		return fault{exitFailure, fmt.Sprintf("%d to decide before Postfix can be changed", len(plan.Decide))}
	}
	parts := map[string][]string{"diff": {plan.Diff()}, "commands": {plan.Commands()}}[cmd.What]
	if parts == nil {
		parts = cmd.all(plan, site)
	}
	for i, text := range parts {
		if i > 0 {
			p.line("")
		}
		if text != "" {
			p.text(text)
		}
	}
	return p.err
}

// all is the whole text for a person.
func (*postfixPrintCmd) all(plan postfix.Plan, site postfix.Site) (parts []string) {
	for _, note := range plan.Notes {
		parts = append(parts, "# "+note)
	}
	if plan.Empty() {
		return append(parts, "# This Postfix has what the desk needs: nothing is to be changed.")
	}
	if diff := plan.Diff(); diff != "" {
		parts = append(parts, diff)
	}
	return append(parts, "# Commands that make this change, as root ("+site.Program+" commands | sh -e):", plan.Commands(),
		"# Then: "+strings.Replace(site.Program, " print", " check", 1))
}
