package mail

import (
	"strings"
	"testing"
)

func TestParseNeverRefuses(t *testing.T) {
	for _, raw := range []string{"", "\n", "\r\n\r\n", "x", ":", "From:", "\x00\xff", "Content-Type: multipart/mixed\n\n--\n--"} {
		if m := Parse([]byte(raw)); m == nil || len(m.Problems) == 0 {
			t.Errorf("%q: no message, or no problem seen", raw)
		}
	}
	m := Parse([]byte("From: A <a@EXAMPLE.org>\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\nhello\n"))
	if len(m.Problems) != 0 || m.Subject != "Grüße" || m.From[0] != (Address{"A", "a@example.org"}) || strings.TrimSpace(m.Text) != "hello" {
		t.Errorf("%+v", m)
	}
}
