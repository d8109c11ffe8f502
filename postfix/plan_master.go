package postfix

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
)

// transport is the entry in master.cf by which Postfix hands mail to the agent. What the
// site has added to it stays.
func (p *planner) transport() {
	s, there := p.delivery()
	options := map[string]string{}
	maps.Copy(options, s.raw)
	right := there && s.command == "lmtp" && !(p.chrooted(s) && strings.HasPrefix(p.site.unixSocket(), "/"))
	for _, o := range transportOptions() {
		if !there || !o.good(p.value(s, o.name)) {
			options[o.name] = o.better(options[o.name])
			right = false
		}
	}
	if right {
		return
	}
	line := transportEntry
	for _, o := range transportOptions() {
		if v, ok := options[o.name]; ok {
			line += " -o " + o.name + "=" + v
			delete(options, o.name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(options)) {
		if name != transportName+"_destination_recipient_limit" { // it does nothing there
			line += " -o {" + name + "=" + options[name] + "}"
		}
	}
	p.plan.Entry = line
}

// submission is the service in master.cf to which the agent submits; none where it
// submits to another machine.
func (c *instance) submission() (service, bool) {
	if path, unix := strings.CutPrefix(c.site.SubmissionServer, "unix:"); unix {
		i := slices.IndexFunc(c.services, func(s service) bool {
			return s.kind == "unix" && s.command == "smtpd" && strings.HasSuffix(path, "/"+s.name)
		})
		if i < 0 {
			return service{}, false
		}
		return c.services[i], true
	}
	_, port, err := net.SplitHostPort(c.site.SubmissionServer)
	if err != nil {
		return service{}, false
	}
	for _, s := range c.services {
		if s.kind == "inet" && s.command == "smtpd" && portOf(s.name) == port {
			return s, true
		}
	}
	return service{}, false
}

// portOf is the number of a service like "submission", "127.0.0.1:587" or "[::1]:smtp".
func portOf(name string) string {
	name = name[strings.LastIndexByte(name, ':')+1:]
	if n, err := net.LookupPort("tcp", name); err == nil {
		return strconv.Itoa(n)
	}
	return name
}

// loginMaps is a parameter of the site, for a list that postconf(1) cannot write into
// master.cf: one with white space in braces.
const loginMaps = "postdesk_sender_login_maps"

// senders lets the desk's login send by the desk's addresses, where logins are kept to theirs.
func (p *planner) senders() {
	p.staffLogins()
	s, ok := p.submission()
	if !ok || p.site.SubmissionUser == "" || !p.keepsLogins(s) || p.mayAll(s) || inMaps(p.value(s, "smtpd_sender_login_maps"), p.site.senderMap()) {
		return
	}
	const name, why = "smtpd_sender_login_maps", "The desk's login may send by ticket addresses, and by those to which delivery reports return."
	if _, own := s.options[name]; !own {
		p.last(name, p.site.senderMap(), why)
		return
	}
	if ref, ok := strings.CutPrefix(s.raw[name], "$"); ok && p.isSet(ref) {
		p.last(ref, p.site.senderMap(), why)
		return
	}
	list := append(splitList(s.raw[name]), p.site.senderMap())
	if slices.ContainsFunc(list, func(item string) bool { return strings.ContainsAny(item, " \t,") }) {
		p.change("", loginMaps, joinList(list...), why)
		list = []string{"$" + loginMaps}
	}
	p.change(s.path(), name, strings.Join(list, ","), why)
}

// account tells of the login by which the desk submits: it is made where the passwords are.
func (p *planner) account() {
	s, ok := p.submission()
	user, server := p.site.SubmissionUser, p.site.SubmissionServer
	switch {
	case server == "":
	case !ok:
		p.note("The submission account: nothing in this master.cf listens at %s, where answers go out. Enable the submission service, or see that it is another machine's.", server)
	case user == "":
	case p.value(s, "smtpd_sasl_auth_enable") != "yes":
		p.note("The submission account: the service %s takes no logins. It needs smtpd_sasl_auth_enable=yes and TLS.", s.name)
	case p.value(s, "smtpd_sasl_type") == "dovecot":
		p.note("The submission account: %s, whose password is in password_file, must be a user of Dovecot, which the service %s asks (%s).", user, s.name, p.value(s, "smtpd_sasl_path"))
	default:
		name, realm, _ := strings.Cut(user, "@")
		if realm == "" {
			realm = p.value(s, "smtpd_sasl_local_domain")
		}
		p.note("The submission account: %s, whose password is in password_file, must be known to Cyrus SASL; where that has a sasldb: saslpasswd2 -c -u %s %s", user, Quote(realm), Quote(name))
	}
}

func (p *planner) note(format string, args ...any) {
	p.plan.Notes = append(p.plan.Notes, fmt.Sprintf(format, args...))
}

// keepsLogins says whether a service keeps each login to its own sender addresses.
func (c *instance) keepsLogins(s service) bool {
	for _, name := range restrictionLists() {
		for _, word := range splitList(c.value(s, name)) {
			switch word {
			case "reject_sender_login_mismatch", "reject_authenticated_sender_login_mismatch", "reject_known_sender_login_mismatch":
				return true
			}
		}
	}
	return false
}

func restrictionLists() []string {
	return []string{"smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions", "smtpd_relay_restrictions", "smtpd_recipient_restrictions"}
}

// mayAll says whether the desk's login owns all addresses by which the desk sends.
func (c *instance) mayAll(s service) bool {
	maps := c.value(s, "smtpd_sender_login_maps")
	c.learn(maps, c.site.Senders)
	for _, a := range c.site.Senders {
		owners, _ := c.find(maps, a)
		if !slices.Contains(splitList(owners), c.site.SubmissionUser) {
			return false
		}
	}
	return true
}

// staffLogins lets the agent know which member of staff has logged in and sent a mail.
func (p *planner) staffLogins() {
	const name = "smtpd_sasl_authenticated_header"
	if !p.site.StaffLogins {
		return
	}
	const why = "Staff answer by mail: the Received field then tells the agent who has logged in (it tells others too)."
	for _, s := range p.services {
		if s.command != "smtpd" || p.value(s, "smtpd_sasl_auth_enable") != "yes" || p.value(s, name) == "yes" {
			continue
		}
		if _, own := s.options[name]; own {
			p.change(s.path(), name, "yes", why)
		} else {
			p.change("", name, "yes", why)
		}
	}
}
