package mail

import (
	"os"
	"path/filepath"
	"testing"
)

// What the index of words makes of a mail that was taken in is what it would read again.
func TestNewTextOfIntake(t *testing.T) {
	marked := "Subject: Re: x\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nmine\r\n\r\nhers\r\n" +
		"--b\r\nContent-Type: text/html\r\n\r\n<p>mine</p><div class=gmail_quote>hers</div>\r\n--b--\r\n"
	all := map[string][]byte{"marked by its HTML alone": []byte(marked)}
	for _, pattern := range []string{"testdata/*/*.eml", "testdata/*/*/*.eml"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all[name] = raw
		}
	}
	if len(all) < 20 {
		t.Fatalf("only %d mails", len(all))
	}
	for name, raw := range all {
		m := Intake(raw)
		if m.Attachments = nil; NewTextOf(*m) != Parse(raw).NewText {
			t.Errorf("%s: %q, want %q", name, NewTextOf(*m), Parse(raw).NewText)
		}
	}
	if got := Parse([]byte(marked)).NewText; got != "mine" {
		t.Errorf("%q: this test would not see that the HTML is not read", got)
	}
}
