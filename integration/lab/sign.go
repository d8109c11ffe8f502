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
	dns      *DNS
	imported bool // it has the keys that were given to it, and makes none
	mu       sync.Mutex
	keys     map[string]*rsa.PrivateKey
}

// NewSigner makes a signer that publishes its keys in d, or nowhere when d is nil.
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
	record, err := keyRecord(k)
	if err != nil {
		return nil, err
	}
	if s.imported {
		return nil, fmt.Errorf("no key of %s was imported", domain)
	}
	if s.dns != nil {
		s.dns.TXT(Selector+"._domainkey."+domain, record)
	}
	s.keys[domain] = k
	return k, nil
}

func keyRecord(k *rsa.PrivateKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der), err
}

// Record is what is published of a domain's key.
func (s *Signer) Record(domain string) (string, error) {
	k, err := s.key(domain)
	if err != nil {
		return "", err
	}
	return keyRecord(k)
}

// Sign signs raw for a domain: body and the usual header fields.
func (s *Signer) Sign(raw []byte, domain string) ([]byte, error) {
	return s.SignFields(raw, domain, "From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "In-Reply-To", "References")
}

// SignFields signs the body and these header fields; one that is not there cannot be
// added later.
func (s *Signer) SignFields(raw []byte, domain string, fields ...string) ([]byte, error) {
	k, err := s.key(domain)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = dkim.Sign(&b, bytes.NewReader(raw), &dkim.SignOptions{
		Domain: domain, Selector: Selector, Signer: k, Hash: crypto.SHA256,
		// simple for the body: then every change of it on the way is seen (RFC 6376 section 3.4.3).
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationSimple,
		HeaderKeys: fields,
	})
	if err != nil {
		return nil, fmt.Errorf("sign for %s: %w", domain, err)
	}
	return b.Bytes(), nil
}

// Export gives the private key of a domain (PKCS #8, DER), for a program that signs
// in the same lab.
func (s *Signer) Export(domain string) ([]byte, error) {
	k, err := s.key(domain)
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKCS8PrivateKey(k)
}

// ImportSigner makes a signer with the exported key of one domain, which it does not
// publish: the lab that exported it has.
func ImportSigner(domain string, der []byte) (*Signer, error) {
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	r, ok := k.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the key of %s is %T, not RSA", domain, k)
	}
	return &Signer{imported: true, keys: map[string]*rsa.PrivateKey{domain: r}}, nil
}
