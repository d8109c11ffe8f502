package mail

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

// charset is what a label stands for; the zero value is an unknown one.
type charset struct {
	name string // "utf-8", "utf-7", "utf-16", "us-ascii"; "other" has an encoding
	enc  encoding.Encoding
}

func (c charset) known() bool { return c.name != "" }

// stateful says that ASCII octets need not mean ASCII.
func (c charset) stateful() bool {
	return c.name == "utf-7" || c.name == "utf-16" || c.name == "iso-2022" || c.enc == japanese.ISO2022JP || c.enc == simplifiedchinese.HZGB2312 ||
		c.enc == charmap.CodePage037 || c.enc == charmap.CodePage1047 || c.enc == charmap.CodePage1140
}

// western says that any octets are valid in it, so that they prove nothing.
func (c charset) western() bool {
	return c.enc == charmap.Windows1252 || c.enc == charmap.ISO8859_1 || c.enc == charmap.ISO8859_15
}

func utf16Of(label string) encoding.Encoding {
	if strings.HasSuffix(label, "le") {
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	}
	return unicode.UTF16(unicode.BigEndian, unicode.UseBOM) // RFC 2781 section 4.3
}

// toUTF8 decodes octets by the label they came with; hint is a charset that the message
// names elsewhere. The result is valid UTF-8. A label that cannot be right is overruled,
// and problem says so.
func toUTF8(b []byte, label, hint string) (text, problem string) {
	cs := findCharset(label)
	if !cs.stateful() && isASCII(string(b)) && !hasEscape(b) && (cs.known() || bareUTF16(b) == nil) {
		if label != "" && !cs.known() {
			problem = "the charset " + clip(label) + " is not known"
		}
		return string(b), problem
	}
	if s, ok := byMark(b); ok && (cs.name != "other") {
		return s, ""
	}
	switch cs.name {
	case "":
		s := guessText(b, hint)
		switch {
		case label != "":
			problem = "the charset " + clip(label) + " is not known"
		case !utf8.Valid(b):
			problem = "the charset is not named, and guessed"
		}
		return s, problem
	case "us-ascii":
		if isASCII(string(b)) && !hasEscape(b) {
			return string(b), ""
		}
		return guessText(b, hint), "octets above 127 are not in the charset us-ascii"
	case "utf-7":
		return decodeUTF7(string(b)), ""
	case "utf-8":
		return decodeUTF8(b, hint)
	case "utf-16":
		return decodeUTF16(b, cs)
	case "iso-2022":
		b = shiftOut(b)
	}
	if cs.enc == japanese.ISO2022JP {
		if !isASCII(string(b)) && bytes.IndexByte(b, 0x1b) < 0 {
			if guessEncoding(b) == japanese.EUCJP {
				hint = "euc-jp"
			}
			return guessText(b, cmp.Or(hint, "shift_jis")), "the text is not in " + clip(label)
		}
		b = fromISO2022JP(b)
	}
	s := decodeWith(cs.enc, b)
	if utf8.Valid(b) && !isASCII(string(b)) && (cs.western() || strings.Contains(s, "\uFFFD")) {
		return string(b), "the text is in UTF-8, not in " + clip(label)
	}
	if strings.Contains(s, "\uFFFD") {
		problem = "some octets are not in the charset " + clip(label)
	}
	return s, problem
}

func decodeWith(enc encoding.Encoding, b []byte) string {
	out, err := enc.NewDecoder().Bytes(b)
	if err != nil {
		out = b
	}
	return strings.ToValidUTF8(string(out), "\uFFFD")
}

// byMark decodes what begins with a byte order mark.
func byMark(b []byte) (string, bool) {
	switch {
	case bytes.HasPrefix(b, []byte("\xEF\xBB\xBF")) && utf8.Valid(b):
		return string(b[3:]), true
	case bytes.HasPrefix(b, []byte("\xFF\xFE")), bytes.HasPrefix(b, []byte("\xFE\xFF")):
		return decodeWith(unicode.UTF16(unicode.BigEndian, unicode.UseBOM), b), true
	}
	return "", false
}

// decodeUTF8 takes text that has no character of UTF-8 at all for another charset, and
// damaged UTF-8 as it is.
func decodeUTF8(b []byte, hint string) (text, problem string) {
	if utf8.Valid(b) {
		return string(b), ""
	}
	for rest := b; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if r != utf8.RuneError && n > 1 {
			return strings.ToValidUTF8(string(b), "\uFFFD"), "some octets are no UTF-8"
		}
		rest = rest[n:]
	}
	return guessText(b, hint), "the text is not in UTF-8"
}

