package mail

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzReport reads any octets as a report. What comes out is clean, small, and agrees with
// itself.
func FuzzReport(f *testing.F) {
	mails, err := filepath.Glob("testdata/report/*.eml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range mails {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := Intake(raw)
		for _, p := range m.Problems {
			if strings.Contains(p, "the report could not be understood") {
				t.Error(p)
			}
		}
		if m.Report != nil {
			checkReport(t, m)
		}
	})
}

// checkReport holds for every report that is read.
func checkReport(t *testing.T, m *Message) {
	if !m.Automatic.Automatic || !m.Automatic.Suppress {
		t.Errorf("a report that could be answered: %+v", m.Automatic)
	}
	if len(m.Report.Recipients) > recipientsMax {
		t.Errorf("%d recipients", len(m.Report.Recipients))
	}
	seen := map[string]bool{}
	for _, r := range m.Report.Recipients {
		key := strings.ToLower(r.Address) + " " + r.Action
		switch {
		case r.Address == "" || r.Action == "" || seen[key]:
			t.Errorf("recipient %+v", r)
		case r.Status != "" && firstStatus(r.Status) != r.Status:
			t.Errorf("status %q", r.Status)
		case r.Status != "" && r.Permanent != (r.Status[0] == '5' && r.Action != "delayed"):
			t.Errorf("permanent does not agree with the status: %+v", r)
		case r.ReplyCode != 0 && (r.ReplyCode < 400 || r.ReplyCode > 599):
			t.Errorf("reply code %d", r.ReplyCode)
		}
		seen[key] = true
		for _, s := range []string{r.Address, r.Original, r.Action, r.Diagnostic} {
			if !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\r\n\x1b") || len(s) > 8<<10 {
				t.Errorf("not clean: %q", s)
			}
		}
	}
}

// TestReportCostIsLinear reads reports made of what each reader looks for, in two sizes.
func TestReportCostIsLinear(t *testing.T) {
	dsn := "From: MAILER-DAEMON@mx.example\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n"
	words := "From: MAILER-DAEMON@mx.example\nSubject: failure notice\n\nUnable to deliver:\n"
	for name, make := range map[string]func(n int) string{
		"recipients": func(n int) string {
			return dsn + strings.Repeat("Final-Recipient: rfc822; a@b.example\nAction: failed\n\n", n/52)
		},
		"one field":    func(n int) string { return dsn + "Final-Recipient: " + strings.Repeat("a@b ", n/4) },
		"continued":    func(n int) string { return dsn + "Diagnostic-Code: smtp;\n" + strings.Repeat(" 550 5.1.1 a\n", n/13) },
		"addresses":    func(n int) string { return words + strings.Repeat("<a@b.example>:\n", n/15) },
		"one line":     func(n int) string { return words + strings.Repeat("a@b.example ", n/12) },
		"codes":        func(n int) string { return words + strings.Repeat("550 5.1.1 <a@b.example> user unknown\n", n/37) },
		"ats":          func(n int) string { return words + strings.Repeat("@", n) },
		"dots":         func(n int) string { return words + "a@" + strings.Repeat("b.", n/2) },
		"separators":   func(n int) string { return words + strings.Repeat("-----\n", n/6) },
		"angle":        func(n int) string { return words + strings.Repeat("<", n) },
		"failed field": func(n int) string { return "X-Failed-Recipients: " + strings.Repeat("a@b.example, ", n/13) + "\n\nx" },
	} {
		small, large := []byte(make(64<<10)), []byte(make(512<<10))
		a := fastest(2, func() { Intake(small) })
		b := fastest(2, func() { Intake(large) })
		if b > 20*a && b > 60*time.Millisecond*slower {
			t.Errorf("%s: 64 KB take %v, 512 KB %v", name, a, b)
		}
		if a > 100*time.Millisecond*slower {
			t.Errorf("%s: 64 KB take %v", name, a)
		}
		if testing.Verbose() {
			t.Logf("%-20s %10v %10v", name, a, b)
		}
	}
}
