package mail

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	utf "golang.org/x/text/encoding/unicode"
)

// guessMax is how much of a text is looked at.
const guessMax = 2048

// guess is a charset that octets may be in, and the letters that are frequent in the
// languages written in it, the most frequent first.
type guess struct {
	enc    encoding.Encoding
	common string
	wide   bool // two octets a character
}

const (
	cyrillic = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъёіїє"
	greek    = "αοιετσνηυρπκμλςωγδόίάέήύώχθφβξζψ"
	hebrew   = "יוהלארתםבשמנדעקפחכגטסצןזךץף"
	arabic   = "اليمنورتبةدعسكهفحقأجشصضذخزطغثئءؤىظإآ"
	thai     = "านรกอเงมยลวดทสตะปบคหแจพชขใไผโธศซถณฐภษฟ่้ิีัืุู็์ำ"
	hangul   = "이다는에을의가고를하은도지로서한사대기자시어인그아리정나일해보라스부수전만들주구과장상제원있었습니까요안세문계면야네여오입되것개물용확감"
	kana     = "のにはをたがでとしてるいなれまっからすものこくあさりだけよきうえおちつわみせひんアイウスンクルトリラッードタマシロプレコグメジバパフキサ"
	simple   = "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所家事成方多经么去法学如" +
		"都同现没动面起看定天分还进好小部其些主样理心本前开但因只从想实日意无问题请谢您收件电话网打机单号测试公司邮信"
	complex = "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所家事成方多經麼去法學如" +
		"都同現沒動面起看定天分還進好小部其些主樣理心本前開但因只從想實日意無問題請謝您收件電話網打機單號測試公司郵信"
)

// guesses are for scripts that are not Latin.
func guesses() []guess {
	return []guess{
		{charmap.Windows1251, cyrillic, false}, {charmap.KOI8U, cyrillic, false}, {charmap.CodePage866, cyrillic, false},
		{charmap.ISO8859_5, cyrillic, false}, {charmap.Windows1253, greek, false}, {charmap.Windows1255, hebrew, false},
		{charmap.Windows1256, arabic, false}, {charmap.Windows874, thai, false},
		{japanese.ShiftJIS, kana, true}, {japanese.EUCJP, kana, true}, {korean.EUCKR, hangul, true},
		{simplifiedchinese.GB18030, simple, true}, {traditionalchinese.Big5, complex, true},
	}
}

// latins are for text that is mostly ASCII.
func latins() []guess {
	return []guess{
		{charmap.Windows1252, "éäöüßàèáíóúñçêâîôûëïåøæãõ", false},
		{charmap.Windows1252, "ðáíöéþóúýæ", false},
		{charmap.Windows1250, "áéíóöüěščřžýůúąęłśżźćńőűăşţâî", false},
		{charmap.ISO8859_2, "áéíóöüěščřžýůúąęłśżźćńőűăşţâî", false},
		{charmap.Windows1254, "ıişğçöüâ", false},
	}
}

// guessEncoding finds the charset in which octets read most like a language.
func guessEncoding(b []byte) encoding.Encoding {
	b = b[:min(len(b), guessMax)]
	high, letters := 0, 0
	for _, c := range b {
		if c >= 0x80 {
			high++
		} else if isAlnum(c) {
			letters++
		}
	}
	if high*2 >= letters && high >= 4 {
		if enc, score := bestOf(guesses(), b); score > 0.3 {
			return enc
		}
	}
	if high < 3 { // too few to tell
		return charmap.Windows1252
	}
	enc, _ := bestOf(latins(), b)
	return enc
}

// bestOf takes the first of those that are equal.
func bestOf(candidates []guess, b []byte) (best encoding.Encoding, top float64) {
	for _, g := range candidates {
		if s := g.score(b); best == nil || s > top {
			best, top = g.enc, s
		}
	}
	return best, top
}

