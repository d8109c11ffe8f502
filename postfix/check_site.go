package postfix

import (
	"fmt"
	"slices"
	"strings"
)

// sizeSlack is for the header fields that Postfix adds behind its check of the size.
const sizeSlack = 64 << 10

// limits compares the sizes: behind port 25, a mail that is too large waits and bounces.
func (c *checker) limits() {
	agent, postfix := c.site.MessageSizeLimit, c.number("message_size_limit")
	if agent == 0 || postfix > 0 && postfix+sizeSlack <= agent {
		return
	}
	said := fmt.Sprintf("%d octets", postfix)
	if postfix == 0 {
		said = "any size"
	}
	c.add(Error, fmt.Sprintf("Postfix takes mail of %s (message_size_limit), the agent %d: what is between waits in the queue and bounces.", said, agent),
		fmt.Sprintf("Raise the agent's limit to %d or take it away, or: postconf -e message_size_limit=%d", postfix+sizeSlack, agent-sizeSlack))
}

// smtpd looks at what port 25 lets in.
func (c *checker) smtpd() {
	if v, known := c.values["smtpd_forbid_bare_newline"]; !known {
		c.add(Error, "This Postfix knows no smtpd_forbid_bare_newline: a stranger can smuggle mail with an envelope of his own (SMTP smuggling).",
			"Update Postfix to 3.5.24, 3.6.14, 3.7.10, 3.8.5 or later.")
	} else if v == "no" {
		c.add(Error, "smtpd_forbid_bare_newline is no: a stranger can smuggle mail with an envelope of his own (SMTP smuggling).",
			"postconf -e smtpd_forbid_bare_newline=normalize")
	}
	if c.values["smtpd_reject_unlisted_recipient"] == "no" {
		c.add(Warning, "smtpd_reject_unlisted_recipient is no: unknown addresses may be taken, and bounce.",
			"postconf -e smtpd_reject_unlisted_recipient=yes")
	}
	for _, s := range c.services {
		if s.command != "smtpd" {
			continue
		}
		if s.options["smtpd_forbid_bare_newline"] == "no" {
			c.add(Error, fmt.Sprintf("The service %s has smtpd_forbid_bare_newline=no in master.cf.", s.name),
				fmt.Sprintf("postconf -PX %s/%s/smtpd_forbid_bare_newline", s.name, s.kind))
		}
	}
}

// rewriting looks for what changes addresses on their way to the desk.
func (c *checker) rewriting() {
	if strings.Contains(c.values["recipient_delimiter"], "-") {
		c.add(Warning, "recipient_delimiter has a \"-\": entries for SUPPORT in aliases and maps take the mail of SUPPORT-7102.",
			"Take it out of recipient_delimiter; \"+\" may stay.")
	}
	for _, parameter := range []string{"virtual_alias_maps", "canonical_maps", "recipient_canonical_maps"} {
		for _, table := range splitList(c.values[parameter]) {
			for _, d := range c.site.OwnDomains {
				if got := c.lookup(table, "@"+d); got != "" {
					c.add(Error, fmt.Sprintf("%s rewrites every address of %s to %q.", parameter, d, got), fmt.Sprintf("Take @%s out of %s.", d, table))
				}
			}
		}
	}
}

// senders looks whether the desk's login may send by its addresses, and only them.
func (c *checker) senders() {
	if c.site.SubmissionUser == "" {
		return
	}
	all := []string{c.values["smtpd_sender_login_maps"]}
	for _, s := range c.services {
		if s.command == "smtpd" {
			all = append(all, s.options["smtpd_sender_login_maps"])
		}
	}
	if slices.ContainsFunc(all, func(maps string) bool { return c.inMaps(maps, c.site.senderMap()) }) {
		c.file(c.site.SenderPath(), SubmissionAccount(c.site))
		return
	}
	for _, maps := range all {
		for _, table := range splitList(maps) {
			if len(c.site.OwnDomains) > 0 && strings.Contains(c.lookup(table, "@"+c.site.OwnDomains[0]), c.site.SubmissionUser) {
				return
			}
		}
	}
	c.add(Warning, fmt.Sprintf("No smtpd_sender_login_maps names the login %s: it may send by any address, or by none of the desk's.", c.site.SubmissionUser),
		fmt.Sprintf("Print the table to %s and add %s to smtpd_sender_login_maps of the submission service.", c.site.SenderPath(), c.site.senderMap()))
}
