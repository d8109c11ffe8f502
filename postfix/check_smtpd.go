package postfix

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// smtpd looks at what port 25 lets in.
func (c *checker) smtpd() {
	normalize := c.site.postconf("-e", "smtpd_forbid_bare_newline = normalize") + "; " + c.site.program("postfix", "reload")
	if v, known := c.values["smtpd_forbid_bare_newline"]; !known {
		c.add(Error, "This Postfix knows no smtpd_forbid_bare_newline: a stranger can smuggle mail with an envelope of his own (SMTP smuggling).",
			"Update Postfix to 3.5.24, 3.6.14, 3.7.10, 3.8.5 or later.")
	} else if v == "no" {
		c.add(Error, "smtpd_forbid_bare_newline is no: a stranger can smuggle mail with an envelope of his own (SMTP smuggling).", normalize)
	}
	if c.values["smtpd_reject_unlisted_recipient"] == "no" && !slices.Contains(splitList(c.values["smtpd_recipient_restrictions"]), "reject_unlisted_recipient") {
		c.add(Warning, "smtpd_reject_unlisted_recipient is no: unknown addresses may be taken, and bounce.",
			c.site.postconf("-e", "smtpd_reject_unlisted_recipient = yes")+"; "+c.site.program("postfix", "reload"))
	}
	if c.values["enable_long_queue_ids"] == "no" {
		c.add(Warning, "enable_long_queue_ids is no: short queue ids are used again soon, and a report could be taken for one on another mail.", c.mend("enable_long_queue_ids", ""))
	}
	for _, s := range c.services {
		if s.command != "smtpd" {
			continue
		}
		if s.options["smtpd_forbid_bare_newline"] == "no" {
			c.add(Error, fmt.Sprintf("The service %s has smtpd_forbid_bare_newline=no in master.cf.", s.name),
				c.site.postconf("-PX", s.path()+"/smtpd_forbid_bare_newline")+"; "+c.site.program("postfix", "reload"))
		}
		c.relaying(s)
		c.jailed(s)
	}
	if c.site.StaffLogins {
		c.staffLogins()
	}
	c.everybody()
}

func (c *checker) staffLogins() {
	for _, change := range c.plan.Changes {
		if change.Name == "smtpd_sasl_authenticated_header" {
			mend := c.mend(change.Name, c.site.postconf("-P", change.Service+"/"+change.Name+"=yes")+"; "+c.site.program("postfix", "reload"))
			c.add(Error, "smtpd_sasl_authenticated_header is no: the agent does not see which member of staff has logged in, and holds their answers.", mend)
		}
	}
}

// relaying looks at the order of what decides who may send where (SMTPD_ACCESS_README).
func (c *checker) relaying(s service) {
	list := splitList(c.value(s, "smtpd_relay_restrictions"))
	name := "smtpd_relay_restrictions"
	if len(list) == 0 {
		list, name = splitList(c.value(s, "smtpd_recipient_restrictions")), "smtpd_recipient_restrictions"
	}
	strict := func(word string) bool {
		return slices.Contains([]string{"reject_unauth_destination", "defer_unauth_destination", "reject", "defer", "defer_if_permit"}, word)
	}
	closed := slices.IndexFunc(list, strict)
	login := slices.Index(list, "permit_sasl_authenticated")
	submission, isSubmission := c.submission()
	isSubmission = isSubmission && submission.path() == s.path()
	mend := "Write first whom you permit by login or network, then reject_unauth_destination, then the rest of " + name + "."
	switch {
	case closed < 0:
		c.add(Error, fmt.Sprintf("%s of the service %s has no reject_unauth_destination: Postfix answers all mail with 451.", name, s.name), mend)
	case slices.Contains(list[:closed], "permit"):
		c.add(Error, fmt.Sprintf("%s of the service %s has permit before reject_unauth_destination: everybody may send through this Postfix.", name, s.name), mend)
	case isSubmission && c.site.SubmissionUser != "" && (login < 0 || login > closed):
		c.add(Error, fmt.Sprintf("%s of the service %s has no permit_sasl_authenticated before %s: the desk's answers are refused (554 5.7.1).", name, s.name, list[closed]), mend)
	case !isSubmission && c.takesStrangers(s) && (list[closed] == "reject" || list[closed] == "defer"):
		c.add(Error, fmt.Sprintf("%s of the service %s refuses everybody but its own: customers cannot write.", name, s.name), mend)
	}
}

// door is the service that takes mail from the world, behind postscreen(8) or not.
func (c *instance) door() (service, bool) {
	submission, _ := c.submission()
	best, found := service{}, false
	for _, s := range c.services {
		if s.kind != "inet" || s.command != "smtpd" && s.command != "postscreen" || s.path() == submission.path() ||
			c.value(s, "smtpd_sasl_auth_enable") == "yes" && s.command == "smtpd" && portOf(s.name) != "25" || c.value(s, "smtpd_tls_wrappermode") == "yes" {
			continue
		}
		if !found || portOf(s.name) == "25" {
			best, found = s, true
		}
	}
	return best, found
}

// takesStrangers says whether a service is for mail from the world.
func (c *checker) takesStrangers(s service) bool {
	door, ok := c.door()
	return ok && door.path() == s.path() || s.kind == "pass"
}

// jailed: a chrooted smtpd sees no socket outside of the queue directory; proxymap(8) does.
func (c *checker) jailed(s service) {
	if !c.chrooted(s) {
		return
	}
	for _, name := range append(restrictionLists(), "transport_maps", "relay_recipient_maps", "virtual_mailbox_maps", "local_recipient_maps", "virtual_alias_maps") {
		for _, item := range splitList(c.value(s, name)) {
			if socket, ok := strings.CutPrefix(item, "socketmap:unix:"); ok && strings.HasPrefix(socket, "/") {
				c.add(Error, fmt.Sprintf("%s asks %s, but the service %s is chrooted in %s and does not see it: mail is deferred (451).", name, item, s.name, c.values["queue_directory"]),
					c.site.postconf("-e", name+" = "+strings.Replace(c.raw[name], item, "proxy:"+item, 1))+"; "+c.site.program("postfix", "reload"))
			}
		}
	}
}

// everybody: permit_mynetworks with the whole world in it.
func (c *checker) everybody() {
	for _, network := range splitList(c.values["mynetworks"]) {
		p, err := netip.ParsePrefix(strings.NewReplacer("[", "", "]", "").Replace(network))
		if err == nil && p.Bits() < 8 {
			c.add(Error, fmt.Sprintf("mynetworks has %s: the whole world may send through this Postfix, by the desk's addresses too.", network), "Take it out of mynetworks.")
		}
	}
}
