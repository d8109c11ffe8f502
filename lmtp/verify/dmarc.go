package verify

import (
	"context"
	"errors"
	"strings"
)

// policy is what DMARC says of an author's domain.
type policy struct {
	domain  string // the author's
	org     string // its organizational domain
	strict  bool   // adkim=s
	request string // none, quarantine, reject; empty when nothing is published
	found   bool
	err     error // DNS could not answer
}

// record is a DMARC policy record (RFC 9989 section 4.7).
type record map[string]string

// parseRecord reads a record; unknown tags and what is malformed after the version are
// passed over.
func parseRecord(text string) (record, bool) {
	r := record{}
	for i, pair := range strings.Split(text, ";") {
		name, value, ok := strings.Cut(pair, "=")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if i == 0 && (!ok || name != "v" || value != "DMARC1") {
			return nil, false
		}
		if _, twice := r[name]; ok && !twice {
			r[name] = value
		}
	}
	return r, true
}

// lookup reads the one record of a name; several are none (RFC 9989 section 4.10).
func (v *Verifier) record(ctx context.Context, domain string) (record, error) {
	texts, err := v.cfg.Resolver.LookupTXT(ctx, "_dmarc."+domain)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	var found record
	for _, t := range texts {
		if r, ok := parseRecord(t); ok {
			if found != nil {
				return nil, nil
			}
			found = r
		}
	}
	return found, nil
}

// steps are the names that the tree walk asks: the domain, then its parents, eight at
// most (RFC 9989 section 4.10).
func steps(domain string) []string {
	labels := strings.Split(domain, ".")
	names := []string{domain}
	from := 1
	if len(labels) > 8 {
		from = len(labels) - 7
	}
	for i := from; i < len(labels); i++ {
		names = append(names, strings.Join(labels[i:], "."))
	}
	return names
}

// walk gives the records on the way up, and the organizational domain.
func (v *Verifier) walk(ctx context.Context, domain string) (org string, first record, at string, err error) {
	org = domain
	for _, name := range steps(domain) {
		r, err := v.record(ctx, name)
		if err != nil {
			return org, nil, "", err
		}
		if r == nil {
			continue
		}
		if first == nil {
			first, at = r, name
		}
		switch strings.ToLower(r["psd"]) {
		case "n":
			return name, first, at, nil
		case "y":
			if name != domain {
				// The organizational domain is one label below the public suffix.
				rest := strings.TrimSuffix(domain, "."+name)
				org = rest[strings.LastIndexByte(rest, '.')+1:] + "." + name
			}
			return org, first, at, nil
		}
		org = name
	}
	return org, first, at, nil
}

// policy finds out what an author's domain asks for.
func (v *Verifier) policy(ctx context.Context, domain string) policy {
	p := policy{domain: domain, org: domain}
	if domain == "" || !strings.Contains(domain, ".") {
		return p
	}
	org, r, at, err := v.walk(ctx, domain)
	if err != nil {
		p.err = err
		return p
	}
	p.org = org
	if r == nil {
		return p
	}
	p.found = true
	p.strict = strings.EqualFold(r["adkim"], "s")
	p.request = requested(r, at != domain)
	if strings.EqualFold(r["t"], "y") {
		// Testing asks for one level less (RFC 9989 section 4.7, tag t).
		p.request = map[string]string{"reject": "quarantine", "quarantine": "none", "none": "none"}[p.request]
	}
	return p
}

// requested reads p=, and sp= for a subdomain. A record without a valid p is none.
func requested(r record, sub bool) string {
	value := strings.ToLower(r["p"])
	if sp := strings.ToLower(r["sp"]); sub && sp != "" {
		value = sp
	}
	switch value {
	case "quarantine", "reject":
		return value
	}
	return "none"
}

// aligned says whether a signing domain speaks for the author's (RFC 9989 section 4.4).
func (v *Verifier) aligned(ctx context.Context, signing string, p policy) bool {
	if p.domain == "" || signing == "" {
		return false
	}
	if signing == p.domain {
		return true
	}
	if p.strict || p.err != nil || !related(signing, p.domain) {
		return false
	}
	org, _, _, err := v.walk(ctx, signing)
	return err == nil && org == p.org
}

// related keeps look-ups to domains that can share an organizational domain at all.
func related(a, b string) bool {
	la, lb := strings.Split(a, "."), strings.Split(b, ".")
	return len(la) > 1 && len(lb) > 1 && la[len(la)-1] == lb[len(lb)-1] && la[len(la)-2] == lb[len(lb)-2]
}
