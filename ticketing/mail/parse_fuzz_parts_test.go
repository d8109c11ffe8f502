package mail

import (
	"bytes"
	"encoding/base64"
	"mime/quotedprintable"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// quick wants an input of up to 64 KB read within 100 ms of CPU; slower machines have more.
func quick(t *testing.T, size int, fn func()) {
	t.Helper()
	limit := 100 * time.Millisecond * slower
	if took := cpuOf(fn); size <= 64<<10 && took > limit {
		t.Errorf("%d octets take %v", size, took)
	}
}

func clean(t *testing.T, what, s string) {
	t.Helper()
	if !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\r") {
		t.Errorf("%s is not clean: %q", what, s)
	}
}

// FuzzHeaders: the body is the end of the input, each field has a name, and no value has a
// line end.
func FuzzHeaders(f *testing.F) {
	for _, s := range []string{"A: b\r\n c\r\n\r\nx", "From x\nA: b\n\n", "A b\nC: d\n e", " a\nB: c\n\nx", "A:\n\n\n", "\n\nA: b\n", "A : b;\nname=c\n", "\xff: \xfe\n\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		quick(t, len(raw), func() {
			p := &parsing{m: &Message{}, seen: map[string]bool{}}
			fields, body := p.header(raw)
			if !bytes.HasSuffix(raw, body) {
				t.Errorf("the body is not the end of the message")
			}
			for _, fd := range fields {
				if fd.name == "" || strings.ContainsAny(fd.name, " \t:") || strings.ContainsAny(fd.value, "\r\n\x00") || !utf8.ValidString(fd.value) {
					t.Errorf("%q: %q", fd.name, fd.value)
				}
			}
		})
	})
}

// FuzzParams: names are in lower case, values are clean, and a value that is written by the
// rules is read as it was.
func FuzzParams(f *testing.F) {
	for _, s := range []string{`text/plain; charset="utf-8"; name=a b.txt`, `a/b; filename*0*=utf-8''%e2%82; filename*1*=%ac; filename*2=x`, `inline; filename*1=b; filename*0=a`,
		`x; name="=?utf-8?q?a?= =?utf-8?b?w6Q=?="`, `attachment; filename=(a(b)c)d.txt;;;=`, `;a="\";b=c`, `a*=b; a**0=c; *=d; a*99999999999999999999=e`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		quick(t, len(s), func() {
			_, params := parseParams(s)
			for name, value := range params {
				if name != strings.ToLower(name) {
					t.Errorf("the name %q", name)
				}
				clean(t, name, value)
			}
		})
		want := DecodeHeader(strings.Map(func(r rune) rune {
			if r < ' ' || r == '=' || r == 0x7f {
				return -1
			}
			return r
		}, strings.ToValidUTF8(s, "")))
		if _, got := parseParams("x; a=" + quote(want)); strings.TrimSpace(got["a"]) != strings.TrimSpace(want) && len(s) < 200 {
			t.Errorf("%q is read as %q", want, got["a"])
		}
	})
}

// FuzzMIME: the tree keeps its limits, and nothing in it is larger than what came in.
func FuzzMIME(f *testing.F) {
	mails, _ := filepath.Glob("testdata/parse/*.eml")
	for _, name := range mails {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	for name, make := range hostile {
		if !strings.HasPrefix(name, "html") {
			f.Add([]byte(make(2 << 10)))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p := &parsing{m: &Message{}, seen: map[string]bool{}, deadline: time.Now().Add(timeMax)}
		root := p.root(raw)
		parts, depthSeen := 0, 0
		var walk func(e *entity, depth int)
		walk = func(e *entity, depth int) {
			parts++
			depthSeen = max(depthSeen, depth)
			if len(e.body) > len(raw)+3 || !isMediaType(e.mediaType) {
				t.Errorf("%s of %d octets in %d", e.mediaType, len(e.body), len(raw))
			}
			for _, c := range e.children {
				walk(c, depth+1)
			}
		}
		walk(root, 0)
		if parts > partsMax+1 || depthSeen > depthMax+1 {
			t.Errorf("%d parts, %d deep", parts, depthSeen)
		}
	})
}

// FuzzTransfer: what was encoded is decoded to the same, and nothing grows.
func FuzzTransfer(f *testing.F) {
	for _, s := range []string{"", "a", "Gr\xc3\xbc=C3=BC\r\n", "YQ==YQ==", "=\r\n=3d=", "\x00\xff", "YWJj\nYWJj"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(decodeBase64(b)) > len(b)+3 || len(decodeQuotedPrintable(b)) > len(b) {
			t.Error("it grows")
		}
		lines := base64.StdEncoding.EncodeToString(b)
		for i := 76; i < len(lines); i += 78 {
			lines = lines[:i] + "\r\n" + lines[i:]
		}
		if got := decodeBase64([]byte(lines)); !bytes.Equal(got, b) {
			t.Errorf("base64: %q is read as %q", b, got)
		}
		var qp bytes.Buffer
		w := quotedprintable.NewWriter(&qp)
		w.Binary = true
		w.Write(b)
		w.Close()
		if got := decodeQuotedPrintable(qp.Bytes()); !bytes.Equal(got, b) {
			t.Errorf("quoted-printable: %q is read as %q", b, got)
		}
	})
}

