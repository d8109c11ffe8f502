package postfix

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Change is one parameter that the desk needs to be otherwise than it is.
type Change struct {
	Service string // of master.cf, as "submission/inet"; empty: main.cf
	Name    string
	Before  string // as written, empty also where main.cf does not name it
	After   string
	Why     string
	IsSet   bool // the file names it today
}

// File is a table of the desk that is not on the disk as it should be.
type File struct {
	What, Path, Text string // What: as "postdesk postfix print" names it
	InUse            bool   // today
}

// Plan is what a site's Postfix lacks for the desk. What the site has stays: the desk is
// added to its lists.
type Plan struct {
	Decide  []Finding // what only a person can decide; then there is no more
	Notes   []string  // what is good to know
	Changes []Change
	Entry   string // the line of the transport in master.cf, when it must be written
	Files   []File

	instance *instance
}

// NewPlan compares a Postfix with what the desk needs. An error says that Postfix could
// not be asked.
func NewPlan(ctx context.Context, run Run, s Site) (Plan, error) {
	in := newInstance(ctx, run, s)
	if err := in.load(); err != nil {
		return Plan{}, fmt.Errorf("postfix cannot be asked: %w", err)
	}
	return newPlan(in), nil
}

func newPlan(in *instance) Plan {
	p := &planner{instance: in, plan: Plan{instance: in}}
	p.learn(p.values["transport_maps"], p.site.Samples)
	if p.decide(); len(p.plan.Decide) > 0 {
		return p.plan
	}
	p.transport()
	p.routes()
	p.domains()
	p.aliases()
	p.senders()
	p.account()
	p.arrival()
	p.files()
	return p.plan
}

type planner struct {
	*instance
	plan Plan
}

// decide finds where the desk would take the mail of others: it must not guess.
func (p *planner) decide() {
	add := func(what, mend string) {
		p.plan.Decide = append(p.plan.Decide, Finding{Severity: Error, What: what, Mend: mend})
	}
	for _, d := range p.site.OwnDomains {
		k, ok := p.classOf(d)
		if !ok || k.transport != "" && inMaps(p.values[k.recipients], p.site.recipientMap()) {
			continue // nobody's yet, or the desk's
		}
		if k.name == "relay" && !p.match(splitList(p.values[k.domains]), d, false) {
			p.note("%s is relayed today as a subdomain of what stands in relay_domains; from now on its mail is the desk's.", d)
		} else if k.transport == "" {
			add(d+" stands in virtual_alias_domains, where Postfix delivers nothing.", "Take it out there: the desk needs it in relay_domains.")
		} else if got := p.route("postdesk-finds-no-such@" + d); got != p.site.transport() {
			add(fmt.Sprintf("%s stands in %s, and its mail goes to %q today.", d, k.domains, got),
				"If it has mailboxes there: shared_domains = [\""+d+"\"] in postdesk's configuration. If the whole domain is to be the desk's: take it out of "+k.domains+" first.")
		}
	}
	for _, d := range p.site.SharedDomains {
		switch k, ok := p.classOf(d); {
		case !ok:
			add(d+" is one of shared_domains, but this Postfix is not responsible for it: it stands in no address class.",
				"If it has no mailboxes: take it out of shared_domains. Otherwise run the desk at the Postfix that delivers its mail.")
		case k.transport == "":
			add(d+" stands in virtual_alias_domains, where Postfix delivers nothing.",
				"Give the desk a domain of its own, and let the addresses in "+d+" be aliases to it (virtual_alias_maps).")
		}
	}
	for _, pattern := range p.site.single() {
		if !inDomains(pattern, p.site.SharedDomains) {
			add(fmt.Sprintf("The addresses %s are in a domain that is called neither own nor shared.", pattern), "Name the domain in shared_domains of postdesk's configuration.")
		}
	}
}

// change notes what a parameter shall be, over what was noted before.
func (p *planner) change(path, name, after, why string) {
	for i := range p.plan.Changes {
		if c := &p.plan.Changes[i]; c.Service == path && c.Name == name {
			if c.After = after; !strings.Contains(c.Why, why) {
				c.Why += "\n" + why
			}
			return
		}
	}
	c := Change{Service: path, Name: name, After: after, Why: why}
	if path == "" {
		c.Before, c.IsSet = p.raw[name], p.isSet(name)
	} else {
		i := slices.IndexFunc(p.services, func(s service) bool { return s.path() == path })
		c.Before, c.IsSet = p.services[i].raw[name]
	}
	p.plan.Changes = append(p.plan.Changes, c)
}

// current is what a parameter of main.cf will be, as written: without what expands to nothing.
func (p *planner) current(name string) string {
	for _, c := range p.plan.Changes {
		if c.Service == "" && c.Name == name {
			return c.After
		}
	}
	if strings.TrimSpace(p.values[name]) == "" {
		return ""
	}
	return p.raw[name]
}

// has says whether a list has an item, or will have it.
func (p *planner) has(name, item string) bool {
	both := p.values[name] + ", " + p.current(name)
	return slices.Contains(splitList(both), item) || inMaps(both, item)
}

// last adds to the end of a list of the site.
func (p *planner) last(name, item, why string) {
	if !p.has(name, item) {
		p.change("", name, joinList(p.current(name), item), why)
	}
}

// first adds to the beginning of a list, where the first that fits counts.
func (p *planner) first(name, item, why string) {
	if !p.has(name, item) {
		p.change("", name, joinList(item, p.current(name)), why)
	}
}

