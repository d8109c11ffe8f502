package store

import (
	"os"
	"path/filepath"
	"strings"
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
		return addNumber(t, d, next, meanwhile)
	}
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

// A log whose name is gone while it is in use is brought into the database at once: what was
// acknowledged is there after a kill at any later moment, and nothing more is acknowledged
// before a restart.
func TestLogTakenAway(t *testing.T) {
	for name, take := range map[string]func(*testing.T, string){
		"removed":       func(t *testing.T, wal string) { ok(t, os.Remove(wal)) },
		"index removed": func(t *testing.T, wal string) { ok(t, os.Remove(strings.TrimSuffix(wal, "-wal")+"-shm")) },
		"an old one in its place": func(t *testing.T, wal string) {
			old, err := os.ReadFile(wal + ".old")
			ok(t, err)
			ok(t, os.Remove(wal))
			ok(t, os.WriteFile(wal, old, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			d := open(t, dir)
			wal := filepath.Join(dir, databaseName+"-wal")
			add := func(n int64, meanwhile func()) error { return addNumber(t, d, n, meanwhile) }
			ok(t, add(1, nothing))
			old, err := os.ReadFile(wal)
			ok(t, err)
			ok(t, os.WriteFile(wal+".old", old, 0o600))
			ok(t, add(2, nothing))
			if err := add(3, func() { take(t, wal) }); err != nil {
				t.Error("what was saved is not acknowledged:", err)
			}
			for n := int64(4); n < 6; n++ {
				if err := add(n, nothing); err == nil || !strings.Contains(err.Error(), "restart postdesk") || !strings.Contains(err.Error(), "all that was taken is in the database") {
					t.Errorf("write %d ends with %v", n, err)
				}
			}
			if err := d.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "restart postdesk") {
				t.Error("the store says of itself:", err)
			}
			if _, err := d.Clean(true); err == nil {
				t.Error("a database without its log is written anew")
			}
			same(t, "tickets after a kill", ticketsAfterKill(t, dir), []int64{1, 2, 3})
			ok(t, d.Close())
			d = open(t, dir)
			same(t, "tickets after a restart", ticketNumbers(t, d), []int64{1, 2, 3})
			ok(t, addNumber(t, d, 4, nothing))
		})
	}
}

// While somebody reads an old moment not all of a log that is gone can be saved: then nothing is
// acknowledged, and the words say what a kill would cost. It is saved as soon as that can be.
func TestLogTakenAwayWhileRead(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	ok(t, addNumber(t, d, 1, nothing))
	err := d.Read(t.Context(), func(tx ticketing.Tx) error {
		if _, err := tx.LastSeq(); err != nil {
			return err
		}
		err := addNumber(t, d, 2, func() { ok(t, os.Remove(filepath.Join(dir, databaseName+"-wal"))) })
		if err == nil || !strings.Contains(err.Error(), "is lost when postdesk is killed") || !strings.Contains(err.Error(), "restart postdesk") {
			t.Error("what was not saved ends with", err)
		}
		return nil
	})
	ok(t, err)
	if err := addNumber(t, d, 3, nothing); err == nil || !strings.Contains(err.Error(), "all that was taken is in the database") {
		t.Error("the next write ends with", err)
	}
	same(t, "tickets after a kill", ticketsAfterKill(t, dir), []int64{1, 2})
}

// What a backup would lack because the log was taken from under an agent is not left out in silence.
func TestBackupWithoutTheLog(t *testing.T) {
	for _, names := range [][]string{{"-wal"}, {"-shm"}, {"-wal", "-shm"}} {
		dir, file := t.TempDir(), filepath.Join(t.TempDir(), "backup")
		d := open(t, dir)
		ok(t, addNumber(t, d, 1, nothing))
		for _, name := range names {
			ok(t, os.Remove(filepath.Join(dir, databaseName+name)))
		}
		_, err := Backup(t.Context(), dir, file, "test", nil)
		_, err2 := Verify(t.Context(), dir, nil)
		for what, err := range map[string]error{"backup": err, "verify": err2} {
			if err == nil || !strings.Contains(err.Error(), "restart postdesk in good order") {
				t.Errorf("without %s a %s ends with %v", names, what, err)
			}
		}
		if _, err := os.Stat(file); err == nil {
			t.Errorf("without %s there is a backup", names)
		}
		ok(t, d.Close())
		m, err := Backup(t.Context(), dir, file, "test", nil)
		ok(t, err)
		same(t, "tickets in the backup of a desk that has stopped", m.Counts["ticket"], int64(1))
	}
}

func nothing() {}

func addNumber(t *testing.T, d *DB, number int64, meanwhile func()) error {
	return d.Write(t.Context(), func(tx ticketing.Tx) error {
		meanwhile()
		return tx.AddTicket(&ticketing.Ticket{Queue: "SUPPORT", Number: number, Status: ticketing.StatusNew, Created: time.Now(), Updated: time.Now()})
	})
}

// ticketsAfterKill gives what a start finds where the process was killed in this moment.
func ticketsAfterKill(t *testing.T, dir string) []int64 {
	t.Helper()
	left := filepath.Join(t.TempDir(), "left")
	ok(t, os.CopyFS(left, os.DirFS(dir)))
	return ticketNumbers(t, open(t, left))
}

func ticketNumbers(t *testing.T, d *DB) (numbers []int64) {
	t.Helper()
	ok(t, d.read(t.Context(), func(x *tx) (err error) {
		numbers, err = list(x, func(r row, n *int64) error { return r.Scan(n) }, "SELECT number FROM ticket ORDER BY number")
		return err
	}))
	return numbers
}
