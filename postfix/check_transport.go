package postfix

import (
	"fmt"
	"strings"
)

// transport looks at the entry in master.cf.
func (c *checker) transport() {
	write := c.site.postconf("-M", transportName+"/unix="+c.plan.Entry) + "; " + c.site.program("postfix", "reload")
	s, ok := c.delivery()
	if !ok {
		c.add(Error, "master.cf has no transport "+transportName+".", write)
		return
	}
	if s.command != "lmtp" {
		c.add(Error, fmt.Sprintf("The transport %s in master.cf runs %s, not lmtp.", transportName, s.command), write)
		return
	}
	c.transportOptions(s)
	if c.chrooted(s) && strings.HasPrefix(c.site.unixSocket(), "/") {
		c.add(Error, fmt.Sprintf("The transport is chrooted in %s and cannot reach %s.", c.values["queue_directory"], c.site.unixSocket()),
			c.site.postconf("-F", transportName+"/unix/chroot=n")+"; "+c.site.program("postfix", "reload"))
	}
	const limit = transportName + "_destination_recipient_limit"
	if _, there := s.options[limit]; there {
		c.add(Warning, limit+" stands in master.cf, where the queue manager does not see it.",
			c.site.postconf("-PX", transportName+"/unix/"+limit)+"; "+c.site.postconf("-e", limit+" = 50"))
	}
	if v := c.limit(limit); v == "1" {
		c.add(Warning, limit+" is 1: a mail to two addresses of the desk is delivered twice.", c.site.postconf("-e", limit+" = 50"))
	}
}

// limit is a parameter of the transport, which postconf(1) knows when master.cf names it.
func (c *checker) limit(name string) string {
	if v, ok := c.values[name]; ok && v != "" {
		return v
	}
	return c.values["default"+strings.TrimPrefix(name, transportName)]
}

func (c *checker) transportOptions(s service) {
	for _, o := range transportOptions() {
		v := c.value(s, o.name)
		if o.good(v) {
			continue
		}
		what, severity := "", Warning
		switch o.name {
		case "lmtp_line_length_limit":
			severity, what = Error, " is "+v+": longer lines are broken up, and their DKIM signatures fail."
		case "disable_mime_output_conversion":
			severity, what = Error, " is "+v+": mail may be converted, and its DKIM signature fails."
		case "lmtp_discard_lhlo_keywords":
			what = " does not name dsn: the agent does not offer it, and is not to be asked."
		default:
			what = " is " + v + ": Postfix gives up while the agent still writes, and delivers again."
		}
		c.add(severity, o.name+what, c.site.postconf("-P", fmt.Sprintf("%s/unix/%s=%s", transportName, o.name, o.better(s.options[o.name]))))
	}
}
