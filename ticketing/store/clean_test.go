package store

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postdesk/ticketing"
)

// What was dropped leaves no file, and bytes that come again while they are dropped are kept.
func TestDroppedFiles(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	body := sampleMail(1, 3*inlineLimit)
	staged := must[ticketing.Staged](t)(d.Stage(t.Context(), bytes.NewReader(body)))
	put := func(x ticketing.Tx) error { return x.PutRaw(staged) }
	drop := func(x ticketing.Tx) error {
		_, err := x.DropRaw([]ticketing.Hash{staged.Hash})
		return err
	}
	write(t, d, put)
	write(t, d, drop)
	write(t, d, put) // the same mail again, before the file was removed
	same(t, "files", must[int](t)(d.DropFiles(t.Context())), 1)
	if raw, err := d.Raw(t.Context(), staged.Hash); err != nil || !bytes.Equal(raw, body) {
		t.Errorf("mail that came again is lost: %v", err)
	}
	write(t, d, drop)
	must[int](t)(d.DropFiles(t.Context()))
	if _, err := os.Stat(d.rawPath(staged.Hash)); !os.IsNotExist(err) {
		t.Errorf("the file is there: %v", err)
	}
	// Staged before its file was removed: the delivery fails for now, and comes again.
	if err := d.Write(t.Context(), put); !os.IsNotExist(err) {
		t.Errorf("a row without its file: %v", err)
	}
}

// A database is written anew when nobody uses it, is smaller then, and has all that it had.
func TestCompact(t *testing.T) {
	dir := t.TempDir()
	d := filled(t, dir)
	if _, _, err := Compact(t.Context(), dir, nil); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("compacted under a desk that runs: %v", err)
	}
	write(t, d, func(x ticketing.Tx) error {
		_, err := x.(*tx).exec("CREATE TABLE filler (a BLOB)")
		if err == nil {
			_, err = x.(*tx).exec("INSERT INTO filler VALUES (randomblob(3000000))")
		}
		return err
	})
	write(t, d, func(x ticketing.Tx) error { _, err := x.(*tx).exec("DROP TABLE filler"); return err })
	counts := must[*Audit](t)(Verify(t.Context(), dir, nil)).Counts
	ok(t, d.Close())
	before, after, err := Compact(t.Context(), dir, nil)
	ok(t, err)
	if before-after < 2_000_000 || fileSize(filepath.Join(dir, databaseName)) != after {
		t.Errorf("%d octets before, %d after", before, after)
	}
	a := must[*Audit](t)(Verify(t.Context(), dir, nil))
	same(t, "counts", a.Counts, counts)
	same(t, "problems", a.Problems, []string(nil))
	wantError(t, enoughRoom(dir, 1<<62), "make room")
}

// The list of erasures survives what a crash leaves of it, and is never made anew over one
// that cannot be read.
func TestListOfErasures(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, journalName)
	d := open(t, dir)
	e := ticketing.Erasure{ID: "one", Kind: ticketing.ErasePerson, Digest: d.KeyedDigest("address", "a@b.example"), At: at(1)}
	ok(t, d.NoteErasure(e))
	e.Done = true
	ok(t, d.NoteErasure(e))
	ok(t, d.NoteErasure(ticketing.Erasure{ID: "two", Kind: ticketing.ErasePerson, At: at(2)}))
	digest := d.KeyedDigest("address", "a@b.example")
	ok(t, d.Close())
	text := must[[]byte](t)(os.ReadFile(path))
	ok(t, os.WriteFile(path, append(text, `{"digest":"12`...), 0o600))
	d = open(t, dir)
	all := must[[]ticketing.Erasure](t)(d.Erasures())
	if len(all) != 2 || !all[0].Done || all[1].Done || d.KeyedDigest("address", "a@b.example") != digest {
		t.Errorf("%+v", all)
	}
	if bytes.Contains(text, []byte("a@b")) {
		t.Errorf("it names somebody: %s", text)
	}
	ok(t, d.Close())
	ok(t, os.WriteFile(path, []byte("{}\n{}\n"), 0o600))
	_, err := Open(t.Context(), dir, Options{})
	wantError(t, err, "it says who was erased")
}
