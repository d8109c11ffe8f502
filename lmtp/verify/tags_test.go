package verify

import (
	"slices"
	"strings"
	"testing"
)

func FuzzRecord(f *testing.F) {
	for _, s := range []string{"v=DMARC1; p=reject", "v=DMARC1;p=none;sp=quarantine;np=x;adkim=s;t=y;rua=mailto:a@b", "v=DMARC1", ";;=", "v=DMARC1; p"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, ok := parseRecord(s)
		if ok && r["v"] != "DMARC1" {
			t.Errorf("%q is taken for a record", s)
		}
		for _, tag := range []string{"p", "sp", "np"} {
			if request, ok := requested(r, tag); ok && !slices.Contains([]string{"none", "quarantine", "reject", ""}, request) {
				t.Errorf("%q asks for %q", s, request)
			}
		}
	})
}

// A list that is taken has each tag once, and a signing domain that stands in it.
func FuzzTags(f *testing.F) {
	for _, s := range []string{"v=1; d=a.example; s=x; b=abc", "D=a; d=b", "d=a;d=b", "d = a .\r\n example ;", "d", "=x", ";;", "l=0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list, ok := tags(s)
		if !ok {
			return
		}
		if strings.Count(s, "=") < len(list) {
			t.Errorf("%q has %v", s, list)
		}
		for name, value := range list {
			if !strings.Contains(s, value) || name != strings.TrimSpace(name) {
				t.Errorf("%q has %q=%q", s, name, value)
			}
		}
		h := readHeader([]byte("DKIM-Signature: " + s + "\r\n\r\n"))
		if len(h.signatures) == 0 {
			t.Errorf("%q: no signature", s)
		}
	})
}

func TestTags(t *testing.T) {
	if got, ok := tags("D=a; d = b . c; s=\r\n\tx;"); !ok || got["d"] != "b . c" || got["D"] != "a" || got["s"] != "x" {
		t.Errorf("%v %q", ok, got)
	}
	for _, list := range []string{"d=a; d=b", "d=a; =b", "d=a; b"} {
		if got, ok := tags(list); ok {
			t.Errorf("%q is taken as %v", list, got)
		}
	}
}

// What DKIM takes for the header, and what the parser of mail does, may differ. Then the
// signature is valid, and what is shown is not what was signed.
func TestTwoReadersOfOneHeader(t *testing.T) {
	z := newZone(t)
	signed := z.sign("customer.example", letter)
	copied, _, _ := strings.Cut(signed, "From:")
	for name, raw := range map[string]string{
		"text among the fields":      strings.Replace(signed, "\r\n\r\n", "\r\nPay this account instead\r\n\r\n", 1),
		"a header above the header":  copied + "From: Jo <jo@customer.example>\r\nSubject: Pay\r\n\r\r\n" + signed,
		"a From behind 2,000 fields": "From: boss@customer.example\r\n" + strings.Repeat("X-A: b\r\n", 2001) + signed,
		"a line of white space":      strings.Replace(signed, "\r\nTo:", "\r\n \t\r\nTo:", 1),
	} {
		if a := z.verify(raw); a.Author != "" {
			t.Errorf("%s: %q is proven: %s", name, a.Author, a.Reason)
		}
	}
}
