package main

import (
	"strings"
	"testing"
)

// The bombs, smaller: each is taken, kept whole, and says what was not understood of it.
func TestBombs(t *testing.T) {
	var out strings.Builder
	if err := bombs(t.Context(), &out, 3<<20); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if n := strings.Count(out.String(), "kept whole; "); n != len(allBombs()) {
		t.Errorf("%d of %d:\n%s", n, len(allBombs()), out.String())
	}
	if strings.Count(out.String(), "kept whole; \n") > 1 { // soft line ends alone are no fault
		t.Errorf("no problem is noted:\n%s", out.String())
	}
}
