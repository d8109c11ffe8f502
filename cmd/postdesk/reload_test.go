package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Who works at the desk changes while it runs: from then on who is new is told and has
// tickets, and who is gone is neither. A table that is wrong changes nothing.
func TestReloadStaff(t *testing.T) {
	d := newDesk(t)
	text, err := os.ReadFile(d.config)
	if err != nil {
		t.Fatal(err)
	}
	person := func(name, more string) string {
		return string(text) + fmt.Sprintf("[[staff]]\nname = %q\naddress = [\"%s@staff.example\"]\n%s\n", name, name, more)
	}
	hangup := func(text, says string) {
		t.Helper()
		d.write(text)
		d.cmd.Process.Signal(syscall.SIGHUP)
		if line := d.logged("reloaded"); line["msg"] != says {
			t.Fatalf("the log says %v, want %q", line, says)
		}
	}
	told := func(who, other string, n int) {
		t.Helper()
		before := d.run(0, "queue", "list")
		d.deliver(strings.Replace(letter, "Subject:", fmt.Sprintf("X-Number: %d\r\nSubject:", n), 1))
		d.logged("staff told")
		after := before
		more := func(name string) int {
			return strings.Count(after, name+"@staff.example") - strings.Count(before, name+"@staff.example")
		}
		// The log says it a moment before the commit. All notices of an event share one.
		for end := time.Now().Add(patience); more(who)+more(other) == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
			after = d.run(0, "queue", "list")
		}
		if more(who) != 1 || more(other) != 0 {
			t.Errorf("mail %d: want one notice more to %s, none to %s:\n%s", n, who, other, after)
		}
	}
	d.write(person("ann", ""))
	d.start()
	told("ann", "bob", 1)
	d.run(0, "assign", "SUPPORT-7102", "ann")
	d.run(exitData, "assign", "SUPPORT-7102", "bob")
	hangup(person("ann", "roles = [\"king\"]"), "configuration not reloaded, the old one stays")
	hangup(person("ann", "notify = { NONE = [\"new\"] }"), "configuration not reloaded, the old one stays")
	d.write(person("ann", "")) // the command reads it, too; the agent is not told
	d.run(0, "assign", "SUPPORT-7102", "ann")
	hangup(person("bob", ""), "configuration reloaded")
	told("bob", "ann", 2)
	d.run(exitData, "assign", "SUPPORT-7102", "ann")
	d.run(0, "assign", "SUPPORT-7102", "bob")
	if code := d.signalAndWait(syscall.SIGINT); code != 0 {
		t.Errorf("SIGINT: exit code %d, want 0", code)
	}
}
