package store

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"postdesk/ticketing"
)

// A database that is moved away while it is in use takes nothing more, and nobody is told that
// something was kept which is gone with the process: not even what was written at that moment.
func TestDatabaseTakenAway(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	path, elsewhere := filepath.Join(dir, databaseName), filepath.Join(t.TempDir(), "moved")
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	next := int64(0)
	add := func(meanwhile func()) error {
		next++
		return d.Write(t.Context(), func(tx ticketing.Tx) error {
			meanwhile()
			return tx.AddTicket(&ticketing.Ticket{Queue: "SUPPORT", Number: next, Status: ticketing.StatusNew, Created: time.Now(), Updated: time.Now()})
		})
	}
	nothing := func() {}
	refused := func(when string, err error) {
		t.Helper()
		if err == nil || !advised(err) {
			t.Errorf("%s a write ends with %v", when, err)
		}
		if err := d.Check(t.Context()); err == nil || !advised(err) {
			t.Errorf("%s the store says of itself: %v", when, err)
		}
	}
	served := func(when string) {
		t.Helper()
		if err := add(nothing); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		if err := d.Check(t.Context()); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	served("at first")
	refused("in the moment of the move", add(func() { move(path, elsewhere) }))
	refused("after the move", add(nothing))
	move(elsewhere, path)
	served("put back")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	move(path, elsewhere)
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	refused("with another file in its place", add(nothing))
	move(elsewhere, path)
	served("put back again")
}
