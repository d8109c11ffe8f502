package mail

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestExtractNew(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"nothing quoted":              {"Hello,\nit burns.\n", "Hello,\nit burns."},
		"answer on top":               {"It works.\n\nOn 3 March 2026 at 10:00, Jane <jane@desk.example> wrote:\n> Try again.\n", "It works."},
		"attribution that is wrapped": {"Danke!\n\nAm 3. März 2026 um 10:00 schrieb Jane Doe <jane@desk.example\n>:\n\n> Bitte.\n", "Danke!"},
		"answer below":                {"On Tue, 3 Mar 2026, Jane wrote:\n> Does it work?\n\nYes.\n", "Yes."},
		"answers between":             {"> Which page?\nThe first.\n> Which error?\nA 403.\n", "The first.\n\nA 403."},
		"Outlook":                     {"Danke.\n\nVon: Jane <jane@desk.example>\nGesendet: Dienstag, 3. März 2026 10:00\nAn: Jo\nBetreff: RE: x\n\nBitte.\n", "Danke."},
		"Outlook's rule":              {"Thanks.\n\n________________________________\nFrom: Jane\nSent: Tuesday\nTo: Jo\nSubject: x\n\nHello\n", "Thanks."},
		"original message":            {"Merci.\n\n-----Message d'origine-----\nDe : Jane\n\nBonjour\n", "Merci."},
		"a signature":                 {"It works.\n-- \nJo\nCustomer Ltd\n", "It works."},
		"a phone":                     {"It works.\n\nSent from my iPhone\n", "It works."},
		"no phone":                    {"Bad.\n\nSent from my desk, which is easier than my phone.\n", "Bad.\n\nSent from my desk, which is easier than my phone."},
		"prose that looks like one":   {"On the weekend he wrote:\nnothing at all.\n", "On the weekend he wrote:\nnothing at all."},
		"one label is prose":          {"From: here it goes on\nas I said.\n", "From: here it goes on\nas I said."},
		"only quotes":                 {"> Try again.\n", "> Try again."},
		"a table's rule stays":        {"Name  Date\n------------------------\nx  2026\n", "Name  Date\n------------------------\nx  2026"},
	} {
		if got := extractNew(&Message{InReplyTo: []string{"a@desk.example"}, Text: c.text}); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// FuzzExtractNew: something is always left, and each line of it is the author's.
func FuzzExtractNew(f *testing.F) {
	files, _ := filepath.Glob("testdata/reply/*.txt")
	for _, file := range files {
		for _, c := range readCases(f, file) {
			f.Add(c.text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "\uFFFD") // as Parse gives it
		checkExtract(t, text, extractNew(&Message{InReplyTo: []string{"a@desk.example"}, Text: text}))
		m := &Message{InReplyTo: []string{"a@desk.example"}, HTML: text}
		m.HTMLText, m.htmlMarks = readHTML(text)
		checkExtract(t, m.HTMLText, extractNew(m))
		m.Text = text
		if got := extractNew(m); strings.TrimSpace(text) != "" && strings.TrimSpace(got) == "" {
			t.Errorf("nothing is left of %q", text)
		}
		if got := WithoutLearnt(text, []string{text}); strings.TrimSpace(text) != "" && strings.TrimSpace(got) == "" {
			t.Errorf("nothing is left of %q without what was learnt", text)
		}
	})
}

func checkExtract(t *testing.T, text, got string) {
	t.Helper()
	if strings.TrimSpace(text) != "" && strings.TrimSpace(got) == "" {
		t.Errorf("nothing is left of %q", text)
	}
	for line := range strings.SplitSeq(got, "\n") {
		if !strings.Contains(text, strings.TrimSpace(line)) {
			t.Errorf("%q was not written by the author of %q", line, text)
		}
	}
}
