package verify

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"

	"blitiri.com.ar/go/spf"

	"postdesk/ticketing/mail"
)

// spf evaluates RFC 7208 for the reverse-path and the client that our own Postfix took
// the mail from. nil: there is nothing to evaluate. A null reverse-path names nobody.
func (v *Verifier) spf(ctx context.Context, client netip.Addr, helo, reversePath string, p policy) *mail.SPF {
	domain := domainOf(reversePath)
	if !client.IsValid() || !strings.Contains(reversePath, "@") || domain == "" {
		return nil
	}
	out := &mail.SPF{Domain: domain, Client: client.String()}
	names := &spfResolver{v.cfg.Resolver, false}
	// The limits are those of RFC 7208 section 4.6.4: 10 look-ups and 2 void ones.
	res, err := spf.CheckHostWithSender(net.IP(client.AsSlice()), helo, reversePath, spf.WithContext(ctx), spf.WithResolver(names))
	out.Result = mail.AuthResult(res)
	switch {
	case names.failed && out.Result != mail.AuthPass:
		// What could not be asked may be what would have passed.
		out.Result, out.Reason = mail.AuthTempError, "DNS could not be asked"
	case err != nil:
		out.Reason = err.Error()
	}
	if out.Result == mail.AuthPass && errors.Is(err, spf.ErrMatchedAll) {
		out.Result, out.Reason = mail.AuthNeutral, "the domain lets every server of the world send (+all)"
	}
	aligned, err := v.aligned(ctx, domain, p.strictSPF, p)
	if out.Aligned = aligned; err != nil {
		out.Result, out.Reason = mail.AuthTempError, "whether it is aligned: "+err.Error()
	}
	return out
}

// spfResolver speaks with the errors that package spf knows.
type spfResolver struct {
	dns    Resolver
	failed bool
}

func (r *spfResolver) fault(name string, err error) error {
	if err == nil {
		return nil
	}
	if !errors.Is(err, ErrNotFound) {
		r.failed = true
		return &net.DNSError{Err: err.Error(), Name: name, IsTemporary: true}
	}
	return &net.DNSError{Err: err.Error(), Name: name, IsNotFound: true}
}

func (r *spfResolver) LookupTXT(ctx context.Context, name string) ([]string, error) {
	texts, err := r.dns.LookupTXT(ctx, name)
	return texts, r.fault(name, err)
}

func (r *spfResolver) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	list, err := r.dns.LookupMX(ctx, name)
	return list, r.fault(name, err)
}

func (r *spfResolver) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	ips, err := r.dns.LookupIP(ctx, host)
	out := make([]net.IPAddr, len(ips))
	for i, ip := range ips {
		out[i] = net.IPAddr{IP: ip}
	}
	return out, r.fault(host, err)
}

func (r *spfResolver) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	names, err := r.dns.LookupPTR(ctx, net.ParseIP(addr))
	return names, r.fault(addr, err)
}
