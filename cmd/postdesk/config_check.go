package main

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"postdesk/lmtp/verify"
	"postdesk/ticketing"
)

// settingError is about one setting, so that its place can be shown.
type settingError struct {
	setting string
	text    string
	line    int // of its value, from 1, where that has several
}

func (e settingError) Error() string { return e.setting + ": " + e.text }

func wrong(setting, format string, args ...any) error {
	return settingError{setting: setting, text: fmt.Sprintf(format, args...)}
}

// hostname is the shape of a domain in mail (RFC 5321 section 4.1.2), in ASCII.
var hostname = pattern(`^(?i)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$`)

// check finds what can be known to be wrong without looking at the machine.
func (c *config) check() error {
	if c.Domain == "" {
		return wrong("domain", "missing: the domain of your ticket addresses")
	}
	if !hostname().MatchString(c.Domain) {
		return wrong("domain", "%q is no domain name", c.Domain)
	}
	if _, err := age(c.KeepEvents); err != nil {
		return wrong("keep_events", "%q: want days such as 1095d, or nothing to keep events", c.KeepEvents)
	}
	if !filepath.IsAbs(c.Data) {
		return wrong("data", "%q: want a path from the root", c.Data)
	}
	if !filepath.IsAbs(c.Control.Socket) {
		return wrong("control.socket", "%q: want a path from the root", c.Control.Socket)
	}
	for _, check := range []func() error{c.checkLMTP, c.checkSubmission, c.checkDNS, c.checkTrust, c.checkHTTP, c.checkLog, c.checkQueues, c.checkStaff} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c *config) checkLMTP() error {
	switch scheme, rest, _ := strings.Cut(c.LMTP.Listen, ":"); {
	case scheme == "unix" && filepath.IsAbs(rest), scheme == "systemd":
	case (scheme == "tcp" || scheme == "inet") && isLoopback(rest):
		// LMTP has no passwords: whoever reaches it can put mail into the desk.
	default:
		return wrong("lmtp.listen", "%q: want unix:/PATH, tcp:127.0.0.1:PORT, or systemd", c.LMTP.Listen)
	}
	if mode, err := strconv.ParseUint(c.LMTP.Mode, 8, 32); err != nil || mode > 0o777 {
		return wrong("lmtp.mode", "%q is no octal file mode; 0660 is usual", c.LMTP.Mode)
	}
	if d, err := time.ParseDuration(c.LMTP.Stall); err != nil || d <= 0 {
		return wrong("lmtp.stall", "%q: want a duration such as 5m or 90s", c.LMTP.Stall)
	}
	if c.LMTP.MaxMessageBytes < 0 {
		return wrong("lmtp.max_message_bytes", "cannot be negative; 0 leaves the limit to Postfix")
	}
	return nil
}

func (c *config) checkSubmission() error {
	s := c.Submission
	if s.Server == "" {
		return wrong("submission.server", "missing: HOST:PORT where Postfix takes your answers, as localhost:587")
	}
	if !isHostPort(s.Server) && !strings.HasPrefix(s.Server, "unix:/") {
		return wrong("submission.server", "%q: want HOST:PORT, or unix:/PATH of an smtpd that needs no login", s.Server)
	}
	if (s.Username == "") != (s.PasswordFile == "") {
		return wrong("submission.username", "username and password_file go together")
	}
	for setting, path := range map[string]string{"submission.password_file": s.PasswordFile, "submission.ca_file": s.CAFile} {
		if path != "" && !filepath.IsAbs(path) {
			return wrong(setting, "%q: want a path from the root", path)
		}
	}
	if s.MaxAttachmentBytes < 1 || s.MaxAttachmentBytes > 1<<30 {
		return wrong("submission.max_attachment_bytes", "%d: want 1 to 1073741824", s.MaxAttachmentBytes)
	}
	if s.Workers < 1 || s.Workers > 100 {
		return wrong("submission.workers", "%d: want 1 to 100", s.Workers)
	}
	return nil
}

func (c *config) checkDNS() error {
	if c.DNS.Nameserver != "" && !isHostPort(c.DNS.Nameserver) {
		return wrong("dns.nameserver", "%q: want HOST:PORT, as 127.0.0.1:53", c.DNS.Nameserver)
	}
	return nil
}

