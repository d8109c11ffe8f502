package main

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

const envPrefix = "POSTDESK_"

func hasEnv(environ []string, name string) bool {
	return slices.ContainsFunc(environ, func(e string) bool { return strings.HasPrefix(e, name+"=") })
}

// applyEnv lays the environment over the file: POSTDESK_DATA, POSTDESK_LMTP_LISTEN,
// and for a queue its key stands between: POSTDESK_QUEUE_SUPPORT_NAME, for a member of
// staff the name: POSTDESK_STAFF_JANE_ADDRESS. Lists are joined by commas, [roles] are
// DOMAIN=KEY joined by commas, notify is QUEUE=TOPIC+TOPIC. It gives the variable that
// each setting came from.
func applyEnv(cfg *config, environ []string) (from map[string]string, err error) {
	from = map[string]string{}
	fields := map[string]reflect.Value{}
	settings(reflect.ValueOf(cfg).Elem(), "", fields)
	for _, e := range slices.Sorted(slices.Values(environ)) {
		variable, value, _ := strings.Cut(e, "=")
		name, ours := strings.CutPrefix(variable, envPrefix)
		if !ours {
			continue
		}
		setting, field := "", reflect.Value{}
		if rest, ok := strings.CutPrefix(name, "QUEUE_"); ok {
			setting, field = queueField(cfg, rest)
		} else if rest, ok := strings.CutPrefix(name, "STAFF_"); ok {
			setting, field = staffField(cfg, rest)
		} else {
			for key, f := range fields {
				if envName(key) == name {
					setting, field = key, f
				}
			}
		}
		if !field.IsValid() {
			continue // unknownEnv speaks of those
		}
		if err := setField(field, value); err != nil {
			return nil, fmt.Errorf("%s: %w", variable, err)
		}
		from[setting] = variable
	}
	return from, nil
}

// unknownEnv gives variables that look like settings and are none. They are no error:
// container platforms set variables of that kind by themselves.
func unknownEnv(environ []string) (unknown []string) {
	fields := map[string]reflect.Value{}
	settings(reflect.ValueOf(&config{}).Elem(), "", fields)
	known := map[string]bool{"CONFIG": true, "SOCKET": true}
	for key := range fields {
		known[envName(key)] = true
	}
	for _, e := range environ {
		variable, _, _ := strings.Cut(e, "=")
		name, ours := strings.CutPrefix(variable, envPrefix)
		if !ours || known[name] || strings.HasPrefix(name, "TEST_") {
			continue
		}
		if rest, ok := strings.CutPrefix(name, "QUEUE_"); ok {
			if _, f := queueField(&config{}, rest); f.IsValid() {
				continue
			}
		}
		if rest, ok := strings.CutPrefix(name, "STAFF_"); ok {
			if _, f := staffField(&config{}, rest); f.IsValid() {
				continue
			}
		}
		unknown = append(unknown, variable)
	}
	return unknown
}

func envName(setting string) string {
	return strings.ToUpper(strings.ReplaceAll(setting, ".", "_"))
}

// settings gathers the fields of a struct by their names in the file.
func settings(v reflect.Value, prefix string, out map[string]reflect.Value) {
	for _, s := range settingsOf(v, prefix) {
		out[s.name] = s.value
	}
}

// setting is one name of the file with its value.
type setting struct {
	name, help string
	value      reflect.Value
}

// settingsOf gives the settings of a struct in their order, without queues and staff.
func settingsOf(v reflect.Value, prefix string) (out []setting) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name := prefix + field.Tag.Get("toml")
		switch f := v.Field(i); {
		case f.Kind() == reflect.Struct:
			out = append(out, settingsOf(f, name+".")...)
		case name != "queue" && name != "staff":
			out = append(out, setting{name, field.Tag.Get("help"), f})
		}
	}
	return out
}

// queueField finds KEY_FIELD; a queue that is not in the file is added. A key has no
// underscore, so there is one way to read it.
func queueField(cfg *config, name string) (setting string, field reflect.Value) {
	key, rest, _ := strings.Cut(name, "_")
	fields := map[string]reflect.Value{}
	i := slices.IndexFunc(cfg.Queues, func(q queueConfig) bool { return q.Key == key })
	if i < 0 {
		settings(reflect.ValueOf(&queueConfig{}).Elem(), "", fields)
		if _, known := fields[strings.ToLower(rest)]; !known {
			return "", field
		}
		i = len(cfg.Queues)
		cfg.Queues = append(cfg.Queues, queueConfig{Key: key})
	}
	settings(reflect.ValueOf(&cfg.Queues[i]).Elem(), "", fields)
	rest = strings.ToLower(rest)
	return fmt.Sprintf("queue[%d].%s", i, rest), fields[rest]
}

// staffField finds NAME_FIELD; a person who is not in the file is added. A name with a
// dot or a dash can stand in the file alone.
func staffField(cfg *config, name string) (setting string, field reflect.Value) {
	who, rest, _ := strings.Cut(name, "_")
	who, rest = strings.ToLower(who), strings.ToLower(rest)
	fields := map[string]reflect.Value{}
	i := slices.IndexFunc(cfg.Staff, func(s staffConfig) bool { return s.Name == who })
	if i < 0 {
		settings(reflect.ValueOf(&staffConfig{}).Elem(), "", fields)
		if _, known := fields[rest]; !known {
			return "", field
		}
		i = len(cfg.Staff)
		cfg.Staff = append(cfg.Staff, staffConfig{Name: who})
	}
	settings(reflect.ValueOf(&cfg.Staff[i]).Elem(), "", fields)
	return fmt.Sprintf("staff[%d].%s", i, rest), fields[rest]
}

func setField(f reflect.Value, value string) error {
	switch f.Kind() {
	case reflect.String:
		f.SetString(value)
	case reflect.Bool:
		b, err := strconv.ParseBool(value)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", value)
		}
		f.SetBool(b)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return fmt.Errorf("%q is no whole number", value)
		}
		f.SetInt(n)
	case reflect.Slice:
		f.Set(reflect.ValueOf(splitList(value)))
	case reflect.Map:
		if f.Type().Elem().Kind() == reflect.Slice {
			return setTopics(f, value)
		}
		pairs := map[string]string{}
		for _, item := range splitList(value) {
			k, v, ok := strings.Cut(item, "=")
			if !ok {
				return fmt.Errorf("%q is not DOMAIN=KEY", item)
			}
			pairs[k] = v
		}
		f.Set(reflect.ValueOf(pairs))
	}
	return nil
}

func setTopics(f reflect.Value, value string) error {
	topics := map[string][]string{}
	for _, item := range splitList(value) {
		queue, list, ok := strings.Cut(item, "=")
		if !ok {
			return fmt.Errorf("%q is not QUEUE=TOPIC+TOPIC", item)
		}
		topics[queue] = strings.Split(list, "+")
	}
	f.Set(reflect.ValueOf(topics))
	return nil
}

func splitList(value string) (out []string) {
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}
