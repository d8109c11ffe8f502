package verify

import (
	"context"
	"slices"
	"strings"

	"postdesk/ticketing/mail"
)

// Places of the fields that the site's filters write, relative to the Received field of
// our own Postfix.
const (
	Above = "above" // nobody outside can put a field there
	Below = "below" // a sender can: Postfix must strip forged copies (header_checks)
)

// Trust is what the site's own servers may say of a message. The zero value trusts the
// login in the topmost Received field, and nothing else.
type Trust struct {
	AuthservID string   // of the Authentication-Results fields that count; empty: none
	Place      string   // Above or Below; empty is Above
	Border     bool     // our own Postfix takes mail from the world: its client is who sent
	Hostnames  []string // of our own Postfix; empty: any
	SpamHeader string   // field and value of a spam verdict, as "X-Spam: Yes"; empty: none
}

// site is what the site's own servers say of one message.
type site struct {
	results  []methodResult
	received received
	login    string
	spam     bool
}

// read takes what stands at its place, and passes over copies elsewhere. Without the
// Received field of our own Postfix on top no place is known: one that strips its own
// (header_checks) is believed nothing.
func (t Trust) read(m *mail.Message) (s site) {
	place, ours := Above, false
	spamName, spamValue, _ := strings.Cut(t.SpamHeader, ":")
	for _, f := range m.Trace() {
		if strings.EqualFold(f.Name, "Received") {
			if place == Above {
				ours = s.readReceived(t, f.Value)
			}
			place = Below
			continue
		}
		if (place == Below) != (t.Place == Below) {
			continue
		}
		if strings.EqualFold(f.Name, "Authentication-Results") && t.AuthservID != "" {
			if a, ok := readAuthResults(f.Value); ok && strings.EqualFold(a.id, t.AuthservID) {
				s.results = append(s.results, a.results...)
			}
		}
		if t.SpamHeader != "" && strings.EqualFold(f.Name, strings.TrimSpace(spamName)) {
			s.spam = s.spam || verdictIs(f.Value, strings.TrimSpace(spamValue))
		}
	}
	if !ours {
		return site{}
	}
	for _, r := range s.results {
		if login := r.properties["smtp.auth"]; s.login == "" && r.method == "auth" && r.result == "pass" {
			s.login = login // RFC 8601 section 2.7.4
		}
	}
	return s
}

func (s *site) readReceived(t Trust, value string) bool {
	r, ok := readReceived(value)
	ours := len(t.Hostnames) == 0 || slices.ContainsFunc(t.Hostnames, func(h string) bool { return strings.EqualFold(h, r.by) })
	if ok && ours {
		s.received, s.login = r, r.login
	}
	return ok && ours
}

// verdictIs takes "Yes" for what "Yes, score=9" says, and not for "Yesterday".
func verdictIs(value, want string) bool {
	value = strings.TrimSpace(value)
	if len(value) < len(want) || !strings.EqualFold(value[:len(want)], want) {
		return false
	}
	return len(value) == len(want) || strings.ContainsRune(" ,;\t", rune(value[len(want)]))
}

// words are the trusted results for people.
func (s site) words() (out []string) {
	for _, r := range s.results {
		text := r.method + "=" + r.result
		for _, name := range []string{"header.from", "header.d", "smtp.mailfrom", "smtp.auth"} {
			if v := r.properties[name]; v != "" {
				text += " " + name + "=" + v
			}
		}
		out = append(out, text)
	}
	return out
}

// askServer takes for proof what the trusted server has verified. That dmarc=pass does not
// say by what: without an aligned dkim=pass beside it, it may be by SPF alone.
func (v *Verifier) askServer(ctx context.Context, e *evidence) {
	for _, r := range e.site.results {
		if r.result != "pass" {
			continue
		}
		domain, strict := "", e.policy.strictDKIM
		switch r.method {
		case "dkim":
			domain = domainOf(r.properties["header.d"])
		case "spf":
			domain, strict = domainOf(r.properties["smtp.mailfrom"]), e.policy.strictSPF
		case "dmarc":
			// RFC 8601 section 2.7.1 has header.from for the author's domain.
			domain, strict = domainOf(r.properties["header.from"]), true
		}
		if domain == "" || r.method != "spf" && e.partlySigned() {
			continue
		}
		aligned, err := v.aligned(ctx, domain, strict, e.policy)
		e.temporary = e.temporary || err != nil
		if r.method == "dkim" {
			e.vouched = e.vouched || aligned && e.whole
		} else {
			e.sent = e.sent || aligned
		}
	}
}

// partlySigned says that a signature has l=: a server may pass it although it does not
// cover what was appended.
func (e *evidence) partlySigned() bool {
	for _, s := range e.header.signatures {
		if t, ok := tags(s); !ok || t["l"] != "" {
			return true
		}
	}
	return false
}
