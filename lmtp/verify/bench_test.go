package verify

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
)

// BenchmarkDKIM is go-msgauth alone with its key at hand: the least that a signed mail can
// cost with it.
func BenchmarkDKIM(b *testing.B) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		b.Fatal(err)
	}
	record := []string{"v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)}
	for _, size := range []int{2 << 10, 20 << 10, 1 << 20} {
		for _, form := range []dkim.Canonicalization{dkim.CanonicalizationSimple, dkim.CanonicalizationRelaxed} {
			raw := "From: <jo@customer.example>\r\nSubject: x\r\n\r\n" + strings.Repeat("A line of text as people write it, not too long.\r\n", size/50)
			var signed bytes.Buffer
			o := &dkim.SignOptions{Domain: "customer.example", Selector: "s1", Signer: key, HeaderCanonicalization: form, BodyCanonicalization: form}
			if err := dkim.Sign(&signed, strings.NewReader(raw), o); err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("%dKB/%s", size>>10, form), func(b *testing.B) {
				b.SetBytes(int64(signed.Len()))
				b.ReportAllocs()
				before := cpuTime()
				for b.Loop() {
					found, err := dkim.VerifyWithOptions(bytes.NewReader(signed.Bytes()), &dkim.VerifyOptions{LookupTXT: func(string) ([]string, error) { return record, nil }})
					if err != nil || len(found) != 1 || found[0].Err != nil {
						b.Fatal(found, err)
					}
				}
				b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "CPU-us/op")
			})
		}
	}
}

// cpuTime is what this process has used. Others on the machine change the time by the clock.
func cpuTime() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
