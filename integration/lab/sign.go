package lab

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"sync"

	"github.com/emersion/go-msgauth/dkim"
)

// Selector is that of every key a Signer publishes.
const Selector = "s1"

// Signer signs mail with DKIM as the domains of customers do.
type Signer struct {
	dns  *DNS
	mu   sync.Mutex
	keys map[string]*rsa.PrivateKey
}

// NewSigner makes a signer that publishes its keys in d.
func NewSigner(d *DNS) *Signer { return &Signer{dns: d, keys: map[string]*rsa.PrivateKey{}} }

// Publish gives a domain a key, unless it has one.
func (s *Signer) Publish(domain string) error {
	_, err := s.key(domain)
	return err
}

func (s *Signer) key(domain string) (*rsa.PrivateKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.keys[domain]; k != nil {
		return k, nil
	}
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		return nil, err
	}
	s.dns.TXT(Selector+"._domainkey."+domain, "v=DKIM1; k=rsa; p="+base64.StdEncoding.EncodeToString(der))
	s.keys[domain] = k
	return k, nil
}

// Sign signs raw for a domain: body and the usual header fields.
func (s *Signer) Sign(raw []byte, domain string) ([]byte, error) {
	k, err := s.key(domain)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = dkim.Sign(&b, bytes.NewReader(raw), &dkim.SignOptions{
		Domain: domain, Selector: Selector, Signer: k, Hash: crypto.SHA256,
		// simple for the body: then every change of it on the way is seen (RFC 6376 section 3.4.3).
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationSimple,
		HeaderKeys: []string{"From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "In-Reply-To", "References"},
	})
	if err != nil {
		return nil, fmt.Errorf("sign for %s: %w", domain, err)
	}
	return b.Bytes(), nil
}
