package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postdesk/postfix"
	"postdesk/postfix/submission"
)

type postfixCheckCmd struct {
	postfixPlace
	JSON      bool `name:"json" help:"One JSON object: the findings."`
	NoNetwork bool `name:"no-network" help:"Look at the configuration alone: ask neither port 25, nor milters, nor the submission server."`
	Probe     bool `help:"Send a mail through the submission server to the desk, and look at how it comes back. The agent must not run meanwhile."`
}

// Help is shown by: postdesk postfix check --help.
func (postfixCheckCmd) Help() string {
	return "Says what is wrong, how bad it is (error, warning, note) and what mends it. Exits 0 when no more than notes are left, 1 otherwise. " +
		"It asks port 25 about addresses, milters about a sample, and logs in at the submission server; it sends no mail unless --probe is given."
}

// stranger is an address outside, for a recipient to which nothing is sent.
const stranger = "nobody@example.com"

func (cmd *postfixCheckCmd) Run(a *app) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	site, err := a.site(cfg, cmd.postfixPlace)
	if err != nil {
		return err
	}
	findings := postfix.Check(a.ctx, runProgram, site, !cmd.NoNetwork)
	if !cmd.NoNetwork {
		findings = append(findings, a.trySubmission(a.ctx, cfg, site)...)
	}
	if cmd.Probe {
		findings = append(findings, a.probe(a.ctx, cfg, site)...)
	}
	rank := map[postfix.Severity]int{postfix.Error: 1, postfix.Warning: 2, postfix.Note: 3}
	slices.SortStableFunc(findings, func(x, y postfix.Finding) int { return cmp.Compare(rank[x.Severity], rank[y.Severity]) })
	if cmd.JSON {
		return cmd.json(a, findings)
	}
	r := &report{p: printer{w: a.stdout}}
	reportPostfix(r, findings)
	return r.end()
}

func (*postfixCheckCmd) json(a *app, findings []postfix.Finding) error {
	bad := slices.ContainsFunc(findings, func(f postfix.Finding) bool { return f.Severity != postfix.Note })
	if findings == nil {
		findings = []postfix.Finding{}
	}
	err := printJSON(a.stdout, struct {
		OK       bool              `json:"ok"`
		Findings []postfix.Finding `json:"findings"`
	}{!bad, findings})
	if err == nil && bad {
		err = fault{exitFailure, ""}
	}
	return err
}

// trySubmission logs in and says that a mail would be sent by a ticket address, and takes it
// back before there is one.
func (a *app) trySubmission(ctx context.Context, cfg *config, site postfix.Site) []postfix.Finding {
	if len(site.Senders) == 0 {
		return nil
	}
	conf, err := cfg.submission()
	if err != nil {
		return []postfix.Finding{{Severity: postfix.Error, What: err.Error(), Mend: "Write the password of " + cfg.Submission.Username + " into that file."}}
	}
	conf.Timeout = 10 * time.Second
	for _, sender := range site.Senders {
		err := submission.NewClient(conf).Try(ctx, sender, stranger)
		var f *submission.Failure
		if !errors.As(err, &f) {
			if err != nil {
				return []postfix.Finding{{Severity: postfix.Error, What: "The submission server was not tried: " + err.Error(), Mend: "Try again."}}
			}
			continue
		}
		if what, mend := f.Advice(conf); what != "" {
			return []postfix.Finding{{Severity: postfix.Error, What: what, Mend: mend}}
		}
	}
	return nil
}

// checkPostfix reports what is wrong with the Postfix of this machine.
func (a *app) checkPostfix(ctx context.Context, r *report, cfg *config, place postfixPlace, live bool) {
	site, err := a.site(cfg, place)
	if err != nil {
		r.wrong("postfix: %s", err.Error())
		return
	}
	reportPostfix(r, postfix.Check(ctx, runProgram, site, live))
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

// checkSubmission sees whether the submission server takes the login and a ticket address.
func (a *app) checkSubmission(ctx context.Context, r *report, cfg *config, place postfixPlace) {
	site, err := a.site(cfg, place)
	if err != nil {
		r.wrong("submission: %s", err.Error())
		return
	}
	findings := a.trySubmission(ctx, cfg, site)
	for _, f := range findings {
		r.wrong("submission: %s", f.What)
		r.p.line("      %s", f.Mend)
	}
	if len(findings) == 0 {
		r.ok("submission: %s", fmt.Sprintf("%s takes the login and the desk's addresses", cfg.Submission.Server))
	}
}
