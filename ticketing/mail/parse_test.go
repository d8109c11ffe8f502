package mail

import (
	"strings"
	"testing"
)

func TestParseNeverRefuses(t *testing.T) {
	for _, raw := range []string{"", "\n", "\r\n\r\n", "x", ":", "From:", "\x00\xff", "Content-Type: multipart/mixed\n\n--\n--"} {
		if m := Parse([]byte(raw)); m == nil || len(m.Problems) == 0 {
			t.Errorf("%q: no message, or no problem seen", raw)
		}
	}
	m := Parse([]byte("From: A <a@EXAMPLE.org>\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\nhello\n"))
	if len(m.Problems) != 0 || m.Subject != "Grüße" || m.From[0] != (Address{"A", "a@example.org"}) || strings.TrimSpace(m.Text) != "hello" {
		t.Errorf("%+v", m)
	}
}

// The beginning of a mail is tied to the same mails as the whole.
func TestReadHeader(t *testing.T) {
	raw := []byte("Message-ID: <a@x>\nIn-Reply-To: <b@x>\nReferences: <c@x>\n <b@x>\nSubject: s\n\n" + strings.Repeat("Message-ID: <no@x>\n", 99))
	for _, m := range []*Message{Intake(raw), ReadHeader(raw), ReadHeader(raw[:200])} {
		if m.MessageID != "a@x" || strings.Join(m.InReplyTo, " ") != "b@x" || strings.Join(m.References, " ") != "c@x b@x" || m.Subject != "s" {
			t.Errorf("%+v", m)
		}
	}
}

func TestParseAddressList(t *testing.T) {
	for in, want := range map[string]string{
		`Doe, Jane <j@x.example>`:         `Doe, Jane|j@x.example`,
		`"Doe\, Jane" <j@X.example>, b@y`: `Doe, Jane|j@x.example ; |b@y`,
		`"\\Doe \"J\"" <j@x.example>`:     `\Doe "J"|j@x.example`,
		`j@x.example (Jane (J) Doe)`:      `Jane (J) Doe|j@x.example`,
		`undisclosed-recipients:;`:        ``,
		`user @ host.example`:             `|user@host.example`,
		`=?utf-8?Q?Doe,_J?= <j@x>`:        `Doe, J|j@x`,
		`<@a,@b:j@x>`:                     `|j@x`,
		`"john doe"@x`:                    `|"john doe"@x`,
		`"john"@x`:                        `|john@x`,
		`Jane <j@x; Bob <b@y>`:            `Jane|j@x ; Bob|b@y`,
		// A name may look like an address; the address is what stands in brackets.
		`a@good.example <b@evil.example>`:              `a@good.example|b@evil.example`,
		`=?utf-8?q?a=40good.example?= <b@evil>`:        `a@good.example|b@evil`,
		`<a@good.example> <b@evil.example>`:            `|a@good.example ; |b@evil.example`,
		`<a@good.example> b@evil.example`:              `|a@good.example ; |b@evil.example`,
		`<a@good.example <b@evil.example>`:             `|a@good.example ; |b@evil.example`,
		`a@good.example b@evil.example`:                `|a@good.example ; |b@evil.example`,
		`"a@good.example"@evil.example`:                `|"a@good.example"@evil.example`,
		`"unclosed <j@x>`:                              `unclosed|j@x`,
		"=?utf-8?b?" + "w6Q=" + "?= <j@x> (a comment)": `ä|j@x`,
	} {
		var got []string
		for _, a := range ParseAddressList(in) {
			got = append(got, a.Name+"|"+a.Address)
		}
		if s := strings.Join(got, " ; "); s != want {
			t.Errorf("%s: %s, want %s", in, s, want)
		}
	}
}

