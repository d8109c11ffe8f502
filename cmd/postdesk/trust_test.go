package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postdesk/ticketing"
)

// What staff do about trust from the command line: held mail, participants, keys, and the
// question why.
func TestTrustCommands(t *testing.T) {
	d := newDesk(t)
	d.start()
	_, events := d.follow()
	d.deliver(letter)
	await(t, events, ticketing.TicketCreated)
	says := func(want []string, args ...string) {
		t.Helper()
		out := d.run(0, args...)
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("postdesk %s does not say %q:\n%s", strings.Join(args, " "), w, out)
			}
		}
	}
	file := filepath.Join(t.TempDir(), "mail.eml")
	if err := os.WriteFile(file, []byte("From: eve@evil.example\r\nSubject: x\r\n\r\nhello\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	says([]string{"row 6 (hold) at SUPPORT-7102", "Dismiss it unless", "facts:"}, "inspect", "--as-delivery", "SUPPORT-7102@support-ticket.example", "--reverse-path", "eve@evil.example", file)
	says([]string{`"row":"9"`, `"at_ticket":false`}, "inspect", "--json", "--as-delivery", "new@support-ticket.example", "--reverse-path", "eve@evil.example", file)
	d.run(exitData, "inspect", "--as-delivery", "nobody@support-ticket.example", file)

	d.deliverTo("SUPPORT-7102@support-ticket.example", "From: ann@customer.example\nSubject: x\n\nI am her colleague.\n")
	await(t, events, ticketing.MessageHeld)
	says([]string{"2  SUPPORT-7102", "held by row 6", "postdesk accept"}, "held")
	says([]string{"held:1"}, "ticket", "list")
	says([]string{"waiting since", "row 6"}, "ticket", "show", "SUPPORT-7102")
	says([]string{"message 2 shown"}, "accept", "--add", "2")
	says([]string{"jane@customer.example", "requester", "ann@customer.example", "cc"}, "participant", "list", "SUPPORT-7102")
	says([]string{"cc, muted"}, "participant", "mute", "SUPPORT-7102", "ann@customer.example")
	says([]string{"ann@customer.example: cc"}, "participant", "unmute", "SUPPORT-7102", "ann@customer.example")
	says([]string{"jane@customer.example: requester"}, "participant", "revoke", "SUPPORT-7102", "jane@customer.example")
	says([]string{"removed"}, "participant", "remove", "SUPPORT-7102", "ann@customer.example")
	says([]string{"bob@partner.example: cc"}, "participant", "add", "SUPPORT-7102", "bob@partner.example", "--name", "Bob")
	d.run(exitNoInput, "participant", "revoke", "SUPPORT-7102", "nobody@customer.example")
	d.run(exitData, "participant", "remove", "SUPPORT-7102", "jane@customer.example")
	says([]string{"key 1 signs"}, "key", "rotate")
	says([]string{"signs", "verifies until"}, "key", "list")
	says([]string{"reply 3 added"}, "reply", "SUPPORT-7102", "--text", "Hello.", "--cc", "Carl <carl@partner.example>")
	says([]string{"question 4 added"}, "ask", "SUPPORT-7102", "help@acme.example", "--text", "Is it in stock?")
	says([]string{"help@acme.example", "third"}, "participant", "list", "SUPPORT-7102")
	says([]string{"carl@partner.example"}, "participant", "list", "SUPPORT-7102")
}
