package mail

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReportGolden reads each report of testdata/report, one for each dialect, and compares
// with the file beside it. After a change that is meant: go test -run ReportGolden -update,
// and read the difference.
func TestReportGolden(t *testing.T) {
	mails, _ := filepath.Glob("testdata/report/*.eml")
	if len(mails) < 40 {
		t.Fatalf("only %d mails", len(mails))
	}
	for _, name := range mails {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.MarshalIndent(Intake(raw).Report, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		beside := strings.TrimSuffix(name, ".eml") + ".json"
		if *update {
			if err := os.WriteFile(beside, append(got, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(beside)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != strings.TrimSpace(string(want)) {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}
