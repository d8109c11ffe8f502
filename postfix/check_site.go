package postfix

import "fmt"

// sizeSlack is for the header fields that Postfix adds behind its check of the size.
const sizeSlack = 64 << 10

// limits compares the sizes: behind port 25, a mail that is too large waits and bounces.
func (c *checker) limits() {
	agent, postfix := c.site.MessageSizeLimit, c.number("message_size_limit")
	if agent == 0 && postfix == 0 {
		c.add(Warning, "Postfix takes mail of any size (message_size_limit = 0), and so does the agent, which reads one mail as a whole: one can take all memory and fill the disk.",
			"postconf -e message_size_limit=52428800")
	}
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

// senders looks whether the desk's login may send by its addresses, and only it.
func (c *checker) senders() {
	s, ok := c.submission()
	if !ok || c.site.SubmissionUser == "" {
		return
	}
	switch {
	case c.keepsLogins(s) && !c.mayAll(s) && len(c.unasked) > 0: // perhaps a table has it that this user may not read
	case c.keepsLogins(s) && !c.mayAll(s):
		c.add(Error, fmt.Sprintf("smtpd_sender_login_maps does not let %s send by the desk's addresses: answers are refused (553 5.7.1).", c.site.SubmissionUser),
			c.site.printCommand())
	case !c.keepsLogins(s):
		c.add(Note, fmt.Sprintf("The service %s lets every login send by every address, the desk's too.", s.name),
			"Where that is not meant: reject_sender_login_mismatch in its smtpd_sender_restrictions, and then: "+c.site.printCommand())
	}
}
