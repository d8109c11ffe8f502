package verify

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
)

// golden is how a triple is made.
type golden struct {
	raw    string
	sign   []signing // in this order, each above the others
	change func(string) string
	world
}

// signing is one signature. The zero value is relaxed/relaxed by RSA with selector s1.
type signing struct {
	domain     string
	key        string // ed25519; empty: rsa
	selector   string
	header     dkim.Canonicalization
	body       dkim.Canonicalization
	identifier string
	expires    time.Time
	length     int    // l=, of a body in simple form
	extra      string // tags put first, as "x=y; "
}

func writeGolden(t *testing.T) {
	t.Helper()
	old, _ := filepath.Glob(goldenDir + "/*")
	for _, f := range old {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	for name, g := range goldens(t) {
		raw := g.raw
		for _, s := range g.sign {
			raw = s.apply(t, raw)
		}
		if g.change != nil {
			raw = g.change(raw)
		}
		for suffix, content := range map[string][]byte{".eml": []byte(raw), ".world.json": marshal(t, g.world)} {
			if err := os.WriteFile(filepath.Join(goldenDir, name+suffix), content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (s signing) apply(t *testing.T, raw string) string {
	t.Helper()
	if s.selector == "" {
		s.selector = "s1"
	}
	if s.length > 0 || s.extra != "" {
		return s.byHand(t, raw)
	}
	if s.header == "" {
		s.header, s.body = dkim.CanonicalizationRelaxed, dkim.CanonicalizationRelaxed
	}
	var b bytes.Buffer
	err := dkim.Sign(&b, strings.NewReader(raw), &dkim.SignOptions{Domain: s.domain, Selector: s.selector, Signer: goldenKey(t, s.key), Hash: crypto.SHA256,
		HeaderCanonicalization: s.header, BodyCanonicalization: s.body, Identifier: s.identifier, Expiration: s.expires,
		HeaderKeys: []string{"From", "To", "Subject", "Date"}})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// byHand signs simple/simple with tags that go-msgauth does not write.
func (s signing) byHand(t *testing.T, raw string) string {
	t.Helper()
	_, body, _ := strings.Cut(raw, "\r\n\r\n")
	if s.length > 0 {
		s.extra, body = fmt.Sprintf("%sl=%d; ", s.extra, s.length), body[:s.length]
	}
	hash := sha256.Sum256([]byte(body))
	field := fmt.Sprintf("DKIM-Signature: %sv=1; a=rsa-sha256; c=simple/simple; d=%s; s=%s; h=From; bh=%s; b=",
		s.extra, s.domain, s.selector, base64.StdEncoding.EncodeToString(hash[:]))
	from := raw[strings.Index(raw, "From:"):]
	from = from[:strings.Index(from, "\r\n")+2]
	sum := sha256.Sum256([]byte(from + field))
	sig, err := goldenKey(t, "").Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return field + base64.StdEncoding.EncodeToString(sig) + "\r\n" + raw
}

// goldenKey reads a key of the tests, and makes it when it is not there.
func goldenKey(t *testing.T, kind string) crypto.Signer {
	t.Helper()
	file := "testdata/keys/rsa.pem"
	if kind == "ed25519" {
		file = "testdata/keys/ed25519.pem"
	}
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		text = makeKey(t, kind, file)
	} else if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(crypto.Signer)
}

func makeKey(t *testing.T, kind, file string) []byte {
	t.Helper()
	var key any
	var err error
	if kind == "ed25519" {
		_, key, err = ed25519.GenerateKey(rand.Reader)
	} else {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return text
}

// publish is the key record of a domain; extra stands before its p=.
func publish(t *testing.T, domain, kind, extra string) string {
	t.Helper()
	selector, k, p := "s1", "rsa", ""
	if kind == "ed25519" {
		selector, k = "s2", kind
		p = base64.StdEncoding.EncodeToString(goldenKey(t, kind).Public().(ed25519.PublicKey))
	} else {
		der, err := x509.MarshalPKIXPublicKey(goldenKey(t, kind).Public())
		if err != nil {
			t.Fatal(err)
		}
		p = base64.StdEncoding.EncodeToString(der)
	}
	return txt(selector+"._domainkey."+domain, "v=DKIM1; k="+k+"; "+extra+"p="+p)
}

// txt is a TXT record, in strings of at most 255 octets.
func txt(name, value string) string {
	line := name + ". 60 IN TXT"
	for ; len(value) > 255; value = value[255:] {
		line += ` "` + value[:255] + `"`
	}
	return line + ` "` + value + `"`
}
