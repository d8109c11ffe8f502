package mail

import (
	"testing"

	"golang.org/x/text/encoding/charmap"
)

func TestCharsetLabels(t *testing.T) {
	for label, in := range map[string]struct{ octets, want string }{
		"x-mac-cyrillic":      {"\x8f\xf0\xe8", "При"},
		"x-x-big5":            {"\xa4\xa4", "中"},
		"cp950":               {"\xa4\xa4", "中"},
		"Big5-HKSCS":          {"\x89\xe9", "厰"},
		"gb2312":              {"\x81\x30\x84\x36\xd6\xd0", "¥中"}, // four octets: GB18030
		"GB_2312-80":          {"\xd6\xd0", "中"},
		"iso_8859-1:1987":     {"\x80\xe4", "€ä"}, // as browsers read it
		"windows1251":         {"\xcf", "П"},
		"win-1251":            {"\xcf", "П"},
		"dos-866":             {"\x8f", "П"},
		"koi8r":               {"\xf0", "П"},
		"ISO-8859-8-I":        {"\xf9", "ש"},
		"ks_c_5601-1987":      {"\x8c\x63", "똠"}, // CP949, not in KS C 5601
		"cp949":               {"\xb0\xa1", "가"},
		"iso-2022-jp-ms":      {"\x1b$B\x2d\x21\x1b(B", "①"},
		"iso-2022-jp":         {"\x1b(I1\x1b(B \x1b$B\x46\x7c\x1b(B", "ｱ 日"},
		"cp50221":             {"\x1b$B\x46\x7c\x1b(B\xb1\xb2", "日ｱｲ"}, // half-width kana in eight bits
		"cp50222":             {"a\x0e12\x0fb \x1b$B\x46\x7c\x1b(B", "aｱｲb 日"},
		"iso-2022-kr":         {"\x1b$)C\x0e>H3g\x0f abc", "안녕 abc"},
		"iso-2022-cn":         {"\x1b$)A\x0eVP\x0f abc", "中 abc"},
		"hz-gb-2312":          {"~{VP~} abc", "中 abc"},
		"unicode-1-1-utf-7":   {"+APw- +- +AGEAYg-", "ü + ab"},
		"\"utf-8\"; x":        {"\xc3\xa4", "ä"},
		"utf8mb4":             {"\xc3\xa4", "ä"},
		"utf-16le":            {"\xe4\x00", "ä"},
		"cp1140":              {"\xc1", "A"},
		"utf-16":              {"\xff\xfea\x00", "a"},
		"iso-8859-16":         {"\xaa", "Ș"},
		"tis-620":             {"\xa1", "ก"},
		"cp858":               {"\xd5", "€"},
		"no-such-set":         {"\xc3\xa4", "ä"},
		"shift_jis":           {"\x87\x40", "①"},
		"ISO-8859-1":          {"\xc3\xa4 \xe2\x82\xac", "ä €"}, // it lies
		"utf-8":               {"Gr\xfc\xdfe", "Grüße"},         // so does this
		"windows-31j":         {"\xfa\x40", "ⅰ"},
		"csISO2022JP":         {"\x1b$@\x46\x7c\x1b(J", "日"},
		"iso-2022-jp-3":       {"\x82\xb1\x82\xf1\x82\xc9", "こんに"}, // Shift_JIS in truth
		"x-user-defined":      {"\xc3\xa4", "ä"},
		"unknown-8bit":        {"\xe4", "ä"},
		"ansi_x3.4-1968":      {"\xe4", "ä"},
		"ISO-8859-15":         {"\xa4", "€"},
		"macintosh":           {"\x9f", "ü"},
		"windows-1257 (note)": {"\xe0", "ą"},
	} {
		got, problem := toUTF8([]byte(in.octets), label, "")
		if normalText(got) != normalText(in.want) {
			t.Errorf("%s: %q is read as %q (%s), want %q", label, in.octets, got, problem, in.want)
		}
	}
}

