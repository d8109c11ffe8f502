package mail

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Lower is an address or a domain in small letters. No letter of another script becomes one
// of ASCII (İ, the Kelvin sign): that would make one address of two.
func Lower(s string) string {
	return strings.Map(func(r rune) rune {
		if low := unicode.ToLower(r); r < utf8.RuneSelf || low >= utf8.RuneSelf {
			return low
		}
		return r
	}, s)
}

// ParseAddressList reads an address list (RFC 5322 section 3.4) as it is found in mail:
// with groups flattened, routes dropped, names in comments, semicolons for commas, missing
// quotes and brackets. It reads the text once.
func ParseAddressList(s string) []Address {
	list, _ := parseAddresses(s)
	return list
}

// parseAddresses also says whether the group syntax was used.
func parseAddresses(s string) ([]Address, bool) {
	a := addressScan{s: s}
	for a.pos < len(a.s) {
		a.next()
	}
	a.flush()
	return joinNames(a.list), a.group
}

// joinNames puts together what a comma without quotes took apart: "Doe, Jane <jane@…>" is
// one mailbox, since a name alone reaches nobody.
func joinNames(list []Address) []Address {
	var out []Address
	var names []string
	for _, a := range list {
		if a.Address == "" {
			names = append(names, a.Name)
			continue
		}
		if len(names) > 0 {
			a.Name = strings.TrimSuffix(strings.Join(append(names, a.Name), ", "), ", ")
			names = nil
		}
		out = append(out, a)
	}
	if len(names) > 0 {
		out = append(out, Address{Name: strings.Join(names, ", ")})
	}
	return out
}

// word is an atom or a quoted-string; spaced says that white space stands before it.
type word struct {
	text   string
	quoted bool
	spaced bool
}

// addressScan holds one mailbox while it is read.
type addressScan struct {
	s       string
	pos     int
	list    []Address
	group   bool
	words   []word
	spaced  bool
	comment string
	angles  []string // of one mailbox; more than one are more than one mailbox
	named   int      // how many words stand before the last angle bracket
	noQuote bool     // no quoted-string ends behind here
	noParen bool     // no comment ends behind here
}

// next reads one token.
func (a *addressScan) next() {
	rest := a.s[a.pos:]
	switch c := rest[0]; {
	case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		a.spaced = true
		a.pos++
	case c == ',' || c == ';':
		a.flush()
		a.pos++
	case c == ':' && len(a.angles) == 0 && len(a.words) > 0 && !a.hasAt():
		a.group = true
		a.words, a.comment = nil, ""
		a.pos++
	case c == '<':
		a.readAngle()
	case c == '"' && !a.noQuote:
		_, n, ok := quotedString(rest)
		if !ok {
			a.noQuote = true
			a.pos++
			return
		}
		a.add(word{text: unescape(rest[1 : n-1]), quoted: true})
		a.pos += n
	case c == '(' && !a.noParen:
		n := commentLen(rest)
		if n == 0 {
			a.noParen = true
			return
		}
		a.comment = unescape(rest[1 : n-1])
		a.spaced = true
		a.pos += n
	default:
		a.readAtom(rest)
	}
}

// unescape drops the backslashes of quoted-pairs (RFC 5322 section 3.2.1).
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func (a *addressScan) add(w word) {
	w.spaced = a.spaced
	a.words = append(a.words, w)
	a.spaced = false
}

// readAtom takes an encoded-word as one, whatever stands in it.
func (a *addressScan) readAtom(rest string) {
	n := 1
	if strings.HasPrefix(rest, "=?") {
		if _, m := readWord(rest[:min(len(rest), 2000)]); m > 0 && !strings.ContainsAny(rest[:m], "<\"") {
			n = m
		}
	}
	if n == 1 {
		for n < len(rest) && strings.IndexByte(" \t\r\n,;:<\"(", rest[n]) < 0 && !strings.HasPrefix(rest[n:], "=?") {
			n++
		}
	}
	a.add(word{text: rest[:n]})
	a.pos += n
}

