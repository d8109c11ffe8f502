package mail

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// replyCase is one text and what its author wrote.
type replyCase struct{ name, text, want string }

// readCases reads a file of testdata/reply: "##### name", the text, "##### want", what is
// to be found.
func readCases(t testing.TB, file string) []replyCase {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var cases []replyCase
	for part := range strings.SplitSeq("\n"+string(raw), "\n##### ") {
		name, body, _ := strings.Cut(part, "\n")
		switch {
		case name == "":
		case name != "want":
			cases = append(cases, replyCase{name: name, text: body})
		default:
			cases[len(cases)-1].want = strings.TrimRight(body, "\n")
		}
	}
	return cases
}

// TestExtractGolden reads testdata/reply: texts as mail programs make them, and HTML.
func TestExtractGolden(t *testing.T) {
	files, _ := filepath.Glob("testdata/reply/*.txt")
	total := 0
	for _, file := range files {
		cases := readCases(t, file)
		total += len(cases)
		for _, c := range cases {
			if c.want == "" {
				t.Fatalf("%s: %s: nothing is expected", file, c.name)
			}
			m := &Message{InReplyTo: []string{"a@desk.example"}, Text: c.text}
			if strings.HasPrefix(filepath.Base(file), "html") {
				m = &Message{InReplyTo: []string{"a@desk.example"}, HTML: c.text}
				m.HTMLText, m.htmlMarks = readHTML(c.text)
			}
			if got := extractNew(m); got != c.want {
				t.Errorf("%s: %s:\n got %q\nwant %q", filepath.Base(file), c.name, got, c.want)
			}
		}
	}
	if total < 100 {
		t.Errorf("only %d cases", total)
	}
}

// TestExtractByHTML: the plain text of some programs does not show where the history
// begins; their HTML does.
func TestExtractByHTML(t *testing.T) {
	html := `<div>Ezehi nontsu.</div><div class="gmail_quote"><div class="gmail_attr">Jane ubhale</div><blockquote>Please try again.</blockquote></div>`
	m := &Message{InReplyTo: []string{"a@desk.example"}, Text: "Ezehi nontsu.\n\nJane ubhale\n\nPlease try again.\n", HTML: html}
	m.HTMLText, m.htmlMarks = readHTML(html)
	if got := extractNew(m); got != "Ezehi nontsu." {
		t.Errorf("%q", got)
	}
	// What the plain text shows by itself is taken as it is.
	m.Text = "Plain words.\n\n> Please try again.\n"
	if got := extractNew(m); got != "Plain words." {
		t.Errorf("%q", got)
	}
}

func TestWithoutLearnt(t *testing.T) {
	const sign = "\n\nJo Customer\nCustomer Ltd\n+49 30 555"
	for name, c := range map[string]struct {
		text    string
		earlier []string
		want    string
	}{
		"the same block":            {"It works." + sign, []string{"It does not print." + sign}, "It works."},
		"one of several":            {"It works." + sign, []string{"Hello.", "It does not print." + sign}, "It works."},
		"nothing earlier":           {"It works." + sign, nil, "It works." + sign},
		"one line is a greeting":    {"It works.\n\nJo", []string{"It does not print.\n\nJo"}, "It works.\n\nJo"},
		"all of it is not cut":      {"Jo Customer\nCustomer Ltd", []string{"Jo Customer\nCustomer Ltd"}, "Jo Customer\nCustomer Ltd"},
		"the same words in between": {"Please send:\nink\npaper", []string{"Please send:\nink\npaper"}, "Please send:\nink\npaper"},
	} {
		if got := WithoutLearnt(c.text, c.earlier); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestExtractFirstMessage: in a message that answers nothing, ">" is a prompt or the
// author's own quote, until something introduces a history.
func TestExtractFirstMessage(t *testing.T) {
	const text = "I type this:\n> npm install\nand it fails."
	if got := extractNew(&Message{Text: text, Subject: "It fails"}); got != text {
		t.Errorf("a first message: %q", got)
	}
	if got := extractNew(&Message{Text: text, Subject: "Re: It fails"}); strings.Contains(got, "npm") {
		t.Errorf("an answer: %q", got)
	}
	const passed = "What is this?\n\nOn 3 March 2026 at 10:00, Jane <jane@desk.example> wrote:\n> Hello\n"
	if got := extractNew(&Message{Text: passed, Subject: "A mail"}); got != "What is this?" {
		t.Errorf("a first message with a history: %q", got)
	}
}
