package verify

import (
	"strings"
)

// authResults is an Authentication-Results field (RFC 8601 section 2.2).
type authResults struct {
	id      string // authserv-id
	results []methodResult
}

// methodResult is what one method came to, names in lower case.
type methodResult struct {
	method, result string
	properties     map[string]string // as "header.d"; of one that is there twice, none
}

// readAuthResults reads a field strictly: one whose syntax is not that of RFC 8601 says
// nothing at all, since who wrote it may have meant something else. Only a value may hold
// more than the RFC lets stand without quotes, as much software writes it.
func readAuthResults(value string) (a authResults, ok bool) {
	s := &scanner{s: value}
	s.cfws()
	if a.id = strings.ToLower(s.value()); a.id == "" {
		return a, false
	}
	s.cfws()
	if v := s.token(); v != "" && v != "1" { // authres-version
		return a, false
	}
	for s.cfws(); !s.end(); s.cfws() {
		if !s.take(';') {
			return a, false
		}
		if s.cfws(); s.end() {
			break // a semicolon at the end is common
		}
		r, none, ok := s.resinfo()
		if !ok {
			return a, false
		}
		if none {
			s.cfws()
			return a, s.end() && len(a.results) == 0
		}
		a.results = append(a.results, r)
	}
	return a, !s.bad
}

// resinfo reads one method with its result and properties. none says that it was the word
// "none" instead (no-result).
func (s *scanner) resinfo() (r methodResult, none, ok bool) {
	r = methodResult{method: strings.ToLower(s.keyword()), properties: map[string]string{}}
	s.cfws()
	if r.method == "none" && (s.end() || s.peek() == ';') {
		return r, true, !s.bad
	}
	if s.take('/') { // method-version
		s.cfws()
		if s.token() != "1" {
			return r, false, false
		}
		s.cfws()
	}
	if r.method == "" || !s.take('=') {
		return r, false, false
	}
	s.cfws()
	if r.result = strings.ToLower(s.keyword()); r.result == "" {
		return r, false, false
	}
	return r, false, s.properties(&r) && !s.bad
}

// properties reads reasonspec and propspecs up to the next semicolon.
func (s *scanner) properties(r *methodResult) bool {
	for {
		before := s.i
		s.cfws()
		if s.end() || s.peek() == ';' {
			return true
		}
		if s.i == before { // what follows a result or a value without a space belongs to it
			return false
		}
		name := strings.ToLower(s.keyword())
		s.cfws()
		if s.take('.') {
			s.cfws()
			property := strings.ToLower(s.keyword())
			if s.cfws(); property == "" {
				return false
			}
			name += "." + property
		}
		if name == "" || name[0] == '.' || !s.take('=') {
			return false
		}
		s.cfws()
		value, ok := s.pvalue()
		if !ok {
			return false
		}
		if _, twice := r.properties[name]; twice {
			value = "" // nobody can say which one counts
		}
		r.properties[name] = value
	}
}

// scanner reads the tokens of a structured field.
type scanner struct {
	s   string
	i   int
	bad bool // a comment or a quoted string does not end
}

func (s *scanner) end() bool { return s.i >= len(s.s) }

func (s *scanner) peek() byte { return s.s[s.i] }

func (s *scanner) take(c byte) bool {
	if s.end() || s.peek() != c {
		return false
	}
	s.i++
	return true
}

// cfws passes over white space and comments, which nest (RFC 5322 section 3.2.2).
func (s *scanner) cfws() {
	for !s.end() {
		switch s.peek() {
		case ' ', '\t', '\r', '\n':
			s.i++
		case '(':
			s.comment()
		default:
			return
		}
	}
}

// comment gives what stands in a comment, without the outermost parentheses.
func (s *scanner) comment() string {
	depth, start := 0, s.i+1
	for ; !s.end(); s.i++ {
		switch s.peek() {
		case '\\':
			s.i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				s.i++
				return s.s[start : s.i-1]
			}
		}
	}
	s.i, s.bad = len(s.s), true
	return ""
}

// quoted reads a quoted string.
func (s *scanner) quoted() string {
	var b strings.Builder
	for s.i++; !s.end(); s.i++ {
		switch c := s.peek(); c {
		case '"':
			s.i++
			return b.String()
		case '\\':
			if s.i++; !s.end() {
				b.WriteByte(s.peek())
			}
		default:
			b.WriteByte(c)
		}
	}
	s.bad = true
	return ""
}

// run reads octets as long as ok likes them.
func (s *scanner) run(ok func(c byte) bool) string {
	start := s.i
	for !s.end() && ok(s.peek()) {
		s.i++
	}
	return s.s[start:s.i]
}

// token is that of RFC 2045 section 5.1.
func (s *scanner) token() string {
	return s.run(func(c byte) bool { return c > ' ' && c != 0x7f && !strings.ContainsRune(`()<>@,;:\"/[]?=`, rune(c)) })
}

// keyword is that of RFC 5321 section 4.1.2, as methods and results are (RFC 8601 section
// 2.2); the underscore is not in it but in use.
func (s *scanner) keyword() string {
	return s.run(func(c byte) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
	})
}

// value is a token or a quoted string (RFC 2045 section 5.1).
func (s *scanner) value() string {
	if !s.end() && s.peek() == '"' {
		return s.quoted()
	}
	return s.token()
}

// pvalue is a value, an address or a domain, with a quoted local-part or not. It ends at
// white space, a comment or a semicolon.
func (s *scanner) pvalue() (string, bool) {
	var b strings.Builder
	start := s.i
	for !s.end() {
		if s.peek() == '"' {
			b.WriteString(s.quoted())
			continue
		}
		part := s.run(func(c byte) bool { return c > ' ' && c != 0x7f && !strings.ContainsRune(`;()"`, rune(c)) })
		if part == "" {
			break
		}
		b.WriteString(part)
	}
	return b.String(), s.i > start && !s.bad
}
