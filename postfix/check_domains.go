package postfix

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// class is an address class of Postfix: by its domains, who exists in it, and where
// its mail goes unless transport_maps says otherwise.
type class struct{ name, domains, recipients, transport string }

// classes are in the order in which Postfix looks.
func classes() []class {
	return []class{
		{"local", "mydestination", "local_recipient_maps", "local_transport"},
		{"virtual alias", "virtual_alias_domains", "virtual_alias_maps", ""},
		{"virtual mailbox", "virtual_mailbox_domains", "virtual_mailbox_maps", "virtual_transport"},
		{"relay", "relay_domains", "relay_recipient_maps", "relay_transport"},
	}
}

// classOf finds the class of a domain.
func (c *checker) classOf(domain string) (class, bool) {
	for _, k := range classes() {
		if c.listed(k.domains, domain) {
			return k, true
		}
	}
	return class{}, false
}

// listed is a match list of Postfix: names, "!name", "/file", "type:table".
func (c *checker) listed(parameter, domain string) bool {
	parents := slices.Contains(splitList(c.values["parent_domain_matches_subdomains"]), parameter)
	return c.match(splitList(c.values[parameter]), domain, parents)
}

func (c *checker) match(list []string, domain string, parents bool) bool {
	for _, item := range list {
		item, not := strings.CutPrefix(item, "!")
		if c.matchItem(strings.ToLower(item), domain, parents) {
			return !not
		}
	}
	return false
}

func (c *checker) matchItem(item, domain string, parents bool) bool {
	if strings.HasPrefix(item, "/") {
		text, err := os.ReadFile(item)
		return err == nil && c.match(splitList(strings.ReplaceAll(entries(string(text)), "\n", " ")), domain, parents)
	}
	if strings.Contains(item, ":") {
		for name := domain; name != ""; _, name, _ = strings.Cut(name, ".") {
			if c.lookup(item, name) != "" {
				return true
			}
			if !parents {
				break
			}
		}
		return false
	}
	return item == domain || parents && strings.HasSuffix(domain, "."+item) || strings.HasPrefix(item, ".") && strings.HasSuffix(domain, item)
}

// lookup asks one table; what it does not have, or cannot be asked, is empty.
func (c *checker) lookup(table, key string) string {
	out, err := c.ask("postmap", "-q", key, table)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}

// domains looks at the class of each domain and at the table of who exists there.
func (c *checker) domains() {
	for _, d := range c.site.OwnDomains {
		c.domain(d, true)
	}
	for _, d := range c.site.SharedDomains {
		c.domain(d, false)
	}
	for _, p := range c.site.single() {
		if !inDomains(p, c.site.SharedDomains) {
			c.add(Error, fmt.Sprintf("The addresses %s are in a domain that is called neither own nor shared.", p), "Name the domain in postdesk's configuration.")
		}
	}
}

func (c *checker) domain(domain string, own bool) {
	k, ok := c.classOf(domain)
	switch {
	case !ok && own:
		c.add(Error, domain+" is in no address class: Postfix refuses its mail (554 5.7.1).", c.append("relay_domains", domain))
	case !ok:
		c.add(Error, domain+" is in no address class, though it shall have mailboxes elsewhere: Postfix refuses its mail (554 5.7.1).",
			"Call it one of the desk's own domains, or run the desk at the Postfix that is responsible for it.")
	case k.name == "virtual alias":
		c.add(Error, domain+" is in virtual_alias_domains, where no address is delivered to.",
			"Take it out there, and: "+c.append("relay_domains", domain))
	case own && k.name != "relay":
		c.add(Warning, fmt.Sprintf("%s is the desk's own domain but stands in %s: other maps and aliases may take its mail.", domain, k.domains),
			"Take it out there, and: "+c.append("relay_domains", domain))
		c.recipients(domain, k, own)
	default:
		c.recipients(domain, k, own)
	}
}

