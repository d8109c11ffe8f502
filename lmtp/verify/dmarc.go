package verify

import (
	"context"
	"errors"
	"net/url"
	"strings"
)

// policy is what DMARC says of an author's domain.
type policy struct {
	domain     string // the author's
	org        string // its organizational domain
	strictDKIM bool   // adkim=s
	strictSPF  bool   // aspf=s
	request    string // none, quarantine, reject; empty when nothing is published
	found      bool
	err        error // DNS could not answer
}

// record is a DMARC policy record (RFC 9989 section 4.7), by tag in lower case.
type record map[string]string

// parseRecord reads a record; unknown tags and what is malformed after the version are
// passed over. Of a tag that is there twice the first counts.
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

// record reads the one record of a name; several are none (RFC 9989 section 4.10).
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

// found is what a tree walk came by, the longest name first.
type found struct {
	name   string
	record record
}

// walk gives the records on the way up. psd=n and psd=y end it.
func (v *Verifier) walk(ctx context.Context, domain string) (all []found, err error) {
	for _, name := range steps(domain) {
		r, err := v.record(ctx, name)
		if err != nil {
			return nil, err
		}
		if r == nil {
			continue
		}
		all = append(all, found{name, r})
		if psd := strings.ToLower(r["psd"]); psd == "n" || psd == "y" {
			break
		}
	}
	return all, nil
}

// organization is the organizational domain by what a walk found (RFC 9989 section
// 4.10.2): the name with psd=n; the one below the public suffix, which says psd=y; else
// the shortest name with a record; without any, the domain itself.
func organization(domain string, all []found) string {
	if len(all) == 0 {
		return domain
	}
	last := all[len(all)-1]
	if !strings.EqualFold(last.record["psd"], "y") || last.name == domain {
		return last.name
	}
	rest := strings.TrimSuffix(domain, "."+last.name)
	return rest[strings.LastIndexByte(rest, '.')+1:] + "." + last.name
}

// applicable is the record that counts for an author's domain: its own, that of its
// organization, that of its public suffix, and none of the others on the way (RFC 9989
// section 4.10.1).
func applicable(domain, org string, all []found) (f found, ok bool) {
	for _, name := range []string{domain, org} {
		for _, f := range all {
			if f.name == name {
				return f, true
			}
		}
	}
	if len(all) > 0 {
		if f = all[len(all)-1]; strings.EqualFold(f.record["psd"], "y") {
			return f, true
		}
	}
	return found{}, false
}

// policy finds out what an author's domain asks for.
func (v *Verifier) policy(ctx context.Context, domain string) policy {
	p := policy{domain: domain, org: domain}
	if !strings.Contains(domain, ".") {
		return p
	}
	all, err := v.walk(ctx, domain)
	if err != nil {
		p.err = err
		return p
	}
	p.org = organization(domain, all)
	f, ok := applicable(domain, p.org, all)
	if !ok {
		return p
	}
	tag := "p"
	if f.name != domain {
		if tag, err = v.subdomainTag(ctx, domain, f.record); err != nil {
			p.err = err
			return p
		}
	}
	if p.request, p.found = requested(f.record, tag); !p.found {
		return p
	}
	p.strictDKIM = strings.EqualFold(f.record["adkim"], "s")
	p.strictSPF = strings.EqualFold(f.record["aspf"], "s")
	return p
}

// subdomainTag says which tag of an upper domain's record is for domain: sp where domain
// exists, np where it does not, each only where it is there.
func (v *Verifier) subdomainTag(ctx context.Context, domain string, r record) (string, error) {
	if r["np"] != "" && !strings.EqualFold(r["np"], r["sp"]) {
		switch exists, err := v.exists(ctx, domain); {
		case err != nil:
			return "", err
		case !exists:
			return "np", nil
		}
	}
	if r["sp"] != "" {
		return "sp", nil
	}
	return "p", nil
}

// exists says whether a domain has a record by which mail can be sent to it (RFC 9989
// section 3.2, "non-existent domains").
func (v *Verifier) exists(ctx context.Context, domain string) (bool, error) {
	switch _, err := v.cfg.Resolver.LookupMX(ctx, domain); {
	case err == nil:
		return true, nil
	case !errors.Is(err, ErrNotFound):
		return false, err
	}
	_, err := v.cfg.Resolver.LookupIP(ctx, domain)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// requested reads the policy of a tag, one level less while it is being tested (t=y). A
// record without a valid p, or with an sp or np that is none, counts as p=none where it
// asks for reports; otherwise as if there was no record (RFC 9989 section 4.10.1).
func requested(r record, tag string) (request string, ok bool) {
	for _, name := range []string{"p", "sp", "np"} {
		value, there := r[name]
		if (there || name == "p") && !isPolicy(value) {
			if hasReportURI(r["rua"]) {
				return "none", true
			}
			return "", false
		}
	}
	request = strings.ToLower(r[tag])
	if strings.EqualFold(r["t"], "y") {
		request = map[string]string{"reject": "quarantine", "quarantine": "none", "none": "none"}[request]
	}
	return request, true
}

func isPolicy(value string) bool {
	switch strings.ToLower(value) {
	case "none", "quarantine", "reject":
		return true
	}
	return false
}

// hasReportURI looks for one URI that is valid (RFC 9989 section 4.7, tag rua). What an
// older record appends to it, a size behind "!", is passed over.
func hasReportURI(rua string) bool {
	for uri := range strings.SplitSeq(rua, ",") {
		uri, _, _ = strings.Cut(strings.TrimSpace(uri), "!")
		u, err := url.Parse(uri)
		if err == nil && u.Scheme != "" && (u.Opaque != "" || u.Host != "") {
			return true
		}
	}
	return false
}

// aligned says whether an authenticated domain speaks for the author's (RFC 9989 section
// 4.4). An error means that DNS could not say it.
func (v *Verifier) aligned(ctx context.Context, domain string, strict bool, p policy) (bool, error) {
	switch {
	case p.domain == "" || domain == "":
		return false, nil
	case domain == p.domain:
		return true, nil
	case strict || !p.found || p.err != nil || !p.within(domain):
		// Without a record for the author's domain nothing else is aligned: a subdomain
		// is its own organization.
		return false, nil
	}
	all, err := v.walk(ctx, domain)
	return err == nil && organization(domain, all) == p.org, err
}

// within says whether a domain can be aligned at all: its organization is above it, or
// itself.
func (p policy) within(domain string) bool {
	return domain == p.domain || p.found && related(domain, p.domain) && (domain == p.org || strings.HasSuffix(domain, "."+p.org))
}

// related keeps look-ups to domains that can be of one organization: a record at a
// top-level domain that does not say psd=y makes nobody below it one.
func related(a, b string) bool {
	la, lb := strings.Split(a, "."), strings.Split(b, ".")
	return len(la) > 1 && len(lb) > 1 && la[len(la)-1] == lb[len(lb)-1] && la[len(la)-2] == lb[len(lb)-2]
}
