package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Mail is found by its words, also by an agent that was killed and whose index is gone, or
// spoiled since: it makes another one.
func TestSearchCommand(t *testing.T) {
	d := newDesk(t)
	d.start()
	d.deliver("From: jane@customer.example\nSubject: Printer\nContent-Type: text/plain; charset=utf-8\n\nIt is out of paper. 商品がまだ届きません\n")
	found := func(query, want string) {
		t.Helper()
		for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
			if out := d.run(0, "search", query); strings.Contains(out, want) && !strings.Contains(out, "index") { // it says that all is in it a moment after
				return
			} else if time.Now().After(deadline) {
				t.Fatalf("%s: %s", query, out)
			}
		}
	}
	found(`"out of paper" 届きません`, "SUPPORT-7102")
	if out := d.run(0, "search", "toner"); strings.Contains(out, "SUPPORT") || strings.Contains(out, "index") {
		t.Error(out)
	}
	if out := d.run(0, "search", "--json", "paper", "from:jane", "status:new"); !strings.Contains(out, `"subject":"Printer"`) {
		t.Error(out)
	}
	if out := d.run(exitData, "search", `"out of`); !strings.Contains(out, "not closed") {
		t.Error(out)
	}
	index := filepath.Join(d.dir, "data", "search.db")
	for _, harm := range []func() error{
		func() error { return nil },
		func() error { return os.Remove(index) },
		func() error { return os.WriteFile(index, []byte(strings.Repeat("nothing of SQLite's\n", 1000)), 0o600) },
	} {
		d.signalAndWait(syscall.SIGKILL)
		if err := harm(); err != nil {
			t.Fatal(err)
		}
		d.start()
		found("paper", "SUPPORT-7102")
	}
}
