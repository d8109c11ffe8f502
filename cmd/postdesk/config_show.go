package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

type configCmd struct {
	Show    configShowCmd    `cmd:"" default:"withargs" help:"Print settings: all, or those that are named."`
	Check   configCheckCmd   `cmd:"" help:"Read the configuration and say what is wrong in it, with its line. Nothing else is looked at."`
	Example configExampleCmd `cmd:"" help:"Print a configuration file with every setting and its default."`
}

type configShowCmd struct {
	Changed  bool     `short:"n" xor:"which" help:"What differs from the defaults."`
	All      bool     `short:"a" xor:"which" help:"Every setting with the value that is in effect; so it is when nothing is said."`
	Defaults bool     `short:"d" xor:"which" help:"The defaults; no file is read."`
	Source   bool     `help:"Say where each value is from: line of the file, environment variable, or default."`
	Value    bool     `help:"Print values alone."`
	Keys     []string `arg:"" optional:"" name:"key" help:"As lmtp.listen, submission (a section), queue.SUPPORT.address."`
}

// Help is shown by: postdesk config show --help.
func (configShowCmd) Help() string {
	return "What is printed without a key is a configuration file that says the same."
}

type configCheckCmd struct{}

func (configCheckCmd) Run(a *app) error {
	f, err := readConfig(a.configFile, a.environ)
	if err != nil {
		return err
	}
	p := &printer{w: a.stdout}
	for _, name := range unknownEnv(a.environ) {
		p.line("note  %s is no setting of postdesk", name)
	}
	p.line("ok    %s: %d queues, %d staff", f.path, len(f.Queues), len(f.Staff))
	return p.err
}

// shown is one setting as it is printed.
type shown struct {
	block  string // [[queue]] or [[staff]] that it is in, empty for none
	index  int    // of the block in the file
	name   string // in the block
	key    string // as it is asked for: queue.SUPPORT.name
	value  string
	bare   string // the value without quotes, where it is a text
	source string
	same   bool // as the default
}

func (cmd *configShowCmd) Run(a *app) error {
	f := &configFile{config: defaults()}
	if cmd.Defaults {
		f.Queues, f.Staff = []queueConfig{queueDefaults("", "")}, []staffConfig{staffDefaults()}
	} else {
		var err error
		if f, err = readConfig(a.configFile, a.environ); err != nil {
			return err
		}
	}
	all := f.shown()
	chosen, err := choose(all, cmd.Keys)
	if err != nil {
		return err
	}
	if cmd.Changed {
		// The name of a block's entry stays: without it the others say nothing.
		chosen = slices.DeleteFunc(chosen, func(s shown) bool { return s.same })
	}
	p := &printer{w: a.stdout}
	cmd.print(p, chosen)
	return p.err
}

func (cmd *configShowCmd) print(p *printer, chosen []shown) {
	block, index := "", -1
	for _, s := range chosen {
		name := s.key
		if len(cmd.Keys) == 0 && !cmd.Value {
			name = s.name
			if s.block != "" && (s.block != block || s.index != index) {
				p.line("\n[[%s]]", s.block)
			}
			block, index = s.block, s.index
		}
		switch {
		case cmd.Value:
			p.line("%s", s.bare)
		case cmd.Source:
			p.line("%s = %s  # %s", name, s.value, s.source)
		default:
			p.line("%s = %s", name, s.value)
		}
	}
}

// shown gives all settings with their values and sources, in the order of the file's manual.
func (f *configFile) shown() (out []shown) {
	defaultOf := map[string]reflect.Value{}
	d := defaults()
	settings(reflect.ValueOf(d), "", defaultOf)
	for _, s := range settingsOf(reflect.ValueOf(f.config), "") {
		out = append(out, f.show(s, s.name, s.name, defaultOf[s.name]))
	}
	block := func(name, id string, i int, value, standard any) {
		standards := settingsOf(reflect.ValueOf(standard), "")
		for j, s := range settingsOf(reflect.ValueOf(value), "") {
			entry := f.show(s, fmt.Sprintf("%s[%d].%s", name, i, s.name), strings.Trim(name+"."+id, ".")+"."+s.name, standards[j].value)
			entry.block, entry.index = name, i
			out = append(out, entry)
		}
	}
	for i, q := range f.Queues {
		standard := queueDefaults(f.Domain, q.Key)
		standard.Key = "" // it has none, so that it is always shown
		block("queue", q.Key, i, q, standard)
	}
	for i, s := range f.Staff {
		block("staff", s.Name, i, s, staffDefaults())
	}
	return out
}

func (f *configFile) show(s setting, place, key string, standard reflect.Value) shown {
	out := shown{name: s.name, key: key, value: tomlValue(s.value), same: tomlValue(s.value) == tomlValue(standard)}
	if out.bare = out.value; s.value.Kind() == reflect.String {
		out.bare = s.value.String()
	}
	if secret().MatchString(s.name) && !s.value.IsZero() {
		out.value, out.bare = `"********"`, "********"
	}
	row, _ := findLine(f.text, place)
	switch variable, set := f.from[place]; {
	case set:
		out.source = variable
	case row > 0:
		out.source = fmt.Sprintf("%s:%d", f.path, row)
	case out.same:
		out.source = "default"
	default:
		out.source = f.path // written in a way whose line is not looked for
	}
	return out
}

// tomlValue writes a value as the file has it. A JSON string is a basic string of TOML.
func tomlValue(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return quoted(v.String())
	case reflect.Slice:
		var items []string
		for i := range v.Len() {
			items = append(items, tomlValue(v.Index(i)))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case reflect.Map:
		var items []string
		for _, k := range v.MapKeys() {
			items = append(items, quoted(k.String())+" = "+tomlValue(v.MapIndex(k)))
		}
		slices.Sort(items)
		if len(items) == 0 {
			return "{}"
		}
		return "{ " + strings.Join(items, ", ") + " }"
	}
	return fmt.Sprint(v.Interface())
}

func quoted(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always can be
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\x7f", `\u007f`)
}

// choose picks the settings of these names, and of sections of these names.
func choose(all []shown, keys []string) (chosen []shown, err error) {
	if len(keys) == 0 {
		return all, nil
	}
	for _, key := range keys {
		n := len(chosen)
		for _, s := range all {
			if strings.EqualFold(s.key, key) || strings.HasPrefix(strings.ToLower(s.key), strings.ToLower(key)+".") {
				chosen = append(chosen, s)
			}
		}
		if len(chosen) == n {
			var names []string
			for _, s := range all {
				names = append(names, s.key)
			}
			return nil, fault{exitUsage, fmt.Sprintf("there is no setting %q%s", key, didYouMean(key, names))}
		}
	}
	return chosen, nil
}
