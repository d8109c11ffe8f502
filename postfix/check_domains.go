package postfix

import (
	"fmt"
	"strings"
)

// domains looks at the class of each domain and at the table of who exists there.
func (c *checker) domains() {
	for _, d := range c.site.OwnDomains {
		k, ok := c.classOf(d)
		if !ok {
			c.add(Error, d+" is in no address class: Postfix refuses its mail (554 5.7.1).", c.mend("relay_domains", "Add it to relay_domains."))
			continue
		}
		c.domain(d, k, true)
	}
	for _, d := range c.site.SharedDomains {
		if k, ok := c.classOf(d); ok {
			c.domain(d, k, false)
		}
	}
}

func (c *checker) domain(domain string, k class, own bool) {
	c.recipients(domain, k, own)
	for _, other := range classes() {
		if other == k || !c.listed(other.domains, domain) {
			continue
		}
		out := other.domains
		if own && out == "relay_domains" {
			out = k.domains
		}
		c.add(Warning, fmt.Sprintf("%s stands in %s and in %s: the first counts, and Postfix warns at each mail.", domain, k.domains, other.domains), "Take it out of "+out+".")
	}
}

// recipients looks whether the class knows our addresses, and only them.
func (c *checker) recipients(domain string, k class, own bool) {
	maps := c.values[k.recipients]
	add := c.mend(k.recipients, "Add "+c.site.recipientMap()+" to "+k.recipients+".")
	switch {
	case strings.TrimSpace(maps) == "" && own:
		c.add(Error, k.recipients+" is empty: Postfix takes mail for every address of "+domain+" and must send back what the desk refuses.", add)
	case strings.TrimSpace(maps) == "": // all is taken, ours with it, as the site wants
	case !inMaps(maps, c.site.recipientMap()):
		c.add(Error, k.recipients+" lacks the desk's table: its addresses in "+domain+" are refused as unknown (550 5.1.1).", add)
	case own && c.onlyOurs(k) && c.others(k):
		c.add(Error, k.recipients+" names the desk's table alone: other domains of "+k.domains+" are refused as unknown.", add)
	}
}

// routes looks whether the mail goes to the agent.
func (c *checker) routes() {
	maps := c.values["transport_maps"]
	mend := c.mend("transport_maps", "Put "+c.site.transportMap()+" first in transport_maps.")
	for _, d := range c.site.OwnDomains {
		if got := c.route("postdesk-finds-no-such@" + d); got != "" && got != c.site.transport() { // "" is for the class
			c.add(Error, fmt.Sprintf("Mail for %s goes to %q, not to %s.", d, got, c.site.transport()), mend)
			return
		}
	}
	if len(c.site.single()) > 0 && !inMaps(maps, c.site.transportMap()) {
		c.add(Error, fmt.Sprintf("transport_maps lacks the desk's table: its addresses in %s do not reach it.", strings.Join(c.site.SharedDomains, ", ")), mend)
		return
	}
	for _, a := range c.site.Samples {
		if got := c.route(a); got != c.site.transport() {
			c.add(Error, fmt.Sprintf("Mail for %s goes to %q, not to %s: an earlier table of transport_maps takes it.", a, got, c.site.transport()), mend)
		}
	}
}
