package ticketing_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"postdesk/ticketing"
)

// checkEvents holds every event of every test's world against its description.
func (w *world) checkEvents() {
	w.t.Helper()
	types := map[string]ticketing.EventType{}
	for _, t := range ticketing.EventTypes() {
		types[t.Type] = t
	}
	for after := int64(0); ; {
		events, err := w.Events(context.Background(), after, 1000)
		if err != nil {
			w.t.Error(err)
		}
		if len(events) == 0 {
			return
		}
		for _, e := range events {
			after = e.Seq
			described, known := types[e.Type]
			if !known {
				w.t.Errorf("event %d has the type %s, which is not described", e.Seq, e.Type)
			} else if err := described.Check(e); err != nil {
				w.t.Error(err)
			}
		}
	}
}

// What an event has it goes on to have. This file may get more lines, and loses none: a
// program somewhere reads what a line promises.
func TestEventsOnlyGrow(t *testing.T) {
	const file = "testdata/events.txt"
	promised, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]bool{}
	add := func(format string, args ...any) { lines[fmt.Sprintf(format, args...)] = true }
	for _, k := range ticketing.EventTypes() {
		add("%s", k.Type)
		for _, has := range k.Has {
			add("%s always has %s", k.Type, has)
		}
		for _, f := range k.Facts {
			add("%s can have the fact %s", k.Type, f.Name)
			if f.Always {
				add("%s always has the fact %s", k.Type, f.Name)
			}
			for _, v := range f.Values {
				add("%s %s=%s", k.Type, f.Name, v)
			}
		}
	}
	for line := range strings.Lines(string(promised)) {
		line = strings.TrimSpace(line)
		if !lines[line] {
			t.Errorf("%s promises %q: keep it", file, line)
		}
		delete(lines, line)
	}
	for line := range lines {
		t.Errorf("new: add the line %q to %s, where it stays", line, file)
	}
}
