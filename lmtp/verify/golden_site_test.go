package verify

import (
	"strings"
	"testing"
)

func goldenSPF(*testing.T) map[string]golden {
	border := &Trust{Border: true, Hostnames: []string{"mx.desk.example"}}
	at := func(reversePath string, records ...string) golden {
		return golden{raw: ourLine + hopLine + letter, world: world{ReversePath: reversePath, Trust: border, DNS: append(records, policyOf(jo, "p=reject"))}}
	}
	with := func(g golden, change func(*golden)) golden { change(&g); return g }
	pass := txt(jo, "v=spf1 ip4:192.0.2.1 -all")
	strict := at("jo@"+sub, txt(sub, "v=spf1 ip4:192.0.2.1 -all"))
	return map[string]golden{
		"spf-pass":              at("jo@"+jo, pass),
		"spf-pass-organization": at("bounce@"+sub, txt(sub, "v=spf1 ip4:192.0.2.1 -all")),
		"spf-pass-strict": with(strict, func(g *golden) {
			g.DNS = []string{g.DNS[0], policyOf(jo, "p=reject; aspf=s")}
		}),
		"spf-pass-other-domain": at("jo@cloud.example", txt("cloud.example", "v=spf1 ip4:192.0.2.1 -all")),
		"spf-fail":              at("jo@"+jo, txt(jo, "v=spf1 ip4:198.51.100.1 -all")),
		"spf-softfail":          at("jo@"+jo, txt(jo, "v=spf1 ~all")),
		"spf-none":              at("jo@" + jo),
		"spf-pass-all":          at("jo@"+jo, txt(jo, "v=spf1 +all")),
		"spf-two-records":       at("jo@"+jo, pass, txt(jo, "v=spf1 -all")),
		"spf-null-path":         at("", pass),
		"spf-by-mx":             at("jo@"+jo, txt(jo, "v=spf1 mx -all"), jo+". 60 IN MX 10 out."+jo+".", "out."+jo+". 60 IN A 192.0.2.1"),
		"spf-include-fault": with(at("jo@"+jo, txt(jo, "v=spf1 include:cloud.example -all")), func(g *golden) {
			g.Faults = map[string]string{"cloud.example": "SERVFAIL"}
		}),
		"spf-fault": with(at("jo@"+jo), func(g *golden) { g.Faults = map[string]string{jo: "SERVFAIL"} }),
		"spf-too-many-lookups": at("jo@"+jo, txt(jo, "v=spf1 a:a1.example a:a2.example a:a3.example a:a4.example a:a5.example a:a6.example a:a7.example a:a8.example a:a9.example a:b1.example a:b2.example ip4:192.0.2.1 -all"),
			"a1.example. 60 IN A 192.0.2.9", "a2.example. 60 IN A 192.0.2.9", "a3.example. 60 IN A 192.0.2.9", "a4.example. 60 IN A 192.0.2.9", "a5.example. 60 IN A 192.0.2.9",
			"a6.example. 60 IN A 192.0.2.9", "a7.example. 60 IN A 192.0.2.9", "a8.example. 60 IN A 192.0.2.9", "a9.example. 60 IN A 192.0.2.9", "b1.example. 60 IN A 192.0.2.9", "b2.example. 60 IN A 192.0.2.9"),
		"spf-not-border":       with(at("jo@"+jo, pass), func(g *golden) { g.Trust = nil }),
		"spf-not-our-received": with(at("jo@"+jo, pass), func(g *golden) { g.raw = strings.Replace(g.raw, "by mx.desk.example", "by mx.evil.example", 1) }),
		"spf-lower-received": with(at("jo@"+jo, pass), func(g *golden) {
			g.raw = "Received: by mx.desk.example (Postfix, from userid 0)\r\n\tid 4Ab; date\r\n" + g.raw
		}),
		"spf-and-broken-dkim": with(at("jo@"+jo, pass), func(g *golden) {
			g.sign, g.change = []signing{{domain: jo}}, func(s string) string { return s + "footer\r\n" }
		}),
	}
}

