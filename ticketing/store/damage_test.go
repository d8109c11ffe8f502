package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
)

// damagedDesk is a desk with tickets in all states that mail alone brings, closed.
func damagedDesk(t *testing.T, mails int, whole bool) (dir string, raws []string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "desk")
	db, err := Open(t.Context(), dir, Options{Synchronous: "OFF"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	desk, err := damageDesk(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = desk.Run(ctx) }()
	for i := range mails {
		raw := fmt.Sprintf("From: c%d@customer.example\r\nMessage-ID: <%d@customer.example>\r\nSubject: s\r\n\r\n%s\r\n", i%7, i, strings.Repeat(fmt.Sprintf("word%d ", i), 1+i*7%900))
		raws = append(raws, raw)
		to := "new@desk.example"
		if i%3 == 2 {
			to = "SUPPORT-1@desk.example"
		}
		if err := hand(ctx, desk, to, raw); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "all is decided", func() bool { n, err := desk.Backlog(ctx); return err == nil && n == 0 })
	if !whole {
		out := filepath.Join(t.TempDir(), "image")
		if err := os.CopyFS(out, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		dir = out
	}
	cancel()
	<-done
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, raws
}

// A log that is lost with the machine takes the last moments with it, not the desk: while
// nobody writes it is brought into the database.
func TestLostLog(t *testing.T) {
	dir := t.TempDir()
	write(t, open(t, dir), func(tx ticketing.Tx) error {
		return tx.AddTicket(&ticketing.Ticket{Queue: "SUPPORT", Number: 1, Status: ticketing.StatusNew, Created: time.Now(), Updated: time.Now()})
	})
	until(t, "the ticket is in the database itself", func() bool {
		whole, err := os.ReadFile(filepath.Join(dir, databaseName))
		if err != nil {
			t.Fatal(err)
		}
		alone := filepath.Join(t.TempDir(), databaseName)
		if err := os.WriteFile(alone, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		c := &conn{dsn: readerDSN(alone)}
		defer c.close()
		var tickets int64
		err = (&tx{ctx: t.Context(), conn: c}).get("SELECT count(*) FROM ticket", nil, &tickets)
		return err == nil && tickets == 1
	})
}

func damageDesk(ctx context.Context, db *DB) (*ticketing.Desk, error) {
	return ticketing.New(ctx, ticketing.Config{
		Domain: "desk.example",
		Queues: []ticketing.Queue{{Key: "SUPPORT", Name: "Support", Addresses: []string{"new@desk.example"}, Domain: "desk.example", FirstNumber: 1}},
		Verify: func(context.Context, []byte, *mail.Message) mail.Authentication { return mail.Authentication{} },
	}, db)
}

func hand(ctx context.Context, desk *ticketing.Desk, to, raw string) error {
	return desk.Deliver(ctx, mail.Envelope{ReversePath: "c@customer.example", Recipients: []string{to}}, strings.NewReader(raw))[0].Err
}

// A byte of the database that is another one, in each kind of page, makes the desk refuse to
// start with a word that says what to do, or it serves: what it gives is what was stored, and
// it is never an empty desk. Mail that it cannot take is deferred, never refused.
func TestDamage(t *testing.T) {
	flips := 40
	if os.Getenv(torture) != "" {
		flips = 3000
	}
	seed := seedOf(t)
	rnd := rand.New(rand.NewPCG(seed, 0))
	dir, raws := damagedDesk(t, 330, true)
	whole, err := os.ReadFile(filepath.Join(dir, databaseName))
	if err != nil {
		t.Fatal(err)
	}
	kinds := pageKinds(whole)
	if len(kinds) < 4 {
		t.Fatalf("pages of %d kinds", len(kinds))
	}
	names := make([]byte, 0, len(kinds))
	for k := range kinds {
		names = append(names, k)
	}
	slices.Sort(names)
	refused := 0
	for i := range flips {
		kind := names[i%len(names)]
		page := kinds[kind][rnd.IntN(len(kinds[kind]))]
		at := page*8192 + rnd.IntN([]int{120, 8192}[i/len(names)%2]) // a page says first what is in it
		spoiled := bytes.Clone(whole)
		spoiled[at] ^= byte(1 + rnd.IntN(255))
		if err := os.WriteFile(filepath.Join(dir, databaseName), spoiled, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(filepath.Join(dir, databaseName+"-wal"))
		_ = os.Remove(filepath.Join(dir, databaseName+"-shm"))
		if !servesOrRefuses(t, fmt.Sprintf("byte %d of page %d (kind %d)", at%8192, page+1, kind), dir, raws) {
			refused++
		}
	}
	t.Logf("%d of %d were refused", refused, flips)
	if refused == 0 || refused == flips {
		t.Errorf("%d of %d were refused", refused, flips)
	}
}

// Each byte of the header says something of the whole file (https://www.sqlite.org/fileformat.html).
func TestDamagedHeader(t *testing.T) {
	dir, raws := damagedDesk(t, 3, true)
	whole, err := os.ReadFile(filepath.Join(dir, databaseName))
	if err != nil {
		t.Fatal(err)
	}
	for at := range 100 {
		spoiled := bytes.Clone(whole)
		spoiled[at] ^= 0x55
		if err := os.WriteFile(filepath.Join(dir, databaseName), spoiled, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(filepath.Join(dir, databaseName+"-wal"))
		_ = os.Remove(filepath.Join(dir, databaseName+"-shm"))
		servesOrRefuses(t, fmt.Sprintf("byte %d of the header", at), dir, raws)
	}
}

// The text of the schema is part of the file too: a letter of a name in it is one that no
// statement knows.
func TestDamagedSchema(t *testing.T) {
	dir, raws := damagedDesk(t, 3, true)
	path := filepath.Join(dir, databaseName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	spoiled := bytes.ReplaceAll(whole, []byte("resubmitted"), []byte("resubmittep"))
	if bytes.Equal(spoiled, whole) {
		t.Fatal("the schema does not name this column")
	}
	if err := os.WriteFile(path, spoiled, 0o600); err != nil {
		t.Fatal(err)
	}
	if servesOrRefuses(t, "another name of a column", dir, raws) {
		t.Error("it is served")
	}
}

// pageKinds are the pages by the first byte of a B-tree page (2, 5, 10, 13), else 0, which
// is what is too long for a page.
func pageKinds(db []byte) map[byte][]int {
	out := map[byte][]int{}
	size := int(binary.BigEndian.Uint16(db[16:]))
	for p := range len(db) / size {
		kind := db[p*size]
		if p == 0 {
			kind = db[100]
		}
		if !slices.Contains([]byte{2, 5, 10, 13}, kind) {
			kind = 0
		}
		out[kind] = append(out[kind], p)
	}
	return out
}

// servesOrRefuses starts a desk on what is in dir, and says whether it serves.
func servesOrRefuses(t *testing.T, what, dir string, raws []string) bool {
	t.Helper()
	db, err := Open(t.Context(), dir, Options{Synchronous: "OFF"})
	if err != nil {
		if !advised(err) {
			t.Errorf("%s: refused without advice: %v", what, err)
		}
		return false
	}
	defer db.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	desk, err := damageDesk(ctx, db)
	if err != nil {
		if !advised(err) {
			t.Errorf("%s: the desk is refused without advice: %v", what, err)
		}
		return false
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = desk.Run(ctx) }()
	defer func() { cancel(); <-done }()
	serves(ctx, t, what, db, desk, raws)
	return true
}

func advised(err error) bool {
	return strings.Contains(err.Error(), "restore") || strings.Contains(err.Error(), "backup")
}

// serves looks at what a damaged desk gives.
func serves(ctx context.Context, t *testing.T, what string, db *DB, desk *ticketing.Desk, raws []string) {
	t.Helper()
	if err := desk.Recipient(ctx, "SUPPORT-1@desk.example"); err != nil {
		t.Errorf("%s: a ticket's address is refused: %v", what, err)
	}
	if err := hand(ctx, desk, "new@desk.example", "From: new@customer.example\r\n\r\n"+what+"\r\n"); isSpoiled(err) && !advised(err) {
		t.Errorf("%s: a mail is deferred without advice: %v", what, err)
	}
	known := 0
	for _, raw := range raws {
		got, err := db.Raw(ctx, sha256.Sum256([]byte(raw)))
		if err == nil && string(got) != raw {
			t.Errorf("%s: other bytes than were stored", what)
		}
		if err == nil {
			known++
		}
		if isSpoiled(err) && !advised(err) {
			t.Errorf("%s: mail cannot be read, without advice: %v", what, err)
		}
	}
	if known == 0 {
		t.Logf("%s: nothing is left", what) // of a log that is cut near its beginning
		return
	}
	until(t, what+": there are tickets", func() bool {
		tickets, err := desk.Tickets(ctx, ticketing.TicketQuery{Limit: 10})
		return err != nil || len(tickets) > 0
	})
}

// A log that is cut anywhere, or has other bytes, as a disk can leave it: what is before is
// served, and decided where it was not yet.
func TestDamageOfTheLog(t *testing.T) {
	cuts := 10
	if os.Getenv(torture) != "" {
		cuts = 500
	}
	rnd := rand.New(rand.NewPCG(1, 0))
	dir, raws := damagedDesk(t, 40, false)
	whole := map[string][]byte{}
	for _, name := range []string{databaseName, databaseName + "-wal"} {
		var err error
		if whole[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil || len(whole[name]) == 0 {
			t.Fatalf("%s: %d bytes, %v", name, len(whole[name]), err)
		}
	}
	servesOrRefuses(t, "whole", dir, raws)
	for i := range cuts {
		log := whole[databaseName+"-wal"]
		at := rnd.IntN(len(log))
		what := fmt.Sprintf("log cut at %d", at)
		if i%2 == 0 {
			log = log[:at]
		} else {
			what = fmt.Sprintf("other byte at %d of the log", at)
			log = bytes.Clone(log)
			log[at] ^= 0x41
		}
		_ = os.Remove(filepath.Join(dir, databaseName+"-shm"))
		for name, content := range map[string][]byte{databaseName: whole[databaseName], databaseName + "-wal": log} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		servesOrRefuses(t, what, dir, raws)
	}
}