// routes sends the desk's mail to the agent.
func (p *planner) routes() {
	wanted := len(p.site.single()) > 0
	for _, d := range p.site.OwnDomains {
		wanted = wanted || p.route("postdesk-finds-no-such@"+d) != p.site.transport()
	}
	if wanted {
		p.first("transport_maps", p.site.transportMap(), "Which mail goes to the agent: "+p.what()+", and no other.")
	}
}

// what names the desk's mail.
func (p *planner) what() string {
	var parts []string
	if len(p.site.OwnDomains) > 0 {
		parts = append(parts, "all for "+strings.Join(p.site.OwnDomains, ", "))
	}
	if len(p.site.SharedDomains) > 0 {
		parts = append(parts, "the desk's addresses in "+strings.Join(p.site.SharedDomains, ", "))
	}
	return strings.Join(parts, ", and ")
}

// domains puts the desk's domains into a class, and its addresses into the map of who
// exists there.
func (p *planner) domains() {
	for _, d := range p.site.OwnDomains {
		k, ok := p.classOf(d)
		if !ok {
			k = classes()[len(classes())-1]
			p.last(k.domains, d, "The class of the desk's domain; in none, its mail is refused (554 5.7.1).")
		}
		p.recipients(d, k, true)
	}
	for _, d := range p.site.SharedDomains {
		k, _ := p.classOf(d)
		p.recipients(d, k, false)
	}
}

func (p *planner) recipients(domain string, k class, own bool) {
	const known = "Who exists in %s: the desk's addresses, so that port 25 takes them and refuses the others."
	switch all := strings.TrimSpace(p.values[k.recipients]) == ""; {
	case all && !own: // everything is taken already, as the site wants
	case own && p.others(k) && (all || p.onlyOurs(k)):
		p.last(k.recipients, p.site.recipientMap(), fmt.Sprintf(known, domain))
		p.last(k.recipients, p.site.otherMap(), "It was empty, which takes every address of the other domains of "+k.domains+": that goes on.")
	default:
		p.last(k.recipients, p.site.recipientMap(), fmt.Sprintf(known, domain))
	}
}

// aliases keeps the site's aliases away from the desk's addresses: a catch-all, an alias
// that an address had until now, or one for SUPPORT where recipient_delimiter has a "-".
func (p *planner) aliases() {
	const maps = "virtual_alias_maps"
	if why := p.aliased(); why != "" {
		p.first(maps, p.site.aliasMap(), "The desk's addresses stay what they are: "+why+" until now.")
	}
}

// aliased says which alias would take a mail of the desk, empty when none does.
func (c *instance) aliased() string {
	const maps = "virtual_alias_maps"
	c.learn(c.values[maps], c.site.Samples)
	for _, a := range c.site.Samples {
		if got, table := c.find(c.values[maps], a); got != "" && !strings.EqualFold(got, a) {
			return fmt.Sprintf("%s goes to %s by %s", a, got, table)
		}
	}
	return ""
}

// arrival is what port 25 should do for the desk's sake.
func (p *planner) arrival() {
	if p.values["smtpd_forbid_bare_newline"] == "no" {
		p.change("", "smtpd_forbid_bare_newline", "normalize",
			"Closes SMTP smuggling: a stranger could put a second mail, with an envelope of his own, into a first one.")
	}
	if p.values["enable_long_queue_ids"] == "no" {
		p.change("", "enable_long_queue_ids", "yes", "Short queue ids are used again soon: a report could be taken for one on another mail.")
	}
	if p.site.trustsFields() {
		p.first("header_checks", p.site.headerMap(), "Takes forged copies of the fields that [trust] believes out of mail that arrives.")
	}
	if size := p.number("message_size_limit"); p.site.MessageSizeLimit > 0 && (size == 0 || size+sizeSlack > p.site.MessageSizeLimit) {
		p.note("message_size_limit is %d here, for all mail, and stays: let lmtp.max_message_bytes be 0 (no limit) or at least %d in postdesk's configuration.", size, size+sizeSlack)
	}
}

func (p *planner) files() {
	type table struct{ what, path, item, text, parameters string }
	for _, t := range []table{
		{"recipients", p.site.TablePath, p.site.recipientMap(), RecipientTable(p.site), "local_recipient_maps virtual_mailbox_maps relay_recipient_maps"},
		{"others", p.site.OthersPath(), p.site.otherMap(), OtherTable(p.site), "local_recipient_maps virtual_mailbox_maps relay_recipient_maps"},
		{"transport", p.site.TransportPath(), p.site.transportMap(), TransportTable(p.site), "transport_maps"},
		{"aliases", p.site.AliasPath(), p.site.aliasMap(), AliasTable(p.site), "virtual_alias_maps"},
		{"senders", p.site.SenderPath(), p.site.senderMap(), SubmissionAccount(p.site), "smtpd_sender_login_maps " + loginMaps},
		{"headers", p.site.HeaderPath(), p.site.headerMap(), HeaderTable(p.site), "header_checks"},
	} {
		inUse, wanted := false, false
		for _, name := range strings.Fields(t.parameters) {
			inUse = inUse || p.uses(name, t.item)
			wanted = wanted || p.has(name, t.item) || p.willUse(name, t.item)
		}
		if (inUse || wanted) && stale(t.path, t.text) != "" {
			p.plan.Files = append(p.plan.Files, File{t.what, t.path, t.text, inUse})
		}
	}
}

// uses says whether a table stands anywhere today.
func (c *instance) uses(name, item string) bool {
	return inMaps(c.values[name], item) || slices.ContainsFunc(c.services, func(s service) bool { return inMaps(s.options[name], item) })
}

func (p *planner) willUse(name, item string) bool {
	return slices.ContainsFunc(p.plan.Changes, func(c Change) bool { return c.Name == name && inMaps(c.After, item) })
}
