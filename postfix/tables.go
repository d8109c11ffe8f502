package postfix

import (
	"fmt"
	"strings"
)

// RecipientTable is the regexp_table(5) of all addresses of the desk. By it Postfix
// refuses the others at port 25, without asking the agent, and goes on taking mail
// while the agent is down.
func RecipientTable(s Site) string {
	t := newTable(s.TablePath, "The addresses of the desk. What stands in none of Postfix's tables of recipients is\nrefused at port 25 (550 5.1.1).")
	for _, p := range s.Patterns {
		t.entry(p, "OK")
	}
	return t.String()
}

// TransportTable is the regexp_table(5), in the shape of transport(5), that sends the
// desk's mail to the agent: all of a domain that is the desk's own, and the listed
// addresses of a domain that has mailboxes elsewhere.
func TransportTable(s Site) string {
	t := newTable(s.TransportPath(), "Which mail goes to the agent.")
	for _, d := range s.OwnDomains {
		t.entry(domainPattern(d), s.transport())
	}
	for _, p := range s.single() {
		t.entry(p, s.transport())
	}
	return t.String()
}

// OtherTable is the regexp_table(5) that takes every address outside of the desk's own
// domains, for a site that did so before the desk came.
func OtherTable(s Site) string {
	t := newTable(s.OthersPath(), "Every address outside of the desk's own domains, as before the desk came. Not needed where\nthe site lists who exists in its other domains.")
	own := make([]string, len(s.OwnDomains))
	for i, d := range s.OwnDomains {
		own[i] = strings.TrimSuffix(strings.TrimPrefix(domainPattern(d), "@"), "$")
	}
	// No domain by itself: a list of domains may name the maps of its recipients.
	fmt.Fprintf(t, "!/(^[^@]*|@(%s))$/ OK\n", strings.Join(own, "|"))
	return t.String()
}

// AliasTable is the regexp_table(5), in the shape of virtual(5), that makes each address of
// the desk an alias of itself, so that no later entry or catch-all takes its mail.
func AliasTable(s Site) string {
	t := newTable(s.AliasPath(), "The desk's addresses are what they are, whatever the site's aliases say.")
	for _, p := range s.Patterns {
		fmt.Fprintf(t, "/^(%s)$/ ${1}\n", escapeSlash(strings.TrimSuffix(strings.TrimPrefix(p, "^"), "$")))
	}
	return t.String()
}

// SubmissionAccount is the table for smtpd_sender_login_maps: the addresses by which
// the desk's login may send. It is empty when the desk has no login.
func SubmissionAccount(s Site) string {
	if s.SubmissionUser == "" {
		return ""
	}
	t := newTable(s.SenderPath(), "The sender addresses of the desk's login: ticket addresses, and those to which delivery\n"+
		"reports return. It is for smtpd_sender_login_maps, where logins are kept to their own\naddresses (reject_sender_login_mismatch).")
	for _, d := range s.OwnDomains {
		t.entry(domainPattern(d), s.SubmissionUser)
	}
	for _, p := range s.single() {
		t.entry(p, s.SubmissionUser)
	}
	return t.String()
}

// table writes a regexp_table(5).
type table struct{ strings.Builder }

func newTable(path, about string) *table {
	t := &table{}
	fmt.Fprintf(t, "# %s\n", path)
	comment(&t.Builder, about)
	comment(&t.Builder, "Printed by postdesk from its configuration: print it again when that changes, and run\n\"postfix reload\" after every edit. Case does not matter.")
	t.WriteString("\n")
	return t
}

// entry ends the pattern at its first bare slash and expands "$" on the right side, so
// both are escaped (regexp_table(5)).
func (t *table) entry(pattern, result string) {
	fmt.Fprintf(t, "/%s/ %s\n", escapeSlash(pattern), strings.ReplaceAll(result, "$", "$$"))
}

// escapeSlash leaves alone what is escaped already.
func escapeSlash(pattern string) string {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch {
		case pattern[i] == '\\' && i+1 < len(pattern):
			b.WriteByte(pattern[i])
			i++
		case pattern[i] == '/':
			b.WriteByte('\\')
		}
		b.WriteByte(pattern[i])
	}
	return b.String()
}

// comment writes text as lines of comment.
func comment(b *strings.Builder, text string) {
	for line := range strings.SplitSeq(text, "\n") {
		b.WriteString(strings.TrimRight("# "+line, " ") + "\n")
	}
}
