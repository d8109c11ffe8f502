package ticketing_test

import (
	"context"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
	"postdesk/ticketing/store"
)

// dying is a store of a process that dies at its nth step: a write, a cleaning of the disk or
// a line of the list of erasures, before it or right after.
type dying struct {
	*store.DB
	after bool
	left  int
}

func (d *dying) step(do func() error) error {
	d.left--
	switch {
	case d.left > 0:
		return do()
	case d.left == 0 && d.after:
		_ = do() // nobody hears of it
	}
	return context.Canceled
}

func (d *dying) Write(ctx context.Context, fn func(ticketing.Tx) error) error {
	return d.step(func() error { return d.DB.Write(context.WithoutCancel(ctx), fn) })
}

func (d *dying) NoteErasure(e ticketing.Erasure) error {
	return d.step(func() error { return d.DB.NoteErasure(e) })
}

func (d *dying) Clean(rewrite bool) (c ticketing.Cleaned, err error) {
	err = d.step(func() error { c, err = d.DB.Clean(rewrite); return err })
	return c, err
}

// Wherever the process dies, the next start ends what was noted: nothing is left of the
// person, and what is there is whole.
func TestErasureCutOff(t *testing.T) {
	aviaryDir := t.TempDir()
	w := worldIn(t, aviaryDir)
	aviary(t, w.store, w)
	if _, err := w.store.Clean(false); err != nil { // the log is in the database now
		t.Fatal(err)
	}
	steps := 0
	for _, after := range []bool{false, true} {
		for n, ended := 2, false; !ended; n++ { // the first step is the note; before it nothing was promised
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(aviaryDir)); err != nil {
				t.Fatal(err)
			}
			ended = cutOff(t, dir, n, after)
			for _, s := range sightings(t, dir, "canary") {
				t.Fatalf("died at step %d, after it %v: %s", n, after, s)
			}
			steps++
		}
	}
	if steps < 20 {
		t.Errorf("%d steps: it never died", steps)
	}
}

// cutOff erases until the process dies, and starts it again.
func cutOff(t *testing.T, dir string, n int, after bool) (ended bool) {
	t.Helper()
	db, err := store.Open(t.Context(), dir, store.Options{Synchronous: "OFF"})
	if err != nil {
		t.Fatal(err)
	}
	life := &dying{db, after, math.MaxInt}
	d, err := ticketing.New(t.Context(), ticketing.Config{Domain: "desk.example", Queues: []ticketing.Queue{{Key: "SUPPORT", Addresses: []string{"new@desk.example"}, Domain: "desk.example"}},
		Verify: func(context.Context, []byte, *mail.Message) mail.Authentication { return mail.Authentication{} }}, life)
	if err != nil {
		t.Fatal(err)
	}
	life.left = n
	_, err = d.ErasePerson(t.Context(), jane, birdAddress)
	ended = err == nil
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = store.Open(t.Context(), dir, store.Options{Synchronous: "OFF"}); err != nil {
		t.Fatal(err)
	}
	if err := ticketing.FinishErasures(t.Context(), db, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	a, err := store.Verify(t.Context(), dir, nil)
	if err != nil || len(a.Problems)+len(a.Notes) > 0 {
		t.Errorf("died at step %d, after it %v: %+v %v", n, after, a, err)
	}
	told := 0
	err = db.Read(t.Context(), func(tx ticketing.Tx) error {
		events, err := tx.Events(0, 0)
		for _, e := range events {
			if e.Type == ticketing.PersonErased {
				told++
			}
		}
		return err
	})
	if err != nil || told != 1 {
		t.Errorf("died at step %d, after it %v: told %d times, %v", n, after, told, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return ended
}

// An older database under the list of a newer one, as a replicator brings it back: what it
// lacks of the list is done again.
func TestErasureOfAnOlderDatabase(t *testing.T) {
	dir, older := t.TempDir(), t.TempDir()
	w := worldIn(t, dir)
	aviary(t, w.store, w)
	if _, err := w.store.Clean(false); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(older, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	_, err := w.ErasePerson(w.ctx, jane, birdAddress)
	w.must(nil, err)
	list, err := os.ReadFile(filepath.Join(dir, "erasures"))
	w.must(nil, err)
	w.must(nil, os.WriteFile(filepath.Join(older, "erasures"), list, 0o600))
	db, err := store.Open(t.Context(), older, store.Options{Synchronous: "OFF"})
	w.must(nil, err)
	w.must(nil, ticketing.FinishErasures(t.Context(), db, slog.New(slog.DiscardHandler)))
	w.must(nil, db.Close())
	for _, s := range sightings(t, older, "canary") {
		t.Error(s)
	}
}

// A report that comes after an erasure, and returns the mail that went to the person, is not
// kept.
func TestReportAfterErasure(t *testing.T) {
	dir := t.TempDir()
	w := worldIn(t, dir)
	w.send(birdAddress, "new@desk.example", "canary", "Message-ID: <canary@customer.example>\r\n", "canary")
	w.answer("SUPPORT-7102", "Dear canary")
	all, err := w.Outgoing(w.ctx, nil, 0, 100)
	w.must(nil, err)
	o := all[slices.IndexFunc(all, func(o ticketing.Outgoing) bool { return o.Recipient == birdAddress })]
	raw, err := w.Raw(w.ctx, o.Raw)
	w.must(nil, err)
	_, err = w.ErasePerson(w.ctx, jane, birdAddress)
	w.must(nil, err)
	w.sendAs("", []string{o.ReversePath}, "From: MAILER-DAEMON@mx.example\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nSorry.\r\n"+
		"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; "+birdAddress+"\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"+string(raw)+"\r\n--b--\r\n")
	_, err = w.store.Clean(true)
	w.must(nil, err)
	for _, s := range sightings(t, dir, "canary") {
		t.Error(s)
	}
}

// What a consumer has read before an erasure is committed before it begins: after it, it would
// bring back what was to be gone.
func TestNoEffectAcrossErasure(t *testing.T) {
	w := worldIn(t, t.TempDir())
	w.send(birdAddress, "new@desk.example", "canary", "Message-ID: <canary@customer.example>\r\n", "canary")
	erased := make(chan error, 1)
	_, err := w.TakeEffect(w.ctx, ticketing.Event{Seq: 1}, func(context.Context, ticketing.Event) (func(ticketing.Tx) error, error) {
		go func() {
			_, err := w.ErasePerson(w.ctx, jane, birdAddress)
			erased <- err
		}()
		select {
		case <-erased:
			t.Error("an erasure came and went between the reading and the commit")
			erased <- nil
		case <-time.After(500 * time.Millisecond): // it would have been done
		}
		return func(ticketing.Tx) error { return nil }, nil
	})
	w.must(nil, err)
	w.must(nil, <-erased)
}