// score is how well octets read: at most 3 a character. What is no letter, a case that
// changes in the middle of a word, and scripts that are mixed in one count against it.
func (g guess) score(b []byte) float64 {
	text := strings.TrimRight(decodeWith(g.enc, b), "\uFFFD") // the sample may end in a character
	var sum, n float64
	var last rune
	for _, r := range text {
		if r >= utf8.RuneSelf {
			n++
			sum += g.points(r, last)
		} else if unicode.IsLetter(r) && unicode.IsLetter(last) && last >= utf8.RuneSelf && !unicode.Is(unicode.Latin, last) && !g.wide {
			sum -= 3
		}
		last = r
	}
	if n == 0 {
		return 0
	}
	return sum / n
}

func (g guess) points(r, last rune) float64 {
	lower := unicode.ToLower(r)
	switch i := strings.IndexRune(g.common, lower); {
	case r == utf8.RuneError:
		return -6
	case !unicode.IsLetter(r) && !unicode.IsMark(r):
		if unicode.IsLetter(last) && (strings.ContainsRune("¿¡¶", r) || !unicode.IsPunct(r) && !unicode.IsSpace(r)) {
			return -3 // a symbol in a word
		}
		return 0
	case r != lower && unicode.IsLower(last):
		return -2
	case !g.wide && last < utf8.RuneSelf && unicode.IsLetter(last) && !unicode.Is(unicode.Latin, r):
		return -3
	case g.wide && i >= 0:
		return 3
	case g.wide && r >= 0xff61 && r <= 0xffdc:
		return -1 // half-width forms are what other charsets look like
	case g.wide:
		return 0.6
	case i < 0:
		return -1
	case r != lower:
		return 2 - 2*float64(i)/float64(len(g.common)) // few write in capitals
	default:
		return 3 - 2*float64(i)/float64(len(g.common))
	}
}

// bareUTF16 is for UTF-16 that has neither a label nor a mark: every other octet of western
// text is zero.
func bareUTF16(b []byte) encoding.Encoding {
	even, odd := 0, 0
	sample := b[:min(len(b), guessMax)]
	for i, c := range sample {
		if c == 0 && i%2 == 0 {
			even++
		} else if c == 0 {
			odd++
		}
	}
	switch n := len(sample); {
	case n < 4:
	case odd*5 > n*2 && even*20 < n:
		return utf.UTF16(utf.LittleEndian, utf.UseBOM)
	case even*5 > n*2 && odd*20 < n:
		return utf.UTF16(utf.BigEndian, utf.UseBOM)
	}
	return nil
}

// kanaShift writes the half-width katakana of old programs, as octets above 127 or between
// SO and SI, by the escape sequence that decoders know.
func kanaShift(b []byte) []byte {
	const toKana = "\x1b(I"
	out := make([]byte, 0, len(b)+16)
	mode := "\x1b(B"
	shifted, inKana := false, false
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case c == 0x1b && i+2 < len(b):
			n := 3
			if b[i+1] == '$' && b[i+2] == '(' && i+3 < len(b) {
				n = 4
			}
			mode, inKana = string(b[i:i+n]), false
			out = append(out, mode...)
			i += n - 1
			continue
		case c == 0x0e, c == 0x0f:
			shifted = c == 0x0e
			continue
		}
		kana := c >= 0xa1 && c <= 0xdf || shifted && c > ' '
		if kana != inKana {
			if kana {
				out = append(out, toKana...)
			} else {
				out = append(out, mode...)
			}
			inKana = kana
		}
		if kana {
			c &= 0x7f
		}
		out = append(out, c)
	}
	return out
}

// shiftOut reads the Korean and Chinese forms of ISO 2022 (RFC 1557, RFC 1922): what stands
// between SO and SI is the same with the high bit set. A line end returns too.
func shiftOut(b []byte) []byte {
	out := make([]byte, 0, len(b))
	shifted := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == 0x1b && i+3 < len(b) && b[i+1] == '$':
			i += 3
		case c == 0x0e, c == 0x0f:
			shifted = c == 0x0e
		case c == '\n':
			shifted = false
			out = append(out, c)
		case shifted && c > ' ':
			out = append(out, c|0x80)
		default:
			out = append(out, c)
		}
	}
	return out
}