// TestCharsetGuess has texts that name no charset.
func TestCharsetGuess(t *testing.T) {
	for want, octets := range map[string]string{
		"Καλημέρα σας, το πρόβλημα":     "\xca\xe1\xeb\xe7\xec\xdd\xf1\xe1 \xf3\xe1\xf2, \xf4\xef \xf0\xf1\xfc\xe2\xeb\xe7\xec\xe1",
		"שלום הטלפון לא עובד":           "\xf9\xec\xe5\xed \xe4\xe8\xec\xf4\xe5\xef \xec\xe0 \xf2\xe5\xe1\xe3",
		"Привет, мир":                   "\xcf\xf0\xe8\xe2\xe5\xf2, \xec\xe8\xf0",
		"Привет, мир ":                  "\xf0\xd2\xc9\xd7\xc5\xd4, \xcd\xc9\xd2 ", // KOI8-R
		"Привет, мир, помогите":         "\x8f\xe0\xa8\xa2\xa5\xe2, \xac\xa8\xe0, \xaf\xae\xac\xae\xa3\xa8\xe2\xa5",
		"Zażółć gęślą jaźń":             "Za\xbf\xf3\xb3\xe6 g\xea\x9cl\xb9 ja\x9f\xf1",
		"Zażółć gęślą jaźń ":            "Za\xbf\xf3\xb3\xe6 g\xea\xb6l\xb1 ja\xbc\xf1 ", // ISO-8859-2
		"Příliš žluťoučký kůň":          "P\xf8\xedli\x9a \x9elu\x9dou\xe8k\xfd k\xf9\xf2",
		"Şifre değiştirilemiyor":        "\xdeifre de\xf0i\xfetirilemiyor",
		"สวัสดีครับ ผม":                 "\xca\xc7\xd1\xca\xb4\xd5\xa4\xc3\xd1\xba \xbc\xc1",
		"مرحبا بكم":                     "\xe3\xd1\xcd\xc8\xc7 \xc8\xdf\xe3",
		"Schöne Grüße aus München":      "Sch\xf6ne Gr\xfc\xdfe aus M\xfcnchen",
		"ÉTÉ À L'ÉCOLE":                 "\xc9T\xc9 \xc0 L'\xc9COLE",
		"Þetta er íslenska, það er góð": "\xdeetta er \xedslenska, \xfea\xf0 er g\xf3\xf0",
		"こんにちは":                         "\x82\xb1\x82\xf1\x82\xc9\x82\xbf\x82\xcd",
		"こんにちは ":                        "\xa4\xb3\xa4\xf3\xa4\xcb\xa4\xc1\xa4\xcf ",
		"您好，我的打印机":                      "\xc4\xfa\xba\xc3\xa3\xac\xce\xd2\xb5\xc4\xb4\xf2\xd3\xa1\xbb\xfa",
		"您好，我的印表機":                      "\xb1z\xa6n\xa1A\xa7\xda\xaa\xba\xa6L\xaa\xed\xbe\xf7",
		"안녕하세요":                         "\xbe\xc8\xb3\xe7\xc7\xcf\xbc\xbc\xbf\xe4",
		"Hello":                         "H\x00e\x00l\x00l\x00o\x00",
		"ｱｲｳ":                           "\x1b(I123\x1b(B",
	} {
		got, problem := toUTF8([]byte(octets), "", "")
		if got != want {
			t.Errorf("%q is read as %q (%s), want %q", octets, got, problem, want)
		}
		if enc := guessEncoding([]byte(octets)); problem == "" && enc != charmap.Windows1252 {
			t.Errorf("%q: no problem is noted", octets)
		}
	}
}

// TestHeaderCharset: raw octets in a header are read by the charset that a part names.
func TestHeaderCharset(t *testing.T) {
	m := Parse([]byte("From: a@b.example\nSubject: \xc4\xd0\nContent-Type: multipart/mixed; boundary=b\n\n" +
		"--b\nContent-Type: text/plain; charset=koi8-r\n\n\xc4\xd0\n--b--\n"))
	if m.Subject != "дп" || m.Text != "дп" || len(m.Problems) == 0 {
		t.Errorf("%q %q %q", m.Subject, m.Text, m.Problems)
	}
}
