package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// page is a manual page, which must be free of faults in the eyes of those who print it.
func page(t *testing.T, section string) string {
	t.Helper()
	var out, errs strings.Builder
	if code := run([]string{"man", section}, nil, &out, &errs); code != 0 {
		t.Fatalf("man %s: %d %s", section, code, &errs)
	}
	path := filepath.Join(t.TempDir(), "postdesk."+section)
	if err := os.WriteFile(path, []byte(out.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, lint := range [][]string{{"groff", "-ww", "-man", "-Tutf8", "-z"}, {"mandoc", "-Tlint", "-Wwarning"}} {
		if said, err := exec.Command(lint[0], append(lint[1:], path)...).CombinedOutput(); err != nil || len(said) > 0 {
			t.Errorf("%s of section %s: %v: %s", lint[0], section, err, said)
		}
	}
	return out.String()
}

// Every command, argument and flag is in postdesk(1), every setting in postdesk.toml(5),
// with what --help and the file's checks know of it.
func TestManuals(t *testing.T) {
	one := page(t, "1")
	parser, err := newParser(&commands{}, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if leaves := checkCommands(t, one, parser.Model.Node); leaves < 40 {
		t.Errorf("only %d commands found", leaves)
	}
	for _, e := range exitCodes {
		if !strings.Contains(one, e.text) {
			t.Errorf("postdesk(1) does not tell of exit code %d", e.code)
		}
	}
	five := page(t, "5")
	all := append(settingsOf(reflect.ValueOf(config{}), ""), settingsOf(reflect.ValueOf(queueConfig{}), "queue.")...)
	for _, s := range append(all, settingsOf(reflect.ValueOf(staffConfig{}), "staff.")...) {
		if !strings.Contains(five, `\fB`+escape(s.name)+" = ") || !strings.Contains(five, escape(s.help)) {
			t.Errorf("postdesk.toml(5) does not tell of %s", s.name)
		}
	}
	if eight := page(t, "8"); !strings.Contains(eight, "SIGHUP") {
		t.Error("postdesk(8) does not tell of SIGHUP")
	}
}

// checkCommands wants all of a command, and of those below it, in the page.
func checkCommands(t *testing.T, page string, n *kong.Node) (leaves int) {
	for _, child := range n.Children {
		leaves += checkCommands(t, page, child)
	}
	if len(n.Children) > 0 {
		return leaves
	}
	_, text, found := strings.Cut(page, ".SS \""+n.FullPath()+"\"\n")
	text, _, _ = strings.Cut(text, ".SS ")
	if !found || !strings.Contains(text, escape(strings.TrimSpace(n.Help))) {
		t.Errorf("postdesk(1) does not tell of %s", n.FullPath())
	}
	for _, f := range n.Flags {
		if f.Name != "help" && !strings.Contains(text, escape("--"+f.Name)) {
			t.Errorf("postdesk(1) does not tell of --%s of %s", f.Name, n.FullPath())
		}
	}
	for _, p := range n.Positional {
		if !strings.Contains(text, `\fB`+escape(p.Name)+`\fR`) {
			t.Errorf("postdesk(1) does not tell of %s of %s", p.Name, n.FullPath())
		}
	}
	return 1
}

// The example is taken as it is, has every setting, and its comments say the defaults.
func TestExampleConfig(t *testing.T) {
	cfg, err := loadConfig(writeConfig(t, exampleConfig()), nil)
	if err != nil {
		t.Fatal(err)
	}
	// Without the marks of comments it says the same.
	var open strings.Builder
	for line := range strings.Lines(exampleConfig()) {
		if strings.HasPrefix(line, "#[[staff]]") {
			break
		}
		if rest, commented := strings.CutPrefix(line, "#"); commented && !strings.HasPrefix(rest, " ") {
			line = rest
		}
		open.WriteString(line)
	}
	again, err := loadConfig(writeConfig(t, open.String()), nil)
	if err != nil {
		t.Fatal(err)
	}
	a, b := (&configFile{config: *cfg}).shown(), (&configFile{config: *again}).shown()
	for i := range a {
		if a[i].value != b[i].value {
			t.Errorf("%s: the comment says %s, the default is %s", a[i].key, b[i].value, a[i].value)
		}
	}
}

// A real bash completes commands, flags, values and settings.
func TestBashCompletion(t *testing.T) {
	var script, errs strings.Builder
	if code := run([]string{"completion", "bash"}, nil, &script, &errs); code != 0 {
		t.Fatal(errs.String())
	}
	for _, tt := range []struct{ typed, want, not string }{
		{"postdesk tic", "ticket", "token"},
		{"postdesk ticket ", "list show", "serve"},
		{"postdesk ticket list --js", "--json", "--held"},
		{"postdesk --config x ticket sh", "show", "list"},
		{"postdesk queue ", "hold release retry", "rotate"},
		{"postdesk systemd s", "service socket sysusers", "http"},
		{"postdesk postfix print --config", "--config --config-dir", "--table"},
		{"postdesk config lmtp.st", "lmtp.stall", "lmtp.mode"},
		{"postdesk config --so", "--source", "--value"},
		{"postdesk con", "config consume consumer", "check"},
	} {
		cmd := exec.Command("bash", "--norc", "-c", script.String()+`
COMP_WORDS=($1); [ "${1: -1}" = " " ] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_LINE=$1; COMP_POINT=${#1}
complete -p postdesk >/dev/null || exit 9
_postdesk; printf '%s ' "${COMPREPLY[@]}"`, "bash", tt.typed)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v: %s", tt.typed, err, out)
		}
		got := " " + string(out)
		for _, word := range strings.Fields(tt.want) {
			if !strings.Contains(got, " "+word+" ") {
				t.Errorf("%q gives%s, without %s", tt.typed, got, word)
			}
		}
		if strings.Contains(got, " "+tt.not+" ") {
			t.Errorf("%q gives%s, with %s", tt.typed, got, tt.not)
		}
	}
}
