package main

import (
	"slices"
	"strings"
	"testing"
)

// The bombs, smaller: each is taken, kept whole, and says what was not understood of it.
func TestBombs(t *testing.T) {
	var out strings.Builder
	if _, _, err := bombs(t.Context(), &out, binary, allBombs(), 3<<20); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if n := strings.Count(out.String(), "kept whole; "); n != len(allBombs()) {
		t.Errorf("%d of %d:\n%s", n, len(allBombs()), out.String())
	}
	if strings.Count(out.String(), "kept whole; \n") > 1 { // soft line ends alone are no fault
		t.Errorf("no problem is noted:\n%s", out.String())
	}
}

// memoryMB is what the agent may take, whatever comes.
const memoryMB = 150

// Those that took the most memory, whole, one after the other and all at once.
func TestBombsMemory(t *testing.T) {
	worst := slices.DeleteFunc(allBombs(), func(b bomb) bool {
		return !slices.Contains([]string{"<div> in HTML", "<a href> in HTML", "one base64 line", "= in quoted-printable", "parts"}, b.name)
	})
	var out strings.Builder
	each, together, err := bombs(t.Context(), &out, binary, worst, bombSize)
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for i, c := range each {
		if c.peak == 0 || c.peak >= memoryMB {
			t.Errorf("%s: %d MB", worst[i].name, c.peak)
		}
	}
	if len(each) != 5 || together == 0 || together >= memoryMB {
		t.Errorf("%d bombs; all at once: %d MB", len(each), together)
	}
	t.Log(out.String())
}
