package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postdesk/ticketing"
)

// Files go with a reply by the command line, and show where the reply does.
func TestReplyAttach(t *testing.T) {
	d := newDesk(t)
	d.start()
	feed, events := d.follow()
	d.deliver(letter)
	await(t, events, ticketing.TicketCreated)
	report, image := filepath.Join(d.dir, "Übersicht, Teil 1.txt"), filepath.Join(d.dir, "light.png")
	for path, content := range map[string]string{report: "all of it", image: "\x89PNG"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d.run(0, "reply", "SUPPORT-7102", "--text", "See ![the light](cid:light.png)", "--attach", report, "--inline", image)
	show := d.run(0, "ticket", "show", "SUPPORT-7102")
	for _, want := range []string{"attachment: Übersicht, Teil 1.txt (text/plain, 9 octets)", "attachment: light.png (image/png, 4 octets)"} {
		if !strings.Contains(show, want) {
			t.Errorf("no %q in\n%s", want, show)
		}
	}
	d.run(0, "note", "SUPPORT-7102", "--text", "For us.", "--attach", report)
	d.run(exitNoInput, "reply", "SUPPORT-7102", "--text", "x", "--attach", filepath.Join(d.dir, "none"))
	d.run(exitData, "reply", "SUPPORT-7102", "--text", "x", "--inline", report) // no name that a link can hold
	if err := os.WriteFile(report, make([]byte, 7_000_001), 0o600); err != nil {
		t.Fatal(err)
	}
	d.run(exitData, "reply", "SUPPORT-7102", "--text", "x", "--attach", report)
	await(t, events, ticketing.MessageQueued)
	if err := feed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
}
