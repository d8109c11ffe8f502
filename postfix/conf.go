package postfix

import (
	"fmt"
	"slices"
	"strings"
)

// option is a "-o" of the transport, with its reason.
type option struct {
	name, value, why string
	good             func(value string) bool
}

func transportOptions() []option {
	is := func(want string) func(string) bool { return func(v string) bool { return v == want } }
	return []option{
		{"lmtp_line_length_limit", "0", "By default lines over 998 octets are broken up, and with them the DKIM signature.", is("0")},
		{"disable_mime_output_conversion", "yes", "The bytes stay as they were signed: no 8-bit mail is turned into quoted-printable.", is("yes")},
		{"lmtp_discard_lhlo_keywords", "dsn", "Postfix itself reports success where a sender asked for it: delivered here is delivered.", discardsDSN},
		// The agent takes up to 30 s before it says "try again" by itself.
		{"lmtp_data_done_timeout", "120s", "The agent answers within 30 s, also when its disk is slow; a hang costs two minutes, not ten.", func(v string) bool { return seconds(v) >= 60 }},
	}
}

func discardsDSN(v string) bool {
	return slices.Contains(strings.FieldsFunc(strings.ToLower(v), isListSpace), "dsn")
}

// better is what a site should have that has v: a list keeps its other words.
func (o option) better(v string) string {
	if o.name == "lmtp_discard_lhlo_keywords" {
		return strings.Join(append(strings.FieldsFunc(strings.ToLower(v), isListSpace), o.value), ",")
	}
	return o.value
}

// transportEntry is the line of master.cf(5) without options. Not chrooted (the fifth
// column): the socket is outside of Postfix's queue directory.
const transportEntry = transportName + " unix - - n - - lmtp"

// MasterCF is the entry of the transport for master.cf, with its reasons.
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
