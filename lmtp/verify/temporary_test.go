package verify

import (
	"bytes"
	"crypto"
	"fmt"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"

	"postdesk/ticketing/mail"
)

// DNS that could prove nothing if it answered excuses nothing: a stranger would have every
// forged mail decided later by a signature of their own, or by their own reverse-path.
func TestTemporaryOfStranger(t *testing.T) {
	for name, raw := range map[string]func(z *zone) string{
		"a signature":    func(z *zone) string { return z.sign("other.example", letter) },
		"a reverse-path": func(*zone) string { return letter },
	} {
		t.Run(name, func(t *testing.T) {
			z := newZone(t)
			z.set("_dmarc.customer.example", 0, "v=DMARC1; p=reject")
			z.fault("s1._domainkey.other.example", "SERVFAIL")
			z.fault("other.example", "SERVFAIL")
			r, err := NewResolver(z.addr)
			if err != nil {
				t.Fatal(err)
			}
			text := "Received: from mx.other.example (mx.other.example [192.0.2.7])\r\n\tby mx.desk.example (Postfix) with ESMTPS id 4ABC for <new@desk.example>; Tue, 03 Mar 2026 10:00:00 +0000\r\n" + raw(z)
			m := mail.Parse([]byte(text))
			m.ReversePath = "eve@other.example"
			a := New(Config{Resolver: r, Timeout: z.patience(), Trust: Trust{Border: true}}).Verify(t.Context(), []byte(text), m)
			if a.Temporary || a.DMARC != mail.AuthFail {
				t.Errorf("temporary %v, dmarc %s: %s", a.Temporary, a.DMARC, a.Reason)
			}
		})
	}
}

// A stranger's signature whose key is never answered for must not use up the time in which
// the author's own domain can be asked: every forged mail would be decided later by it.
func TestSlowStranger(t *testing.T) {
	z := newZone(t)
	z.set("_dmarc.customer.example", 0, "v=DMARC1; p=reject")
	z.set("customer.example", 0, "v=spf1 ip4:192.0.2.1 -all")
	z.fault("s1._domainkey.other.example", "TIMEOUT")
	for client, want := range map[string]mail.AuthResult{"192.0.2.1": mail.AuthPass, "192.0.2.7": mail.AuthFail} {
		r, err := NewResolver(z.addr) // without what the other one has heard
		if err != nil {
			t.Fatal(err)
		}
		text := "Received: from mx.other.example (mx.other.example [" + client + "])\r\n\tby mx.desk.example (Postfix) with ESMTPS id 4ABC for <new@desk.example>; Tue, 03 Mar 2026 10:00:00 +0000\r\n" + z.sign("other.example", letter)
		m := mail.Parse([]byte(text))
		m.ReversePath = "jo@customer.example"
		a := New(Config{Resolver: r, Timeout: z.patience(), Trust: Trust{Border: true}}).Verify(t.Context(), []byte(text), m)
		if a.Temporary || a.DMARC != want {
			t.Errorf("from %s: temporary %v, dmarc %s, want %s: %s", client, a.Temporary, a.DMARC, want, a.Reason)
		}
	}
}

// signFields signs some fields alone.
func (z *zone) signFields(domain, raw string, fields ...string) string {
	z.t.Helper()
	var b bytes.Buffer
	err := dkim.Sign(&b, strings.NewReader(raw), &dkim.SignOptions{Domain: domain, Selector: "s1", Signer: z.key, Hash: crypto.SHA256, HeaderKeys: fields})
	if err != nil {
		z.t.Fatal(err)
	}
	return b.String()
}

// A Reply-To that the signature does not cover is anybody's.
func TestUnsignedReplyTo(t *testing.T) {
	z := newZone(t)
	covered := z.sign("customer.example", "Reply-To: jo@home.example\r\n"+letter)
	if a := z.verify(covered); a.Author != "jo@customer.example" || len(a.Unsigned) > 0 {
		t.Errorf("covered: %+v", a)
	}
	added := "Reply-To: eve@evil.example\r\n" + z.signFields("customer.example", letter, "From", "Subject")
	if a := z.verify(added); a.Author != "jo@customer.example" || fmt.Sprint(a.Unsigned) != "[reply-to to]" {
		t.Errorf("added: %+v", a)
	}
	// A signature of others, or one that does not verify, covers nothing.
	stranger := z.sign("other.example", added)
	if a := z.verify(stranger); a.Author != "jo@customer.example" || fmt.Sprint(a.Unsigned) != "[reply-to to]" {
		t.Errorf("signed by a stranger: %+v", a)
	}
}

// What a trusted server has verified is that the author's domain signed, not which fields.
func TestUnsignedReplyToVouched(t *testing.T) {
	z := newZone(t)
	r, err := NewResolver(z.addr)
	if err != nil {
		t.Fatal(err)
	}
	v := New(Config{Resolver: r, Trust: Trust{AuthservID: "mx.desk.example"}})
	for fields, want := range map[string]string{"From:Subject": "[reply-to to]", "From:To:Reply-To": "[]"} {
		signed := z.signFields("customer.example", "Reply-To: eve@evil.example\r\n"+letter, strings.Split(fields, ":")...)
		// The key is gone when we look: the server's word alone counts.
		z.fault("s1._domainkey.customer.example", "NXDOMAIN")
		raw := "Authentication-Results: mx.desk.example; dkim=pass header.d=customer.example\r\n" +
			"Received: from mx.customer.example (mx.customer.example [192.0.2.7])\r\n\tby mx.desk.example (Postfix) with ESMTPS id 4ABC for <new@desk.example>; Tue, 03 Mar 2026 10:00:00 +0000\r\n" + signed
		a := v.Verify(t.Context(), []byte(raw), mail.Parse([]byte(raw)))
		if a.Method != "authserv" || fmt.Sprint(a.Unsigned) != want {
			t.Errorf("signed %s: by %q, unsigned %v, want %s (%s)", fields, a.Method, a.Unsigned, want, a.Reason)
		}
	}
}
