package postfix

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const resultsField = "Authentication-Results"

// milters asks the filters of the site what they would do with a mail that arrives, and with
// an answer. They see a sample; no mail is sent.
func (c *checker) milters() {
	if door, ok := c.door(); ok {
		c.arriving(door)
	}
	if s, ok := c.submission(); ok && s.kind == "inet" {
		c.leaving(s)
	}
}

// arriving looks at what happens to a stranger's mail.
func (c *checker) arriving(s service) {
	if len(c.site.Samples) == 0 {
		return
	}
	ids := map[string]string{}
	for _, address := range splitList(c.value(s, "smtpd_milters")) {
		m := c.letter(stranger, c.site.Samples[0])
		m.client, m.daemon = "192.0.2.25", c.value(s, "milter_macro_daemon_name")
		found, err := c.askMilter(address, m)
		if err != nil {
			c.silent(address, s, err)
			continue
		}
		if strings.IndexByte("ca", found.verdict) < 0 {
			c.add(Note, fmt.Sprintf("The filter %s turns the sample down (%q), so what it changes in mail that passes is not known.", address, found.verdict), "Nothing.")
		}
		c.changed(address, found)
		for _, f := range found.added {
			if strings.EqualFold(f[0], resultsField) {
				id, _, _ := strings.Cut(strings.TrimSpace(f[1]), ";")
				ids[strings.ToLower(strings.TrimSpace(id))] = address
				c.place(address, found)
			}
		}
	}
	c.results(ids)
}

func (c *checker) silent(address string, s service, err error) {
	if errors.Is(err, fs.ErrPermission) {
		c.add(Note, fmt.Sprintf("The filter %s (smtpd_milters) cannot be asked by this user.", address), "Run the check as root.")
		return
	}
	c.add(Warning, fmt.Sprintf("The filter %s (smtpd_milters) cannot be asked: %v.", address, err), "Start it, or take it out of smtpd_milters of "+s.name+".")
}

func (c *checker) changed(address string, found changes) {
	severity, so := Error, "DKIM signatures fail, and who wrote is not proven."
	if c.site.AuthservID != "" {
		severity, so = Warning, "DKIM signatures fail, and only the filter that [trust] believes can prove who wrote."
	}
	if found.body {
		c.add(severity, fmt.Sprintf("The filter %s (smtpd_milters) changes the text of mail that arrives, as with a footer: %s", address, so),
			"Let it leave alone what goes to the desk, or take it out of smtpd_milters.")
	}
	if signed := slices.DeleteFunc(found.header, func(name string) bool { return strings.EqualFold(name, resultsField) }); len(signed) > 0 {
		slices.Sort(signed)
		c.add(severity, fmt.Sprintf("The filter %s (smtpd_milters) changes header fields of mail that arrives (%s): %s", address, strings.Join(slices.Compact(signed), ", "), so),
			"Let it leave alone what goes to the desk, or take it out of smtpd_milters.")
	}
}

// results compares who says what it verified with whom [trust] believes.
func (c *checker) results(ids map[string]string) {
	trusted := strings.ToLower(c.site.AuthservID)
	switch {
	case trusted == "":
		for id, address := range ids {
			c.add(Note, fmt.Sprintf("The filter %s writes %s as %s, which the desk does not believe: it verifies by itself.", address, resultsField, id),
				fmt.Sprintf("Nothing; or authserv_id = %q in [trust] of postdesk's configuration.", id))
		}
	case len(ids) > 0 && ids[trusted] == "":
		for id, address := range ids {
			c.add(Warning, fmt.Sprintf("The filter %s writes %s as %s, but the desk believes %s.", address, resultsField, id, trusted), fmt.Sprintf("authserv_id = %q in [trust] of postdesk's configuration.", id))
		}
	case ids[trusted] == "":
		c.add(Note, fmt.Sprintf("No filter here was seen to write %s as %s, which the desk believes.", resultsField, trusted), "Look at a mail that came through: postdesk inspect.")
	}
}

