package ticketing

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"postdesk/ticketing/mail"
)

// foldKey recognises a mail that comes again under other bytes: what was requeued
// has another Received field of our own Postfix on top, and nothing else is changed.
// It is the hash of the message below our own leading Received fields, with the
// Message-ID; a mail without one is never folded.
func foldKey(raw []byte, m *mail.Message) string {
	if m.MessageID == "" {
		return ""
	}
	rest, host := raw, ""
	for {
		field := firstHeaderField(rest)
		if len(field) < 9 || !strings.EqualFold(string(field[:9]), "Received:") {
			break
		}
		by := receivedBy(string(field))
		if by == "" || host != "" && by != host {
			break
		}
		host, rest = by, rest[len(field):]
	}
	h := sha256.New()
	h.Write([]byte(m.MessageID + "\x00"))
	h.Write(rest)
	return hex.EncodeToString(h.Sum(nil))
}

// firstHeaderField gives the first field with its folded lines and line ends.
func firstHeaderField(raw []byte) []byte {
	end := 0
	for {
		i := bytes.IndexByte(raw[end:], '\n')
		if i < 0 {
			return raw
		}
		end += i + 1
		if end >= len(raw) || raw[end] != ' ' && raw[end] != '\t' {
			return raw[:end]
		}
	}
}

// receivedBy is the host that wrote a Received field (RFC 5321 section 4.4, By-domain).
func receivedBy(field string) string {
	words := strings.Fields(field)
	for i, w := range words {
		if strings.EqualFold(w, "by") && i+1 < len(words) {
			return strings.ToLower(words[i+1])
		}
	}
	return ""
}
