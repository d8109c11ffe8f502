package mail

import (
	"net/url"
	"sort"
	"strconv"
	"strings"
)

// DecodeHeader decodes the encoded-words of an unstructured value (RFC 2047) wherever they
// stand, and makes one clean line of it.
func DecodeHeader(s string) string {
	if strings.Contains(s, "=?") {
		s = decodeWords(s)
	}
	return cleanText(s)
}

// decodeWords goes through s once. Words that stand side by side are gathered, as a
// character may be cut in two between them.
func decodeWords(s string) string {
	var out strings.Builder
	var run []encodedWord
	for s != "" {
		i := strings.Index(s, "=?")
		if i < 0 {
			break
		}
		word, n := readWord(s[i:])
		if n == 0 {
			flushWords(&out, &run)
			out.WriteString(s[:i+2])
			s = s[i+2:]
			continue
		}
		// White space between two encoded-words is no part of the text (section 6.2).
		if gap := s[:i]; len(run) == 0 || strings.Trim(gap, " \t\r\n") != "" {
			flushWords(&out, &run)
			out.WriteString(gap)
		}
		run = append(run, word)
		s = s[i+n:]
	}
	flushWords(&out, &run)
	out.WriteString(s)
	return out.String()
}

// encodedWord is one encoded-word, not decoded.
type encodedWord struct {
	charset string
	base64  bool
	text    string
}

// readWord reads an encoded-word at the front of s and gives its length, 0 when there is
// none. Spaces in the text and a missing end are forgiven.
func readWord(s string) (encodedWord, int) {
	const charsetMax = 60
	cs, _, ok := strings.Cut(s[2:min(len(s), charsetMax+2)], "?")
	if !ok || cs == "" || strings.ContainsAny(cs, " \t=\"") {
		return encodedWord{}, 0
	}
	start := 2 + len(cs) + len("?q?")
	if len(s) < start || s[start-1] != '?' || strings.IndexByte("bBqQ", s[start-2]) < 0 {
		return encodedWord{}, 0
	}
	word := encodedWord{base64: s[start-2] == 'b' || s[start-2] == 'B'}
	word.charset, _, _ = strings.Cut(cs, "*") // without the language, RFC 2231 section 5
	for i := start; i+1 < len(s); i++ {
		if s[i] == '?' && s[i+1] == '=' && !isQuestionMark(word, s[i:]) {
			word.text = s[start:i]
			return word, i + 2
		}
		if s[i] == '=' && s[i+1] == '?' && !strings.HasPrefix(s[i+2:], "=") {
			// The next word begins: this one lost its end. ("=?=" is padding and an end.)
			word.text = strings.TrimRight(s[start:i], " \t")
			return word, i
		}
	}
	return encodedWord{}, 0
}

// isQuestionMark says that a "?=" is no end but a question mark in Q, with an encoded
// octet behind it, which RFC 2047 section 4.2 forbids and some send.
func isQuestionMark(w encodedWord, s string) bool {
	if _, ok := hexPair(s, 2); !ok || w.base64 {
		return false
	}
	for i := 4; i+1 < len(s) && i < 80; i++ {
		switch {
		case s[i] == ' ' || s[i] == '\t' || s[i] == '=' && s[i+1] == '?':
			return false
		case s[i] == '?' && s[i+1] == '=':
			return true
		}
	}
	return false
}

// flushWords writes the gathered words, those of one charset together.
func flushWords(out *strings.Builder, run *[]encodedWord) {
	words := *run
	*run = nil
	for len(words) > 0 {
		n := 1
		for n < len(words) && strings.EqualFold(words[n].charset, words[0].charset) {
			n++
		}
		out.WriteString(decodeRun(words[:n]))
		words = words[n:]
	}
}

// decodeRun decodes words of one charset. Some programs cut the base64 of the whole text
// anywhere: that shows in words that do not fill their last group.
func decodeRun(words []encodedWord) string {
	var octets, joined []byte
	cut, mixed := false, false
	for i, w := range words {
		if !w.base64 {
			octets = append(octets, decodeQ(w.text)...)
			mixed = true
			continue
		}
		cut = cut || i < len(words)-1 && len(w.text)%4 != 0
		octets = append(octets, decodeBase64([]byte(w.text))...)
		joined = append(joined, w.text...)
	}
	s, _ := toUTF8(octets, words[0].charset, "")
	if cut && !mixed {
		other, _ := toUTF8(decodeBase64(joined), words[0].charset, "")
		if strings.Count(other, "\uFFFD") <= strings.Count(s, "\uFFFD") {
			return other
		}
	}
	return s
}

// decodeQ undoes the Q encoding (RFC 2047 section 4.2).
func decodeQ(s string) []byte {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c, ok := hexPair(s, i+1)
		switch {
		case s[i] == '_':
			out = append(out, ' ')
		case s[i] == '=' && ok:
			out = append(out, c)
			i += 2
		default:
			out = append(out, s[i])
		}
	}
	return out
}

