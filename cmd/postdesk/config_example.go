package main

import (
	"fmt"
	"reflect"
	"strings"
)

type configExampleCmd struct{}

func (configExampleCmd) Run(a *app) error {
	_, err := fmt.Fprint(a.stdout, exampleConfig())
	return err
}

// exampleConfig is a file with every setting: what is needed with a value to change, the
// rest as a comment with its default.
func exampleConfig() string {
	needed := map[string]string{
		"domain": `"support-ticket.example"`, "submission.server": `"127.0.0.1:587"`,
		"queue.key": `"SUPPORT"`, "queue.address": `["new@support-ticket.example"]`,
	}
	var b strings.Builder
	write := func(s setting) {
		name := s.name[strings.LastIndexByte(s.name, '.')+1:]
		fmt.Fprintf(&b, "# %s\n", s.help)
		if value, is := needed[s.name]; is {
			fmt.Fprintf(&b, "%s = %s\n", name, value)
		} else {
			fmt.Fprintf(&b, "#%s = %s\n", name, tomlValue(s.value))
		}
	}
	section := ""
	for _, s := range settingsOf(reflect.ValueOf(defaults()), "") {
		if in, _, dotted := strings.Cut(s.name, "."); dotted && in != section {
			section = in
			fmt.Fprintf(&b, "\n[%s]\n", section)
		}
		write(s)
	}
	b.WriteString("\n[[queue]]\n")
	for _, s := range settingsOf(reflect.ValueOf(queueDefaults("", "")), "queue.") {
		write(s)
	}
	b.WriteString("\n#[[staff]]\n")
	for _, s := range settingsOf(reflect.ValueOf(staffDefaults()), "staff.") {
		write(s)
	}
	return b.String()
}
