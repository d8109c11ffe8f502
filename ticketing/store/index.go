package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	sqlite3 "modernc.org/sqlite/lib"

	"postdesk/ticketing"
)

// indexName is of the database of words, beside the other one. It is made of that and can be
// made again, so that it is in no backup.
const indexName = "search.db"

// indexLayout is the number of what is in it and of how words are made: a change of either
// makes it anew.
const indexLayout = 5

// volumeSize is how many messages the words of one table are of. Tables of a bounded size
// are merged, and searched for the beginning of a word, in a bounded time.
const volumeSize = 1 << 16

// indexReaders is how many searches go on at the same time.
const indexReaders = 2

// Index is the ticketing.Index on SQLite's FTS5: tables without content, one for each
// volumeSize messages. It opens itself when it is used.
type Index struct {
	path    string
	log     *slog.Logger
	mu      sync.Mutex // of the writer
	writer  *conn
	readers chan *conn
	made    atomic.Bool // its tables are there
	spoiled atomic.Bool // a search has found it so
}

var _ ticketing.Index = (*Index)(nil)

var errSpoiled = errors.New("it is spoiled")

// isSpoiled says that an error is of a file that is not as SQLite has written it.
func isSpoiled(err error) bool {
	return errors.Is(err, errSpoiled) || code(err) == sqlite3.SQLITE_CORRUPT || code(err) == sqlite3.SQLITE_NOTADB
}

// OpenIndex gives the index of the store in dir, whose lock the caller holds; nil logs
// nothing.
func OpenIndex(dir string, log *slog.Logger) *Index {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	x := &Index{path: filepath.Join(dir, indexName), log: log, readers: make(chan *conn, indexReaders)}
	// What an accident takes back is indexed again: the log is not synced at each commit.
	// What is freed is overwritten, nothing of a message that was taken out may stay, and can be
	// given back.
	x.writer = &conn{dsn: writerDSN(x.path, "NORMAL", true) + "&_pragma=secure_delete(1)&_pragma=auto_vacuum(2)&_pragma=cache_size(-2000)"}
	for range indexReaders {
		x.readers <- &conn{dsn: indexReaderDSN(x.path)}
	}
	return x
}

// Close ends it; nobody may use it any more.
func (x *Index) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.made.Load() {
		x.giveBack(context.Background())
	}
	return errors.Join(x.closeReaders(), x.writer.close())
}

// closeReaders waits for the searches that go on. The readers open themselves again.
func (x *Index) closeReaders() error {
	var errs []error
	var all []*conn
	for range indexReaders {
		c := <-x.readers
		all, errs = append(all, c), append(errs, c.close())
	}
	for _, c := range all {
		x.readers <- c
	}
	return errors.Join(errs...)
}

// giveBackMax is how many pages are given back at a time, which takes some 10 ms.
const giveBackMax = 1024

// giveBack makes the file as small as what is in it, while nothing is written: merging the words
// of many commits leaves pages free.
func (x *Index) giveBack(ctx context.Context) {
	t := &tx{ctx: ctx, conn: x.writer}
	err := t.each(fmt.Sprintf("PRAGMA incremental_vacuum(%d)", giveBackMax), nil, func(row) error { return nil })
	if err != nil && ctx.Err() == nil {
		x.log.Warn("the index of words keeps room that it does not need", "file", x.path, "error", err)
	}
}

// State is how far the index has come. One that is missing, spoiled, or of another layout is
// made anew.
func (x *Index) State(ctx context.Context) (s ticketing.IndexState, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err = errSpoiled; !x.spoiled.Load() {
		err = x.write(ctx, func(t *tx) error { return t.indexState(&s) })
	}
	if err == nil || ctx.Err() != nil {
		if x.made.Store(err == nil); err == nil {
			x.giveBack(ctx)
		}
		return s, err
	}
	x.log.Warn("the index of words cannot be used: it is made anew", "file", x.path, "error", err)
	if err := x.remake(); err != nil {
		return s, err
	}
	err = x.write(ctx, func(t *tx) error { return t.indexState(&s) })
	x.made.Store(err == nil)
	return s, err
}

// Remake throws the index away.
func (x *Index) Remake(context.Context) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.remake()
}

func (x *Index) remake() error {
	x.made.Store(false)
	x.spoiled.Store(false)
	errs := []error{x.closeReaders(), x.writer.close()}
	for _, end := range []string{"", "-wal", "-shm", "-journal"} {
		errs = append(errs, remove(x.path+end))
	}
	return errors.Join(errs...)
}

// write runs fn in one transaction of the writer.
func (x *Index) write(ctx context.Context, fn func(*tx) error) error {
	t := &tx{ctx: ctx, conn: x.writer}
	_, err := t.exec("BEGIN IMMEDIATE")
	if err == nil {
		err = fn(t)
	}
	if err == nil {
		_, err = t.exec("COMMIT")
	}
	if err != nil {
		return errors.Join(err, x.writer.close()) // which undoes it
	}
	return nil
}

