package ticketing

import (
	"regexp"
	"sync"
)

// pattern is compiled when it is used first: what is compiled at the start of the program,
// each of its commands pays for.
func pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
