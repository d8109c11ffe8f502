package verify

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/miekg/dns"

	"postdesk/ticketing/mail"
)

// zone is a real name server on loopback.
type zone struct {
	t     *testing.T
	addr  string
	asked atomic.Int64

	mu    sync.Mutex
	txt   map[string][]string
	other map[string][]dns.RR
	rcode map[string]int // per name; -1: no answer at all
	key   ed25519.PrivateKey
}

func newZone(t *testing.T) *zone {
	t.Helper()
	pc, l := onePort(t)
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	z := &zone{t: t, addr: pc.LocalAddr().String(), txt: map[string][]string{}, other: map[string][]dns.RR{}, rcode: map[string]int{}, key: key}
	for _, d := range []string{"customer.example", "mail.customer.example", "other.example"} {
		z.txt["s1._domainkey."+d+"."] = []string{"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(pub)}
	}
	for _, s := range []*dns.Server{{PacketConn: pc, Handler: z}, {Listener: l, Handler: z}} {
		go s.ActivateAndServe()
		t.Cleanup(func() { s.Shutdown() })
	}
	return z
}

// onePort listens on one number by UDP and TCP; it may be taken for one of them.
func onePort(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", pc.LocalAddr().String())
		if err == nil {
			return pc, l
		}
		pc.Close()
	}
	t.Fatal("no port is free for UDP and TCP")
	return nil, nil
}

func (z *zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	z.asked.Add(1)
	z.mu.Lock()
	defer z.mu.Unlock()
	name := strings.ToLower(q.Question[0].Name)
	r := new(dns.Msg)
	r.SetReply(q)
	switch r.Rcode = z.rcode[name]; r.Rcode {
	case -1:
		return
	case dns.RcodeSuccess:
		if len(z.txt[name]) == 0 && len(z.other[name]) == 0 {
			r.Rcode = dns.RcodeNameError
		}
		for _, rr := range z.other[name] {
			if rr.Header().Rrtype == q.Question[0].Qtype {
				r.Answer = append(r.Answer, rr)
			}
		}
		for _, t := range z.txt[name] {
			if q.Question[0].Qtype != dns.TypeTXT {
				break
			}
			rr := &dns.TXT{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}}
			for ; len(t) > 255; t = t[255:] {
				rr.Txt = append(rr.Txt, t[:255])
			}
			rr.Txt = append(rr.Txt, t)
			r.Answer = append(r.Answer, rr)
		}
	}
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		r.Truncate(1232)
	}
	w.WriteMsg(r)
}

// patience is short where somebody does not answer, and else longer than any machine is busy.
func (z *zone) patience() time.Duration {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, code := range z.rcode {
		if code == -1 {
			return 3 * time.Second
		}
	}
	return 2 * time.Minute
}

func (z *zone) set(name string, rcode int, texts ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.txt[name+"."], z.rcode[name+"."] = texts, rcode
}

