package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"mime/quotedprintable"
	"strings"

	"postdesk/integration/lab"
)

// pool is a set of signed messages that differ. What makes each mail sent unique, its
// Message-ID, stands outside the signature, so that few messages serve for many mails.
type pool struct{ messages [][]byte }

// newPool makes messages of a size: text when small, text and HTML when middling, an
// attachment when large, as mail is.
func newPool(keys *lab.Signer, size int) (*pool, error) {
	n := 128
	if size > 200<<10 {
		n = 8
	}
	return newPoolOf(keys, size, n)
}

// newPoolOf makes n messages of a size.
func newPoolOf(keys *lab.Signer, size, n int) (*pool, error) {
	p := &pool{}
	for i := range n {
		w := writer{rand.New(rand.NewPCG(uint64(i), uint64(size)))}
		raw, err := keys.SignFields(w.message(i, size), lab.SignedDomain, "From", "To", "Subject", "Date", "MIME-Version", "Content-Type")
		if err != nil {
			return nil, err
		}
		// RFC 5321 section 4.5.2: a dot at the start of a line is doubled.
		p.messages = append(p.messages, bytes.ReplaceAll(raw, []byte("\r\n."), []byte("\r\n..")))
	}
	return p, nil
}

// mail is message n of a sender's session, up to the final dot.
func (p *pool) mail(buf []byte, unique string, n int) []byte {
	buf = fmt.Appendf(buf[:0], "Message-ID: <%s>\r\n", messageID(unique, n))
	buf = append(buf, p.messages[n%len(p.messages)]...)
	return append(buf, ".\r\n"...)
}

func messageID(unique string, n int) string {
	return fmt.Sprintf("%s.%d@%s", unique, n, lab.SignedDomain)
}

type writer struct{ r *rand.Rand }

func (w writer) message(n, size int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: \"Customer %d\" <customer%d@%s>\r\nTo: <new@%s>\r\nSubject: %s\r\nDate: Mon, 23 Nov 2026 22:00:00 +0000\r\nMIME-Version: 1.0\r\n",
		n, n, lab.SignedDomain, lab.Domain, w.words(6))
	const boundary = "a-boundary-of-this-message"
	part := func(head string) { fmt.Fprintf(&b, "\r\n--%s\r\nContent-Type: %s\r\n\r\n", boundary, head) }
	switch {
	case size < 8<<10:
		b.WriteString("Content-Type: text/plain; charset=utf-8\r\n\r\n")
		b.WriteString(w.text(size - b.Len() - 400)) // 400: the signature
	case size < 200<<10:
		b.WriteString("Content-Type: multipart/alternative; boundary=" + boundary + "\r\n")
		part("text/plain; charset=utf-8")
		b.WriteString(w.text(size * 3 / 10))
		part("text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable")
		q := quotedprintable.NewWriter(&b)
		for b.Len() < size-1000 {
			_, _ = fmt.Fprintf(q, "<p class=\"MsoNormal\">%s</p>\r\n", w.text(300))
		}
		_ = q.Close() // into memory
		fmt.Fprintf(&b, "\r\n--%s--\r\n", boundary)
	default:
		b.WriteString("Content-Type: multipart/mixed; boundary=" + boundary + "\r\n")
		part("text/plain; charset=utf-8")
		b.WriteString(w.text(1500))
		part("application/octet-stream\r\nContent-Disposition: attachment; filename=\"log.bin\"\r\nContent-Transfer-Encoding: base64")
		raw := make([]byte, 57)
		for b.Len() < size-500 {
			for i := range raw {
				raw[i] = byte(w.r.Uint32())
			}
			b.WriteString(base64.StdEncoding.EncodeToString(raw) + "\r\n")
		}
		fmt.Fprintf(&b, "\r\n--%s--\r\n", boundary)
	}
	return b.Bytes()
}

func (w writer) words(n int) string {
	syllables := strings.Fields("ba con de er fi gra hu in jo ka lo mer net or pla qui re ser tion un ver wor xen yes zon ing ed mail pri nt")
	var all []string
	for range n {
		word := ""
		// Few words are frequent and many are rare, as in a language.
		for range 1 + w.r.IntN(1+w.r.IntN(4)) {
			word += syllables[w.r.IntN(1+w.r.IntN(len(syllables)))]
		}
		all = append(all, word)
	}
	return strings.Join(all, " ")
}

func (w writer) text(size int) string {
	var b strings.Builder
	for b.Len() < size {
		b.WriteString(w.words(10) + "\r\n")
	}
	return b.String()
}
