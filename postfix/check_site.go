package postfix

import "fmt"

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
	if why := c.aliased(); why != "" {
		c.add(Error, why+": the desk does not get it.", c.mend("virtual_alias_maps", "Put "+c.site.aliasMap()+" first in virtual_alias_maps."))
	}
}

// senders looks whether the desk's login may send by its addresses, and only it.
func (c *checker) senders() {
	s, ok := c.submission()
	if !ok || c.site.SubmissionUser == "" {
		return
	}
	switch {
	case c.keepsLogins(s) && !c.mayAll(s):
		c.add(Error, fmt.Sprintf("smtpd_sender_login_maps does not let %s send by the desk's addresses: answers are refused (553 5.7.1).", c.site.SubmissionUser),
			c.site.printCommand())
	case !c.keepsLogins(s):
		c.add(Note, fmt.Sprintf("The service %s lets every login send by every address, the desk's too.", s.name),
			"Where that is not meant: reject_sender_login_mismatch in its smtpd_sender_restrictions, and then: "+c.site.printCommand())
	}
}