func TestDecodeHeader(t *testing.T) {
	for in, want := range map[string]string{
		"=?utf-8?Q?what??=":                                           "what?",
		"=?utf-8?Q?a?=20b?=":                                          "a? b",
		"=?UTF-8*en?Q?x?=":                                            "x",
		"=?utf-8?B?5Lit5Zu?= =?utf-8?B?95paH?=":                       "中国文",
		"=?gb2312?B?1tA=?=\t=?gb2312?B?ufo=?=":                        "中国",
		"=?iso-2022-jp?B?GyRCNEE=?= =?iso-2022-jp?B?O3obKEI=?=":       "漢字",
		"=?utf-8?q?a?= b =?utf-8?q?c?=":                               "a b c",
		"=?utf-8?q?a b?=":                                             "a b",
		"=?utf-8?q?lost =?utf-8?q?_end?=":                             "lost end",
		"=?utf-8?Q?no end":                                            "=?utf-8?Q?no end",
		"=?no-such?Q?=E4?=":                                           "ä",
		"=?windows-1252?Q?=93x=94?=":                                  "“x”",
		"=?utf-8?q?a=0D=0ABcc:_x?=":                                   "a Bcc: x",
		"=?utf-7?q?+AOQ-?= =?koi8-r?b?8NLJ18XU?= =?big5?b?pKSk5Q==?=": "äПривет中文",
		"=?utf-8?Q?Gr=C3?= =?UTF-8?B?vMOfZQ?=":                        "Grüße", // cut in a character, the other encoding, no padding
		"=?utf-8?B?R3LD vMOf ZQ==?=":                                  "Grüße",
		"\"=?utf-8?Q?Gr=c3=bc?=\"":                                    "\"Grü\"",
		"=?UTF-8?Q?=F0=9F=98?=\r\n =?utf-8?q?=80?=":                   "😀",
		"=?utf-8?Q?a?==?utf-8?Q?b?=x":                                 "abx",
		"=?ks_c_5601-1987?B?jGM=?=":                                   "똠",
		"a =?= b ?= =??= =?x?y?z?=":                                   "a =?= b ?= =??= =?x?y?z?=",
	} {
		if got := DecodeHeader(in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestFileNameParameters(t *testing.T) {
	for in, want := range map[string]string{
		`filename*0*=utf-8''%e2%82; filename*1*=%ac%20rates; filename*2=.txt`:              "€ rates.txt",
		`filename*1="b.txt"; filename*0="a"`:                                               "ab.txt",
		`filename*0="=?utf-8?B?R3LD"; filename*1="vMOfZS50eHQ=?="`:                         "Grüße.txt",
		`filename="=?utf-8?Q?Gr=C3=BC?= =?utf-8?Q?=C3=9Fe.txt?="`:                          "Grüße.txt",
		`filename==?utf-8?Q?Gr=C3=BC=C3=9Fe.txt?=`:                                         "Grüße.txt",
		`filename=my file name.txt; size=4`:                                                "my file name.txt",
		`filename*=utf-8''%E4%B8; filename=a.txt`:                                          "ä¸", // it lies: Latin-1
		`filename="a.txt"; filename*=utf-8''%C3%A4.txt`:                                    "ä.txt",
		`filename*="gbk''%D6%D0.txt"`:                                                      "中.txt",
		`filename="a;b \"c\".txt"`:                                                         `a;b "c".txt`,
		`filename="unclosed.txt`:                                                           "unclosed.txt",
		`filename*=a.txt`:                                                                  "a.txt",
		`filename*10=k; filename*2=c; filename*0=a; filename*1=b`:                          "abck",
		`filename*0="a.p"; filename*1="df"; filename*0*=utf-8''%C3%A4.p; filename*1*=%64f`: "ä.pdf", // both forms at once
		`FILENAME = "x.txt"`:                                                               "x.txt",
		`filename*0*=utf-8'de'%C3; FileName*1*=%A4.txt`:                                    "ä.txt", // cut in a character
	} {
		if _, p := parseParams("attachment; " + in); p["filename"] != want {
			t.Errorf("%s: %q, want %q", in, p["filename"], want)
		}
	}
}

func TestParseDate(t *testing.T) {
	for in, want := range map[string]string{
		"Mon, 2 Mar 2026 10:11:12 +0100 (CET)": "2026-03-02T10:11:12+01:00",
		"2 Mar 26 10:11 EST":                   "2026-03-02T10:11:00-05:00",
		"Mon Mar  2 10:11:12 2026":             "2026-03-02T10:11:12Z",
		"2026-03-02T10:11:12.5Z":               "2026-03-02T10:11:12Z",
		"02-Mar-2026 10:11:12":                 "2026-03-02T10:11:12Z",
		"Monday, March 2, 2026 10:11 PM":       "2026-03-02T22:11:00Z",
		"yesterday":                            "0001-01-01T00:00:00Z",
		"Mon, 99 Mar 2026 10:11:12 +0100":      "0001-01-01T00:00:00Z",
	} {
		if got := parseDate(in).Format("2006-01-02T15:04:05Z07:00"); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestFileNames(t *testing.T) {
	for in, want := range map[string]string{
		"../../etc/passwd": "passwd", `C:\temp\a.txt`: "a.txt", "a\u202Efdp.exe": "afdp.exe", "..": "", "a\r\nb": "a b", "a\u200Bb": "ab", `"q"`: "q",
	} {
		if got := shownName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