func (c *checker) place(address string, found changes) {
	if c.site.AuthservID == "" || found.above != c.site.FieldsBelow {
		return
	}
	place := map[bool]string{true: "above", false: "below"}[found.above]
	c.add(Warning, fmt.Sprintf("The filter %s writes %s %s Postfix's own Received field, and the desk looks at the other place.", address, resultsField, place),
		fmt.Sprintf("authserv_place = %q in [trust] of postdesk's configuration.", place))
}

// leaving looks whether an answer is signed by the desk's domain.
func (c *checker) leaving(s service) {
	if len(c.site.Senders) == 0 {
		return
	}
	from := c.site.Senders[0]
	domain := from[strings.LastIndexByte(from, '@')+1:]
	signed := false
	all := splitList(c.value(s, "smtpd_milters"))
	for _, address := range all {
		m := c.letter(from, stranger)
		m.client, m.login, m.daemon = "127.0.0.1", c.site.SubmissionUser, c.value(s, "milter_macro_daemon_name")
		found, err := c.askMilter(address, m)
		if err != nil {
			c.silent(address, s, err)
			continue
		}
		for _, f := range found.added {
			signed = signed || strings.EqualFold(f[0], "DKIM-Signature") && aligned(tag(f[1], "d"), domain)
		}
	}
	switch {
	case signed:
	case c.values["relayhost"] != "":
		c.add(Note, fmt.Sprintf("Nothing here was seen to sign the desk's mail for %s; whether %s does cannot be known from here.", domain, c.values["relayhost"]), "Look at an answer that arrived elsewhere, or: "+c.site.checkCommand()+" --probe")
	default:
		c.add(Warning, fmt.Sprintf("Answers are not signed for %s (DKIM): they may be taken for spam.", domain),
			fmt.Sprintf("Let rspamd or OpenDKIM sign for %s what comes in at %s.", domain, s.name))
	}
}

// aligned: the desk's domain, or one above it (RFC 9989 section 4.10: relaxed).
func aligned(d, domain string) bool {
	return d != "" && strings.Contains(d, ".") && (d == domain || strings.HasSuffix(domain, "."+d))
}

// tag gives a tag of a DKIM-Signature (RFC 6376 section 3.2).
func tag(field, name string) string {
	for part := range strings.SplitSeq(field, ";") {
		if n, v, ok := strings.Cut(part, "="); ok && strings.TrimSpace(n) == name {
			return strings.ToLower(strings.TrimSpace(v))
		}
	}
	return ""
}

func (c *checker) letter(from, to string) sample {
	return sample{from: from, to: to, body: "A sample of postdesk check, which asks what filters change. It is not delivered.\r\n", fields: [][2]string{
		{"From", from}, {"To", to}, {"Subject", "a sample"}, {"Date", time.Now().Format(time.RFC1123Z)},
		{"Message-ID", "<postdesk-check@" + c.values["myhostname"] + ">"}, {"MIME-Version", "1.0"}, {"Content-Type", "text/plain; charset=utf-8"},
	}}
}

// askMilter speaks to a filter at an address as smtpd_milters has it: "inet:host:port",
// "unix:path", also within braces with options.
func (c *checker) askMilter(address string, s sample) (changes, error) {
	address = strings.TrimSpace(strings.Trim(address, "{}"))
	address, _, _ = strings.Cut(address, ",")
	network, at := "tcp", strings.TrimPrefix(address, "inet:")
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, at = "unix", path
		if !filepath.IsAbs(path) {
			at = filepath.Join(c.values["queue_directory"], path)
		}
	}
	ctx, cancel := context.WithTimeout(c.ctx, liveTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, network, at)
	if err != nil {
		return changes{}, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	m := &milter{conn: conn, r: bufio.NewReader(conn)}
	return m.ask(c.values["myhostname"], s)
}
