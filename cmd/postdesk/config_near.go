package main

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// unknownSetting is about a name in the file that is none, and shows the nearest ones.
func unknownSetting(path string, text []byte, row int, name string) error {
	message := fmt.Sprintf("there is no setting %q%s", name, didYouMean(name, fileNames()))
	if secret().MatchString(name) {
		// Who puts a password here must not find it in the journal.
		return fmt.Errorf("%s:%d: %s; secrets are in files: submission.password_file", path, row, message)
	}
	return atLine(path, text, row, message)
}

// secret is a name whose value nobody should see.
var secret = pattern(`(?i)(password|secret|token|api_?key)$`)

// pattern is compiled when it is used first: most commands check no configuration.
func pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// fileNames are all names that the file knows, as its decoder writes them.
func fileNames() (names []string) {
	all := []setting{}
	all = append(all, settingsOf(reflect.ValueOf(config{}), "")...)
	all = append(all, settingsOf(reflect.ValueOf(queueConfig{}), "queue.")...)
	all = append(all, settingsOf(reflect.ValueOf(staffConfig{}), "staff.")...)
	for _, s := range all {
		names = append(names, s.name)
	}
	return names
}

// didYouMean names up to three that are like a name, or nothing.
func didYouMean(name string, known []string) string {
	type near struct {
		name string
		away int
	}
	var found []near
	for _, k := range known {
		away := distance(name, k)
		if last := k[strings.LastIndexByte(k, '.')+1:]; name[strings.LastIndexByte(name, '.')+1:] == last {
			away = min(away, 3) // the right name in another section
		}
		if away <= 3 && away < len(name) {
			found = append(found, near{k, away})
		}
	}
	if len(found) == 0 {
		return ""
	}
	slices.SortStableFunc(found, func(a, b near) int { return cmp.Compare(a.away, b.away) })
	var names []string
	for _, n := range found[:min(3, len(found))] {
		names = append(names, n.name)
	}
	return "; did you mean " + strings.Join(names, " or ") + "?"
}

// distance is how many letters have to be put in, taken out or changed (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(row[j+1]+1, row[j]+1, change)
		}
	}
	return row[len(b)]
}
