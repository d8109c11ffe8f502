package mail

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// foldAt is the longest line that holds an encoded-word (RFC 2047 section 2).
	foldAt = 76
	// wordMax is the longest encoded-word that we write. RFC 2047 allows 75; less
	// leaves room for the name of the field on the first line.
	wordMax = 60
	// lineMax is without the CRLF (RFC 5322 section 2.1.1).
	lineMax = 998
)

// headerWriter writes header fields. Only line puts bytes, and every caller gives it
// a name and a value from which line ends are gone.
type headerWriter struct {
	buf  bytes.Buffer
	utf8 bool // raw UTF-8 is allowed (RFC 6532)
}

// line writes a field that may be folded at each of its spaces.
func (w *headerWriter) line(s string) {
	name, value, _ := strings.Cut(s, ": ")
	w.fold(name, strings.Split(value, " "))
}

// fold writes the words of a field with a space between, and never folds behind the
// colon: some servers take a first line that is a bare name for an empty field.
func (w *headerWriter) fold(name string, words []string) {
	w.buf.WriteString(name + ":")
	column := len(name) + 1
	for i, word := range words {
		// A line of white space alone is obsolete (RFC 5322 section 4.2).
		if i > 0 && word != "" && column+1+len(word) > foldAt {
			w.buf.WriteString("\r\n")
			column = 0
		}
		w.buf.WriteString(" " + word)
		column += 1 + len(word)
	}
	w.buf.WriteString("\r\n")
}

// text writes an unstructured field (RFC 5322 section 3.6.5), nothing when it is empty.
func (w *headerWriter) text(name, value string) {
	value = cleanText(value)
	if value == "" {
		return
	}
	// Readers make one space of the many at a fold.
	if needsEncoding(value, wordMax) || strings.Contains(value, "  ") {
		value = encodeWords(value, wordMax)
	}
	w.line(name + ": " + value)
}

// extra writes a field that the caller named.
func (w *headerWriter) extra(h HeaderField) error {
	if err := checkFieldName(h.Name); err != nil {
		return err
	}
	value := cleanText(h.Value)
	// A long word may be a URL in a structured field (RFC 2369), which an
	// encoded-word would break: it is left alone while the line may hold it.
	value = strings.Join(strings.Fields(value), " ")
	if needsEncoding(value, lineMax-len(h.Name)-2) {
		value = encodeWords(value, wordMax)
	}
	w.line(h.Name + ": " + value)
	return nil
}

// checkFieldName allows a name by RFC 5322 section 3.6.8 that is not one of those
// whose meaning Compose or the servers on the way answer for.
func checkFieldName(name string) error {
	if name == "" || len(name) > 200 {
		return fmt.Errorf("header field name of %d octets", len(name))
	}
	for i := 0; i < len(name); i++ {
		if name[i] <= ' ' || name[i] > '~' || name[i] == ':' {
			return fmt.Errorf("header field name %q: character %d is not allowed", name, i+1)
		}
	}
	lower := strings.ToLower(name)
	for _, prefix := range []string{"content-", "resent-", "arc-"} {
		if strings.HasPrefix(lower, prefix) {
			return fmt.Errorf("header field %s is not for the caller to set", name)
		}
	}
	switch lower {
	case "date", "from", "sender", "reply-to", "to", "cc", "bcc", "subject", "message-id", "in-reply-to",
		"references", "thread-topic", "thread-index", "auto-submitted", "x-auto-response-suppress",
		"mime-version", "received", "return-path", "dkim-signature", "authentication-results":
		return fmt.Errorf("header field %s is not for the caller to set", name)
	}
	return nil
}

// addresses writes an address list (RFC 5322 section 3.4).
func (w *headerWriter) addresses(name string, list []Address) error {
	var words []string
	for i, a := range list {
		spec, err := addrSpec(a.Address)
		if err != nil {
			return fmt.Errorf("%s: %q: %w", name, a.Address, err)
		}
		if phrase := displayName(a.Name, foldAt-len(name)-len(": ")); len(phrase) > 0 {
			words = append(words, phrase...)
			spec = "<" + spec + ">"
		}
		if i < len(list)-1 {
			spec += ","
		}
		words = append(words, spec)
	}
	w.fold(name, words)
	return nil
}