// FuzzCharset: whatever the label says, the text is UTF-8.
func FuzzCharset(f *testing.F) {
	for _, label := range []string{"utf-8", "utf-7", "utf-16", "iso-2022-jp", "iso-2022-kr", "gb2312", "koi8-r", "", "hz", "no"} {
		f.Add([]byte("a\x1b$B\x46\x7c\x0e\x31\x0f\xff+AOQ-~{VP~}"), label)
	}
	f.Fuzz(func(t *testing.T, b []byte, label string) {
		quick(t, len(b), func() {
			s, _ := toUTF8(b, label, "")
			if !utf8.ValidString(s) {
				t.Errorf("%q in %q gives %q", b, label, s)
			}
			clean(t, "the text", normalText(s))
		})
	})
}

// FuzzHTMLText: the text is clean, and words without any HTML are themselves.
func FuzzHTMLText(f *testing.F) {
	for name, make := range hostile {
		if strings.HasPrefix(name, "html") {
			f.Add(make(300))
		}
	}
	f.Add(`<style>.a{display:none}@media x{.b{display:none}}</style><p class="a b" style="color:#fff;background:white">x<table border=1><tr><td><p>a<td>b</table>`)
	f.Fuzz(func(t *testing.T, s string) {
		s = normalText(s)
		quick(t, len(s), func() { clean(t, "the text", htmlText(s)) })
		if words := strings.Join(strings.FieldsFunc(s, func(r rune) bool { return !(r < utf8.RuneSelf && isAlnum(byte(r))) }), " "); htmlText(words) != words {
			t.Errorf("%q is read as %q", words, htmlText(words))
		}
	})
}

// FuzzSafeHTML: what is shown has no element and no attribute that could run or fetch, also
// when it is read once more.
func FuzzSafeHTML(f *testing.F) {
	for _, s := range []string{"<p onclick=x>a<script>b</script>", `<img src="https://t.example/x">`, `<img src=cid:a>`, `<a href="javascript:x">y</a>`, `<p style="background:url(//x)">`,
		`<svg><style><a id="</style><img src=x onerror=y>">`, `<img src="data:image/png;base64,iVBORw0KGgo=" alt='" src="cid:image-0'>`, `<base href=//x><iframe srcdoc="<script>">`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m := &Message{HTML: s, Attachments: []Attachment{{ContentID: "a", Content: []byte("GIF89a")}}}
		quick(t, len(s), func() { checkSafe(t, s, SafeHTML(m, "/parts/").HTML) })
	})
}

func checkSafe(t *testing.T, in, out string) {
	t.Helper()
	if !utf8.ValidString(out) {
		t.Errorf("%q gives %q", in, out)
	}
	for z := html.NewTokenizer(strings.NewReader(out)); z.Next() != html.ErrorToken; {
		tok := z.Token()
		if tok.Type == html.CommentToken || tok.Type == html.DoctypeToken {
			t.Errorf("%q leaves %q", in, tok)
		}
		switch tok.Data {
		case "script", "style", "iframe", "frame", "object", "embed", "svg", "math", "form", "input", "base", "meta", "link", "video", "audio", "source", "template":
			if tok.Type != html.TextToken {
				t.Errorf("%q leaves %q", in, tok)
			}
		}
		for _, a := range tok.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "srcset", a.Key == "background", a.Key == "class", a.Key == "id", a.Key == "name":
				t.Errorf("%q leaves %q", in, tok)
			case a.Key == "src" && a.Val != "/parts/0" && !strings.HasPrefix(a.Val, "data:image/"), a.Key == "style" && strings.Contains(a.Val, "url("):
				t.Errorf("%q fetches %q", in, a.Val)
			case a.Key == "href" && !strings.HasPrefix(strings.ToLower(a.Val), "http") && !strings.HasPrefix(strings.ToLower(a.Val), "mailto:"):
				t.Errorf("%q links to %q", in, a.Val)
			}
		}
	}
}

