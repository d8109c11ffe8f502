package mail

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	_ "github.com/emersion/go-message/charset"
	gomail "github.com/emersion/go-message/mail"
)

// Another reader of mail finds what was composed.
func TestGoMessageReadsWhatIsComposed(t *testing.T) {
	raw, err := Compose(sample())
	if err != nil {
		t.Fatal(err)
	}
	r, err := gomail.CreateReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if s, err := r.Header.Subject(); err != nil || s != "RE: printer on fire" {
		t.Errorf("Subject: %q, %v", s, err)
	}
	if to, err := r.Header.AddressList("To"); err != nil || len(to) != 1 || to[0].Name != "Jürgen Groß" {
		t.Errorf("To: %v, %v", to, err)
	}
	if refs, err := r.Header.MsgIDList("References"); err != nil || strings.Join(refs, " ") != "a0@customer.example a1@customer.example" {
		t.Errorf("References: %v, %v", refs, err)
	}
	var bodies []string
	for {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(p.Body)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, string(b))
	}
	if len(bodies) != 2 || !strings.HasPrefix(bodies[0], "Hello Jürgen,") || !strings.Contains(bodies[1], "<strong>stop</strong>") {
		t.Errorf("bodies: %q", bodies)
	}
}
