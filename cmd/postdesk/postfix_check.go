package main

import (
	"context"
	"strings"

	"postdesk/postfix"
)

type postfixCheckCmd struct {
	postfixPlace
	JSON bool `name:"json" help:"One JSON object: the findings."`
}

// Help is shown by: postdesk postfix check --help.
func (postfixCheckCmd) Help() string {
	return "Says what is wrong, how bad it is (error, warning, note) and what mends it. Exits 0 when no more than notes are left, 1 otherwise."
}

func (cmd *postfixCheckCmd) Run(a *app) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	site, err := a.site(cfg, cmd.postfixPlace)
	if err != nil {
		return err
	}
	findings := postfix.Check(a.ctx, runProgram, site)
	if cmd.JSON {
		return cmd.json(a, findings)
	}
	r := &report{p: printer{w: a.stdout}}
	reportPostfix(r, findings)
	return r.end()
}

func (*postfixCheckCmd) json(a *app, findings []postfix.Finding) error {
	bad := 0
	for _, f := range findings {
		if f.Severity != postfix.Note {
			bad++
		}
	}
	if findings == nil {
		findings = []postfix.Finding{}
	}
	err := printJSON(a.stdout, struct {
		OK       bool              `json:"ok"`
		Findings []postfix.Finding `json:"findings"`
	}{bad == 0, findings})
	if err == nil && bad > 0 {
		err = fault{exitFailure, ""}
	}
	return err
}

// checkPostfix reports what is wrong with the Postfix of this machine.
func (a *app) checkPostfix(ctx context.Context, r *report, cfg *config, place postfixPlace) {
	site, err := a.site(cfg, place)
	if err != nil {
		r.wrong("postfix: %s", err.Error())
		return
	}
	reportPostfix(r, postfix.Check(ctx, runProgram, site))
}

func reportPostfix(r *report, findings []postfix.Finding) {
	clean := true
	for _, f := range findings {
		say := r.wrong
		switch f.Severity {
		case postfix.Warning:
			say = r.warn
		case postfix.Note:
			say = r.note
		}
		clean = clean && f.Severity == postfix.Note
		say("postfix: %s", f.What)
		for line := range strings.SplitSeq(f.Mend, "\n") {
			if line != "" {
				r.p.line("      %s", line)
			}
		}
	}
	if clean {
		r.ok("postfix: it has what the desk needs")
	}
}