// decodeUTF16 looks at where the zero octets are: the order is often not what it should
// be, and the text sometimes not UTF-16 at all.
func decodeUTF16(b []byte, cs charset) (text, problem string) {
	even, odd := 0, 0
	for i, c := range b[:min(len(b), 4096)] {
		if c == 0 && i%2 == 0 {
			even++
		} else if c == 0 {
			odd++
		}
	}
	switch {
	case even+odd == 0 && utf8.Valid(b):
		return string(b), "the text is in UTF-8, not in UTF-16"
	case odd > even*2:
		cs.enc = unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case even > odd*2:
		cs.enc = unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	}
	return decodeWith(cs.enc, b), ""
}

// hasEscape is for ISO-2022-JP: it is pure ASCII, with these escape sequences.
func hasEscape(b []byte) bool {
	i := bytes.IndexByte(b, 0x1b)
	if i < 0 {
		return false
	}
	for _, sequence := range []string{"\x1b$B", "\x1b$@", "\x1b(J", "\x1b(I", "\x1b$(D"} {
		if bytes.Contains(b[i:], []byte(sequence)) {
			return true
		}
	}
	return false
}

// fromISO2022JP is for what only old programs write.
func fromISO2022JP(b []byte) []byte {
	if bytes.IndexByte(b, 0x0e) >= 0 || !isASCII(string(b)) {
		return kanaShift(b)
	}
	return b
}

// guessText decodes octets that name no charset, or none that can be right.
func guessText(b []byte, hint string) string {
	if s, ok := byMark(b); ok {
		return s
	}
	if hasEscape(b) {
		return decodeWith(japanese.ISO2022JP, fromISO2022JP(b))
	}
	if enc := bareUTF16(b); enc != nil {
		return decodeWith(enc, b)
	}
	if utf8.Valid(b) {
		return string(b)
	}
	if cs := findCharset(hint); cs.enc != nil && !cs.stateful() {
		if s := decodeWith(cs.enc, b); !strings.Contains(s, "\uFFFD") {
			return s
		}
	}
	return decodeWith(guessEncoding(b), b)
}

// decodeUTF7 decodes RFC 2152.
func decodeUTF7(s string) string {
	var out strings.Builder
	for s != "" {
		i := strings.IndexByte(s, '+')
		if i < 0 {
			break
		}
		out.WriteString(s[:i])
		s = s[i+1:]
		n := 0
		for n < len(s) && (isAlnum(s[n]) || s[n] == '+' || s[n] == '/') {
			n++
		}
		raw, _ := base64.RawStdEncoding.DecodeString(s[:n-n%4+map[int]int{2: 2, 3: 3}[n%4]])
		units := make([]uint16, len(raw)/2)
		for j := range units {
			units[j] = uint16(raw[2*j])<<8 | uint16(raw[2*j+1])
		}
		if n == 0 {
			out.WriteByte('+')
		}
		out.WriteString(string(utf16.Decode(units)))
		s = strings.TrimPrefix(s[n:], "-")
	}
	out.WriteString(s)
	return strings.ToValidUTF8(out.String(), "\uFFFD")
}

// metaPattern finds the charset that an HTML page names in itself.
var metaPattern = pattern(`(?i)<meta[^>]{0,200}charset\s*=\s*["']?([\w.:-]{2,40})`)

func metaCharset(b []byte) string {
	if m := metaPattern().FindSubmatch(b[:min(len(b), 2048)]); m != nil {
		return string(m[1])
	}
	return ""
}

// normalText has line ends as "\n" and no other control characters but tabs. Neither the
// database nor JSON takes them all, and none is text.
func normalText(s string) string {
	s = strings.TrimPrefix(strings.ToValidUTF8(s, "\uFFFD"), "\uFEFF")
	if strings.ContainsRune(s, '\r') {
		s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	}
	if isPrintable(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < ' ' || r >= 0x7f && r < 0xa0:
			return -1
		}
		return r
	}, s)
}

// isPrintable says at a glance that a text has no control characters but line ends and
// tabs; it may say no of one that has none.
func isPrintable(s string) bool {
	for i := range len(s) {
		// 0xC2 begins U+0080 to U+00BF in UTF-8.
		if c := s[i]; c < ' ' && c != '\n' && c != '\t' || c == 0x7f || c == 0xc2 {
			return false
		}
	}
	return true
}
