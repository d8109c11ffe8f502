package store

import (
	"fmt"
	"strings"
)

// phrases are what rows say again and again: in a column that is packed each is one octet
// or two. A phrase keeps its place for ever, since rows have it by its number; new ones are
// added at the end. Of two that begin alike the longer stands first.
var phrases = [...]string{
	// One octet each.
	`{"dkim":[{"domain":"`,
	`","selector":"`,
	`","result":"pass","aligned":true}],"author":"=","method":"dkim"`,
	`","result":"pass","aligned":true}`,
	`,"dmarc":"none","reason":"signed by the author's domain"}`,
	`,"dmarc":"pass","reason":"signed by the author's domain"}`,
	`,"policy":"none"`,
	`,"policy":"quarantine"`,
	`,"policy":"reject"`,
	`{"author_proven":"dkim","automatic":"false","row":"`,
	`{"automatic":"false","row":"`,
	`","visibility":"shown"}`,
	`{"row":"`,
	`","status":"new"}`,
	`{"queue_id":"`,
	"ticket.created",
	"ticket.updated",
	"message.received",
	"message.queued",
	"message.submitted",
	"message.relayed",
	"message.delivered",
	"reply.added",
	"a new conversation, and the author is proven",
	"a new conversation; nothing proves the author",
	"the participant's own thread, and the author is proven",
	// Two octets each.
	"the participant's own thread, but nothing proves the author",
	"a participant, and the author is proven",
	"answers a mail of the ticket, from a participant who is proven",
	"automatic mail moves nothing and is never answered by itself",
	"automatic mail is never answered by itself",
	"imported; nobody's proof was asked",
	"a report on a mail of ours",
	`","result":"pass"}`,
	`","result":"fail","reason":"`,
	`,{"domain":"`,
	`,"spf":{"domain":"`,
	`","client":"`,
	`,"aligned":true}`,
	`,"author":"=","method":"dkim"`,
	`,"author":"=","method":"authserv"`,
	`,"author":"=","method":"spf"`,
	`,"dmarc":"fail"`,
	`,"dmarc":"none"`,
	`,"dmarc":"pass"`,
	`,"server":["`,
	`,"unsigned":["`,
	`{"reason":"not signed"}`,
	`,"reason":"no signature is valid"}`,
	`,"reason":"signed by the author's domain, as the trusted server has verified"}`,
	`,"reason":"signed, but not by the author's domain"}`,
	`{"automatic":"true","row":"`,
	`","visibility":"folded"}`,
	`","visibility":"held"}`,
	`,"acknowledge":"due"`,
	`,"not_acknowledged":"`,
	`","status":"open"}`,
	"message.held",
	"message.suppressed",
	"note.added",
}

// The octets of phrases: those that JSON never has, and not the three that a text may well
// have. longPhrase begins one of two octets; asItIs a text that has such octets itself.
const (
	phraseOctets = "\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d"
	longPhrase   = 0x1e
	asItIs       = 0x1f
)

// pack writes phrases short: words where a text begins, the parts of JSON everywhere.
func pack(s string) string {
	if strings.ContainsFunc(s, isPhrase) {
		return string(rune(asItIs)) + s
	}
	var out []byte
	done := 0
	for i := 0; i < len(s); {
		n := phraseAt(s[i:], i == 0)
		if n < 0 {
			i++
			continue
		}
		out = append(out, s[done:i]...)
		if n < len(phraseOctets) {
			out = append(out, phraseOctets[n])
		} else {
			out = append(out, longPhrase, byte(' '+n-len(phraseOctets)))
		}
		i += len(phrases[n])
		done = i
	}
	if done == 0 {
		return s
	}
	return string(append(out, s[done:]...))
}

func isPhrase(c rune) bool { return c < ' ' && c != '\t' && c != '\n' && c != '\r' }

// phraseAt gives the number of the phrase that a text begins with, or -1.
func phraseAt(s string, words bool) int {
	switch s[0] {
	case '{', '"', ']', ',':
	default:
		if !words {
			return -1
		}
	}
	for n, phrase := range phrases {
		if s[0] == phrase[0] && strings.HasPrefix(s, phrase) {
			return n
		}
	}
	return -1
}

// unpack gives what was packed; what never was, as in rows of before, it gives as it is.
func unpack(s string) (string, error) {
	if !strings.ContainsFunc(s, isPhrase) {
		return s, nil
	}
	if s[0] == asItIs {
		return s[1:], nil
	}
	out := make([]byte, 0, 256)
	for i := 0; i < len(s); i++ {
		if !isPhrase(rune(s[i])) {
			out = append(out, s[i])
			continue
		}
		n := strings.IndexByte(phraseOctets, s[i])
		if s[i] == longPhrase && i+1 < len(s) {
			i++
			n = len(phraseOctets) + int(s[i]) - ' '
		}
		if n < 0 || n >= len(phrases) {
			return "", fmt.Errorf("this postdesk does not know phrase %q: a newer one wrote it", s[max(0, i-1):i+1])
		}
		out = append(out, phrases[n]...)
	}
	return string(out), nil
}

// packedCol scans what pack wrote.
type packedCol struct{ to *string }

func (c packedCol) Scan(v any) (err error) {
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("text is kept as %T", v)
	}
	*c.to, err = unpack(s)
	return err
}
