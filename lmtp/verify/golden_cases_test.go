package verify

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
)

const (
	jo       = "customer.example"
	sub      = "mail.customer.example"
	ourLine  = "Received: from out.customer.example (out.customer.example [192.0.2.1])\r\n\tby mx.desk.example (Postfix) with ESMTPS id 4Abc12\r\n\tfor <new@desk.example>; Tue, 03 Mar 2026 10:00:01 +0000 (UTC)\r\n"
	hopLine  = "Received: from laptop by out.customer.example; Tue, 03 Mar 2026 10:00:00 +0000\r\n"
	loginOf  = "Received: from laptop (host.example.net [198.51.100.7])\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n\t(Authenticated sender: jo)\r\n\tby mx.desk.example (Postfix) with ESMTPSA id 4Abc12\r\n\tfor <new@desk.example>; Tue, 03 Mar 2026 10:00:01 +0000 (UTC)\r\n"
	authPass = "Authentication-Results: mx.desk.example;\r\n\tdkim=pass header.d=customer.example header.s=s1;\r\n\tdmarc=pass (policy=reject) header.from=customer.example\r\n"
)

func from(address string) string { return strings.Replace(letter, "jo@customer.example", address, 1) }

// policyOf is a DMARC record.
func policyOf(domain, rest string) string { return txt("_dmarc."+domain, "v=DMARC1; "+rest) }

func goldens(t *testing.T) map[string]golden {
	all := map[string]golden{}
	for _, group := range []func(*testing.T) map[string]golden{goldenSignatures, goldenKeys, goldenPolicies, goldenFrom, goldenFaults, goldenSPF, goldenServers} {
		maps.Copy(all, group(t))
	}
	return all
}

func goldenSignatures(t *testing.T) map[string]golden {
	key, ed := publish(t, jo, "", ""), publish(t, jo, "ed25519", "")
	one := world{DNS: []string{key}}
	var relaxed, simple dkim.Canonicalization = dkim.CanonicalizationRelaxed, dkim.CanonicalizationSimple
	signed := []signing{{domain: jo}}
	spaced := func(s string) string {
		return strings.Replace(strings.Replace(s, "Subject: x", "subject:  x ", 1), "\r\n\r\nHelp", "\r\n\r\nHelp  ", 1)
	}
	return map[string]golden{
		"sign-rsa":                  {raw: letter, sign: signed, world: one},
		"sign-ed25519":              {raw: letter, sign: []signing{{domain: jo, key: "ed25519", selector: "s2"}}, world: world{DNS: []string{ed}}},
		"sign-both-keys":            {raw: letter, sign: []signing{{domain: jo}, {domain: jo, key: "ed25519", selector: "s2"}}, world: world{DNS: []string{key, ed}}},
		"sign-several-one-aligned":  {raw: letter, sign: []signing{{domain: jo}, {domain: "list.example"}}, world: world{DNS: []string{key, publish(t, "list.example", "", "")}}},
		"sign-several-first-broken": {raw: letter, sign: []signing{{domain: jo}, {domain: jo, selector: "gone"}}, world: one},
		"sign-other-domain":         {raw: letter, sign: []signing{{domain: "list.example"}}, world: world{DNS: []string{publish(t, "list.example", "", "")}}},
		"sign-none":                 {raw: letter, world: one},
		"sign-relaxed-spaced":       {raw: letter, sign: signed, change: spaced, world: one},
		"sign-simple":               {raw: letter, sign: []signing{{domain: jo, header: simple, body: simple}}, world: one},
		"sign-simple-spaced":        {raw: letter, sign: []signing{{domain: jo, header: simple, body: simple}}, change: spaced, world: one},
		"sign-simple-body-spaced":   {raw: letter, sign: []signing{{domain: jo, header: relaxed, body: simple}}, change: spaced, world: one},
		"sign-simple-header-spaced": {raw: letter, sign: []signing{{domain: jo, header: simple, body: relaxed}}, change: spaced, world: one},
		"sign-body-changed":         {raw: letter, sign: signed, change: func(s string) string { return s + "footer\r\n" }, world: one},
		"sign-header-changed":       {raw: letter, sign: signed, change: func(s string) string { return strings.Replace(s, "Subject: x", "Subject: y", 1) }, world: one},
		"sign-expired":              {raw: letter, sign: []signing{{domain: jo, expires: time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)}}, world: one},
		"sign-expires-later":        {raw: letter, sign: []signing{{domain: jo, expires: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}}, world: one},
		"sign-length-whole-body":    {raw: letter, sign: []signing{{domain: jo, length: len("Help\r\n")}}, world: one},
		"sign-length-appended":      {raw: letter, sign: []signing{{domain: jo, length: len("Help\r\n")}}, change: func(s string) string { return s + "and pay\r\n" }, world: one},
		"sign-capital-tag":          {raw: letter, sign: []signing{{domain: "evil.example", extra: "D=customer.example; "}}, world: world{DNS: []string{publish(t, "evil.example", "", "")}}},
		"sign-two-domains":          {raw: letter, sign: []signing{{domain: "evil.example", extra: "d=customer.example; "}}, world: world{DNS: []string{key, publish(t, "evil.example", "", "")}}},
		"sign-text-among-fields":    {raw: letter, sign: signed, change: func(s string) string { return strings.Replace(s, "\r\n\r\n", "\r\nPay this\r\n\r\n", 1) }, world: one},
		"sign-identifier-subdomain": {raw: letter, sign: []signing{{domain: jo, identifier: "@" + sub}}, world: one},
		"sign-identifier-other":     {raw: letter, sign: signed, change: func(s string) string { return strings.Replace(s, "; d=", "; i=@evil.example; d=", 1) }, world: one},
	}
}

