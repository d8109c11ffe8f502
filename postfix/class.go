package postfix

import (
	"os"
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
func (c *instance) classOf(domain string) (class, bool) {
	for _, k := range classes() {
		if c.listed(k.domains, domain) {
			return k, true
		}
	}
	return class{}, false
}

// listed is a match list of Postfix: names, "!name", "/file", "type:table".
func (c *instance) listed(parameter, domain string) bool {
	parents := slices.Contains(splitList(c.values["parent_domain_matches_subdomains"]), parameter)
	return c.match(splitList(c.values[parameter]), domain, parents)
}

func (c *instance) match(list []string, domain string, parents bool) bool {
	for _, item := range list {
		item, not := strings.CutPrefix(item, "!")
		if !strings.ContainsAny(item, ":/") {
			item = strings.ToLower(item)
		}
		if c.matchItem(item, domain, parents) {
			return !not
		}
	}
	return false
}

func (c *instance) matchItem(item, domain string, parents bool) bool {
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

// route is where mail for an address goes: by its entry, by that of its domain or of one
// above it, or as its class has it.
func (c *instance) route(address string) string {
	domain := address[strings.LastIndexByte(address, '@')+1:]
	keys := append(c.keys(address), domain)
	for rest := domain; ; {
		_, above, ok := strings.Cut(rest, ".")
		if !ok {
			break
		}
		keys, rest = append(keys, "."+above), above
	}
	for _, key := range append(keys, "*") {
		if key[0] == '@' {
			continue // no key of transport(5)
		}
		for _, table := range splitList(c.values["transport_maps"]) {
			if got := c.lookup(table, key); got != "" {
				return got
			}
		}
	}
	k, _ := c.classOf(domain)
	return c.values[k.transport]
}

// others says whether a class has domains that are not the desk's.
func (c *instance) others(k class) bool {
	return slices.ContainsFunc(splitList(c.values[k.domains]), func(item string) bool {
		return !strings.HasPrefix(item, "!") && !slices.Contains(c.site.OwnDomains, strings.ToLower(item))
	})
}

// onlyOurs says that the map of who exists in a class has the desk's addresses alone, so
// that everybody else is refused.
func (c *instance) onlyOurs(k class) bool {
	maps := splitList(c.values[k.recipients])
	return len(maps) == 1 && inMaps(maps[0], c.site.recipientMap())
}
