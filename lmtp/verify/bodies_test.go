package verify

import (
	"strings"
	"testing"

	"postdesk/ticketing/mail"
)

// When much of the signed mail comes with another body, something before us changes it;
// a list now and then does not say so.
func TestBodies(t *testing.T) {
	changed := []mail.Signature{{Result: mail.AuthFail, Reason: "body hash did not verify"}}
	good := []mail.Signature{{Result: mail.AuthPass}}
	v := New(Config{})
	count := func(n int, list []mail.Signature) {
		for range n {
			v.bodies.count(list)
		}
	}
	count(100, nil)
	count(100, []mail.Signature{{Result: mail.AuthTempError}})
	count(40, changed)
	if w := v.Warning(); w != "" {
		t.Errorf("after 40 mails: %s", w)
	}
	count(10, append(good, changed...)) // the author's holds, that of a list is broken
	if w := v.Warning(); !strings.Contains(w, "40 of the last 50") {
		t.Errorf("40 of 50: %q", w)
	}
	count(150, good)
	if w := v.Warning(); w != "" {
		t.Errorf("40 of 200: %s", w)
	}
	count(200, good)
	if v.bodies.recent != 0 {
		t.Errorf("%d of the last 200 are changed", v.bodies.recent)
	}
	if signed, all := v.Bodies(); signed != 400 || all != 40 {
		t.Errorf("%d signed, %d changed", signed, all)
	}
}
