package mail

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestClassifyGolden reads testdata/automatic: headers, some with a body, and what is to be
// made of them: "automatic", "suppress" (a person, or one that cannot be told, who must not
// be answered by machine) or "human".
func TestClassifyGolden(t *testing.T) {
	files, _ := filepath.Glob("testdata/automatic/*.txt")
	total := 0
	for _, file := range files {
		for _, c := range readCases(t, file) {
			total++
			if !strings.Contains("\n"+c.text, "\nFrom:") {
				c.text = "From: jo@customer.example\n" + c.text
			}
			if !strings.Contains(c.text, "\n\n") {
				c.text += "\n\nbody\n"
			}
			a := Parse([]byte(c.text)).Automatic
			got := "human"
			if a.Automatic {
				got = "automatic"
			} else if a.Suppress {
				got = "suppress"
			}
			if got != c.want || a.Automatic && !a.Suppress || a.Suppress != (a.Why != "") {
				t.Errorf("%s: %s: %+v, want %s", filepath.Base(file), c.name, a, c.want)
			}
		}
	}
	if total < 80 {
		t.Errorf("only %d cases", total)
	}
}

// TestHumansInEveryTongue: a mail that a person composes here is never called a machine's,
// whatever its subject says of absence.
func TestHumansInEveryTongue(t *testing.T) {
	for words := range absences() {
		for _, subject := range []string{"Re: " + words + ": x", words + " x and the y"} {
			if a := Parse([]byte("From: jo@customer.example\r\nSubject: " + subject + "\r\n\r\nx\r\n")).Automatic; a.Automatic {
				t.Errorf("%q: %+v", subject, a)
			}
		}
	}
}

// FuzzClassify: whatever the header is, a reason is given for each answer and for none
// otherwise, a machine is never answered, and the reason is clean.
func FuzzClassify(f *testing.F) {
	files, _ := filepath.Glob("testdata/automatic/*.txt")
	for _, file := range files {
		for _, c := range readCases(f, file) {
			f.Add(c.text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		a := Parse([]byte("From: jo@customer.example\n" + text)).Automatic
		if a.Automatic && !a.Suppress || a.Suppress != (a.Why != "") {
			t.Errorf("%q: %+v", text, a)
		}
		if !utf8.ValidString(a.Why) || strings.ContainsAny(a.Why, "\r\n\x00") {
			t.Errorf("%q: the reason is %q", text, a.Why)
		}
	})
}
