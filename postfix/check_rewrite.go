package postfix

import (
	"fmt"
	"slices"
	"strings"
)

// stranger is somebody outside, whose address must arrive as it was written.
const stranger = "someone@customer.example"

// rewriting looks for what changes addresses, or copies mail, on its way to the desk and
// from it.
func (c *checker) rewriting() {
	if why := c.aliased(); why != "" {
		c.add(Error, why+": the desk does not get it.", c.mend("virtual_alias_maps", "Put "+c.site.aliasMap()+" first in virtual_alias_maps."))
	}
	if strings.Contains(c.values["recipient_delimiter"], "-") {
		c.add(Note, "recipient_delimiter has a \"-\": a map that has support@ would take SUPPORT-7102 too. The desk's own tables know whole addresses, which are looked up first.",
			"Nothing, as long as no finding names such a map.")
	}
	for _, name := range []string{"canonical_maps", "recipient_canonical_maps", "lmtp_generic_maps"} {
		c.rewritten(name, c.site.Samples, "the desk gets another address than was written to")
	}
	for _, name := range []string{"canonical_maps", "sender_canonical_maps", "smtp_generic_maps"} {
		c.rewritten(name, c.site.Senders, "answers leave with another address, and what comes back to it is lost")
	}
	c.rewritten("lmtp_generic_maps", []string{stranger}, "the desk does not see who wrote")
	c.strangers()
	c.masquerade()
	c.copies()
	c.filters()
}

func (c *checker) rewritten(name string, addresses []string, so string) {
	c.learn(c.values[name], addresses)
	for _, a := range addresses {
		if got, table := c.find(c.values[name], a); got != "" && !strings.EqualFold(got, a) {
			c.add(Error, fmt.Sprintf("%s makes %s of %s: %s.", name, got, a, so), fmt.Sprintf("Take the entry out of %s, or put before it one that maps the desk's addresses to themselves.", table))
			return
		}
	}
}

// strangers looks for SRS and other maps that change who wrote a mail.
func (c *checker) strangers() {
	for _, name := range []string{"sender_canonical_maps", "canonical_maps"} {
		got, table := c.find(c.values[name], stranger)
		if got == "" || strings.EqualFold(got, stranger) {
			continue
		}
		classes := "canonical_classes"
		if name == "sender_canonical_maps" {
			classes = "sender_canonical_classes"
		}
		if slices.Contains(splitList(c.values[classes]), "header_sender") {
			c.add(Error, fmt.Sprintf("%s makes %s of %s, in From too: DKIM signatures fail, and the desk does not see who wrote.", name, got, stranger),
				c.site.postconf("-e", classes+" = envelope_sender")+"; "+c.site.program("postfix", "reload"))
			continue
		}
		c.add(Note, fmt.Sprintf("%s makes %s of %s by %s, in the envelope alone: with trust.border SPF is looked up for the wrong domain.", name, got, stranger, table),
			"SRS is for mail that is forwarded: where it can, let it leave the desk's mail alone.")
	}
}

// masquerade: a desk at support.example.com loses its subdomain.
func (c *checker) masquerade() {
	for _, d := range slices.Concat(c.site.OwnDomains, c.site.SharedDomains) {
		for _, m := range splitList(strings.ToLower(c.values["masquerade_domains"])) {
			m, not := strings.CutPrefix(m, "!")
			if d != m && !strings.HasSuffix(d, "."+m) {
				continue
			}
			if !not && d != m {
				c.add(Error, fmt.Sprintf("masquerade_domains makes %s of %s: answers come from there, and what comes back is lost.", m, d),
					c.site.postconf("-e", "masquerade_domains = "+joinList("!"+d, c.raw["masquerade_domains"]))+"; "+c.site.program("postfix", "reload"))
			}
			break
		}
	}
}

// copies looks for blind copies: into the desk they open tickets of their own.
func (c *checker) copies() {
	type copy struct{ name, to, of string }
	all := []copy{{"always_bcc", c.values["always_bcc"], "all mail"}}
	for _, a := range c.site.Senders {
		to, _ := c.find(c.values["sender_bcc_maps"], a)
		all = append(all, copy{"sender_bcc_maps", to, "the desk's answers"})
	}
	for _, a := range c.site.Samples {
		to, _ := c.find(c.values["recipient_bcc_maps"], a)
		all = append(all, copy{"recipient_bcc_maps", to, "mail to the desk"})
	}
	for _, b := range all {
		switch {
		case b.to == "":
		case c.route(b.to) == c.site.transport():
			c.add(Error, fmt.Sprintf("%s sends a copy of %s to %s, which is the desk: each opens a ticket.", b.name, b.of, b.to), "Send the copies elsewhere, or take the entry out of "+b.name+".")
		default:
			c.add(Note, fmt.Sprintf("%s sends a copy of %s to %s: who reads there can take part in tickets.", b.name, b.of, b.to), "Nothing, where that is meant.")
		}
	}
}

// filters: a content filter takes mail out and puts it back through another smtpd.
func (c *checker) filters() {
	all := []string{c.values["content_filter"]}
	for _, s := range c.services {
		if s.command == "smtpd" || s.command == "pickup" {
			all = append(all, s.options["content_filter"])
		}
	}
	slices.Sort(all)
	for _, filter := range slices.Compact(all) {
		switch {
		case filter == "":
		case c.site.trustsFields():
			c.add(Warning, fmt.Sprintf("content_filter (%s) puts mail back with a Received field of its own on top: what [trust] believes stands below that, and counts for nothing.", filter),
				"Use a milter in its place; or let [trust] believe nothing, and see with \"postdesk inspect\" that signatures are whole.")
		default:
			c.add(Note, fmt.Sprintf("content_filter (%s) sees all mail before the desk: a footer or a new encoding breaks DKIM signatures.", filter),
				"See with \"postdesk inspect\" that the signatures of mail that came through are whole.")
		}
	}
}