// hexPair reads two hexadecimal digits at i.
func hexPair[T string | []byte](s T, i int) (byte, bool) {
	if i+1 >= len(s) {
		return 0, false
	}
	a, b := hexDigit(s[i]), hexDigit(s[i+1])
	return byte(a<<4 | b&15), a >= 0 && b >= 0
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// paramsMax keeps a value that never ends a quote or a comment from being read again and
// again.
const paramsMax = 200

// parseParams reads a value with parameters (RFC 2045 section 5.1), with those of RFC 2231
// put together and encoded-words decoded. The first of two equal names wins.
func parseParams(s string) (string, map[string]string) {
	main, rest := strings.TrimLeft(s, " \t"), ""
	if i := strings.IndexAny(main, "; \t("); i >= 0 {
		main, rest = main[:i], main[i:]
	}
	if strings.Contains(main, "=") { // a parameter alone, without a value in front
		main, rest = "", s
	}
	plain := map[string]string{}
	var pieces []paramPiece
	for n := 0; rest != "" && n < paramsMax; n++ {
		var name, value string
		name, value, rest = nextParam(rest)
		if name == "" {
			continue
		}
		if strings.Contains(name, "*") {
			pieces = append(pieces, newPiece(name, value))
		} else if _, ok := plain[name]; !ok {
			plain[name] = DecodeHeader(value)
		}
	}
	for name, value := range joinPieces(pieces) {
		plain[name] = value // the form that cannot be misread
	}
	return strings.ToLower(strings.Trim(main, `"'`)), plain
}

// nextParam takes one parameter from the front of s. The name is in lower case.
func nextParam(s string) (name, value, rest string) {
	s = strings.TrimLeft(s, "; \t")
	if strings.HasPrefix(s, "(") {
		if n := commentLen(s); n > 0 {
			return "", "", s[n:]
		}
	}
	i := strings.IndexAny(s, "=;")
	if i < 0 {
		return "", "", ""
	}
	if s[i] == ';' {
		return "", "", s[i:]
	}
	name = strings.ToLower(strings.Trim(s[:i], " \t\""))
	s = strings.TrimLeft(s[i+1:], " \t")
	if strings.HasPrefix(s, `"`) {
		if value, n, ok := quotedString(s); ok {
			return name, value, s[n:]
		}
		s = s[1:]
	}
	end := strings.IndexByte(s, ';')
	if end < 0 {
		end = len(s)
	}
	// A file name with spaces is often not quoted; nothing else has spaces.
	if name != "filename" && name != "name" {
		if j := strings.IndexAny(s[:end], " \t"); j > 0 {
			end = j
		}
	}
	return name, strings.TrimSpace(s[:end]), s[end:]
}

// quotedString reads a quoted-string (RFC 5322 section 3.2.4) at the front of s and gives
// its content and its length. A backslash stays unless it quotes a quote or a backslash:
// some send the path of a file.
func quotedString(s string) (content string, n int, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), i + 1, true
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	return "", 0, false
}

// commentLen is the length of the comment at the front of s (RFC 5322 section 3.2.2), 0
// when it does not end.
func commentLen(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// paramPiece is a part of a parameter value (RFC 2231 section 3).
type paramPiece struct {
	name    string
	index   int
	encoded bool
	value   string
}

// newPiece reads "name*", "name*0" and "name*0*".
func newPiece(name, value string) paramPiece {
	out := paramPiece{value: value}
	name, out.encoded = strings.CutSuffix(name, "*")
	base, index, _ := strings.Cut(name, "*")
	out.name = base
	out.index, _ = strconv.Atoi(index)
	return out
}

// joinPieces puts the pieces together in the order of their numbers; percent encoding is
// undone octet by octet first, since a character may be cut in two.
func joinPieces(pieces []paramPiece) map[string]string {
	sort.SliceStable(pieces, func(i, j int) bool {
		if pieces[i].index != pieces[j].index {
			return pieces[i].index < pieces[j].index
		}
		return pieces[i].encoded && !pieces[j].encoded // some give both, for readers of either
	})
	octets, charsets, next := map[string][]byte{}, map[string]string{}, map[string]int{}
	for _, p := range pieces {
		if p.index < next[p.name] {
			continue // the same piece again
		}
		next[p.name] = p.index + 1
		value := p.value
		if p.encoded {
			if _, begun := octets[p.name]; !begun {
				if parts := strings.SplitN(value, "'", 3); len(parts) == 3 {
					charsets[p.name], value = parts[0], parts[2]
				}
			}
			value = percentDecode(value)
		}
		octets[p.name] = append(octets[p.name], value...)
	}
	out := map[string]string{}
	for name, b := range octets {
		s, _ := toUTF8(b, charsets[name], "")
		out[name] = DecodeHeader(s)
	}
	return out
}

// percentDecode undoes %XX and leaves what is none.
func percentDecode(s string) string {
	if out, err := url.PathUnescape(s); err == nil {
		return out
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c, ok := hexPair(s, i+1); s[i] == '%' && ok {
			b.WriteByte(c)
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
