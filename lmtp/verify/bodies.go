package verify

import (
	"fmt"
	"sync"

	"postdesk/ticketing/mail"
)

// Some mail is always changed on its way: by lists, by forwarders. When a large share of
// what is signed comes with another body than was signed, it is something of our own.
const (
	bodiesKept   = 200 // the last signed messages that are looked at
	bodiesEnough = 50  // fewer say nothing
	bodiesShare  = 0.3
)

// bodies counts signed messages, and those whose body is not what was signed.
type bodies struct {
	mu      sync.Mutex
	last    [bodiesKept]bool
	signed  int64
	changed int64
	recent  int // of last that are true
}

// count takes the signatures of one message.
func (b *bodies) count(list []mail.Signature) {
	judged, changed, passed := false, false, false
	for _, s := range list {
		judged = judged || s.Result == mail.AuthPass || s.Result == mail.AuthFail
		passed = passed || s.Result == mail.AuthPass
		changed = changed || bodyChanged(s)
	}
	if !judged {
		return
	}
	changed = changed && !passed
	b.mu.Lock()
	defer b.mu.Unlock()
	at := &b.last[b.signed%bodiesKept]
	if *at {
		b.recent--
	}
	if *at = changed; changed {
		b.recent++
		b.changed++
	}
	b.signed++
}

// Bodies gives how many messages had a signature that could be judged, and how many of
// them have another body than was signed.
func (v *Verifier) Bodies() (signed, changed int64) {
	v.bodies.mu.Lock()
	defer v.bodies.mu.Unlock()
	return v.bodies.signed, v.bodies.changed
}

// Warning says that mail is changed before it comes here; empty when it is not.
func (v *Verifier) Warning() string {
	v.bodies.mu.Lock()
	defer v.bodies.mu.Unlock()
	n := min(v.bodies.signed, bodiesKept)
	if n < bodiesEnough || float64(v.bodies.recent) < bodiesShare*float64(n) {
		return ""
	}
	return fmt.Sprintf("%d of the last %d signed mails have another body than was signed: something before the desk changes mail "+
		"(a footer, a content filter, a virus scanner), so that their authors are not proven", v.bodies.recent, n)
}
