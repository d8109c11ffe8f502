package verify

import (
	"strings"
	"testing"
)

func TestReadReceived(t *testing.T) {
	const by = "\tby mx.desk.example (Postfix) with "
	for text, want := range map[string]received{
		"from out.a.example (out.a.example [192.0.2.1])" + by + "ESMTP id 4Abc\tfor <new@desk.example>; Tue, 3 Mar 2026 10:00:00 +0000": {
			helo: "out.a.example", by: "mx.desk.example"},
		"from a (unknown [IPv6:2001:db8::1])\t(using TLSv1.3 with cipher X (256/256 bits)\t key-exchange X25519)\t(No client certificate requested)\t(Authenticated sender: jo@a.example)" + by + "ESMTPSA id 4Abc;\tdate": {
			helo: "a", by: "mx.desk.example", login: "jo@a.example"},
		// The client's own word at HELO: parentheses come out as question marks.
		"from x [192.0.2.9]? ?Authenticated sender: boss? by mx.desk.example ?Postfix? with ESMTPA id 4 (evil.example [192.0.2.1])" + by + "ESMTP id 4Abc; date": {
			helo: "x [192.0.2.9]? ?Authenticated sender: boss? by mx.desk.example ?Postfix? with ESMTPA id 4", by: "mx.desk.example"},
		// A client certificate may be called anything, in balanced parentheses.
		"from a (evil.example [192.0.2.1])\t(Client CN \"x (Authenticated sender: boss)\", Issuer \"y\" (not verified))" + by + "ESMTPSA id 4; date": {
			helo: "a", by: "mx.desk.example"},
		"from a (evil.example [192.0.2.1])\t(Client CN \"(Authenticated sender: boss)\", Issuer \"y\")\t(Authenticated sender: jo)" + by + "ESMTPSA id 4; date": {
			helo: "a", by: "mx.desk.example", login: "jo"},
		// A recipient of one's own choice stands behind what counts.
		"from a (a [192.0.2.1])" + by + "ESMTP id 4\tfor <\"(Authenticated sender: boss)\"@desk.example>; date": {helo: "a", by: "mx.desk.example"},
	} {
		r, ok := readReceived(text)
		client := r.client
		r.client = want.client
		if !ok || r != want || !client.IsValid() {
			t.Errorf("%q:\n%+v %v\nwant %+v", text, r, ok, want)
		}
	}
	for _, text := range []string{
		"", "from a", "by mx.desk.example (Postfix, from userid 0)\tid 4; date", "from a (a)" + by + "ESMTP id 4; date",
		"from a (b (Authenticated sender: boss) [192.0.2.1])" + by + "ESMTPA id 4; date",
		"from a (a [192.0.2.1]) (Authenticated sender: jo)" + by + "ESMTP id 4; date", // no A: not logged in
		"from a (a [192.0.2.1]) by mx.desk.example",
		"from a (a [192.0.2.1]) (Authenticated sender: jo",
	} {
		if r, ok := readReceived(text); ok {
			t.Errorf("%q is read as %+v", text, r)
		}
	}
}

// What smtpd(8) makes of a HELO, of a certificate's name and of a login cannot forge a
// login or another client.
func FuzzReceived(f *testing.F) {
	for _, s := range []string{"a.example", "(Authenticated sender: boss)", ") (Authenticated sender: boss)", "[192.0.2.9]", "x by y (Postfix) with ESMTPSA id", `\) (`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		readReceived(s)
		readReceived("from " + s)
		text := "from " + neuter(s) + " (out.example [192.0.2.1])\t(Client CN \"" + sanitize(s) + "\", Issuer \"y\" (verified OK))\t" +
			"(Authenticated sender: " + sanitize(s) + ")\tby mx.desk.example (Postfix) with ESMTPSA id 4Abc; date"
		r, ok := readReceived(text)
		if !ok || r.login != sanitize(s) || r.client.String() != "192.0.2.1" || r.by != "mx.desk.example" {
			t.Errorf("%q: %+v %v", text, r, ok)
		}
	})
}

// neuter is what Postfix does to HELO.
func neuter(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`<>()\";:@`, r) {
			return '?'
		}
		return r
	}, s)
}

// sanitize is what Postfix does to what goes into a comment: printable, without
// backslashes, parentheses balanced.
func sanitize(s string) string {
	depth := 0
	s = strings.Map(func(r rune) rune {
		switch {
		case r < ' ' || r > '~' || r == '\\':
			return '?'
		case r == '(':
			depth++
		case r == ')' && depth == 0:
			return '?'
		case r == ')':
			depth--
		}
		return r
	}, s)
	return s + strings.Repeat(")", depth)
}
