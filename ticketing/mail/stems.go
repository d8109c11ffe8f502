package mail

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"
	"unicode"
)

// pattern is compiled when it is used first: most commands of the program read no mail, and
// all patterns together cost each of them more than the rest of its start.
func pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// stemmed is a pattern of many alternatives that nearly no text matches: looking for one of
// the strings that a match must hold costs a fiftieth of running the pattern.
type stemmed struct {
	*regexp.Regexp
	stems []string // in lower case; a match holds at least one of them
}

func stemmedPattern(expr string) func() stemmed {
	return sync.OnceValue(func() stemmed {
		w := stemmed{Regexp: regexp.MustCompile(expr)}
		if tree, err := syntax.Parse(expr, syntax.Perl); err == nil {
			w.stems = stems(tree.Simplify())
		}
		return w
	})
}

// MatchString is the pattern's own, after the quick look. What is equal only when case is
// folded by rules that lower case does not know, as the long s, does not count.
func (w stemmed) MatchString(s string) bool {
	if len(w.stems) == 0 {
		return w.Regexp.MatchString(s)
	}
	lower := strings.ToLower(s)
	for _, stem := range w.stems {
		if strings.Contains(lower, stem) {
			return w.Regexp.MatchString(s)
		}
	}
	return false
}

// stems gives strings of which a match holds at least one; nil when nothing is certain.
func stems(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		return []string{strings.Map(unicode.ToLower, string(re.Rune))}
	case syntax.OpCapture, syntax.OpPlus:
		return stems(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return stems(re.Sub[0])
		}
	case syntax.OpConcat:
		var best []string
		for _, sub := range re.Sub {
			if found := stems(sub); shortest(found) > shortest(best) {
				best = found
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			found := stems(sub)
			if found == nil {
				return nil
			}
			all = append(all, found...)
		}
		return all
	}
	return nil
}

// shortest is the length of the shortest string: one letter says little.
func shortest(list []string) int {
	n := 0
	for i, s := range list {
		if i == 0 || len(s) < n {
			n = len(s)
		}
	}
	return n
}
