package dev

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"net"
	"strings"

	"github.com/emersion/go-msgauth/dkim"

	"postdesk/lmtp/verify"
)

// selector is that of the key which every domain has.
const selector = "dev"

// names is DNS that never asks anybody: each domain has the one key of this desk, and
// nothing else is known. So mail is proven when it was signed here, and never else.
type names struct {
	key    ed25519.PrivateKey
	record string
}

func newNames() (names, error) {
	public, key, err := ed25519.GenerateKey(nil)
	return names{key, "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)}, err // RFC 8463 section 4
}

// sign signs the whole mail as a domain does whose server is in order.
func (n names) sign(raw []byte, domain string) ([]byte, error) {
	var b bytes.Buffer
	err := dkim.Sign(&b, bytes.NewReader(raw), &dkim.SignOptions{
		Domain: domain, Selector: selector, Signer: n.key, Hash: crypto.SHA256,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
	})
	return b.Bytes(), err
}

func (n names) LookupTXT(_ context.Context, name string) ([]string, error) {
	if strings.HasPrefix(name, selector+"._domainkey.") {
		return []string{n.record}, nil
	}
	return nil, verify.ErrNotFound
}

func (names) LookupIP(context.Context, string) ([]net.IP, error)  { return nil, verify.ErrNotFound }
func (names) LookupMX(context.Context, string) ([]*net.MX, error) { return nil, verify.ErrNotFound }
func (names) LookupPTR(context.Context, net.IP) ([]string, error) { return nil, verify.ErrNotFound }
func (names) Check(context.Context) error                         { return nil }
