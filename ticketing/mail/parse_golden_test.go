package mail

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the results that are there as the expected ones")

// golden is what a test keeps of a message.
type golden struct {
	Subject    string
	From       []Address
	FromFields int
	FromGroup  bool `json:",omitempty"`
	Date       string
	MessageID  string
	References []string `json:",omitempty"`
	Duplicates []string `json:",omitempty"`
	Text       []string
	HTMLText   []string `json:",omitempty"`
	Files      []Attachment
	Problems   []string
}

func goldenOf(m *Message) golden {
	g := golden{Subject: m.Subject, From: m.From, FromFields: m.FromFields, FromGroup: m.FromGroup, MessageID: m.MessageID,
		References: m.References, Duplicates: m.Duplicates, Text: strings.Split(m.Text, "\n"), Files: m.Attachments, Problems: m.Problems}
	if m.HTMLText != "" {
		g.HTMLText = strings.Split(m.HTMLText, "\n")
	}
	if !m.Date.IsZero() {
		g.Date = m.Date.Format("2006-01-02T15:04:05-07:00")
	}
	return g
}

// TestParseGolden reads each mail of testdata/parse and compares with the file beside it.
// After a change that is meant: go test -run ParseGolden -update, and read the difference.
func TestParseGolden(t *testing.T) {
	compareGolden(t, "parse", 15, func(raw []byte) any { return goldenOf(Parse(raw)) })
}

// compareGolden compares what is read of each mail in a folder with the file beside it. No
// fewer than least must be there: an empty folder would pass.
func compareGolden(t *testing.T, folder string, least int, read func([]byte) any) {
	t.Helper()
	mails, _ := filepath.Glob("testdata/" + folder + "/*.eml")
	if len(mails) < least {
		t.Fatalf("only %d mails", len(mails))
	}
	for _, name := range mails {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.MarshalIndent(read(raw), "", " ")
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
