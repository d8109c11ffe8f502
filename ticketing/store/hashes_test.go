package store

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
)

func settle(t *testing.T, d *DB) {
	t.Helper()
	var err error
	ok(t, d.alone(t.Context(), func() error { err = d.hashes.settle(d.writer.conn); return nil }))
	ok(t, err)
}

// keyed is how many hashes are in the table of them.
func keyed(t *testing.T, d *DB) (n int64) {
	t.Helper()
	ok(t, d.read(t.Context(), func(x *tx) error { return x.get("SELECT count(*) FROM raw_hash", nil, &n) }))
	return n
}

// Raw mail is found by its hash, and the same one known again, while its hash is in memory,
// after it was put into the table, and after a crash at any of these.
func TestHashes(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	check := func(d *DB, n int) {
		t.Helper()
		for i := range n {
			body := sampleMail(int64(i), 500)
			s := must[ticketing.Staged](t)(d.Stage(t.Context(), bytes.NewReader(body)))
			d.recent.take(s.Hash)
			if got := must[[]byte](t)(d.Raw(t.Context(), s.Hash)); !bytes.Equal(got, body) {
				t.Errorf("mail %d is another one", i)
			}
			if id, fresh, err := deliver(d, body, "a@x.example"); err != nil || fresh || id != int64(i+1) {
				t.Errorf("mail %d comes again as arrival %d, fresh %v (%v)", i, id, fresh, err)
			}
		}
		if a := must[*Audit](t)(Verify(t.Context(), d.dir, nil)); len(a.Problems) > 0 || a.Counts["raw"] != int64(n) {
			t.Errorf("%q, %d raws", a.Problems, a.Counts["raw"])
		}
	}
	for i, in := range []int64{0, 2, 2, 4} { // in the table after each mail
		_, _, err := deliver(d, sampleMail(int64(i), 500), "a@x.example")
		ok(t, err)
		if i%2 == 1 {
			settle(t, d)
		}
		same(t, fmt.Sprint("in the table after mail ", i), keyed(t, d), in)
		check(d, i+1)
		crashed := t.TempDir()
		ok(t, os.CopyFS(crashed, os.DirFS(dir)))
		check(open(t, crashed), i+1)
	}
}

// A row that has the number of one that was removed is found too, and nothing is left of that.
func TestHashesOfNumbersUsedAgain(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir)
	var first, second ticketing.Staged
	put := func(body string) ticketing.Staged {
		s := staged(t, d, body)
		write(t, d, func(x ticketing.Tx) error { return x.PutRaw(s) })
		return s
	}
	drop := func(s ticketing.Staged) {
		write(t, d, func(x ticketing.Tx) error {
			dropped, err := x.DropRaw([]ticketing.Hash{s.Hash})
			same(t, "dropped", dropped, []ticketing.Hash{s.Hash})
			return err
		})
		none(t, "what was dropped", d.read(t.Context(), func(x *tx) error { return x.rawByHash("1", s.Hash, new(int64)) }))
	}
	first = put("first")
	settle(t, d)
	drop(first)
	same(t, "hashes of nothing", keyed(t, d), int64(0))
	second = put("second")
	for range 2 {
		d.recent.take(second.Hash)
		same(t, "the second", string(must[[]byte](t)(d.Raw(t.Context(), second.Hash))), "second")
		ok(t, d.Close())
		d = open(t, dir)
	}
}

// Rows whose hashes begin alike are told apart, and a row that was undone is not there.
func TestHashesAlike(t *testing.T) {
	d := open(t, t.TempDir())
	var all []ticketing.Hash
	for i := range 6 {
		h := ticketing.Hash{1, 2, 3, 4, 5, 6, 7, byte(i)}
		all = append(all, h)
		write(t, d, func(x ticketing.Tx) error {
			return x.PutRaw(ticketing.Staged{Hash: h, Size: int64(i), Encoding: encodingNone})
		})
		if i == 3 {
			settle(t, d)
		}
	}
	for i, h := range all {
		size, _, _, err := d.rawRow(t.Context(), h)
		if err != nil || size != int64(i) {
			t.Errorf("row %d has size %d (%v)", i, size, err)
		}
	}
	_, _, _, err := d.rawRow(t.Context(), ticketing.Hash{1, 2, 3, 4, 5, 6, 8})
	none(t, "another that begins so", err)
	undone := ticketing.Hash{9}
	err = d.Write(t.Context(), func(x ticketing.Tx) error {
		if err := x.PutRaw(ticketing.Staged{Hash: undone, Encoding: encodingNone}); err != nil {
			return err
		}
		return ticketing.ErrInvalid
	})
	if err == nil {
		t.Fatal("nothing was undone")
	}
	_, _, _, err = d.rawRow(t.Context(), undone)
	none(t, "what was undone", err)
	other := ticketing.Hash{10}
	write(t, d, func(x ticketing.Tx) error {
		return x.PutRaw(ticketing.Staged{Hash: other, Size: 77, Encoding: encodingNone})
	})
	_, _, _, err = d.rawRow(t.Context(), undone)
	none(t, "what was undone, when its number is another's", err)
}

// Verify tells when a mail cannot be found by its hash, or a hash leads elsewhere.
func TestHashesVerified(t *testing.T) {
	for change, want := range map[string]string{
		"DELETE FROM raw_hash WHERE raw = 1":                            "raw mail 1 is not found by its hash",
		"INSERT INTO raw_hash (start, raw) VALUES (x'000000000000', 2)": "a hash is of raw mail 2",
		"UPDATE raw_hash SET raw = 9 WHERE raw = 2":                     "a hash is of raw mail 9",
	} {
		dir := t.TempDir()
		d := open(t, dir)
		for i := range 2 {
			_, _, err := deliver(d, sampleMail(int64(i), 500), "a@x.example")
			ok(t, err)
		}
		settle(t, d)
		write(t, d, func(x ticketing.Tx) error { _, err := x.(*tx).exec(change); return err })
		if a := must[*Audit](t)(Verify(t.Context(), dir, nil)); !strings.Contains(strings.Join(a.Problems, "\n"), want) {
			t.Errorf("%s: %q", change, a.Problems)
		}
	}
}

// A commit of many mails writes a few pages beside those of the mails, however many mails there
// are: what has its place anywhere is not written with each.
func TestPagesOfACommit(t *testing.T) {
	const mails, commits = 32, 60
	d := open(t, t.TempDir())
	next := int64(0)
	commit := func() {
		var all []ticketing.Staged
		for range mails {
			next++
			all = append(all, must[ticketing.Staged](t)(d.Stage(t.Context(), bytes.NewReader(sampleMail(next, 2048)))))
		}
		write(t, d, func(x ticketing.Tx) error {
			for _, s := range all {
				if err := x.PutRaw(s); err != nil {
					return err
				}
				if _, _, err := x.Arrive(s.Hash, mail.Envelope{Recipients: []string{"new@support-ticket.example"}}, at(1)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for range commits {
		commit()
	}
	settle(t, d)
	var log, frames int64
	ok(t, d.alone(t.Context(), func() error { return emptyLog(t.Context(), d.dir+"/"+databaseName) }))
	log = d.Stats().Log
	for range 10 {
		commit()
	}
	frames = (d.Stats().Log - log) / (8192 + 24) / 10
	if frames < 4 || frames > 16 {
		t.Errorf("%d pages are written for %d mails", frames, mails)
	}
}
