package mail

import (
	"bytes"
	"encoding/base64"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// charset is what a label stands for; the zero value is an unknown one.
type charset struct {
	name string // "utf-8", "utf-7", "utf-16", "us-ascii"; "other" has an encoding
	enc  encoding.Encoding
}

func (c charset) known() bool { return c.name != "" }

// stateful says that ASCII octets need not mean ASCII.
func (c charset) stateful() bool {
	return c.name == "utf-7" || c.name == "utf-16" || c.enc == japanese.ISO2022JP || c.enc == simplifiedchinese.HZGB2312 ||
		c.enc == charmap.CodePage037 || c.enc == charmap.CodePage1047 || c.enc == charmap.CodePage1140
}

// western says that any octets are valid in it, so that they prove nothing.
func (c charset) western() bool {
	return c.enc == charmap.Windows1252 || c.enc == charmap.ISO8859_1 || c.enc == charmap.ISO8859_15
}

// findCharset understands the labels of mail: those of the IANA, those that browsers take
// for the same, and names of old programs. Where a charset grew, the larger one is taken,
// as everyone writes it under the old name.
func findCharset(label string) charset {
	label = strings.ToLower(strings.Trim(label, " \t\"'"))
	label = strings.TrimPrefix(strings.TrimPrefix(label, "charset="), "x-")
	label = strings.ReplaceAll(label, "_", "-")
	switch label {
	case "":
		return charset{}
	case "utf-8", "utf8", "utf8mb4", "utf-8n", "cp65001", "unicode-1-1-utf-8":
		return charset{name: "utf-8"}
	case "us-ascii", "ascii", "ansi-x3.4-1968", "iso646-us", "646", "7bit", "us":
		return charset{name: "us-ascii"}
	case "utf-7", "utf7", "unicode-1-1-utf-7", "unicode-2-0-utf-7", "csunicode11utf7":
		return charset{name: "utf-7"}
	case "utf-16", "utf16", "utf-16le", "utf-16be", "unicode", "ucs-2", "iso-10646-ucs-2":
		return charset{name: "utf-16", enc: utf16Of(label)}
	}
	if enc := namedEncoding(label); enc != nil {
		return charset{"other", enc}
	}
	if enc, err := htmlindex.Get(label); err == nil && enc != encoding.Replacement {
		return charset{"other", enc}
	}
	for _, name := range []string{label, strings.Replace(label, "cp", "ibm", 1), "windows-" + strings.TrimPrefix(label, "cp"),
		strings.Replace(label, "iso8859", "iso-8859", 1), "iso-" + label} {
		if enc, err := ianaindex.IANA.Encoding(name); err == nil && enc != nil {
			return charset{"other", enc}
		}
	}
	return charset{}
}

// namedEncoding is for labels that the registries do not have, or take too narrowly.
func namedEncoding(label string) encoding.Encoding {
	switch label {
	case "gb2312", "gb-2312-80", "gbk", "cp936", "ms936", "windows-936", "euc-cn", "chinese", "gb18030", "gb18030-2000":
		return simplifiedchinese.GB18030
	case "hz", "hz-gb-2312":
		return simplifiedchinese.HZGB2312
	case "cp949", "ms949", "uhc", "ks-c-5601-1987", "ks-c-5601-1989", "ksc5601", "ks-c-5601", "euc-kr", "korean", "windows-949":
		return korean.EUCKR
	case "cp932", "ms932", "windows-31j", "windows-932", "sjis", "sjis-win", "shift-jis", "shiftjis", "mskanji":
		return japanese.ShiftJIS
	case "eucjp", "eucjp-win", "euc-jp-ms", "ujis", "cp51932":
		return japanese.EUCJP
	case "mac", "macroman", "mac-roman", "apple-roman":
		return charmap.Macintosh
	case "latin1", "latin-1", "iso8859-1", "8859-1", "ansi", "cp819":
		return charmap.Windows1252
	case "utf-32", "utf-32be", "ucs-4":
		return utf32.UTF32(utf32.BigEndian, utf32.UseBOM)
	case "utf-32le":
		return utf32.UTF32(utf32.LittleEndian, utf32.UseBOM)
	}
	if strings.HasPrefix(label, "iso-2022-jp") || strings.HasPrefix(label, "cp5022") || label == "csiso2022jp" {
		return japanese.ISO2022JP
	}
	return nil
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
	if !cs.stateful() && isASCII(string(b)) && !hasEscape(b) {
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
	return i >= 0 && (bytes.Contains(b[i:], []byte("\x1b$B")) || bytes.Contains(b[i:], []byte("\x1b$@")) || bytes.Contains(b[i:], []byte("\x1b(J")))
}

// guessText decodes octets that name no charset, or none that can be right.
func guessText(b []byte, hint string) string {
	if s, ok := byMark(b); ok {
		return s
	}
	if hasEscape(b) {
		return decodeWith(japanese.ISO2022JP, b)
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

// guessEncoding looks at how the upper half of the octets is used: rarely in the west,
// nearly always in Cyrillic, in pairs in the far east. It decides on a sample.
func guessEncoding(b []byte) encoding.Encoding {
	b = b[:min(len(b), 4096)]
	var high, letters, lower1251, lowerKOI8, hangul, hanzi int
	for i, c := range b {
		if c < 0x80 {
			if isAlnum(c) {
				letters++
			}
			continue
		}
		high++
		if c >= 0xe0 {
			lower1251++
		} else if c >= 0xc0 {
			lowerKOI8++
		}
		if i+1 < len(b) && b[i+1] >= 0xa1 && c >= 0xb0 {
			hanzi++
			if c <= 0xc8 {
				hangul++
			}
		}
	}
	if high*2 < letters || high < 4 {
		return charmap.Windows1252
	}
	for _, enc := range []encoding.Encoding{japanese.EUCJP, japanese.ShiftJIS} {
		if s := decodeWith(enc, b); !strings.Contains(s, "\uFFFD") && countKana(s)*5 > utf8.RuneCountInString(s) {
			return enc
		}
	}
	switch {
	case lower1251*10 > high*7:
		return charmap.Windows1251
	case lowerKOI8*10 > high*7 && hanzi*2 > high:
		return charmap.KOI8R
	case hangul*10 > high*4 && !strings.Contains(decodeWith(korean.EUCKR, b), "\uFFFD"):
		return korean.EUCKR
	case hanzi*10 > high*4 && !strings.Contains(decodeWith(simplifiedchinese.GB18030, b), "\uFFFD"):
		return simplifiedchinese.GB18030
	}
	return charmap.Windows1252
}

// countKana counts full-width ones: half-width katakana is what other charsets look like.
func countKana(s string) int {
	n := 0
	for _, r := range s {
		if r >= 0x3040 && r <= 0x30ff {
			n++
		}
	}
	return n
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
var metaPattern = regexp.MustCompile(`(?i)<meta[^>]{0,200}charset\s*=\s*["']?([\w.:-]{2,40})`)

func metaCharset(b []byte) string {
	if m := metaPattern.FindSubmatch(b[:min(len(b), 2048)]); m != nil {
		return string(m[1])
	}
	return ""
}

// normalText has line ends as "\n" and no other control characters but tabs. Neither the
// database nor JSON takes them all, and none is text.
func normalText(s string) string {
	s = strings.TrimPrefix(strings.ToValidUTF8(s, "\uFFFD"), "\uFEFF")
	if strings.ContainsRune(s, '\r') {
		s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
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