// readAngle reads what stands in angle brackets. One that is not closed ends where the
// next mailbox seems to begin; a route (RFC 5322 section 4.4) may hold commas. Nothing with
// an "@" is passed over: who reads one author where another reads two can be deceived.
func (a *addressScan) readAngle() {
	start, quoted := a.pos+1, false
	route := strings.HasPrefix(strings.TrimLeft(a.s[start:min(start+8, len(a.s))], " \t"), "@")
	i := start
loop:
	for ; i < len(a.s); i++ {
		switch c := a.s[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ':':
			route = false
		case c == '>', c == ';', c == ',' && !route:
			break loop
		case c == '<':
			if strings.Contains(a.s[start:i], "@") {
				a.angles = append(a.angles, strings.TrimSpace(a.s[start:i]))
			}
			start = i + 1
		}
	}
	i = min(i, len(a.s))
	if text := strings.TrimSpace(a.s[start:i]); text != "" {
		a.angles = append(a.angles, text)
	}
	a.named = max(a.named, len(a.words))
	a.pos = i
	if i < len(a.s) && a.s[i] == '>' {
		a.pos++
	}
	a.spaced = true
}

func (a *addressScan) hasAt() bool {
	for _, w := range a.words {
		if !w.quoted && strings.Contains(w.text, "@") {
			return true
		}
	}
	return false
}

// flush ends a mailbox.
func (a *addressScan) flush() {
	words, angles, comment, named := a.words, a.angles, a.comment, a.named
	a.words, a.angles, a.comment, a.spaced, a.named = nil, nil, "", false, 0
	if len(angles) > 0 {
		behind, _ := bareSpecs(words[named:])
		if len(behind) > 0 {
			words = words[:named]
			angles = append(angles, behind...)
		}
		name := phrase(words)
		if name == "" {
			name = DecodeHeader(comment)
		}
		for _, angle := range angles {
			a.list = append(a.list, Address{name, cleanSpec(angle)})
			name = ""
		}
		return
	}
	specs, rest := bareSpecs(words)
	name := phrase(rest)
	if name == "" {
		name = DecodeHeader(comment)
	}
	switch {
	case len(specs) > 0:
		for _, spec := range specs {
			a.list = append(a.list, Address{name, cleanSpec(spec)})
			name = ""
		}
	case name != "":
		// A name without an address says who meant to write, and reaches nobody.
		a.list = append(a.list, Address{Name: name})
	}
}

// phrase puts a display name together.
func phrase(words []word) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 && w.spaced {
			b.WriteByte(' ')
		}
		b.WriteString(w.text)
	}
	return DecodeHeader(b.String())
}

// bareSpecs finds addresses without brackets: words joined by an "@", which may have
// spaces around it.
func bareSpecs(words []word) (specs []string, rest []word) {
	var run []word
	end := func() {
		var b strings.Builder
		at := false
		for _, w := range run {
			at = at || !w.quoted && strings.Contains(w.text, "@")
			if w.quoted {
				writeQuoted(&b, w.text)
			} else {
				b.WriteString(w.text)
			}
		}
		if at && strings.Trim(b.String(), "@") != "" {
			specs = append(specs, b.String())
		} else {
			rest = append(rest, run...)
		}
		run = nil
	}
	for i, w := range words {
		joined := i > 0 && (!w.quoted && strings.HasPrefix(w.text, "@") || !words[i-1].quoted && strings.HasSuffix(words[i-1].text, "@"))
		if w.spaced && !joined {
			end()
		}
		run = append(run, w)
	}
	end()
	return specs, rest
}

// writeQuoted is quote for many small strings.
func writeQuoted(b *strings.Builder, s string) {
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
}

// cleanSpec makes an addr-spec (RFC 5322 section 3.4.1): no route, no white space outside
// quotes, the domain in lower case, and quotes only where they are needed.
func cleanSpec(s string) string {
	if strings.HasPrefix(s, "@") {
		if i := strings.LastIndexByte(s, ':'); i >= 0 {
			s = s[i+1:]
		}
	}
	if len(s) > 7 && strings.EqualFold(s[:7], "mailto:") {
		s = s[7:]
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return squeeze(s)
	}
	local, domain := strings.TrimSpace(s[:at]), Lower(squeeze(s[at+1:]))
	if isQuotedString(local) {
		local = cleanText(unescape(local[1 : len(local)-1]))
	} else {
		local = squeeze(local)
	}
	if local != "" && !isDotAtom(local) {
		local = quote(local)
	}
	return local + "@" + domain
}
