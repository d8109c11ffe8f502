package mail

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse: whatever comes, the message is made of clean UTF-8, each file has the hash
// that it names, no name leads out of a directory, and it does not take long.
func FuzzParse(f *testing.F) {
	mails, _ := filepath.Glob("testdata/parse/*.eml")
	for _, name := range mails {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var m *Message
		quick(t, len(raw), func() { m = Parse(raw) })
		for _, p := range m.Problems {
			if strings.Contains(p, "could not be understood") {
				t.Error(p)
			}
		}
		checkClean(t, m)
	})
}

func checkClean(t *testing.T, m *Message) {
	t.Helper()
	all := []string{m.Subject, m.MessageID, m.Text, m.HTML, m.HTMLText, m.NewText}
	all = append(append(append(append(all, m.InReplyTo...), m.References...), m.Problems...), m.Duplicates...)
	for _, list := range [][]Address{m.From, m.Sender, m.ReplyTo, m.To, m.Cc} {
		for _, a := range list {
			all = append(all, a.Name, a.Address)
			if strings.ContainsAny(a.Name+a.Address, "\r\n") {
				t.Errorf("line end in %+v", a)
			}
		}
	}
	for _, field := range m.fields {
		all = append(all, field.name, field.value)
	}
	for _, a := range m.Attachments {
		all = append(all, a.Name, a.Type, a.ContentID)
		sum := sha256.Sum256(a.Content)
		if a.SHA256 != hex.EncodeToString(sum[:]) || a.Size != int64(len(a.Content)) {
			t.Errorf("file %q: size or hash is wrong", a.Name)
		}
		if strings.ContainsAny(a.Name, "/\\\r\n") || a.Name == ".." || len(a.Name) > 255 {
			t.Errorf("file name %q", a.Name)
		}
	}
	for _, s := range all {
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			t.Errorf("not clean: %q", s)
		}
	}
}

func FuzzDecodeHeader(f *testing.F) {
	for _, s := range []string{"=?utf-8?q?a=C3?= =?utf-8?q?=A4?=", "=?utf-8?B?w6Q=?= x", "=?utf-7?q?+AOQ-?=", "=?x?b?=?=", "a =?", "=?iso-2022-jp?B?GyRCNEE7ehsoQg==?="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := DecodeHeader(s)
		if !utf8.ValidString(out) || strings.ContainsAny(out, "\x00\r\n") {
			t.Errorf("%q gives %q", s, out)
		}
	})
}

// FuzzAddressList: an address that was read and is written again is read the same.
func FuzzAddressList(f *testing.F) {
	for _, s := range []string{"a@b.example", `"A, B" <a@B.example>, c@d.example`, "G: a@b, c@d;", "a@b (name)", `<@x,@y:"a b"@c>`, "A <a@b", `"a`, "(("} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, a := range ParseAddressList(s) {
			spec, err := addrSpec(a.Address)
			if err != nil {
				continue
			}
			again := ParseAddressList("<" + spec + ">")
			if len(again) != 1 || again[0].Address != a.Address {
				t.Errorf("%q: %q is read again as %q", s, a.Address, again)
			}
		}
	})
}

func FuzzMessageIDs(f *testing.F) {
	for _, s := range []string{"<a@b> <c@d>", "<<a>>", "a@b c@d", "(<x@y>", "< a @ b >"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, id := range MessageIDs(s) {
			if again := MessageIDs("<" + id + ">"); len(again) != 1 || again[0] != id {
				t.Errorf("%q: %q is read again as %q", s, id, again)
			}
		}
	})
}
