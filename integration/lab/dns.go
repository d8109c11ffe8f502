package lab

import (
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// Trouble is a way in which DNS fails.
type Trouble int

// What the DNS server can do to a name.
const (
	Healthy  Trouble = iota
	ServFail         // answers SERVFAIL
	Silent           // never answers
	NXDomain         // denies a name that exists
)

// DNS is an authoritative server for whatever a test puts into it.
type DNS struct {
	addr    string
	servers [2]*dns.Server

	mu      sync.Mutex
	records map[string][]dns.RR
	trouble map[string]Trouble
	asked   []string
}

// NewDNS starts a server beside the lab's.
func NewDNS() (*DNS, error) { return startDNS() }

// Stop ends it.
func (d *DNS) Stop() error { return d.stop() }

// startDNS serves one port by UDP and by TCP.
func startDNS() (*DNS, error) {
	d := &DNS{records: map[string][]dns.RR{}, trouble: map[string]Trouble{}}
	for try := 0; ; try++ {
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		d.addr = udp.LocalAddr().String()
		tcp, err := net.Listen("tcp", d.addr)
		if err != nil { // the number is taken for TCP: take another one
			_ = udp.Close()
			if try == 20 {
				return nil, err
			}
			continue
		}
		h := dns.HandlerFunc(d.answer)
		d.servers = [2]*dns.Server{{PacketConn: udp, Handler: h}, {Listener: tcp, Handler: h}}
		return d, d.serve()
	}
}

func (d *DNS) serve() error {
	up := make(chan struct{}, len(d.servers))
	down := make(chan error, len(d.servers))
	for _, s := range d.servers {
		s.NotifyStartedFunc = func() { up <- struct{}{} }
		go func() { down <- s.ActivateAndServe() }()
	}
	for range d.servers {
		select {
		case <-up:
		case err := <-down:
			return fmt.Errorf("dns: %w", err)
		}
	}
	return nil
}

func (d *DNS) stop() error {
	for _, s := range d.servers {
		_ = s.Shutdown()
	}
	return nil
}

// Addr is where it answers, by UDP and TCP.
func (d *DNS) Addr() string { return d.addr }

// TXT sets the TXT records of a name, one for each value.
func (d *DNS) TXT(name string, values ...string) {
	var rrs []dns.RR
	for _, v := range values {
		var parts []string
		for len(v) > 255 { // a character-string has one octet for its length
			parts, v = append(parts, v[:255]), v[255:]
		}
		rrs = append(rrs, &dns.TXT{Hdr: header(name, dns.TypeTXT), Txt: append(parts, v)})
	}
	d.set(name, dns.TypeTXT, rrs)
}

// MX sets the mail server of a name.
func (d *DNS) MX(name, host string) {
	d.set(name, dns.TypeMX, []dns.RR{&dns.MX{Hdr: header(name, dns.TypeMX), Preference: 10, Mx: dns.Fqdn(host)}})
}

// A sets the address of a name.
func (d *DNS) A(name, ip string) {
	d.set(name, dns.TypeA, []dns.RR{&dns.A{Hdr: header(name, dns.TypeA), A: net.ParseIP(ip)}})
}

// Remove forgets a name.
func (d *DNS) Remove(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.records, canonical(name))
}

// Trouble makes a name fail; the empty name stands for all.
func (d *DNS) Trouble(name string, t Trouble) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.trouble[canonical(name)] = t
}

// Asked is every question so far, as "TXT name.".
func (d *DNS) Asked() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.asked...)
}

func (d *DNS) set(name string, kind uint16, rrs []dns.RR) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name = canonical(name)
	for _, rr := range d.records[name] {
		if rr.Header().Rrtype != kind {
			rrs = append(rrs, rr)
		}
	}
	d.records[name] = rrs
}

func (d *DNS) answer(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg).SetReply(q)
	m.Authoritative = true
	if !d.fill(m) {
		return
	}
	if _, tcp := w.RemoteAddr().(*net.TCPAddr); !tcp {
		size := uint16(dns.MinMsgSize)
		if o := q.IsEdns0(); o != nil {
			size = max(size, o.UDPSize())
		}
		m.Truncate(int(size))
	}
	_ = w.WriteMsg(m)
}

// fill writes the answer; false means silence.
func (d *DNS) fill(m *dns.Msg) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := m.Question[0]
	name := canonical(q.Name)
	d.asked = append(d.asked, dns.TypeToString[q.Qtype]+" "+name)
	t := d.trouble[name]
	if t == Healthy {
		t = d.trouble[canonical("")]
	}
	rrs, known := d.records[name]
	switch {
	case t == Silent:
		return false
	case t == ServFail:
		m.Rcode = dns.RcodeServerFailure
	case t == NXDomain || !known && !d.hasChild(name):
		m.Rcode = dns.RcodeNameError
	}
	for _, rr := range rrs {
		if m.Rcode == dns.RcodeSuccess && rr.Header().Rrtype == q.Qtype {
			m.Answer = append(m.Answer, rr)
		}
	}
	return true
}

// hasChild says whether a name exists because another one lies below it (RFC 8020).
func (d *DNS) hasChild(name string) bool {
	for n := range d.records {
		if strings.HasSuffix(n, "."+name) {
			return true
		}
	}
	return false
}

func canonical(name string) string { return strings.ToLower(dns.Fqdn(name)) }

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: dns.Fqdn(name), Rrtype: kind, Class: dns.ClassINET, Ttl: 0}
}