// add takes a record as a zone file has it.
func (z *zone) add(line string) {
	z.t.Helper()
	rr, err := dns.NewRR(line)
	if err != nil {
		z.t.Fatal(line, err)
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	name := strings.ToLower(rr.Header().Name)
	z.other[name] = append(z.other[name], rr)
}

// fault makes a name fail, by the name of the response code or TIMEOUT.
func (z *zone) fault(name, kind string) {
	z.t.Helper()
	code, ok := dns.StringToRcode[kind]
	if kind == "TIMEOUT" {
		code, ok = -1, true
	}
	if !ok {
		z.t.Fatalf("no such fault: %s", kind)
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.rcode[dns.Fqdn(name)] = code
}

func (z *zone) sign(domain, raw string) string {
	z.t.Helper()
	var b bytes.Buffer
	err := dkim.Sign(&b, strings.NewReader(raw), &dkim.SignOptions{Domain: domain, Selector: "s1", Signer: z.key, Hash: crypto.SHA256})
	if err != nil {
		z.t.Fatal(err)
	}
	return b.String()
}

func (z *zone) verify(raw string) mail.Authentication {
	z.t.Helper()
	r, err := NewResolver(z.addr)
	if err != nil {
		z.t.Fatal(err)
	}
	return New(Config{Resolver: r, Timeout: z.patience()}).Verify(z.t.Context(), []byte(raw), mail.Parse([]byte(raw)))
}

const letter = "From: Jo <jo@customer.example>\r\nTo: new@desk.example\r\nSubject: x\r\nDate: Tue, 03 Mar 2026 10:00:00 +0000\r\n\r\nHelp\r\n"

func TestVerify(t *testing.T) {
	sub := strings.Replace(letter, "jo@customer.example", "jo@mail.customer.example", 1)
	for name, c := range map[string]struct {
		zone   func(*zone)
		raw    func(*zone) string
		author string
		result mail.AuthResult // of the first signature; empty: none
		dmarc  mail.AuthResult
		policy string
		temp   bool
	}{
		"signed by the author's domain": {raw: func(z *zone) string { return z.sign("customer.example", letter) }, author: "jo@customer.example", result: "pass", dmarc: "none"},
		"not signed":                    {raw: func(*zone) string { return letter }, dmarc: "none"},
		"signed by another":             {raw: func(z *zone) string { return z.sign("other.example", letter) }, result: "pass", dmarc: "none"},
		"changed after signing":         {raw: func(z *zone) string { return z.sign("customer.example", letter) + "more\r\n" }, result: "fail", dmarc: "none"},
		"a second From above":           {raw: func(z *zone) string { return "From: boss@customer.example\r\n" + z.sign("customer.example", letter) }, result: "pass", dmarc: "none"},
		"no key": {
			zone: func(z *zone) { z.set("s1._domainkey.customer.example", dns.RcodeNameError) },
			raw:  func(z *zone) string { return z.sign("customer.example", letter) }, result: "permerror", dmarc: "none"},
		"two keys": {
			zone: func(z *zone) { z.set("s1._domainkey.customer.example", 0, "v=DKIM1; p=", "v=DKIM1; p=") },
			raw:  func(z *zone) string { return z.sign("customer.example", letter) }, result: "permerror", dmarc: "none"},
		"SERVFAIL for the key": {
			zone: func(z *zone) { z.set("s1._domainkey.customer.example", dns.RcodeServerFailure) },
			raw:  func(z *zone) string { return z.sign("customer.example", letter) }, result: "temperror", dmarc: "none", temp: true},
		"no answer for the key": {
			zone: func(z *zone) { z.set("s1._domainkey.customer.example", -1) },
			raw:  func(z *zone) string { return z.sign("customer.example", letter) }, result: "temperror", dmarc: "none", temp: true},
		"SERVFAIL for the policy": {
			zone: func(z *zone) { z.set("_dmarc.customer.example", dns.RcodeServerFailure) },
			raw:  func(z *zone) string { return z.sign("customer.example", letter) }, result: "pass", dmarc: "temperror", temp: true},
		"a policy, aligned": {
			zone: func(z *zone) { z.set("_dmarc.customer.example", 0, "v=DMARC1; p=reject") },
			raw:  func(z *zone) string { return z.sign("customer.example", letter) }, author: "jo@customer.example", result: "pass", dmarc: "pass", policy: "reject"},
		"a policy, not signed": {
			zone: func(z *zone) { z.set("_dmarc.customer.example", 0, "v=DMARC1; p=quarantine") },
			raw:  func(*zone) string { return letter }, dmarc: "fail", policy: "quarantine"},
		"a policy under test asks for one level less": {
			zone: func(z *zone) { z.set("_dmarc.customer.example", 0, "v=DMARC1; p=reject; t=y") },
			raw:  func(*zone) string { return letter }, dmarc: "fail", policy: "quarantine"},
		"a record as large as a DNS message can be comes by TCP": {
			zone: func(z *zone) {
				z.set("_dmarc.customer.example", 0, "v=DMARC1; p=reject; x="+strings.Repeat("y", 65_000))
			},
			raw: func(*zone) string { return letter }, dmarc: "fail", policy: "reject"},
		"a subdomain, signed by the parent, with a record": {
			zone: func(z *zone) { z.set("_dmarc.customer.example", 0, "v=DMARC1; p=none; sp=reject") },
			raw:  func(z *zone) string { return z.sign("customer.example", sub) }, author: "jo@mail.customer.example", result: "pass", dmarc: "pass", policy: "reject"},
		"a subdomain, signed by the parent, without any record": {
			raw: func(z *zone) string { return z.sign("customer.example", sub) }, result: "pass", dmarc: "none"},
		"strict alignment": {
			zone: func(z *zone) { z.set("_dmarc.customer.example", 0, "v=DMARC1; p=reject; adkim=s") },
			raw:  func(z *zone) string { return z.sign("customer.example", sub) }, result: "pass", dmarc: "fail", policy: "reject"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			z := newZone(t)
			if c.zone != nil {
				c.zone(z)
			}
			a := z.verify(c.raw(z))
			var result mail.AuthResult
			if len(a.DKIM) > 0 {
				result = a.DKIM[0].Result
			}
			if a.Author != c.author || result != c.result || a.DMARC != c.dmarc || a.Policy != c.policy || a.Temporary != c.temp || a.Reason == "" {
				t.Errorf("%+v\nwant %+v", a, c)
			}
		})
	}
}

// Thousands of signatures cost a handful of look-ups, and the right one is among those
// that are verified, wherever it stands.
func TestManySignatures(t *testing.T) {
	z := newZone(t)
	var b strings.Builder
	for i := range 1900 {
		fmt.Fprintf(&b, "DKIM-Signature: v=1; a=rsa-sha256; d=d%d.evil%d.test; s=s; h=from; bh=x; b=x\r\n", i, i)
	}
	raw := b.String() + z.sign("customer.example", letter)
	a := z.verify(raw)
	if a.Author != "jo@customer.example" {
		t.Errorf("author %q: %s", a.Author, a.Reason)
	}
	if len(a.DKIM) != 5 {
		t.Errorf("%d signatures are listed", len(a.DKIM))
	}
	if n := z.asked.Load(); n > 12 {
		t.Errorf("%d look-ups", n)
	}
}

// One who gives up gets an answer at once, and the verifier's own time is bounded.
func TestTimeLimit(t *testing.T) {
	z := newZone(t)
	z.set("_dmarc.customer.example", -1)
	raw := z.sign("customer.example", letter)
	r, err := NewResolver(z.addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if a := New(Config{Resolver: r}).Verify(ctx, []byte(raw), mail.Parse([]byte(raw))); !a.Temporary {
		t.Errorf("with a context that has ended: %+v", a)
	}
}

// An answer is asked for once by many, and kept for its time to live.
func TestCache(t *testing.T) {
	z := newZone(t)
	r, err := NewResolver(z.addr)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if texts, err := r.LookupTXT(t.Context(), "S1._domainkey.customer.example"); err != nil || len(texts) != 1 {
				t.Error(texts, err)
			}
		})
	}
	wg.Wait()
	if n := z.asked.Load(); n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
}
