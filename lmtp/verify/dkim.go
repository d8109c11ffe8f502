package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"postdesk/ticketing/mail"
)

// tags reads the tag list of a DKIM-Signature or of a key (RFC 6376 section 3.2). Names
// are told by case: a "D=" beside the "d=" is another tag, and must not be taken for it.
// A name that is there twice makes the whole list invalid.
func tags(list string) (map[string]string, bool) {
	out := map[string]string{}
	for pair := range strings.SplitSeq(list, ";") {
		name, value, ok := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		if !ok {
			if name == "" {
				continue
			}
			return nil, false
		}
		if _, twice := out[name]; twice || name == "" {
			return nil, false
		}
		out[name] = strings.TrimSpace(value)
	}
	return out, true
}

// squeezed is a value without the white space that folding may put into it.
func squeezed(value string) string { return strings.Join(strings.Fields(value), "") }

// signatures verifies what the limit allows, and lists the rest unverified.
func (v *Verifier) signatures(ctx context.Context, raw []byte, h header, p policy) (list []mail.Signature, covered []string) {
	if len(h.signatures) == 0 {
		return nil, nil
	}
	list = make([]mail.Signature, len(h.signatures))
	for i, value := range h.signatures {
		t, _ := tags(value)
		list[i] = mail.Signature{Domain: strings.ToLower(squeezed(t["d"])), Selector: strings.ToLower(squeezed(t["s"])),
			Result: mail.AuthNeutral, Reason: "more signatures than are verified"}
	}
	chosen := choose(list, v.cfg.MaxSignatures, p)
	if len(list) > v.cfg.MaxSignatures {
		raw = keepSignatures(raw, chosen)
	}
	keys := &keys{resolver: v.cfg.Resolver, ctx: ctx, policy: p, strangers: v.cfg.Timeout / strangersShare, flags: map[string]string{}}
	results, err := dkim.VerifyWithOptions(bytes.NewReader(raw), &dkim.VerifyOptions{LookupTXT: keys.lookup, MaxVerifications: v.cfg.MaxSignatures})
	next := 0
	for i := range list {
		if !chosen[i] {
			continue
		}
		if next < len(results) {
			v.judge(ctx, &list[i], results[next], keys, p)
			if proves(list[i]) {
				covered = append(covered, results[next].HeaderKeys...)
			}
			next++
			continue
		}
		list[i].Result, list[i].Reason = mail.AuthPermError, "the message cannot be read"
		if err != nil {
			list[i].Reason += ": " + strings.TrimPrefix(err.Error(), "dkim: ")
		}
	}
	return shorten(list, chosen), covered
}

func proves(s mail.Signature) bool { return s.Result == mail.AuthPass && s.Aligned && !s.Testing }

// unsigned are those fields by which a mail asks for something that the proof of the
// author does not cover. Who once got a signed mail can send it again with other ones.
func (e *evidence) unsigned(auth mail.Authentication, m *mail.Message) (names []string) {
	if auth.Author == "" {
		return nil
	}
	for _, name := range []string{"reply-to", "to", "cc"} {
		if len(m.Header(name)) > 0 && !e.covers(name, auth) {
			names = append(names, name)
		}
	}
	return names
}

func (e *evidence) covers(field string, auth mail.Authentication) bool {
	is := func(name string) bool { return strings.EqualFold(strings.TrimSpace(name), field) }
	switch {
	case e.signed:
		return slices.ContainsFunc(e.covered, is)
	case auth.SPF != nil && auth.SPF.Result == mail.AuthPass && auth.SPF.Aligned:
		return true // the whole mail came from the author's server
	}
	// Which signature the trusted server means is not known: all that it can be.
	for _, s := range e.header.signatures {
		t, _ := tags(s)
		if e.policy.within(strings.ToLower(squeezed(t["d"]))) && !slices.ContainsFunc(strings.Split(t["h"], ":"), is) {
			return false
		}
	}
	return true
}

// signaturesShown is how many signatures a verdict lists: it is stored with each message.
const signaturesShown = 20

// shorten drops what was not verified from a list that is too long.
func shorten(list []mail.Signature, chosen []bool) (short []mail.Signature) {
	if len(list) <= signaturesShown {
		return list
	}
	for i, s := range list {
		if chosen[i] {
			short = append(short, s)
		}
	}
	return short
}

