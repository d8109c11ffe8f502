package main

import (
	"reflect"
	"strings"
	"testing"
)

// What is printed is a file that says the same, with its odd texts too.
func TestConfigPrintsItself(t *testing.T) {
	text := strings.Replace(valid, "[submission]", "shared_domains = [\"a.example\", \"b.example\"]\n[roles]\n\"a.example\" = \"SUPPORT\"\n[submission]", 1) +
		"signature = \"\"\"\n-- \n\\\"{{.Agent}}\\\" \\\\ <b>\t\u00e9\x7f\n\"\"\"\nforms = [\"form@a.example\"]\n" + staffJane + strings.ReplaceAll(staffJane, "jane", "bob") + "notify = {}\n"
	text = strings.ReplaceAll(text, "\x7f", `\u007f`)
	path := writeConfig(t, text)
	want, err := loadConfig(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, which := range []string{"-a", "-n", "--source"} {
		var out, errs strings.Builder
		if code := run([]string{"--config", path, "config", which}, nil, &out, &errs); code != 0 {
			t.Fatalf("%s: %d %s", which, code, &errs)
		}
		got, err := loadConfig(writeConfig(t, out.String()), nil)
		if err != nil {
			t.Fatalf("%s: %v\n%s", which, err, &out)
		}
		var a, b strings.Builder
		for text, cfg := range map[*strings.Builder]*config{&a: want, &b: got} {
			for _, s := range (&configFile{config: *cfg}).shown() {
				text.WriteString(s.key + " = " + s.value + "\n")
			}
		}
		if a.String() != b.String() {
			t.Errorf("%s: printed\n%s\nread as\n%s\nwant\n%s", which, &out, &b, &a)
		}
	}
}

// A value that nobody should see is not printed.
func TestConfigHidesSecrets(t *testing.T) {
	v := struct {
		Password     string `toml:"password"`
		PasswordFile string `toml:"password_file"`
	}{"hunter2", "/etc/p"}
	f := &configFile{}
	for i, want := range []string{`"********"`, `"/etc/p"`} {
		s := settingsOf(reflect.ValueOf(v), "submission.")[i]
		if got := f.show(s, s.name, s.name, reflect.ValueOf("")); got.value != want || got.bare == "hunter2" {
			t.Errorf("%s: %+v, want %s", s.name, got, want)
		}
	}
}

// The manual is made of these: none may be missing.
func TestEverySettingHasHelp(t *testing.T) {
	for _, v := range []any{config{}, queueConfig{}, staffConfig{}} {
		for _, s := range settingsOf(reflect.ValueOf(v), "") {
			if !strings.HasSuffix(s.help, ".") && !strings.HasSuffix(s.help, ":") {
				t.Errorf("%T: %s has no help that is a sentence: %q", v, s.name, s.help)
			}
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"listen", "lisen", 1}, {"kitten", "sitting", 3}, {"abc", "abc", 0}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q to %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
