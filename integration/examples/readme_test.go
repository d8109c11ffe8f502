package examples

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// typed are the commands of a block of README.md, found by its first line that starts so.
func typed(t *testing.T, holds string) (first string, then []string) {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile(`(?m)(^    .*\n)+`).FindAllString(string(text), -1) {
		if !strings.Contains(block, holds) {
			continue
		}
		lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(block, "\n    ", "\n")), "\n")
		if strings.HasPrefix(lines[0], "make build") || strings.HasPrefix(lines[0], "export TRACKER_URL") {
			lines = lines[1:] // the test has built it, and has a tracker of its own
		}
		return lines[0], lines[1:]
	}
	t.Fatalf("README.md has no block with %q", holds)
	return "", nil
}

// typeIn types the commands of a block, the first into a shell at the top of the project,
// the others into the shell that the first starts.
func typeIn(t *testing.T, holds string, env ...string) string {
	t.Helper()
	first, then := typed(t, holds)
	out := t.TempDir()
	stdin := "set -e\n" + strings.ReplaceAll(strings.Join(then, "\n"), " out/", " "+out+"/") + "\n"
	return command(t, stdin, env, "/bin/sh", "-c", "cd ../.. && "+strings.Replace(first, "--outbox out", "--outbox "+out, 1))
}

// What README.md says about automation can be typed, and does what it says.
func TestReadme(t *testing.T) {
	t.Parallel()
	holds := func(text string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%q is not in:\n%s", w, text)
			}
		}
	}
	holds(typeIn(t, "examples/passwords/answer.sh"), "SUPPORT-1 opened", "reply 3 added", "-- out to jane@customer.example", "RE: I can't log in", "password-answered", "SUPPORT-1 continued", "That helped, thank you.")
	holds(typeIn(t, "examples/monitor/"), "ALERTS-1 opened", "ALERTS-1 continued", "resolved")
	g := newGithub(t)
	holds(typeIn(t, "examples/tracker", g.env()...), "SUPPORT-1 is issue 1", "the customer of SUPPORT-1 was told", "is solved")
}
