package ticketing

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"regexp"
	"strings"
	"time"

	"postdesk/ticketing/mail"
)

// ImportKey recognises a mail in whichever mailbox it lies: by who wrote what to whom and
// when, and by its body. Line ends, the blank lines at its end and what mailboxes add to
// a header (Status, X-Keywords, Content-Length, Delivered-To) do not count.
func ImportKey(m *mail.Message, head []byte, body io.Reader) (key Hash, err error) {
	h := sha256.New()
	for _, name := range []string{"Message-ID", "Date", "From", "To", "Subject"} {
		value := strings.Join(m.Header(name), "\n")
		fmt.Fprintf(h, "%s\x00", strings.Join(strings.Fields(value), " "))
	}
	if m.MessageID == "" && m.Date.IsZero() {
		h.Write(head) // it says too little: all of it counts
	}
	w := &lineWriter{h: h}
	if _, err = io.Copy(w, body); err != nil {
		return key, err
	}
	return Hash(h.Sum(nil)), nil
}

// lineWriter hashes a text without CRs and without the line ends at its end.
type lineWriter struct {
	h     hash.Hash
	lines int // line ends that were not hashed yet
}

func (w *lineWriter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		if bytes.IndexByte(line, '\r') >= 0 {
			line = bytes.ReplaceAll(line, []byte("\r"), nil)
		}
		if len(line) > 0 {
			for ; w.lines > 0; w.lines-- {
				w.h.Write([]byte("\n"))
			}
			w.h.Write(line)
		}
		if ended {
			w.lines++
		}
		rest = after
	}
	return len(p), nil
}

// MailDate is when a mail was written: its own date when it can be true, else when a
// server or its mailbox took it, else that of the mail before it.
func MailDate(m *mail.Message, mailbox, before, now time.Time) time.Time {
	for _, at := range []time.Time{m.Date, m.ReceivedAt(), mailbox, before} {
		if at.Year() > 1970 && at.Before(now.Add(24*time.Hour)) {
			return at.UTC()
		}
	}
	return time.Unix(0, 0).UTC()
}

// NewOurs says which addresses are of the desk's own side: those that match a pattern, as
// Directory.Patterns gives them, and those of a list of addresses and domains.
func NewOurs(patterns, list []string) (func(address string) bool, error) {
	var res []*regexp.Regexp
	for _, p := range patterns {
		re, err := regexp.Compile(`(?is)` + p)
		if err != nil {
			return nil, err
		}
		res = append(res, re)
	}
	listed := map[string]bool{}
	for _, l := range list {
		l = strings.ToLower(strings.TrimPrefix(strings.TrimSpace(l), "@"))
		if l == "" || strings.ContainsAny(l, " <>,") {
			return nil, fmt.Errorf("%w: %q is neither an address nor a domain", ErrInvalid, l)
		}
		listed[l] = true
	}
	return func(address string) bool {
		address = strings.ToLower(address)
		_, domain, _ := cutAddress(address)
		if listed[address] || listed[domain] && domain != "" {
			return true
		}
		for _, re := range res {
			if re.MatchString(address) {
				return true
			}
		}
		return false
	}, nil
}
