package verify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Resolver looks up what DNS says. ErrNotFound means that the name or the record does
// not exist; any other error is temporary.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
	LookupIP(ctx context.Context, name string) ([]net.IP, error) // A and AAAA
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupPTR(ctx context.Context, ip net.IP) ([]string, error)
}

// ErrNotFound is for NXDOMAIN, and for a name without records of the type.
var ErrNotFound = errors.New("no such record")

// DNS is a Resolver that asks name servers and remembers answers for as long as they
// say (RFC 1035, negative answers RFC 2308).
type DNS struct {
	servers []string
	mu      sync.Mutex
	cache   map[question]*answer
}

type answer struct {
	done    chan struct{} // closed when the rest is there
	records []dns.RR
	err     error
	expires time.Time
}

const (
	cacheSize  = 20_000
	maxTTL     = time.Hour
	queryLimit = 2 * time.Second // for one try at one server
)

// NewResolver asks nameserver ("host" or "host:port"), or the system's when it is empty.
func NewResolver(nameserver string) (*DNS, error) {
	d := &DNS{cache: map[question]*answer{}}
	if nameserver == "" {
		conf, err := dns.ClientConfigFromFile("/etc/resolv.conf")
		if err != nil {
			return nil, fmt.Errorf("the system's name servers: %w", err)
		}
		for _, s := range conf.Servers {
			d.servers = append(d.servers, net.JoinHostPort(s, conf.Port))
		}
		if len(d.servers) == 0 {
			d.servers = []string{"127.0.0.1:53"} // resolv.conf(5)
		}
		return d, nil
	}
	if _, _, err := net.SplitHostPort(nameserver); err != nil {
		nameserver = net.JoinHostPort(strings.Trim(nameserver, "[]"), "53")
	}
	d.servers = []string{nameserver}
	return d, nil
}

// LookupTXT gives the TXT records of a name, each with its strings joined.
func (d *DNS) LookupTXT(ctx context.Context, name string) (texts []string, err error) {
	records, err := d.lookup(ctx, name, dns.TypeTXT)
	for _, rr := range records {
		if t, ok := rr.(*dns.TXT); ok {
			texts = append(texts, strings.Join(t.Txt, ""))
		}
	}
	return texts, err
}

// LookupIP gives the addresses of a name, of both families.
func (d *DNS) LookupIP(ctx context.Context, name string) (ips []net.IP, err error) {
	for _, of := range []uint16{dns.TypeA, dns.TypeAAAA} {
		records, err := d.lookup(ctx, name, of)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		for _, rr := range records {
			switch a := rr.(type) {
			case *dns.A:
				ips = append(ips, a.A)
			case *dns.AAAA:
				ips = append(ips, a.AAAA)
			}
		}
	}
	if len(ips) == 0 {
		err = ErrNotFound
	}
	return ips, err
}

// LookupMX gives the mail servers of a name.
func (d *DNS) LookupMX(ctx context.Context, name string) (list []*net.MX, err error) {
	records, err := d.lookup(ctx, name, dns.TypeMX)
	for _, rr := range records {
		if m, ok := rr.(*dns.MX); ok {
			list = append(list, &net.MX{Host: m.Mx, Pref: m.Preference})
		}
	}
	return list, err
}

// LookupPTR gives the names of an address.
func (d *DNS) LookupPTR(ctx context.Context, ip net.IP) (names []string, err error) {
	name, err := dns.ReverseAddr(ip.String())
	if err != nil {
		return nil, ErrNotFound
	}
	records, err := d.lookup(ctx, name, dns.TypePTR)
	for _, rr := range records {
		if p, ok := rr.(*dns.PTR); ok {
			names = append(names, p.Ptr)
		}
	}
	return names, err
}

// question is what an answer is kept under.
type question struct {
	name string
	of   uint16
}

func (d *DNS) lookup(ctx context.Context, name string, of uint16) ([]dns.RR, error) {
	key := question{strings.ToLower(dns.Fqdn(name)), of}
	if _, ok := dns.IsDomainName(key.name); !ok {
		return nil, ErrNotFound // no such name can exist
	}
	d.mu.Lock()
	a := d.cache[key]
	if a == nil || a.expired() {
		a = &answer{done: make(chan struct{})}
		if len(d.cache) >= cacheSize {
			clear(d.cache)
		}
		d.cache[key] = a
		go d.fill(key, a)
	}
	d.mu.Unlock()
	select {
	case <-a.done:
		return a.records, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// expired is called with the lock held; an answer that is still awaited is not.
func (a *answer) expired() bool {
	select {
	case <-a.done:
		return time.Now().After(a.expires)
	default:
		return false
	}
}

// fill asks for many that wait. Its time is its own: one who gives up must not take
// the answer from the others.
func (d *DNS) fill(key question, a *answer) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*queryLimit)
	defer cancel()
	records, ttl, err := d.ask(ctx, key)
	d.mu.Lock()
	defer d.mu.Unlock()
	a.records, a.err, a.expires = records, err, time.Now().Add(min(ttl, maxTTL))
	close(a.done)
}

func (d *DNS) ask(ctx context.Context, q question) (records []dns.RR, ttl time.Duration, err error) {
	err = errors.New("no name server")
	for try := 0; try < 2; try++ {
		for _, server := range d.servers {
			var r *dns.Msg
			if r, err = exchange(ctx, server, q.name, q.of); err == nil {
				return readAnswer(r, q.of)
			}
			if ctx.Err() != nil {
				return nil, 0, err
			}
		}
	}
	return nil, 0, err
}

// Check says whether any name server answers at all, by asking for the root's name
// servers: trouble with the domain of one sender is no trouble of ours.
func (d *DNS) Check(ctx context.Context) (err error) {
	for _, server := range d.servers {
		if _, err = exchange(ctx, server, ".", dns.TypeNS); err == nil {
			return nil
		}
	}
	return fmt.Errorf("DNS does not answer; mail is taken, but nobody's mail is proven: %w", err)
}

func exchange(ctx context.Context, server, name string, of uint16) (*dns.Msg, error) {
	m := new(dns.Msg)
	m.SetQuestion(name, of)
	m.SetEdns0(1232, false)
	for _, network := range []string{"udp", "tcp"} {
		c := dns.Client{Net: network, Timeout: queryLimit}
		r, _, err := c.ExchangeContext(ctx, m, server)
		if err != nil {
			return nil, err
		}
		if r.Truncated && network == "udp" {
			continue
		}
		if r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError {
			return nil, fmt.Errorf("%s answers %s", server, dns.RcodeToString[r.Rcode])
		}
		return r, nil
	}
	return nil, errors.New("a truncated answer")
}

func readAnswer(r *dns.Msg, of uint16) (records []dns.RR, ttl time.Duration, err error) {
	ttl = maxTTL
	for _, rr := range r.Answer {
		ttl = min(ttl, time.Duration(rr.Header().Ttl)*time.Second)
		if rr.Header().Rrtype == of { // and not the CNAME that led there
			records = append(records, rr)
		}
	}
	if len(records) > 0 {
		return records, ttl, nil
	}
	ttl = time.Minute
	for _, rr := range r.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			ttl = min(5*time.Minute, time.Duration(min(soa.Minttl, soa.Hdr.Ttl))*time.Second)
		}
	}
	return nil, ttl, ErrNotFound
}
