package postfix

import (
	"fmt"
	"regexp"
	"strings"
)

// HeaderPath is the file of HeaderTable.
func (s Site) HeaderPath() string { return s.beside("postdesk_headers") }

func (s Site) headerMap() string { return "regexp:" + s.HeaderPath() }

// trustsFields says that the desk believes what filters write into the header.
func (s Site) trustsFields() bool { return s.AuthservID != "" || s.SpamHeader != "" }

// HeaderTable is the header_checks(5) that take out, on arrival, copies of the fields that
// only the site's own filters may write (RFC 8601 section 5). What a milter adds is not
// looked at by header_checks. It is empty when the desk believes no such field.
func HeaderTable(s Site) string {
	if !s.trustsFields() {
		return ""
	}
	t := newTable(s.HeaderPath(), "Fields that only your own filters may write: copies that come from outside are taken out.")
	if s.AuthservID != "" {
		comment(&t.Builder, "With the name of your filter anywhere, or written so that it could be hidden.")
		fmt.Fprintf(t, "/^Authentication-Results[[:space:]]*:([^;]*[\"(\\\\]|.*%s)/ IGNORE\n", escapeSlash(regexp.QuoteMeta(strings.ToLower(s.AuthservID))))
	}
	if name, _, ok := strings.Cut(s.SpamHeader, ":"); ok {
		fmt.Fprintf(t, "/^%s[[:space:]]*:/ IGNORE\n", regexp.QuoteMeta(strings.TrimSpace(name)))
	}
	return t.String()
}

// forgeries looks whether a sender could write what the desk believes. Above Postfix's own
// Received field nobody outside can write.
func (c *checker) forgeries() {
	if !c.site.trustsFields() || !c.site.FieldsBelow {
		return
	}
	all := c.values["header_checks"]
	for _, s := range c.services {
		all = joinList(all, s.options["header_checks"])
	}
	if !inMaps(all, c.site.headerMap()) {
		c.add(Error, "header_checks does not strip forged copies of the fields that trust.authserv_place = \"below\" believes: while your filter is down, a sender can write them.",
			c.mend("header_checks", "Put "+c.site.headerMap()+" first in header_checks."))
	}
}
