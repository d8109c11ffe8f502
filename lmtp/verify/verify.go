// Package verify says who wrote a message: DKIM (RFC 6376, 8301, 8463) by go-msgauth,
// SPF (RFC 7208) by blitiri.com.ar/go/spf, DMARC alignment and policy (RFC 9989) and what
// a trusted server wrote (Authentication-Results, RFC 8601) by its own evaluation.
package verify

import (
	"context"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"postdesk/ticketing/mail"
)

// Config is how a Verifier works.
type Config struct {
	Resolver      Resolver
	Timeout       time.Duration // for all look-ups of one message; 0 is 5 s
	MaxSignatures int           // that are verified, aligned ones first; 0 is 5
	Trust         Trust
}

// Verifier verifies messages. Many may use it at once.
type Verifier struct {
	cfg    Config
	bodies bodies
}

// New makes a verifier.
func New(cfg Config) *Verifier {
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.MaxSignatures == 0 {
		cfg.MaxSignatures = 5
	}
	return &Verifier{cfg: cfg}
}

// Verify says who wrote a message. It ends within the timeout, whatever DNS does.
func (v *Verifier) Verify(ctx context.Context, raw []byte, m *mail.Message) mail.Authentication {
	ctx, cancel := context.WithTimeout(ctx, v.cfg.Timeout)
	defer cancel()
	e := evidence{header: readHeader(raw), site: v.cfg.Trust.read(m)}
	e.author, e.sole = m.SoleAuthor()
	from := e.author.Address
	if !e.sole && len(m.From) > 0 {
		from = m.From[0].Address
	}
	e.policy = v.policy(ctx, domainOf(from))
	auth := mail.Authentication{Policy: e.policy.request, Server: e.site.words(), Login: e.site.login, Spam: e.site.spam}
	auth.DKIM, e.covered = v.signatures(ctx, raw, e.header, e.policy)
	v.bodies.count(auth.DKIM)
	v.gather(ctx, &e, &auth, m)
	e.conclude(&auth)
	auth.Unsigned = e.unsigned(auth, m)
	return auth
}

// domainOf is the domain of an address, as DNS has it: a name in another script by its
// A-label (RFC 9989 section 4.10, RFC 5890).
func domainOf(address string) string {
	domain := mail.Lower(address[strings.LastIndexByte(address, '@')+1:])
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
		return ascii
	}
	return domain
}

// evidence is all that the verdict rests on.
type evidence struct {
	header header
	site   site
	policy policy
	author mail.Address
	sole   bool // author is the one author
	// whole says that DKIM and we read the same header: where two readers see two, what
	// was signed is not what is shown.
	whole bool

	covered []string // names of the fields that signatures cover which prove the author

	signed    bool // a signature of an aligned domain, verified here
	vouched   bool // the same, verified by the trusted server
	sent      bool // a server that the aligned domain of the reverse-path names
	temporary bool // DNS could not answer something that could have proven the author
	passed    bool // some signature is valid, whoever's
	testing   bool // the only signature that would prove is by a key under test
}

// gather looks for each kind of proof, and for the costly ones only while none is found.
func (v *Verifier) gather(ctx context.Context, e *evidence, auth *mail.Authentication, m *mail.Message) {
	e.whole = !e.header.malformed && e.header.from == m.FromFields
	for _, s := range auth.DKIM {
		pass := s.Result == mail.AuthPass
		e.passed = e.passed || pass
		e.testing = e.testing || pass && s.Aligned && s.Testing
		e.signed = e.signed || proves(s) && e.whole
		// A stranger's signature would prove nothing if DNS answered.
		e.temporary = e.temporary || s.Result == mail.AuthTempError && e.policy.within(s.Domain)
	}
	if e.signed || e.policy.err != nil {
		return
	}
	v.askServer(ctx, e)
	if e.vouched || e.sent || e.site.login != "" || !v.cfg.Trust.Border {
		return
	}
	if auth.SPF = v.spf(ctx, e.site.received.client, e.site.received.helo, m.ReversePath, e.policy); auth.SPF != nil {
		e.sent = auth.SPF.Result == mail.AuthPass && auth.SPF.Aligned
		e.temporary = e.temporary || auth.SPF.Result == mail.AuthTempError && e.policy.within(auth.SPF.Domain)
	}
}

// conclude draws the verdict.
func (e *evidence) conclude(auth *mail.Authentication) {
	proven := e.sole && e.policy.err == nil && (e.signed || e.vouched || e.sent)
	auth.DMARC = mail.AuthNone
	switch {
	case e.policy.err != nil:
		auth.DMARC = mail.AuthTempError
	case e.policy.found && proven:
		auth.DMARC = mail.AuthPass
	case e.policy.found && e.temporary:
		auth.DMARC = mail.AuthTempError
	case e.policy.found:
		auth.DMARC = mail.AuthFail
	}
	if proven {
		auth.Author = e.author.Address
	}
	auth.Method, auth.Reason = e.words(proven, len(auth.DKIM) > 0, auth.SPF)
	auth.Temporary = e.sole && !proven && (e.policy.err != nil || e.temporary)
}

// words is the verdict in one sentence.
func (e *evidence) words(proven, any bool, spf *mail.SPF) (method, reason string) {
	switch {
	case !e.sole:
		return "", "From is not one mailbox in one field, or another field is doubled, so that nobody is proven"
	case proven && e.signed:
		return "dkim", "signed by the author's domain"
	case proven && e.vouched:
		return "authserv", "signed by the author's domain, as the trusted server has verified"
	case proven:
		return "spf", "sent by a server that the author's domain names"
	case e.policy.err != nil || e.temporary:
		return "", "DNS could not be asked; tried again later"
	case e.passed && !e.whole:
		return "", "signed, but the header can be read in two ways"
	case e.testing:
		return "", "signed by the author's domain with a key that is under test, which counts as unsigned"
	case e.passed:
		return "", "signed, but not by the author's domain"
	case any:
		return "", "no signature is valid" + sentBy(spf)
	}
	return "", "not signed" + sentBy(spf)
}

func sentBy(spf *mail.SPF) string {
	switch {
	case spf == nil:
		return ""
	case spf.Result == mail.AuthPass:
		return ", and the reverse-path is of another domain"
	}
	return ", and not proven by the server that sent it (SPF " + string(spf.Result) + ")"
}
