package mail

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// checkDeception notes what is written so that a reader takes it for something else.
func (p *parsing) checkDeception() {
	m := p.m
	if what := hidden(m.Subject); what != "" {
		p.problem("the subject has %s", what)
	}
	for _, list := range [][]Address{m.From, m.Sender, m.ReplyTo} {
		for _, a := range list {
			if what := hidden(a.Name); what != "" {
				p.problem("the name of %s has %s", a.Address, what)
			}
			if other := otherAddress(a); other != "" {
				p.problem("the name shows the address %s, but the mail is of %s", clip(other), a.Address)
			}
			if domain := shownDomain(a.Address); mixedScripts(domain) {
				p.problem("the domain %s mixes letters of scripts that look alike", domain)
			}
		}
	}
}

// hidden finds characters that cannot be seen or that turn the order of the others. What
// Arabic, Hebrew, Persian, the scripts of India and emoji need is let pass there.
func hidden(s string) string {
	if isASCII(s) {
		return ""
	}
	rtl := strings.ContainsFunc(s, func(r rune) bool {
		return unicode.In(r, unicode.Arabic, unicode.Hebrew, unicode.Syriac, unicode.Thaana, unicode.Nko)
	})
	runes := []rune(s)
	for i, r := range runes {
		switch {
		case r == 0x202D || r == 0x202E, // overrides (UAX 9)
			!rtl && (r >= 0x202A && r <= 0x202C || r >= 0x2066 && r <= 0x2069 || r == 0x200E || r == 0x200F || r == 0x061C):
			return "characters that turn the direction of writing"
		case r == 0x200B || r == 0x2060 || r == 0xFEFF || r == 0x180E,
			(r == 0x200C || r == 0x200D) && i > 0 && i+1 < len(runes) && runes[i-1] < 0x80 && runes[i+1] < 0x80:
			return "characters that cannot be seen"
		}
	}
	return ""
}

var addressInName = pattern(`[^\s<>"'(),;:@]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}`)

// otherAddress is an address in the display name that is not the mailbox's: many programs
// show the name alone.
func otherAddress(a Address) string {
	if a.Address == "" || !strings.Contains(a.Name, "@") {
		return ""
	}
	for _, found := range addressInName().FindAllString(a.Name, 10) {
		if !strings.EqualFold(found, a.Address) {
			return found
		}
	}
	return ""
}

// shownDomain is the domain of an address in its own letters.
func shownDomain(address string) string {
	domain := Lower(address[strings.LastIndexByte(address, '@')+1:])
	if u, err := idna.Display.ToUnicode(domain); err == nil {
		return u
	}
	return domain
}

// mixedScripts says that one label has letters of Latin, Cyrillic, Greek or Armenian side
// by side, as no word of any language has.
func mixedScripts(domain string) bool {
	if isASCII(domain) {
		return false
	}
	for label := range strings.SplitSeq(domain, ".") {
		scripts := 0
		for _, script := range []*unicode.RangeTable{unicode.Latin, unicode.Cyrillic, unicode.Greek, unicode.Armenian} {
			if strings.ContainsFunc(label, func(r rune) bool { return unicode.Is(script, r) }) {
				scripts++
			}
		}
		if scripts > 1 {
			return true
		}
	}
	return false
}

// lookLatin are letters and digits beside those of Latin that they are taken for.
var lookLatin = strings.NewReplacer(
	"а", "a", "в", "b", "с", "c", "ԁ", "d", "е", "e", "һ", "h", "і", "i", "ј", "j", "к", "k", "ӏ", "l", "м", "m", "н", "h", "о", "o", "р", "p", "ԛ", "q",
	"ѕ", "s", "т", "t", "у", "y", "ѵ", "v", "ԝ", "w", "х", "x", // Cyrillic
	"α", "a", "ε", "e", "η", "n", "ι", "i", "κ", "k", "ν", "v", "ο", "o", "ρ", "p", "τ", "t", "υ", "u", "χ", "x", "γ", "y", "ω", "w", // Greek
	"օ", "o", "ս", "u", "հ", "h", "ց", "g", "զ", "q", "ո", "n", // Armenian
	"ı", "i", "ɩ", "i", "ɑ", "a", "ɡ", "g", "ł", "l", "ø", "o", "đ", "d", "ß", "b",
	"0", "o", "1", "l", "3", "e", "5", "s", "rn", "m", "vv", "w", "-", "", "_", "",
)

// skeleton is what a domain looks like at a glance (after UTS 39, much reduced).
func skeleton(domain string) string {
	bare := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(domain))
	return lookLatin.Replace(lookLatin.Replace(bare))
}

// LookAlike finds among the known domains one that the domain of an address could be
// taken for; empty when there is none, or when the domain is a known one or below it.
func LookAlike(address string, known []string) string {
	domain := shownDomain(address)
	if domain == "" {
		return ""
	}
	labels := strings.Split(domain, ".")
	like := ""
	for _, k := range known {
		k = shownDomain(k)
		if k == "" || domain == k || strings.HasSuffix(domain, "."+k) {
			return ""
		}
		n := strings.Count(k, ".") + 1
		if n <= len(labels) && skeleton(strings.Join(labels[len(labels)-n:], ".")) == skeleton(k) {
			like = k
		}
	}
	return like
}

// LookAlikes is a warning for each author whose domain could be taken for a known one.
func LookAlikes(m *Message, known []string) (warnings []string) {
	for _, list := range [][]Address{m.From, m.ReplyTo} {
		for _, a := range list {
			if like := LookAlike(a.Address, known); like != "" && a.Address != "" {
				warnings = append(warnings, fmt.Sprintf("the domain of %s looks like %s and is another one", a.Address, like))
			}
		}
	}
	return warnings
}
