package verify

import (
	"net/netip"
	"strings"
)

// received is what our own Postfix wrote of the client that it took a mail from.
type received struct {
	helo   string
	client netip.Addr // invalid when it is not known
	by     string     // its own name
	login  string     // of a client that has logged in
}

// readReceived reads the Received field of smtpd(8):
//
//	from HELO (NAME [ADDRESS]) (using TLS…) (Client CN…) (Authenticated sender: LOGIN)
//	by HOST (Postfix) with PROTOCOL id QUEUEID for <RECIPIENT>; DATE
//
// HELO is the client's own word and may hold spaces, but Postfix puts a "?" for each of
// <>()\";:@ in it. So the first parenthesis is always Postfix's. NAME is a valid host
// name. In a certificate's name parentheses are balanced and backslashes gone: it cannot
// leave its comment, so what stands at the outermost level is Postfix's own.
func readReceived(value string) (r received, ok bool) {
	s := &scanner{s: strings.TrimLeft(value, " \t")}
	if !strings.HasPrefix(s.s, "from ") {
		return r, false // pickup(8) writes "by": mail of this machine, which has no client
	}
	open := strings.IndexByte(s.s, '(')
	if open < 0 {
		return r, false
	}
	r.helo = strings.TrimSpace(s.s[len("from "):open])
	s.i = open
	name, address, ok := strings.Cut(s.comment(), " [")
	if !ok || strings.ContainsAny(name, " ()") || !strings.HasSuffix(address, "]") {
		return r, false
	}
	r.client = parseClient(strings.TrimSuffix(address, "]"))
	for s.space(); !s.end() && s.peek() == '('; s.space() {
		if login, found := strings.CutPrefix(s.comment(), "Authenticated sender: "); found {
			r.login = login
		}
	}
	return r, s.by(&r) && !s.bad
}

// by reads what Postfix says of itself.
func (s *scanner) by(r *received) bool {
	rest := strings.Fields(s.s[s.i:])
	if len(rest) < 5 || rest[0] != "by" || rest[2][0] != '(' {
		return false
	}
	r.by = strings.ToLower(rest[1])
	if r.login == "" {
		return true
	}
	// The protocol says it too, by an A (RFC 3848): ESMTPSA, UTF8SMTPA.
	for i, word := range rest {
		if word == "with" && i+1 < len(rest) {
			return strings.HasSuffix(rest[i+1], "A")
		}
	}
	return false
}

func (s *scanner) space() {
	s.run(func(c byte) bool { return c == ' ' || c == '\t' })
}

// parseClient reads an address as smtpd(8) writes it: 192.0.2.1 or IPv6:2001:db8::1.
func parseClient(text string) netip.Addr {
	if len(text) > 5 && strings.EqualFold(text[:5], "IPv6:") {
		text = text[5:]
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}