// displayName gives the words of a name, which may be folded between. It always quotes:
// an unquoted name changes its meaning with one comma. Quotes do not stop readers from
// decoding "=?", and some cannot be folded within, so other names are encoded: in one
// word where room holds it, since some readers show a space between two (CPython 3.11).
func displayName(name string, room int) []string {
	name = cleanText(name)
	quoted := quote(name)
	switch {
	case name == "":
		return nil
	case needsEncoding(name, wordMax), len(quoted) > wordMax:
		return strings.Split(encodeWords(name, room), " ")
	}
	return []string{quoted}
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// addrSpec checks an address and gives it as it stands in a header. A local-part
// that came unquoted, as over LMTP from Postfix, is quoted again where it must be.
func addrSpec(address string) (string, error) {
	// RFC 5321 section 4.5.3.1: 64 + "@" + 255.
	if len(address) > 320 || !utf8.ValidString(address) {
		return "", errors.New("too long, or no UTF-8")
	}
	for _, r := range address {
		if unsafeRune(r) {
			return "", fmt.Errorf("holds the character %U", r)
		}
	}
	at := strings.LastIndexByte(address, '@')
	if at < 1 || !validDomain(address[at+1:]) {
		return "", errors.New("no mail address")
	}
	local := address[:at]
	if !isDotAtom(local) && !isQuotedString(local) {
		local = quote(local)
	}
	return local + address[at:], nil
}

func validDomain(domain string) bool {
	if strings.HasPrefix(domain, "[") && strings.HasSuffix(domain, "]") {
		inner := domain[1 : len(domain)-1] // dtext, RFC 5322 section 3.4.1
		return inner != "" && isASCII(inner) && !strings.ContainsAny(inner, `[]\ `)
	}
	for _, label := range strings.Split(domain, ".") {
		if label == "" {
			return false
		}
		for _, r := range label {
			if r < utf8.RuneSelf && r != '-' && r != '_' && !isAlnum(byte(r)) || unicode.IsSpace(r) {
				return false
			}
		}
	}
	return len(domain) <= 255
}

func isDotAtom(s string) bool {
	for _, atom := range strings.Split(s, ".") {
		if atom == "" || strings.ContainsAny(atom, ` "(),:;<>@[\]`) {
			return false
		}
	}
	return true
}

// isQuotedString wants every quote and backslash inside to be escaped.
func isQuotedString(s string) bool {
	if len(s) < 3 || s[0] != '"' || s[len(s)-1] != '"' {
		return false
	}
	inner := s[1 : len(s)-1]
	for i := 0; i < len(inner); i++ {
		switch inner[i] {
		case '"':
			return false
		case '\\':
			if i++; i == len(inner) {
				return false
			}
		}
	}
	return true
}

// cleanText makes one line of UTF-8 out of anything.
func cleanText(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", " ")
	return strings.Trim(strings.Map(func(r rune) rune {
		if unsafeRune(r) {
			return ' '
		}
		return r
	}, s), " ")
}

// unsafeRune are controls, and the separators that Unicode counts as line ends.
func unsafeRune(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
}

// needsEncoding is for what is not ASCII, what a reader would decode though it was
// typed so, and words too long to fold around.
func needsEncoding(s string, longest int) bool {
	if !isASCII(s) || strings.Contains(s, "=?") {
		return true
	}
	for _, word := range strings.Fields(s) {
		if len(word) > longest {
			return true
		}
	}
	return false
}

// encodeWords gives encoded-words with a space between, which a reader drops (RFC 2047
// section 6.2). Each holds whole characters (section 5). Q uses only what is allowed
// in a phrase, so it fits anywhere.
func encodeWords(s string, longest int) string {
	room := longest - len("=?utf-8?q?") - len("?=")
	charset, encode, b64 := "=?utf-8?q?", qEncode, mostlyForeign(s)
	if b64 {
		charset, encode = "=?utf-8?b?", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	}
	var words []string
	start, used := 0, 0
	for i, r := range s {
		n := len(qEncode(string(r)))
		if b64 {
			n = utf8.RuneLen(r)
		}
		if !b64 && used+n > room || b64 && used+n > room/4*3 {
			words = append(words, charset+encode(s[start:i])+"?=")
			start, used = i, 0
		}
		used += n
	}
	return strings.Join(append(words, charset+encode(s[start:])+"?="), " ")
}

func qEncode(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == ' ':
			out.WriteByte('_')
		case isAlnum(s[i]):
			out.WriteByte(s[i])
		default:
			fmt.Fprintf(&out, "=%02X", s[i])
		}
	}
	return out.String()
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