// recipients looks whether the class knows our addresses, and only them.
func (c *checker) recipients(domain string, k class, own bool) {
	maps := c.values[k.recipients]
	switch {
	case strings.TrimSpace(maps) == "" && own:
		c.add(Error, k.recipients+" is empty: Postfix takes mail for every address of "+domain+" and must send back what the desk refuses.",
			c.append(k.recipients, c.site.recipientMap()+c.otherDomains(k)))
	case strings.TrimSpace(maps) == "": // all is taken, ours with it, as the site wants
	case !c.inMaps(maps, c.site.recipientMap()):
		c.add(Error, k.recipients+" lacks the desk's table: its addresses in "+domain+" are refused as unknown (550 5.1.1).",
			c.append(k.recipients, c.site.recipientMap()))
	case len(splitList(maps)) == 1 && c.otherDomains(k) != "":
		c.add(Error, k.recipients+" names the desk's table alone: other domains of "+k.domains+" are refused as unknown.",
			c.append(k.recipients, strings.TrimPrefix(c.otherDomains(k), ", ")))
	}
}

// otherDomains is a map that takes every address of the other domains of a class.
func (c *checker) otherDomains(k class) string {
	var out []string
	for _, item := range splitList(c.values[k.domains]) {
		if strings.HasPrefix(item, "!") || slices.Contains(c.site.OwnDomains, item) || slices.Contains(c.site.SharedDomains, item) {
			continue
		}
		if strings.ContainsAny(item, ":/") {
			item = "DOMAIN"
		}
		out = append(out, "@"+item+"=OK")
	}
	if len(out) == 0 {
		return ""
	}
	return ", inline:{ " + strings.Join(out, ", ") + " }"
}

// routes looks whether the mail goes to the agent.
func (c *checker) routes() {
	maps := c.values["transport_maps"]
	if c.inMaps(maps, c.site.transportMap()) {
		if splitList(maps)[0] != c.site.transportMap() {
			c.add(Warning, "transport_maps has other tables before the desk's: an entry there may take its mail.",
				fmt.Sprintf("Put %s first in transport_maps.", c.site.transportMap()))
		}
		return
	}
	mend := fmt.Sprintf("postconf -e 'transport_maps = %s'", joinList(c.site.transportMap(), maps))
	for _, d := range c.site.OwnDomains {
		if got := c.route(d); got != c.site.transport() {
			c.add(Error, fmt.Sprintf("Mail for %s goes to %q, not to %s.", d, got, c.site.transport()), mend)
		}
	}
	if single := c.site.single(); len(single) > 0 {
		c.add(Error, fmt.Sprintf("transport_maps lacks the desk's table: its addresses in %s do not reach it.", strings.Join(c.site.SharedDomains, ", ")), mend)
	}
}

// route is where mail for a domain goes.
func (c *checker) route(domain string) string {
	for _, table := range splitList(c.values["transport_maps"]) {
		if got := c.lookup(table, domain); got != "" {
			return got
		}
	}
	k, _ := c.classOf(domain)
	return c.values[k.transport]
}

// inMaps finds a table in a list of maps, also behind proxy:, under another name of
// the same file.
func (c *checker) inMaps(maps, table string) bool {
	for _, m := range splitList(maps) {
		kind, file, _ := strings.Cut(strings.TrimPrefix(m, "proxy:"), ":")
		if kind+":"+filepath.Clean(file) == table {
			return true
		}
	}
	return false
}

// append is the command that adds to a list of the site.
func (c *checker) append(parameter, item string) string {
	return fmt.Sprintf("postconf -e '%s = %s'", parameter, joinList(c.values[parameter], item))
}

func joinList(items ...string) string {
	return strings.Join(slices.DeleteFunc(items, func(s string) bool { return strings.TrimSpace(s) == "" }), ", ")
}

// splitList splits at commas and white space, but not within braces ("inline:{ a=b, c=d }").
func splitList(s string) []string {
	depth := 0
	return strings.FieldsFunc(s, func(r rune) bool {
		switch r {
		case '{':
			depth++
		case '}':
			depth--
		}
		return depth == 0 && isListSpace(r)
	})
}
