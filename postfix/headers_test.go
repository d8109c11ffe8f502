package postfix

import (
	"strings"
	"testing"
)

// A forged copy is taken out however it is written; what others wrote stays.
func TestHeaderTable(t *testing.T) {
	s := install(t, "both")
	forged := []string{
		"Authentication-Results: mx.example; dkim=pass", "authentication-results:mx.example;dkim=pass", "Authentication-Results : MX.EXAMPLE; none",
		"Authentication-Results: \"mx.exa\\mple\"; dkim=pass", "Authentication-Results: (x) mx.example; dkim=pass", "Authentication-Results:   (mx) \"m\\x.example\"; dkim=pass",
		"Authentication-Results: other.example; x=y; mx.example", "X-Spam: Yes", "x-spam : no",
	}
	others := []string{"Authentication-Results: other.example; dkim=pass (good) header.b=\"x\"", "X-Spam-Score: 5", "X-Authentication-Results: mx.example", "Subject: Authentication-Results: mx.example",
		"Authentication-Results: mxxexample; none"}
	got := ask(t, s.ConfigDir, s.HeaderPath(), append(others, forged...))
	for _, line := range forged {
		if got[line] != "IGNORE" {
			t.Errorf("%s: %q", line, got[line])
		}
	}
	for _, line := range others {
		if got[line] != "" {
			t.Errorf("%s: %q", line, got[line])
		}
	}
	if table := HeaderTable(ownSite()); table != "" {
		t.Errorf("a table of nothing: %s", table)
	}
}

// That nothing strips forged copies is an error where a sender could write them.
func TestCheckForgeries(t *testing.T) {
	for _, below := range []bool{true, false} {
		s := sound(t, "both")
		s.FieldsBelow = below
		if found := forgeries(t, s); len(found) != 0 {
			t.Errorf("with the table: %+v", found)
		}
		edit(t, s, "main.cf", "header_checks = "+s.headerMap(), "header_checks =")
		found := forgeries(t, s)
		if below && (len(found) != 1 || found[0].Severity != Error) || !below && len(found) != 0 {
			t.Errorf("below %t, without the table: %+v", below, found)
		}
	}
}

func forgeries(t *testing.T, s Site) (found []Finding) {
	t.Helper()
	for _, f := range Check(t.Context(), quiet, s, false) {
		if strings.Contains(f.What, "header_checks") {
			found = append(found, f)
		}
	}
	return found
}
