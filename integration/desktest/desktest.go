// Package desktest starts a whole desk inside a test: no Postfix, no root, no network,
// and nothing to install. Each test may have its own, and all may run in parallel.
//
//	func TestAnswers(t *testing.T) {
//		t.Parallel()
//		desk := desktest.Start(t, desktest.Options{})
//		desk.Deliver(t, "jane@customer.example", desktest.Address, raw)
//		runMyProgram(desk.URL, desk.Token)
//		answer := desk.WaitMail(t, desktest.To("jane@customer.example"))
//	}
package desktest

import (
	"context"
	"testing"
	"time"

	"postdesk/integration/dev"
	"postdesk/integration/sink"
	"postdesk/ticketing"
)

// Domain and Address are those of the desk when Options name no queue.
const (
	Domain  = dev.Domain
	Address = dev.Address
)

// Patience is how long a helper waits before it fails the test.
const Patience = 3 * time.Minute

type (
	// Options say what desk it is; the zero value has one queue SUPPORT with Address.
	Options = dev.Options
	// Outcome is what became of a mail that was delivered.
	Outcome = dev.Outcome
	// Mail is one that the desk sent.
	Mail = sink.Mail
)

// Desk is a desk that runs until the test ends.
type Desk struct {
	URL     string     // of the API, as http://127.0.0.1:40123
	Token   string     // of a program that may write
	Control string     // for the command line: postdesk --socket
	Sink    *sink.Sink // what takes its mail: it can refuse an address, as the outside world does
	dev     *dev.Desk
}

// Start starts a desk, and ends it with the test.
func Start(t testing.TB, o Options) *Desk {
	t.Helper()
	d, err := dev.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &Desk{d.URL, d.Token, d.Control, d.Sink, d}
}

// Deliver hands a mail in as if Postfix had brought it, signed by its author's domain so
// that the author is proven, and waits until it is decided. from is the reverse-path.
func (d *Desk) Deliver(t testing.TB, from, to string, raw []byte) Outcome {
	t.Helper()
	return d.deliver(t, dev.Delivery{ReversePath: from, To: []string{to}, Raw: raw, Sign: true})
}

// DeliverUnproven is Deliver of a mail that anybody may have written.
func (d *Desk) DeliverUnproven(t testing.TB, from, to string, raw []byte) Outcome {
	t.Helper()
	return d.deliver(t, dev.Delivery{ReversePath: from, To: []string{to}, Raw: raw})
}

// Answer is the answer of who got a mail of the desk, as their mail program makes it, signed
// as with Deliver.
func (d *Desk) Answer(t testing.TB, m Mail, text string) Outcome {
	t.Helper()
	answer, err := dev.AnswerTo(m.Data, text)
	if err != nil {
		t.Fatal(err)
	}
	answer.Sign = true
	return d.deliver(t, answer)
}

func (d *Desk) deliver(t testing.TB, m dev.Delivery) Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	out, err := d.dev.Deliver(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		return Outcome{} // the same mail was there already
	}
	return out[0]
}

// Ticketing is the desk's own rules, for what the API does not give.
func (d *Desk) Ticketing() *ticketing.Desk { return d.dev.Ticketing() }

// Outbox is all mail that the desk sent so far, in order.
func (d *Desk) Outbox() []Mail { return d.Sink.Mails() }

// WaitMail waits for a mail of the desk that fits, and fails the test without one.
func (d *Desk) WaitMail(t testing.TB, fits func(Mail) bool) Mail {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	m, err := d.Sink.Wait(ctx, "the mail", fits)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Settle waits until the desk has nothing left to do by itself: what is not in the Outbox
// by then does not come, unless a program asks for it.
func (d *Desk) Settle(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	if err := d.dev.Settle(ctx); err != nil {
		t.Fatalf("the desk does not come to rest: %v", err)
	}
}

// To fits mail to one address.
func To(address string) func(Mail) bool { return sink.To(address) }
