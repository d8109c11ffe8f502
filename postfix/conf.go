package postfix

import (
	"fmt"
	"strings"
)

// option is a "-o" of the transport, with its reason.
type option struct{ name, value, why string }

func transportOptions() []option {
	return []option{
		{"lmtp_line_length_limit", "0", "By default lines over 998 octets are broken up, and with them the DKIM signature."},
		{"disable_mime_output_conversion", "yes", "The bytes stay as they were signed: no 8-bit mail is turned into quoted-printable."},
		{"lmtp_discard_lhlo_keywords", "dsn", "Postfix itself reports success where a sender asked for it: delivered here is delivered."},
		{"lmtp_data_done_timeout", "120s", "The agent answers within 30 s, also when its disk is slow; a hang costs two minutes, not ten."},
	}
}

// MasterCF is the entry of the transport for master.cf.
func MasterCF(s Site) string {
	var b strings.Builder
	comment(&b, "To master.cf: how Postfix hands mail to the desk.")
	if strings.HasPrefix(s.unixSocket(), "/") {
		comment(&b, "Not chrooted (the fifth column): the socket is outside of Postfix's queue directory.")
	}
	fmt.Fprintf(&b, "%-9s unix  -       -       n       -       -       lmtp\n", transportName)
	for _, o := range transportOptions() {
		comment(&b, o.why)
		fmt.Fprintf(&b, "  -o %s=%s\n", o.name, o.value)
	}
	return b.String()
}

// MainCF are the lines for main.cf. Those that are the site's own stand in comments,
// with "(as before)" for the value that they have: a second line of the same name
// would replace the first, and other mail depends on it.
func MainCF(s Site) string {
	var b strings.Builder
	comment(&b, "To main.cf, where these names stand already or not.")
	b.WriteString("\n")
	comment(&b, "So many recipients at most come in one transaction: they are one mail to the desk.\nThis works here only, not as -o in master.cf.")
	fmt.Fprintf(&b, "%s_destination_recipient_limit = 50\n\n", transportName)
	comment(&b, "Merge the following by hand: (as before) is the value that the site has today, which\n\"postconf NAME\" prints. Where it is empty, leave it and its comma out.")
	b.WriteString("#\n")
	merge(&b, "Which mail goes to the agent. First, so that no other entry takes it.",
		"transport_maps = "+s.transportMap()+", (as before)")
	if len(s.OwnDomains) > 0 {
		ownDomain(&b, s)
	}
	if len(s.SharedDomains) > 0 {
		sharedDomain(&b, s)
	}
	merge(&b, "Closes SMTP smuggling: one who is outside could put a second mail, with an envelope of his\nown, into a first one.",
		"smtpd_forbid_bare_newline = normalize")
	headerChecks(&b, s)
	if s.MessageSizeLimit > 0 {
		merge(&b, fmt.Sprintf("The agent takes %d octets. What is larger must be refused at port 25: behind it, it\nwould wait in the queue for days and bounce.", s.MessageSizeLimit),
			fmt.Sprintf("message_size_limit = %d (or less)", s.MessageSizeLimit-sizeSlack))
	}
	comment(&b, "Leave recipient_delimiter without \"-\": with it, aliases for SUPPORT would take the mail\nof SUPPORT-7102.")
	return b.String()
}

func ownDomain(b *strings.Builder, s Site) {
	list := strings.Join(s.OwnDomains, ", ")
	merge(b, "The class of the desk's own domain; without one its mail is refused (554 5.7.1). It\nmust not stand in mydestination or virtual_*_domains too.",
		"relay_domains = (as before), "+list)
	merge(b, "Who exists there. Where this was empty although the site relays for other domains, all of\ntheir addresses were taken; that must be said now, for each of them:\n"+
		"    …, inline:{ @other.example=OK }",
		"relay_recipient_maps = (as before), "+s.recipientMap())
}

func sharedDomain(b *strings.Builder, s Site) {
	merge(b, "Who exists in "+strings.Join(s.SharedDomains, ", ")+", besides those with a mailbox: add the table to the\n"+
		"map of the class in which the domain is today, and to no other. Where that map is empty,\n"+
		"every address is taken already: leave it. Virtual mailboxes (virtual_mailbox_domains):",
		"virtual_mailbox_maps = (as before), "+s.recipientMap())
	merge(b, "Local users (mydestination):", "local_recipient_maps = (as before), "+s.recipientMap())
	if len(s.OwnDomains) == 0 { // else the same line stands above
		merge(b, "Relayed to another server (relay_domains):", "relay_recipient_maps = (as before), "+s.recipientMap())
	}
}

func merge(b *strings.Builder, why, line string) {
	comment(b, why+"\n\n    "+line+"\n")
}
