package ticketing

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func testDirectory(t *testing.T) *Directory {
	t.Helper()
	d, err := NewDirectory([]Queue{
		{Key: "SUPPORT", Domain: "support-ticket.example", Addresses: []string{"new@support-ticket.example"}, OldKeys: []string{"HELP"}},
		{Key: "SALES", Domain: "example.com", Addresses: []string{"sales@example.com", "first.last@example.com"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.AddRole("support-ticket.example", "SUPPORT")
	return d
}

// The addresses that both the desk and Postfix's table are asked about.
var ours = map[string]Destination{
	"new@support-ticket.example":                   {Queue: "SUPPORT"},
	"NEW+tag@Support-Ticket.example":               {Queue: "SUPPORT", Token: "tag"},
	"SUPPORT-7102@support-ticket.example":          {Queue: "SUPPORT", Key: "SUPPORT", Number: 7102},
	"support-7102+0ab@support-ticket.example":      {Queue: "SUPPORT", Key: "SUPPORT", Number: 7102, Token: "0ab"},
	"help-12@support-ticket.example":               {Queue: "SUPPORT", Key: "HELP", Number: 12},
	"support-bounces+9.0ab@support-ticket.example": {Queue: "SUPPORT", Token: "9.0ab", Bounce: true},
	"postmaster@support-ticket.example":            {Queue: "SUPPORT"},
	"abuse@support-ticket.example":                 {Queue: "SUPPORT"},
	"sales@example.com":                            {Queue: "SALES"},
	"first.last@example.com":                       {Queue: "SALES"},
	"sales-7@example.com":                          {Queue: "SALES", Key: "SALES", Number: 7},
}

var notOurs = []string{
	"nobody@support-ticket.example", "newer@support-ticket.example", "support@support-ticket.example",
	"support-@support-ticket.example", "support-7x@support-ticket.example", "support-1234567890123456789@support-ticket.example",
	"support-bounces@support-ticket.example", "support-7102@example.com", "sales-7@support-ticket.example",
	"firstxlast@example.com", "sales@examplexcom", "postmaster@example.com", "new@support-ticket.example.org", "new", "@", "",
}

func TestLookup(t *testing.T) {
	d := testDirectory(t)
	for a, want := range ours {
		if got, err := d.Lookup(a); err != nil || got != want {
			t.Errorf("Lookup(%q) = %+v, %v; want %+v", a, got, err, want)
		}
	}
	for _, a := range notOurs {
		var no NoRecipient
		if got, err := d.Lookup(a); !errors.As(err, &no) {
			t.Errorf("Lookup(%q) = %+v, %v; want NoRecipient", a, got, err)
		}
	}
}

// Postfix must read the patterns as we do, or mail bounces that port 25 took.
func TestPatternsInPostfix(t *testing.T) {
	postmap, err := exec.LookPath("/usr/sbin/postmap")
	if err != nil {
		t.Fatal("postmap is missing: install the Debian package postfix")
	}
	var table strings.Builder
	for _, p := range testDirectory(t).Patterns() {
		table.WriteString("/" + p + "/ OK\n")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "recipients")
	// A configuration of its own: the machine's Postfix is not touched, nor needed.
	if err := errors.Join(os.WriteFile(file, []byte(table.String()), 0o644),
		os.WriteFile(filepath.Join(dir, "main.cf"), []byte("compatibility_level = 3.6\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	ask := func(a string) string {
		out, _ := exec.Command(postmap, "-c", dir, "-q", a, "regexp:"+file).Output() // exit 1: not in the table
		return strings.TrimSpace(string(out))
	}
	for a := range ours {
		if got := ask(a); got != "OK" {
			t.Errorf("Postfix refuses %q (%q)", a, got)
		}
	}
	for _, a := range notOurs {
		if a == "" || a == "@" { // postmap takes no empty key
			continue
		}
		if got := ask(a); got != "" {
			t.Errorf("Postfix accepts %q (%q)", a, got)
		}
	}
}

func TestNewDirectoryRefuses(t *testing.T) {
	q := Queue{Key: "SUPPORT", Domain: "a.example", Addresses: []string{"new@a.example"}}
	for name, queues := range map[string][]Queue{
		"none":             nil,
		"key with a dash":  {{Key: "SUP-PORT", Domain: "a.example"}},
		"key twice":        {q, {Key: "SUPPORT", Domain: "a.example"}},
		"address twice":    {q, {Key: "SALES", Domain: "a.example", Addresses: []string{"NEW@a.example"}}},
		"no mail address":  {{Key: "SALES", Domain: "a.example", Addresses: []string{"new"}}},
		"no domain at all": {{Key: "SALES", Domain: "a.example", Addresses: []string{"new@"}}},
	} {
		if _, err := NewDirectory(queues); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
