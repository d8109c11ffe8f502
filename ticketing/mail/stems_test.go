package mail

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The quick look may never hide a match: each line of every report that is here is matched
// with and without it.
func TestStemsLoseNothing(t *testing.T) {
	mails, err := filepath.Glob("testdata/report/*.eml")
	if err != nil || len(mails) < 20 {
		t.Fatalf("%d mails, %v", len(mails), err)
	}
	lines := []string{"Unzustellbar: Drucker", "DELIVERY STATUS NOTIFICATION (FAILURE)", "Mail konnte nicht zugestellt werden", "no-reply@x.example", "Do_Not Reply", "échec", "配信不能"}
	for _, name := range mails {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.Split(string(raw), "\n")...)
	}
	matched := map[string]int{}
	for name, w := range map[string]stemmed{"undelivered": undelivered(), "perhaps": perhaps()} {
		if len(w.stems) == 0 {
			t.Errorf("%s has no stems: nothing is won", name)
		}
		for _, stem := range w.stems {
			if len(stem) < 3 {
				t.Errorf("%s: %q is in most texts", name, stem)
			}
		}
		for _, line := range lines {
			want := w.Regexp.MatchString(line)
			if w.MatchString(line) != want {
				t.Errorf("%s: %q: %v without the quick look", name, line, want)
			}
			if want {
				matched[name]++
			}
		}
	}
	if matched["undelivered"] < 20 || matched["perhaps"] < 2 {
		t.Errorf("matched %v: the test sees nothing", matched)
	}
}
