package mail

import (
	"strconv"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode/utf32"
)

// findCharset understands the labels of mail: those of the IANA, those that browsers take
// for the same, and names of old programs. Where a charset grew, the larger one is taken,
// as everyone writes it under the old name.
func findCharset(label string) charset {
	label = strings.ToLower(strings.Trim(label, " \t\"'"))
	label = strings.TrimPrefix(label, "charset=")
	label = strings.ReplaceAll(strings.ReplaceAll(label, "_", "-"), " ", "-")
	if i := strings.IndexAny(label, ";:,(\"'"); i > 0 { // "iso_8859-1:1987" has a year
		label = strings.Trim(label[:i], "-")
	}
	if strings.HasPrefix(label, "x-mac-") {
		return registered(label)
	}
	label = strings.TrimPrefix(strings.TrimPrefix(label, "x-"), "x-")
	switch label {
	case "":
		return charset{}
	case "cp65001", "unicode-1-1-utf-8", "cesu-8":
		return charset{name: "utf-8"}
	case "us-ascii", "ascii", "ansi-x3.4-1968", "iso646-us", "646", "7bit", "us", "cp20127":
		return charset{name: "us-ascii"}
	case "utf-7", "utf7", "unicode-1-1-utf-7", "unicode-2-0-utf-7", "csunicode11utf7", "cp65000":
		return charset{name: "utf-7"}
	case "utf-16", "utf16", "utf-16le", "utf-16be", "utf16le", "utf16be", "unicode", "ucs-2", "iso-10646-ucs-2":
		return charset{name: "utf-16", enc: utf16Of(label)}
	case "iso-2022-kr", "csiso2022kr", "cp50225":
		return charset{name: "iso-2022", enc: korean.EUCKR}
	case "iso-2022-cn", "iso-2022-cn-ext", "cp50227":
		return charset{name: "iso-2022", enc: simplifiedchinese.GB18030}
	}
	if strings.HasPrefix(label, "utf-8") || strings.HasPrefix(label, "utf8") {
		return charset{name: "utf-8"} // "utf8mb4", "utf-8-mac"
	}
	if enc := namedEncoding(label); enc != nil {
		return charset{"other", enc}
	}
	return registered(label)
}

// registered asks the registries of the browsers and of the IANA.
func registered(label string) charset {
	if enc, err := htmlindex.Get(label); err == nil && enc != encoding.Replacement && enc != charmap.XUserDefined {
		return charset{"other", enc}
	}
	for _, name := range []string{label, strings.Replace(label, "iso8859", "iso-8859", 1), "iso-" + label} {
		if enc, err := ianaindex.IANA.Encoding(name); err == nil && enc != nil {
			return charset{"other", enc}
		}
	}
	return charset{}
}

// namedEncoding is for labels that the registries do not have, or take too narrowly.
func namedEncoding(label string) encoding.Encoding {
	switch label {
	case "gb2312", "gb-2312-80", "gbk", "euc-cn", "chinese", "gb18030", "gb18030-2000":
		return simplifiedchinese.GB18030
	case "hz", "hz-gb-2312":
		return simplifiedchinese.HZGB2312
	case "uhc", "ks-c-5601-1987", "ks-c-5601-1989", "ksc5601", "ks-c-5601", "euc-kr", "korean":
		return korean.EUCKR
	case "windows-31j", "sjis", "sjis-win", "shift-jis", "shiftjis", "mskanji":
		return japanese.ShiftJIS
	case "eucjp", "eucjp-win", "euc-jp-ms", "ujis":
		return japanese.EUCJP
	case "big5-eten", "big5hk", "big5-hkscs":
		return traditionalchinese.Big5
	case "koi8r", "koi8":
		return charmap.KOI8R
	case "sun-eu-greek":
		return charmap.ISO8859_7
	case "mac", "macroman", "mac-roman", "apple-roman":
		return charmap.Macintosh
	case "latin1", "latin-1", "iso8859-1", "8859-1", "ansi", "cp819", "ibm819":
		return charmap.Windows1252
	case "utf-32", "utf-32be", "ucs-4":
		return utf32.UTF32(utf32.BigEndian, utf32.UseBOM)
	case "utf-32le":
		return utf32.UTF32(utf32.LittleEndian, utf32.UseBOM)
	}
	if strings.HasPrefix(label, "iso-2022-jp") || label == "csiso2022jp" {
		return japanese.ISO2022JP
	}
	for _, prefix := range []string{"windows-", "windows", "win-", "win", "cp-", "cp", "ms", "ibm-", "ibm", "dos-", "dos"} {
		if digits, ok := strings.CutPrefix(label, prefix); ok {
			if n, err := strconv.Atoi(digits); err == nil {
				return codepage(n)
			}
		}
	}
	return nil
}

// codepage is an encoding by the number that Windows gives it, nil for an unknown one.
func codepage(n int) encoding.Encoding {
	pages := map[int]encoding.Encoding{
		37: charmap.CodePage037, 437: charmap.CodePage437, 850: charmap.CodePage850, 852: charmap.CodePage852, 855: charmap.CodePage855,
		858: charmap.CodePage858, 860: charmap.CodePage860, 862: charmap.CodePage862, 863: charmap.CodePage863, 865: charmap.CodePage865,
		866: charmap.CodePage866, 874: charmap.Windows874, 932: japanese.ShiftJIS, 936: simplifiedchinese.GB18030, 949: korean.EUCKR,
		950: traditionalchinese.Big5, 1047: charmap.CodePage1047, 1140: charmap.CodePage1140, 1250: charmap.Windows1250,
		1251: charmap.Windows1251, 1252: charmap.Windows1252, 1253: charmap.Windows1253, 1254: charmap.Windows1254,
		1255: charmap.Windows1255, 1256: charmap.Windows1256, 1257: charmap.Windows1257, 1258: charmap.Windows1258,
		10000: charmap.Macintosh, 10007: charmap.MacintoshCyrillic, 20866: charmap.KOI8R, 20932: japanese.EUCJP, 21866: charmap.KOI8U,
		28591: charmap.Windows1252, 28592: charmap.ISO8859_2, 28595: charmap.ISO8859_5, 28597: charmap.ISO8859_7, 28599: charmap.Windows1254,
		28605: charmap.ISO8859_15, 50220: japanese.ISO2022JP, 50221: japanese.ISO2022JP, 50222: japanese.ISO2022JP, 51932: japanese.EUCJP,
		51936: simplifiedchinese.GB18030, 51949: korean.EUCKR, 52936: simplifiedchinese.HZGB2312, 54936: simplifiedchinese.GB18030,
	}
	return pages[n]
}