func goldenKeys(t *testing.T) map[string]golden {
	at := func(records ...string) golden {
		return golden{raw: letter, sign: []signing{{domain: jo}}, world: world{DNS: records}}
	}
	key := "s1._domainkey." + jo
	strictKey := at(publish(t, jo, "", "t=s; "))
	strictKey.sign = []signing{{domain: jo, identifier: "@" + sub}}
	return map[string]golden{
		"key-missing":         at(),
		"key-revoked":         at(txt(key, "v=DKIM1; p=")),
		"key-two":             at(publish(t, jo, "", ""), txt(key, "v=DKIM1; p=")),
		"key-testing":         at(publish(t, jo, "", "t=y; ")),
		"key-testing-policy":  at(publish(t, jo, "", "t=y; "), policyOf(jo, "p=reject")),
		"key-no-subdomains":   strictKey,
		"key-of-other-kind":   at(strings.Replace(publish(t, jo, "", ""), "k=rsa", "k=ed25519", 1)),
		"key-not-for-mail":    at(publish(t, jo, "", "s=other; ")),
		"key-only-sha1":       at(publish(t, jo, "", "h=sha1; ")),
		"key-not-of-any-kind": at(txt(key, "v=DKIM1; p=!")),
	}
}

func goldenPolicies(t *testing.T) map[string]golden {
	key := publish(t, jo, "", "")
	unsigned := func(address string, records ...string) golden {
		return golden{raw: from(address), world: world{DNS: records}}
	}
	signedBy := func(domain, address string, records ...string) golden {
		return golden{raw: from(address), sign: []signing{{domain: domain}}, world: world{DNS: append(records, publish(t, domain, "", ""))}}
	}
	deep := "a.b.c.d.e.f.g.h.customer.example"
	return map[string]golden{
		"policy-none-published":         unsigned("jo@"+jo, key),
		"policy-reject-pass":            signedBy(jo, "jo@"+jo, policyOf(jo, "p=reject")),
		"policy-reject-fail":            unsigned("jo@"+jo, policyOf(jo, "p=reject")),
		"policy-quarantine-fail":        unsigned("jo@"+jo, policyOf(jo, "p=quarantine")),
		"policy-none-fail":              unsigned("jo@"+jo, policyOf(jo, "p=none")),
		"policy-upper-case":             unsigned("jo@"+jo, policyOf(jo, "P=REJECT; ADKIM=S")),
		"policy-version-lower-case":     unsigned("jo@"+jo, txt("_dmarc."+jo, "v=dmarc1; p=reject")),
		"policy-version-not-first":      unsigned("jo@"+jo, txt("_dmarc."+jo, "p=reject; v=DMARC1")),
		"policy-unknown-tags":           unsigned("jo@"+jo, policyOf(jo, "pct=10; zz=1; p=reject; fo=1; broken; ri=86400")),
		"policy-missing-p-with-rua":     unsigned("jo@"+jo, policyOf(jo, "rua=mailto:d@customer.example")),
		"policy-missing-p":              unsigned("jo@"+jo, policyOf(jo, "adkim=s")),
		"policy-bad-p-with-rua":         unsigned("jo@"+jo, policyOf(jo, "p=refuse; rua=mailto:d@customer.example")),
		"policy-bad-sp":                 unsigned("jo@"+jo, policyOf(jo, "p=reject; sp=maybe")),
		"policy-testing":                unsigned("jo@"+jo, policyOf(jo, "p=reject; t=y")),
		"policy-two-records":            unsigned("jo@"+jo, policyOf(jo, "p=reject"), policyOf(jo, "p=none")),
		"policy-two-records-and-parent": unsigned("jo@"+sub, policyOf(sub, "p=none"), policyOf(sub, "p=none; t=y"), policyOf(jo, "p=reject")),
		"policy-other-txt-beside":       unsigned("jo@"+jo, policyOf(jo, "p=reject"), txt("_dmarc."+jo, "spf2.0")),
		"sub-of-parent":                 unsigned("jo@"+sub, policyOf(jo, "p=reject"), sub+". 60 IN A 192.0.2.1"),
		"sub-sp":                        unsigned("jo@"+sub, policyOf(jo, "p=reject; sp=none"), sub+". 60 IN A 192.0.2.1"),
		"sub-np-exists":                 unsigned("jo@"+sub, policyOf(jo, "p=none; np=reject"), sub+". 60 IN AAAA 2001:db8::1"),
		"sub-np-exists-by-mx":           unsigned("jo@"+sub, policyOf(jo, "p=none; sp=quarantine; np=reject"), sub+". 60 IN MX 10 mx."+jo+"."),
		"sub-np-does-not-exist":         unsigned("jo@"+sub, policyOf(jo, "p=none; sp=none; np=reject")),
		"sub-own-record":                unsigned("jo@"+sub, policyOf(jo, "p=reject; sp=reject"), policyOf(sub, "p=none")),
		"sub-record-between":            unsigned("jo@x."+sub, policyOf(jo, "p=reject"), policyOf(sub, "p=none")),
		"org-parent-signs":              signedBy(jo, "jo@"+sub, policyOf(jo, "p=reject")),
		"org-sibling-signs":             signedBy("news."+jo, "jo@"+sub, policyOf(jo, "p=reject")),
		"org-parent-signs-no-record":    signedBy(jo, "jo@"+sub),
		"org-parent-signs-strict":       signedBy(jo, "jo@"+sub, policyOf(jo, "p=reject; adkim=s")),
		"org-psd-n":                     signedBy(jo, "jo@"+sub, policyOf(jo, "p=reject"), policyOf(sub, "p=reject; psd=n")),
		"org-psd-y":                     signedBy(jo, "jo@"+sub, policyOf("example", "p=none; psd=y; np=reject")),
		"org-psd-y-two-customers":       signedBy("other.example", "jo@"+jo, policyOf("example", "p=reject; psd=y")),
		"org-psd-y-below-suffix":        signedBy("evil.co.example", "jo@bank.co.example", policyOf("co.example", "p=reject; psd=y")),
		"org-psd-y-without-psd":         signedBy("evil.co.example", "jo@bank.co.example", policyOf("bank.co.example", "p=reject")),
		"org-top-level-record":          signedBy("evil.example", "jo@"+jo, policyOf("example", "p=reject")),
		"org-deep":                      unsigned("jo@"+deep, policyOf(jo, "p=reject"), deep+". 60 IN A 192.0.2.1"),
		"org-deep-skipped":              unsigned("jo@"+deep, policyOf("b.c.d.e.f.g.h."+jo, "p=reject; psd=n")),
		"org-idn":                       signedBy("xn--bcher-kva.example", "jo@bücher.example", policyOf("xn--bcher-kva.example", "p=reject")),
	}
}

