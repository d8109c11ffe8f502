package main

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// vocabulary is what people write: few words often, many words now and then.
type vocabulary struct{ words []string }

// Words that the measures search for, and how often they are written.
const (
	rareWord   = "xylophone" // one message in 50,000
	commonWord = "the"       // nearly all
	phraseA    = "thank"     // one in three has the phrase
	phraseB    = "you"
	earlyWord  = "telegram" // one in ten of the first half
	lateWord   = "hologram" // one in ten of the second half
)

func newVocabulary() vocabulary {
	random := rand.New(rand.NewPCG(7, 7))
	v := vocabulary{words: []string{commonWord, "and", "printer", "invoice", "order", "delivery", "account", "password", "please", "not", "with"}}
	known := map[string]bool{}
	for len(v.words) < 40_000 {
		var w strings.Builder
		for range 2 + random.IntN(3) {
			w.WriteByte("bdfghklmnprstvwz"[random.IntN(16)])
			w.WriteByte("aeiou"[random.IntN(5)])
			if random.IntN(3) == 0 {
				w.WriteByte("nrst"[random.IntN(4)])
			}
		}
		if !known[w.String()] {
			known[w.String()] = true
			v.words = append(v.words, w.String())
		}
	}
	return v
}

// text is what somebody writes in message n of a ticket; share is how far the years have gone.
func (v vocabulary) text(random *rand.Rand, share float64) string {
	zipf := rand.NewZipf(random, 1.07, 3, uint64(len(v.words)-1))
	var b strings.Builder
	for i := range 40 + random.IntN(90) {
		if i > 0 {
			b.WriteString([]string{" ", " ", " ", " ", " ", " ", ", ", ".\r\n"}[random.IntN(8)])
		}
		b.WriteString(v.words[zipf.Uint64()])
	}
	if random.IntN(3) == 0 {
		b.WriteString(" " + phraseA + " " + phraseB)
	}
	if random.IntN(10) == 0 {
		b.WriteString(map[bool]string{true: " " + earlyWord, false: " " + lateWord}[share < 0.5])
	}
	if random.IntN(50_000) == 0 {
		b.WriteString(" " + rareWord)
	}
	fmt.Fprintf(&b, " %d\r\n", random.IntN(1_000_000_000))
	return b.String()
}

func noise(random *rand.Rand, octets int) string {
	b := make([]byte, octets)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return base64.StdEncoding.EncodeToString(b)
}

// letter is a mail as a provider hands it on: traces, a signature, text.
func letter(random *rand.Rand, from, to, subject, id, more, text string, at time.Time) []byte {
	date := at.Format(time.RFC1123Z)
	return fmt.Appendf(nil, "Received: from mx%d.example (mx%d.example [192.0.2.%d])\r\n\tby mail.desk.example (Postfix) with ESMTPS id %s\r\n\tfor <%s>; %s\r\n"+
		"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=customer.example; s=2024;\r\n\th=from:to:subject:date:message-id; bh=%s;\r\n\tb=%s\r\n"+
		"From: %s\r\nTo: <%s>\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s>\r\n%sMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s",
		random.IntN(9), random.IntN(9), random.IntN(250), noise(random, 8), to, date, noise(random, 32), noise(random, 256), from, to, subject, date, id, more, text)
}
