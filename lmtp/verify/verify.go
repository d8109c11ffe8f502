// Package verify says who wrote a message: DKIM (RFC 6376, 8301, 8463) by go-msgauth,
// and DMARC alignment and policy (RFC 9989) by its own evaluation.
package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"postdesk/ticketing/mail"
)

// Config is how a Verifier works.
type Config struct {
	Resolver      Resolver
	Timeout       time.Duration // for all look-ups of one message; 0 is 5 s
	MaxSignatures int           // that are verified, aligned ones first; 0 is 5
}

// Verifier verifies messages. Many may use it at once.
type Verifier struct{ cfg Config }

// New makes a verifier.
func New(cfg Config) *Verifier {
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.MaxSignatures == 0 {
		cfg.MaxSignatures = 5
	}
	return &Verifier{cfg}
}

// Verify says who wrote a message. It ends within the timeout, whatever DNS does.
func (v *Verifier) Verify(ctx context.Context, raw []byte, m *mail.Message) mail.Authentication {
	ctx, cancel := context.WithTimeout(ctx, v.cfg.Timeout)
	defer cancel()
	var auth mail.Authentication
	fromDomain := ""
	if len(m.From) > 0 {
		fromDomain = domainOf(m.From[0].Address)
	}
	policy := v.policy(ctx, fromDomain)
	auth.DKIM = v.signatures(ctx, raw, m, policy)
	author, sole := m.SoleAuthor()
	v.conclude(&auth, author.Address, sole, policy)
	return auth
}

func domainOf(address string) string {
	return strings.ToLower(address[strings.LastIndexByte(address, '@')+1:])
}

// conclude draws the verdict from the results.
func (v *Verifier) conclude(auth *mail.Authentication, author string, sole bool, p policy) {
	var passed, aligned, temporary bool
	for _, s := range auth.DKIM {
		passed = passed || s.Result == mail.AuthPass
		aligned = aligned || s.Result == mail.AuthPass && s.Aligned
		temporary = temporary || s.Result == mail.AuthTempError
	}
	auth.Policy = p.request
	auth.DMARC = mail.AuthNone
	switch {
	case p.err != nil:
		auth.DMARC = mail.AuthTempError
	case p.found && aligned && sole:
		auth.DMARC = mail.AuthPass
	case p.found && temporary:
		auth.DMARC = mail.AuthTempError
	case p.found:
		auth.DMARC = mail.AuthFail
	}
	switch {
	case !sole:
		auth.Reason = "From is not one mailbox in one field, so that nobody is proven"
	case aligned && p.err == nil:
		auth.Author, auth.Method = author, "dkim"
		auth.Reason = "signed by the author's domain"
	case temporary || p.err != nil:
		auth.Temporary = true
		auth.Reason = "DNS could not be asked; tried again later"
	case passed:
		auth.Reason = "signed, but not by the author's domain"
	case len(auth.DKIM) > 0:
		auth.Reason = "no signature is valid"
	default:
		auth.Reason = "not signed"
	}
}

// tag reads one tag of a DKIM-Signature (RFC 6376 section 3.2).
var tagPattern = map[string]*regexp.Regexp{
	"d": regexp.MustCompile(`(?i)(?:^|;)\s*d\s*=\s*([^;]*)`),
	"s": regexp.MustCompile(`(?i)(?:^|;)\s*s\s*=\s*([^;]*)`),
}

func tag(signature, name string) string {
	m := tagPattern[name].FindStringSubmatch(signature)
	if m == nil {
		return ""
	}
	return strings.ToLower(strings.Join(strings.Fields(m[1]), ""))
}

// signatures verifies what the limit allows, and lists the rest unverified.
func (v *Verifier) signatures(ctx context.Context, raw []byte, m *mail.Message, p policy) []mail.Signature {
	values := m.Header("DKIM-Signature")
	if len(values) == 0 {
		return nil
	}
	list := make([]mail.Signature, len(values))
	chosen := make([]bool, len(values))
	left := v.cfg.MaxSignatures
	for i, value := range values {
		list[i] = mail.Signature{Domain: tag(value, "d"), Selector: tag(value, "s"), Result: mail.AuthNeutral, Reason: "more signatures than are verified"}
		list[i].Aligned = v.aligned(ctx, list[i].Domain, p)
	}
	for _, aligned := range []bool{true, false} {
		for i := range list {
			if left > 0 && !chosen[i] && list[i].Aligned == aligned {
				chosen[i] = true
				left--
			}
		}
	}
	if len(values) > v.cfg.MaxSignatures {
		raw = keepSignatures(raw, chosen)
	}
	results, err := dkim.VerifyWithOptions(bytes.NewReader(raw), &dkim.VerifyOptions{LookupTXT: v.lookup(ctx), MaxVerifications: v.cfg.MaxSignatures})
	next := 0
	for i := range list {
		if !chosen[i] {
			continue
		}
		if next < len(results) {
			list[i].Result, list[i].Reason = result(results[next].Err)
			next++
			continue
		}
		list[i].Result, list[i].Reason = mail.AuthPermError, "the message cannot be read"
		if err != nil {
			list[i].Reason += ": " + strings.TrimPrefix(err.Error(), "dkim: ")
		}
	}
	return list
}

// result keeps apart what is wrong for good and what may be right later (RFC 8601
// section 2.7.1).
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

// temporary is what go-msgauth takes for a temporary error: exactly a net.Error, not a
// wrapped one.
type temporary struct{ error }

func (temporary) Timeout() bool   { return true }
func (temporary) Temporary() bool { return true }

func (v *Verifier) lookup(ctx context.Context) func(string) ([]string, error) {
	return func(name string) ([]string, error) {
		texts, err := v.cfg.Resolver.LookupTXT(ctx, name)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, temporary{fmt.Errorf("%s: %w", name, err)}
		}
		return texts, err
	}
}

// keepSignatures gives the message with the chosen DKIM-Signature fields alone.
func keepSignatures(raw []byte, chosen []bool) []byte {
	var out bytes.Buffer
	n, keep := 0, true
	for rest := raw; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n') + 1
		if end == 0 {
			end = len(rest)
		}
		line := rest[:end]
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			out.Write(rest)
			break
		}
		if line[0] != ' ' && line[0] != '\t' {
			keep = true
			name, _, _ := bytes.Cut(line, []byte(":"))
			if strings.EqualFold(string(bytes.TrimSpace(name)), "DKIM-Signature") {
				keep = n < len(chosen) && chosen[n]
				n++
			}
		}
		if keep {
			out.Write(line)
		}
		rest = rest[end:]
	}
	return out.Bytes()
}