func goldenFrom(t *testing.T) map[string]golden {
	one := world{DNS: []string{publish(t, jo, "", ""), policyOf(jo, "p=reject")}}
	signed := []signing{{domain: jo}}
	return map[string]golden{
		"from-second-above": {raw: letter, sign: signed, change: func(s string) string { return "From: boss@customer.example\r\n" + s }, world: one},
		"from-second-below": {raw: letter, sign: signed, change: func(s string) string {
			return strings.Replace(s, "\r\n\r\n", "\r\nFrom: boss@customer.example\r\n\r\n", 1)
		}, world: one},
		"from-two-mailboxes":   {raw: from("jo@customer.example>, <boss@customer.example"), sign: signed, world: one},
		"from-group":           {raw: strings.Replace(letter, "Jo <jo@customer.example>", "Us: jo@customer.example;", 1), sign: signed, world: one},
		"from-group-empty":     {raw: strings.Replace(letter, "Jo <jo@customer.example>", "Undisclosed:;", 1), sign: signed, world: one},
		"from-none":            {raw: strings.Replace(letter, "From:", "X-From:", 1), world: one},
		"from-no-domain":       {raw: strings.Replace(letter, "jo@customer.example", "jo", 1), sign: signed, world: one},
		"from-second-subject":  {raw: letter, sign: signed, change: func(s string) string { return "Subject: Pay\r\n" + s }, world: one},
		"from-upper-case":      {raw: from("Jo@CUSTOMER.example"), sign: signed, world: one},
		"from-address-as-name": {raw: strings.Replace(letter, "Jo <jo@", "\"boss@desk.example\" <jo@", 1), sign: signed, world: one},
	}
}