// FuzzTNEF: files are pieces of the input, and their names are safe.
func FuzzTNEF(f *testing.F) {
	f.Add(winmail(tnefAttr(1, 0x00069007, []byte{0xe3, 4, 0, 0}), tnefAttr(2, 0x00069002, make([]byte, 14)), tnefAttr(2, 0x00018010, []byte("a.txt\x00")),
		tnefAttr(2, 0x0006800f, []byte("x")), tnefAttr(2, 0x00069005, tnefPropList(tnefProp(propLongName, mapiUnicode, []byte("a\x00b\x00")), tnefProp(propData, mapiObject, winmail())))))
	f.Add(winmail(tnefAttr(1, 0x00069003, tnefPropList(tnefProp(propRTF, mapiBinary, rtfRaw(`{\rtf1 x}`)), tnefProp(propBody, mapiString, []byte("b"))))))
	f.Fuzz(func(t *testing.T, b []byte) {
		quick(t, len(b), func() {
			tf, _ := readTNEF(b, 0)
			for _, a := range tf.files {
				clean(t, "the name", a.Name)
				if len(a.Content) > len(b) || strings.ContainsAny(a.Name, `/\`) {
					t.Errorf("%q of %d octets", a.Name, len(a.Content))
				}
			}
			if len(unpackRTF(tf.rtf)) > decodedMax {
				t.Error("the RTF is too large")
			}
		})
	})
}

// FuzzRTF, like the others, wants clean text out of anything.
func FuzzRTF(f *testing.F) {
	for _, s := range []string{`{\rtf1\ansi\ansicpg932 \'82\'b1\u8364?\par{\*\x y}}`, `{\rtf1\fromhtml1 {\*\htmltag64 <p>}\htmlrtf x\htmlrtf0 y}`, `{\rtf1{{{{{\'`, `{\rtf1\u-10179?\u-8704?}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		quick(t, len(b), func() {
			s, _ := readRTF(append([]byte(`{\rtf`), b...))
			clean(t, "the text", s)
		})
	})
}

// FuzzCalendar: the line is one line.
func FuzzCalendar(f *testing.F) {
	f.Add(calendarOf("METHOD:REQUEST", "BEGIN:VEVENT", "SUMMARY:a\\, b", "DTSTART;TZID=X:20260305T100000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;BYDAY=MO,-1FR", "END:VEVENT"))
	f.Add("BEGIN:VEVENT\nDTSTART;VALUE=DATE:20260305\nDTEND:99999999\nATTENDEE;CN=\"a:b\":mailto:x")
	f.Fuzz(func(t *testing.T, s string) {
		quick(t, len(s), func() {
			v, ok := readCalendar(normalText(strings.ToValidUTF8(s, "")), "")
			if !ok {
				return
			}
			if strings.Contains(v.Line, "\n") || v.Line == "" {
				t.Errorf("%q", v.Line)
			}
			for _, s := range []string{v.Line, v.Summary, v.Start, v.End, v.Zone, v.Location, v.Organizer, v.Attendee, v.Answer} {
				clean(t, "the event", s)
			}
		})
	})
}

// FuzzUUEncoded: files are no larger than the text that they stand in.
func FuzzUUEncoded(f *testing.F) {
	for _, s := range []string{"begin 644 a\n#0V%T\n`\nend\n", "x\nbegin 755 a b\n", "begin 644 a\nM\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		quick(t, len(s), func() {
			sum := 0
			for _, file := range uudecode(s) {
				sum += len(file.content)
			}
			if sum > len(s)+64 {
				t.Errorf("%d octets out of %d", sum, len(s))
			}
		})
	})
}

// FuzzSignedContent: what is signed stands in the input.
func FuzzSignedContent(f *testing.F) {
	f.Add([]byte("\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80\x02\x01\x01\x31\x00\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x80\x24\x80\x04\x01x\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		quick(t, len(b), func() {
			if len(signedContent(b)) > len(b) {
				t.Error("it grows")
			}
		})
	})
}