// authservID is a token of RFC 2045: what a header_checks pattern and a field can hold.
var authservID = pattern(`^[A-Za-z0-9!#$%&'*+.^_{|}~-]+$`)

// fieldAndValue is a header field with a value to look for.
var fieldAndValue = pattern(`^[A-Za-z0-9-]+:[ \t]*[!-~]+([ !-~]*[!-~])?$`)

func (c *config) checkTrust() error {
	t := c.Trust
	switch {
	case t.AuthservID != "" && !authservID().MatchString(t.AuthservID):
		return wrong("trust.authserv_id", "%q: want the name that your filter writes first in Authentication-Results, as mx.example.org", t.AuthservID)
	case t.AuthservPlace != verify.Above && t.AuthservPlace != verify.Below:
		return wrong("trust.authserv_place", "%q is neither above nor below", t.AuthservPlace)
	case t.SpamHeader != "" && !fieldAndValue().MatchString(t.SpamHeader):
		return wrong("trust.spam_header", "%q: want a field and its value, as X-Spam: Yes", t.SpamHeader)
	}
	for _, h := range t.Hostname {
		if !hostname().MatchString(h) {
			return wrong("trust.hostname", "%q is no host name", h)
		}
	}
	return nil
}

func (c *config) checkHTTP() error {
	if c.HTTP.Listen == "" || isLoopback(c.HTTP.Listen) {
		return nil
	}
	if !isHostPort(c.HTTP.Listen) {
		return wrong("http.listen", "%q: want ADDRESS:PORT", c.HTTP.Listen)
	}
	if !c.HTTP.AllowRemote {
		return wrong("http.listen", "%q can be reached from other machines, without TLS; put a proxy before 127.0.0.1, or say allow_remote = true", c.HTTP.Listen)
	}
	if c.HTTP.Rate < 0 {
		return wrong("http.rate", "%d: want requests a second, or 0 for no limit", c.HTTP.Rate)
	}
	return nil
}

func (c *config) checkLog() error {
	if c.Log.Format != "text" && c.Log.Format != "json" {
		return wrong("log.format", "%q is neither text nor json", c.Log.Format)
	}
	if _, err := c.logLevel(); err != nil {
		return wrong("log.level", "%q is none of debug, info, warn, error", c.Log.Level)
	}
	return nil
}

func (c *config) logLevel() (level slog.Level, err error) {
	return level, level.UnmarshalText([]byte(c.Log.Level))
}

func (c *config) checkQueues() error {
	if len(c.Queues) == 0 {
		return wrong("queue", "missing: at least one [[queue]] with key and address")
	}
	for i, q := range c.Queues {
		setting := fmt.Sprintf("queue[%d].", i)
		if !hostname().MatchString(q.Domain) {
			return wrong(setting+"domain", "%q is no domain name", q.Domain)
		}
		if q.FirstNumber < 1 {
			return wrong(setting+"first_number", "%d: want 1 or more", q.FirstNumber)
		}
		if err := checkWords(setting, q); err != nil {
			return err
		}
		if err := q.checkTrust(setting); err != nil {
			return err
		}
		// All before this one were fine together, so what is wrong now is of this one.
		if _, err := ticketing.NewDirectory(c.queues()[:i+1]); err != nil {
			return wrong(setting+queueFault(q, err), "%s", err)
		}
	}
	for _, domain := range sortedKeys(c.Roles) {
		if !slices.ContainsFunc(c.Queues, func(q queueConfig) bool { return q.Key == c.Roles[domain] }) {
			return wrong("roles."+domain, "there is no queue %q", c.Roles[domain])
		}
	}
	return nil
}

// checkTrust is for what decides about mail.
func (q queueConfig) checkTrust(setting string) error {
	field, group := strings.CutPrefix(q.Automatic, ticketing.AutomaticGroup)
	switch {
	case q.Automatic == "" || q.Automatic == ticketing.AutomaticTicket || q.Automatic == ticketing.AutomaticFold:
	case group && headerName().MatchString(field):
	default:
		return wrong(setting+"automatic", "%q is none of ticket, fold, group:FIELD as group:Subject", q.Automatic)
	}
	if _, err := age(q.Retention); err != nil {
		return wrong(setting+"retention", "%q: want days such as 730d, or nothing to keep tickets", q.Retention)
	}
	if _, err := q.endsAfter(); err != nil {
		return wrong(setting+"ends_after", "%q: want a duration such as 336h, or never", q.EndsAfter)
	}
	if q.Acknowledge != "" && q.Acknowledge != ticketing.AcknowledgeProven && q.Acknowledge != ticketing.AcknowledgeOff {
		return wrong(setting+"acknowledge", "%q is neither proven nor off", q.Acknowledge)
	}
	if _, err := ticketing.NewTemplate(q.Acknowledgement); err != nil {
		return wrong(setting+"acknowledgement", "%s", err)
	}
	for _, form := range q.Forms {
		if local, domain, ok := strings.Cut(form, "@"); !ok || local == "" || !hostname().MatchString(domain) {
			return wrong(setting+"forms", "%q is no mail address", form)
		}
	}
	return nil
}