func goldenFaults(t *testing.T) map[string]golden {
	key, policy := publish(t, jo, "", ""), policyOf(jo, "p=reject")
	out := map[string]golden{}
	for _, kind := range []string{"SERVFAIL", "REFUSED", "TIMEOUT", "FORMERR", "NXDOMAIN"} {
		for what, name := range map[string]string{"key": "s1._domainkey." + jo, "policy": "_dmarc." + jo} {
			out["fault-"+what+"-"+strings.ToLower(kind)] = golden{raw: letter, sign: []signing{{domain: jo}},
				world: world{DNS: []string{key, policy}, Faults: map[string]string{name: kind}}}
		}
	}
	out["fault-parent-policy"] = golden{raw: from("jo@" + sub), sign: []signing{{domain: sub}},
		world: world{DNS: []string{publish(t, sub, "", "")}, Faults: map[string]string{"_dmarc." + jo: "SERVFAIL"}}}
	out["fault-existence"] = golden{raw: from("jo@" + sub),
		world: world{DNS: []string{policyOf(jo, "p=none; np=reject")}, Faults: map[string]string{sub: "SERVFAIL"}}}
	out["fault-alignment"] = golden{raw: from("jo@" + sub), sign: []signing{{domain: "news." + jo}},
		world: world{DNS: []string{policy, publish(t, "news."+jo, "", "")}, Faults: map[string]string{"_dmarc.news." + jo: "SERVFAIL"}}}
	out["fault-of-a-stranger"] = golden{raw: letter, sign: []signing{{domain: jo}, {domain: "list.example"}},
		world: world{DNS: []string{key, policy}, Faults: map[string]string{"s1._domainkey.list.example": "SERVFAIL"}}}
	return out
}