// choose takes those first that can be aligned: thousands of others must not hide them.
func choose(list []mail.Signature, limit int, p policy) []bool {
	chosen := make([]bool, len(list))
	rank := func(s mail.Signature) int {
		switch {
		case s.Domain == p.domain:
			return 0
		case related(s.Domain, p.domain):
			return 1
		}
		return 2
	}
	for want := range 3 {
		for i := range list {
			if limit > 0 && !chosen[i] && rank(list[i]) == want {
				chosen[i] = true
				limit--
			}
		}
	}
	return chosen
}

// judge fills in what became of one signature.
func (v *Verifier) judge(ctx context.Context, s *mail.Signature, r *dkim.Verification, k *keys, p policy) {
	s.Result, s.Reason = result(r.Err)
	if s.Result != mail.AuthPass {
		return
	}
	flags := k.of(s.Selector, s.Domain)
	s.Testing = hasFlag(flags, "y")
	switch {
	case !strings.EqualFold(r.Domain, s.Domain):
		// Both read the same field, so this is a fault of one of the two readers.
		s.Result, s.Reason = mail.AuthPermError, "the signing domain can be read in two ways"
		return
	case hasFlag(flags, "s") && !strings.EqualFold(r.Identifier[strings.LastIndexByte(r.Identifier, '@')+1:], r.Domain):
		// RFC 6376 section 3.6.1, flag s
		s.Result, s.Reason = mail.AuthPermError, "the key is not for subdomains, and i= names one"
		return
	}
	aligned, err := v.aligned(ctx, s.Domain, p.strictDKIM, p)
	if s.Aligned = aligned; err != nil {
		s.Result, s.Reason = mail.AuthTempError, "whether it is aligned: "+err.Error()
	}
}

// result keeps apart what is wrong for good and what may be right later (RFC 8601
// section 2.7.1). A signature with l= never passes, whether or not it covers the whole
// body: who appends to it would speak in the author's name. go-msgauth fails it so.
func result(err error) (mail.AuthResult, string) {
	switch {
	case err == nil:
		return mail.AuthPass, ""
	case dkim.IsTempFail(err):
		return mail.AuthTempError, strings.TrimPrefix(err.Error(), "dkim: ")
	case dkim.IsPermFail(err):
		return mail.AuthPermError, strings.TrimPrefix(err.Error(), "dkim: ")
	}
	return mail.AuthFail, strings.TrimPrefix(err.Error(), "dkim: ")
}

// bodyChanged is go-msgauth's word for it.
func bodyChanged(s mail.Signature) bool {
	return s.Result == mail.AuthFail && strings.HasPrefix(s.Reason, "body hash did not verify")
}

// keys looks keys up, and remembers their flags, which go-msgauth does not tell.
type keys struct {
	resolver  Resolver
	ctx       context.Context
	policy    policy
	strangers time.Duration // for the key of a domain that can prove nothing
	mu        sync.Mutex    // signatures are verified in parallel
	flags     map[string]string
}

// strangersShare is which part of the time a stranger's key may take: one that is never
// answered for must leave enough to ask the author's own domain.
const strangersShare = 5

// temporary is what go-msgauth takes for a temporary error: exactly a net.Error, not a
// wrapped one.
type temporary struct{ error }

func (temporary) Timeout() bool   { return true }
func (temporary) Temporary() bool { return true }

func (k *keys) lookup(name string) ([]string, error) {
	ctx := k.ctx
	if _, domain, _ := strings.Cut(name, "._domainkey."); !k.policy.within(mail.Lower(domain)) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, k.strangers)
		defer cancel()
	}
	texts, err := k.resolver.LookupTXT(ctx, name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, temporary{fmt.Errorf("%s: %w", name, err)}
	}
	if len(texts) == 1 {
		t, _ := tags(texts[0])
		k.mu.Lock()
		k.flags[strings.ToLower(name)] = t["t"]
		k.mu.Unlock()
	}
	return texts, err
}

func (k *keys) of(selector, domain string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.flags[selector+"._domainkey."+domain]
}

func hasFlag(flags, flag string) bool {
	for f := range strings.SplitSeq(flags, ":") {
		if strings.TrimSpace(f) == flag {
			return true
		}
	}
	return false
}