// indexState makes the tables where there are none.
func (t *tx) indexState(s *ticketing.IndexState) error {
	var tables, layout int64
	if err := t.get("SELECT count(*) FROM sqlite_master", nil, &tables); err != nil {
		return err
	}
	if tables == 0 {
		for _, query := range []string{
			"CREATE TABLE state (layout INTEGER NOT NULL, seq INTEGER NOT NULL, built INTEGER NOT NULL, until INTEGER NOT NULL) STRICT",
			"CREATE TABLE volume (id INTEGER PRIMARY KEY) STRICT",
			"CREATE TABLE status (id INTEGER PRIMARY KEY, has INTEGER NOT NULL, octets BLOB NOT NULL) STRICT",
			"CREATE INDEX status_has ON status (id, has)", // which rows have a status, without their octets
			fmt.Sprintf("INSERT INTO state VALUES (%d, 0, 0, 0)", indexLayout),
		} {
			if _, err := t.exec(query); err != nil {
				return err
			}
		}
	}
	if err := t.get("SELECT layout, seq, built, until FROM state", nil, &layout, &s.Seq, &s.Built, &s.Until); err != nil {
		return err
	}
	if layout != indexLayout {
		return fmt.Errorf("it has layout %d, and this postdesk knows %d", layout, indexLayout)
	}
	return nil
}

// Apply puts documents in, takes others out, and says how far the index has come. Nothing of
// what was taken out or replaced stays in the files.
func (x *Index) Apply(ctx context.Context, c ticketing.IndexChange, to ticketing.IndexState) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	shrunk := map[int64]bool{} // volumes
	err := x.write(ctx, func(t *tx) error {
		volumes, err := t.volumes()
		if err != nil {
			return err
		}
		for _, id := range c.Remove {
			if err := t.removeDocument(volumes, shrunk, id); err != nil {
				return err
			}
		}
		for _, doc := range c.Put {
			if err := t.putDocument(volumes, shrunk, doc); err != nil {
				return err
			}
		}
		for v := range shrunk {
			if err := t.optimize(v); err != nil {
				return err
			}
		}
		if err := t.putStatuses(c); err != nil {
			return err
		}
		return t.change("UPDATE state SET seq = $1, built = $2, until = $3", to.Seq, to.Built, to.Until)
	})
	if err == nil && len(shrunk) > 0 { // the log has it too, until it begins anew; a reader would keep it
		err = errors.Join(x.closeReaders(), x.writer.exec(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"))
	}
	return x.judge(err)
}

// judge throws an index away that is spoiled: it is filled again from the beginning.
func (x *Index) judge(err error) error {
	if isSpoiled(err) {
		x.log.Warn("the index of words is spoiled: it is made anew", "file", x.path, "error", err)
		return errors.Join(err, x.remake())
	}
	return err
}

func volumeTable(v int64) string { return fmt.Sprintf("words_%d", v) }

func (t *tx) volumes() (map[int64]bool, error) {
	all, err := list(t, scanInt, "SELECT id FROM volume")
	out := map[int64]bool{}
	for _, v := range all {
		out[v] = true
	}
	return out, err
}

// addVolume makes the table for a range of messages: which words each has, and not where, which
// would take twice the room. Words come folded, so that bytes are compared. Before it the one
// that is full now is brought into one piece.
func (t *tx) addVolume(v int64, volumes map[int64]bool) error {
	_, err := t.exec(fmt.Sprintf(`CREATE VIRTUAL TABLE %s USING fts5 (words, content='', contentless_delete=1, detail=none, tokenize='ascii')`, volumeTable(v)))
	if err == nil {
		_, err = t.exec("INSERT INTO volume (id) VALUES ($1)", v)
	}
	if err == nil && volumes[v-1] {
		err = t.optimize(v - 1)
	}
	volumes[v] = true
	return err
}

// optimize brings a volume into one piece, without what was taken out.
func (t *tx) optimize(v int64) error {
	_, err := t.exec(fmt.Sprintf("INSERT INTO %s (%[1]s) VALUES ('optimize')", volumeTable(v)))
	return err
}

func (t *tx) removeDocument(volumes, shrunk map[int64]bool, id int64) error {
	v := id / volumeSize
	if !volumes[v] {
		return nil
	}
	n, err := t.exec("DELETE FROM "+volumeTable(v)+" WHERE rowid = $1", id)
	if n > 0 {
		shrunk[v] = true
	}
	return err
}

func (t *tx) putDocument(volumes, shrunk map[int64]bool, doc ticketing.Document) error {
	v := doc.Message / volumeSize
	if volumes[v] {
		if err := t.removeDocument(volumes, shrunk, doc.Message); err != nil {
			return err
		}
	} else if err := t.addVolume(v, volumes); err != nil {
		return err
	}
	_, err := t.exec("INSERT INTO "+volumeTable(v)+" (rowid, words) VALUES ($1, $2)", doc.Message, indexedWords(doc))
	return err
}

// indexedWords has each word of a document once, those of its author a second time.
func indexedWords(doc ticketing.Document) string {
	known := make(map[string]bool, len(doc.Text))
	var out strings.Builder
	add := func(word string) {
		if !known[word] {
			known[word] = true
			out.WriteString(word)
			out.WriteByte(' ')
		}
	}
	for _, words := range [][]string{doc.Text, doc.Subject, doc.From} {
		for _, word := range words {
			add(word)
		}
	}
	for _, word := range doc.From {
		add(authorWord(word))
	}
	add(queueWord(doc.Queue))
	return out.String()
}

// queueWord stands for a queue. It begins with a character that no word of a text has: those
// of private use are between words.
func queueWord(key string) string { return "\ue000" + strings.ToLower(key) }

// authorWord stands for a word in the name or the address of an author.
func authorWord(word string) string { return "\ue001" + word }