// headerName is a field name (RFC 5322 section 3.6.8) of the usual characters.
var headerName = pattern(`^[A-Za-z0-9-]+$`)

// queueFault says which setting of a queue an error is about: the one whose value it names.
func queueFault(q queueConfig, err error) string {
	names := func(values []string) bool {
		return slices.ContainsFunc(values, func(v string) bool { return strings.Contains(err.Error(), strconv.Quote(v)) })
	}
	switch {
	case names(q.Address):
		return "address"
	case names(q.OldKeys):
		return "old_keys"
	}
	return "key"
}

func isHostPort(address string) bool {
	host, port, err := net.SplitHostPort(address)
	n, numErr := strconv.ParseUint(port, 10, 16)
	return err == nil && numErr == nil && n > 0 && host != ""
}

// isLoopback says that an address and port can be reached from this machine alone.
// Port 0 lets the system choose one.
func isLoopback(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if _, numErr := strconv.ParseUint(port, 10, 16); err != nil || numErr != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// locate tells where a wrong setting was made: the variable, or the line of the file.
func locate(err error, path string, text []byte, from map[string]string) error {
	var e settingError
	if !errors.As(err, &e) {
		return fmt.Errorf("%s: %w", path, err)
	}
	if variable, ok := from[e.setting]; ok {
		return fmt.Errorf("%s: %s", variable, e.text)
	}
	if row := lineOf(text, e.setting); row > 0 {
		return atLine(path, text, row+lineBelow(text, row, e.line), e.Error())
	}
	return fmt.Errorf("%s: %w", path, err)
}

// atLine shows the offending line below the message.
func atLine(path string, text []byte, row int, message string) error {
	lines := strings.Split(string(text), "\n")
	if row < 1 || row > len(lines) {
		return fmt.Errorf("%s: %s", path, message)
	}
	return fmt.Errorf("%s:%d: %s\n%5d | %s", path, row, message, row, strings.TrimRight(lines[row-1], "\r"))
}

// lineOf finds the line of a setting in a file that is valid TOML; when the setting
// itself is not there (it may be what is missing), the line of its section; 0 for none.
func lineOf(text []byte, setting string) int {
	row, section := findLine(text, setting)
	if row > 0 {
		return row
	}
	return section
}

// findLine finds the lines of a setting and of its section, from 1; 0 for none.
func findLine(text []byte, setting string) (row, best int) {
	section := ""
	lists := map[string]int{} // how many of each [[list]] there are
	open := ""                // the quotes that end the text of several lines that this one is in
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if open != "" {
			if strings.Contains(line, open) {
				open = ""
			}
			continue
		}
		if before, after, found := cutQuotes(line); found && strings.Contains(before, "=") {
			if quotes := line[len(before) : len(before)+3]; !strings.Contains(after, quotes) {
				open = quotes
			}
		}
		switch {
		case strings.HasPrefix(line, "[["):
			name, _, _ := strings.Cut(line[2:], "]")
			name = strings.TrimSpace(name)
			section = fmt.Sprintf("%s[%d].", name, lists[name])
			lists[name]++
		case strings.HasPrefix(line, "["):
			name, _, _ := strings.Cut(line[1:], "]")
			section = strings.TrimSpace(name) + "."
		default:
			key, _, found := strings.Cut(line, "=")
			key = strings.Trim(strings.TrimSpace(key), `"'`)
			if found && section+key == setting {
				return i + 1, best
			}
			continue
		}
		if strings.HasPrefix(setting, section) {
			best = i + 1
		}
	}
	return 0, best
}

func contains(list []string, domain string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, domain) })
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