func goldenServers(t *testing.T) map[string]golden {
	trust := func(place string) *Trust {
		return &Trust{AuthservID: "mx.desk.example", Place: place, SpamHeader: "X-Spam: Yes", Hostnames: []string{"mx.desk.example"}}
	}
	above, below := trust(Above), trust(Below)
	policy := policyOf(jo, "p=reject")
	at := func(trust *Trust, raw string) golden {
		return golden{raw: raw, world: world{Trust: trust, DNS: []string{policy}}}
	}
	spf := "Authentication-Results: mx.desk.example; spf=pass smtp.mailfrom=jo@customer.example\r\n"
	dmarc := "Authentication-Results: mx.desk.example; dmarc=pass header.from=customer.example\r\n"
	quoted := "Authentication-Results: mx.desk.example; spf=fail smtp.mailfrom=\"x; dmarc=pass header.from=customer.example\"@evil.example\r\n"
	withLength := at(above, letter)
	withLength.sign, withLength.change = []signing{{domain: jo, length: len("Help\r\n")}}, func(s string) string { return authPass + ourLine + s + "and pay\r\n" }
	return map[string]golden{
		"server-above":               at(above, authPass+ourLine+hopLine+letter),
		"server-below":               at(below, ourLine+authPass+hopLine+letter),
		"server-forged-below":        at(above, ourLine+authPass+hopLine+letter),
		"server-forged-further-down": at(below, ourLine+hopLine+authPass+letter),
		"server-above-when-below":    at(below, authPass+ourLine+hopLine+letter),
		"server-none-configured":     at(nil, authPass+ourLine+hopLine+letter),
		"server-other-id":            at(above, strings.Replace(authPass, "mx.desk", "mx.evil", 1)+ourLine+hopLine+letter),
		"server-id-in-capitals":      at(above, strings.Replace(authPass, "mx.desk", "MX.Desk", 1)+ourLine+letter),
		"server-quoted-semicolon":    at(above, quoted+ourLine+letter),
		"server-broken":              at(above, strings.Replace(authPass, "dmarc=pass (", "dmarc=pass ((", 1)+ourLine+letter),
		"server-without-received":    at(above, authPass+letter),
		"server-of-other-host":       at(above, authPass+strings.Replace(ourLine, "by mx.desk", "by mx.evil", 1)+letter),
		"server-none":                at(above, "Authentication-Results: mx.desk.example; none\r\n"+ourLine+letter),
		"server-fail":                at(above, strings.ReplaceAll(authPass, "=pass", "=fail")+ourLine+letter),
		"server-other-author":        at(above, authPass+ourLine+from("jo@other.example")),
		"server-spf-only":            at(above, spf+ourLine+letter),
		"server-dmarc-by-spf":        at(above, dmarc+ourLine+letter),
		"server-partial-signature":   withLength,
		"server-second-from":         at(above, authPass+ourLine+"From: boss@customer.example\r\n"+letter),
		"login":                      at(above, loginOf+letter),
		"login-by-server":            at(above, "Authentication-Results: mx.desk.example; auth=pass smtp.auth=jo\r\n"+ourLine+letter),
		"login-further-down":         at(above, ourLine+loginOf+letter),
		"login-in-helo":              at(above, strings.Replace(ourLine, "from out.customer.example ", "from x ?Authenticated sender: jo? by mx.desk.example with ESMTPA ", 1)+letter),
		"login-of-other-host":        at(above, strings.ReplaceAll(loginOf, "mx.desk.example", "mx.evil.example")+letter),
		"spam":                       at(above, "X-Spam: Yes\r\n"+ourLine+letter),
		"spam-forged":                at(above, ourLine+"X-Spam: Yes\r\n"+letter),
		"spam-no":                    at(above, "X-Spam: No\r\n"+ourLine+letter),
	}
}
