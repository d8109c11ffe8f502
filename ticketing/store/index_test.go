package store

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"postdesk/ticketing"
)

func openIndex(t *testing.T, dir string) *Index {
	t.Helper()
	x := OpenIndex(dir, nil)
	t.Cleanup(func() { x.Close() })
	must[ticketing.IndexState](t)(x.State(t.Context()))
	return x
}

func document(id int64, text string) ticketing.Document {
	return ticketing.Document{Message: id, Queue: "A", Text: ticketing.SearchWords(text)}
}

func findAll(t *testing.T, x *Index, word string, limit int) (all []int64) {
	t.Helper()
	for before := int64(0); ; {
		ids, next, err := x.Find(t.Context(), ticketing.IndexQuery{Terms: []ticketing.SearchTerm{{Words: []string{word}}}}, before, limit)
		ok(t, err)
		all = append(all, ids...)
		if before = next; next == 0 {
			return all
		}
	}
}

// findWithoutTime has no time left whenever it looks, as on a machine that is busy.
func findWithoutTime(t *testing.T, x *Index, word string) (all []int64) {
	t.Helper()
	c := <-x.readers
	defer func() { x.readers <- c }()
	for before := int64(1 << 62); before != 0; {
		ids, next, err := (&tx{ctx: t.Context(), conn: c}).find(ticketing.IndexQuery{Terms: []ticketing.SearchTerm{{Words: []string{word}}}}, before, 100, -1)
		ok(t, err)
		if next == before {
			t.Fatalf("it stays at %d", before)
		}
		all, before = append(all, ids...), next
	}
	return all
}

// Messages of all volumes come in one order.
func TestIndexVolumes(t *testing.T) {
	x := openIndex(t, t.TempDir())
	var want []int64
	var docs []ticketing.Document
	for v := range int64(4) {
		for _, id := range []int64{v * volumeSize, v*volumeSize + 1, (v+1)*volumeSize - 1} {
			if id > 0 {
				docs, want = append(docs, document(id, "word")), append(want, id)
			}
		}
	}
	slices.Reverse(want)
	ok(t, x.Apply(t.Context(), ticketing.IndexChange{Put: docs}, ticketing.IndexState{Seq: 9}))
	for _, limit := range []int{1, 2, 3, 100} {
		same(t, fmt.Sprint("in pages of ", limit), findAll(t, x, "word", limit), want)
	}
	ok(t, x.Apply(t.Context(), ticketing.IndexChange{Put: []ticketing.Document{document(volumeSize, "other")}, Remove: []int64{1, 5, 9 * volumeSize}}, ticketing.IndexState{Seq: 10}))
	want = slices.DeleteFunc(want, func(id int64) bool { return id == 1 || id == volumeSize })
	same(t, "after a change", findAll(t, x, "word", 3), want)
	same(t, "without time, a volume at a time", findWithoutTime(t, x, "word"), want)
	same(t, "the changed one", findAll(t, x, "other", 3), []int64{volumeSize})
	same(t, "how far it is", must[ticketing.IndexState](t)(x.State(t.Context())).Seq, int64(10))
}

// What is taken out is nowhere in the files any more, also not in what SQLite has freed.
func TestIndexForgets(t *testing.T) {
	dir := t.TempDir()
	x := openIndex(t, dir)
	for i := range int64(40) { // several pieces that were merged
		ok(t, x.Apply(t.Context(), ticketing.IndexChange{Put: []ticketing.Document{document(i+1, fmt.Sprintf("secretword%d filler%d", i, i))}}, ticketing.IndexState{Seq: i}))
	}
	inFiles := func() (n int) {
		files := must[[]string](t)(filepath.Glob(filepath.Join(dir, indexName+"*")))
		for _, f := range files {
			n += strings.Count(string(must[[]byte](t)(os.ReadFile(f))), "ecretword")
		}
		return n
	}
	if inFiles() == 0 {
		t.Fatal("the words are not found where they are: this test would not see them stay")
	}
	var gone []int64
	for i := range int64(40) {
		gone = append(gone, i+1)
	}
	ok(t, x.Apply(t.Context(), ticketing.IndexChange{Put: []ticketing.Document{document(100, "else")}, Remove: gone}, ticketing.IndexState{Seq: 50}))
	if n := inFiles(); n > 0 {
		t.Errorf("the words are there %d times", n)
	}
	same(t, "what stays", findAll(t, x, "else", 9), []int64{100})
}

const indexDir = "POSTDESK_STORE_INDEX"

// indexForever writes how far the index is after each commit.
func indexForever(dir string) error {
	ctx := context.Background()
	x := OpenIndex(dir, nil)
	s, err := x.State(ctx)
	for err == nil {
		var put []ticketing.Document
		for range 50 {
			s.Seq++
			put = append(put, document(s.Seq, fmt.Sprintf("word w%d", s.Seq%100)))
		}
		if err = x.Apply(ctx, ticketing.IndexChange{Put: put}, s); err == nil {
			fmt.Println(s.Seq)
		}
	}
	return err
}

// An index that is killed at any moment has all that it says it has, and nothing else.
func TestIndexKilled(t *testing.T) {
	dir := t.TempDir()
	for round := range 4 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), indexDir+"="+dir)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out := must[interface{ Read([]byte) (int, error) }](t)(cmd.StdoutPipe())
		ok(t, cmd.Start())
		told := int64(0)
		for n, lines := 0, bufio.NewScanner(out); lines.Scan(); n++ {
			if seq, err := strconv.ParseInt(lines.Text(), 10, 64); err == nil {
				told = seq
			}
			if n == 10+13*round {
				ok(t, cmd.Process.Kill())
			}
		}
		if cmd.Wait() == nil || told == 0 {
			t.Fatalf("it was not killed: %s", stderr.String())
		}
		x := OpenIndex(dir, nil)
		s := must[ticketing.IndexState](t)(x.State(t.Context()))
		all := findAll(t, x, "word", 1000)
		if s.Seq < told || int64(len(all)) != s.Seq {
			t.Errorf("it said %d, its state is %d, and it has %d", told, s.Seq, len(all))
		}
		ok(t, x.Close())
	}
}

// Most words are of the text, and each has to say so in each message: that takes nothing.
func TestIndexSize(t *testing.T) {
	const messages, words = 300, 150
	dir := t.TempDir()
	x := openIndex(t, dir)
	var docs []ticketing.Document
	for i := range int64(messages) {
		var text strings.Builder
		for n := range int64(words) {
			fmt.Fprintf(&text, "word%d ", (i+n*7)%500)
		}
		docs = append(docs, document(i+1, text.String()))
	}
	ok(t, x.Apply(t.Context(), ticketing.IndexChange{Put: docs}, ticketing.IndexState{Seq: 1}))
	ok(t, x.Close())
	// The message that has a word, how often it is there, and where: an octet or two each.
	size := must[os.FileInfo](t)(os.Stat(filepath.Join(dir, indexName))).Size()
	if each := float64(size) / (messages * words); each > 5 {
		t.Errorf("a word of a message takes %.1f octets", each)
	}
}

// The file is no larger than what is in it, once nothing is written.
func TestIndexGivesBack(t *testing.T) {
	dir := t.TempDir()
	x := openIndex(t, dir)
	var gone []int64
	for n := range int64(12) {
		var docs []ticketing.Document
		for i := range int64(60) {
			var text strings.Builder
			for w := range int64(120) {
				fmt.Fprintf(&text, "word%d ", (n*60+i)*(w+1)%7000)
			}
			docs = append(docs, document(n*60+i+1, text.String()))
		}
		ok(t, x.Apply(t.Context(), ticketing.IndexChange{Put: docs}, ticketing.IndexState{Seq: n + 1}))
		gone = append(gone, n*60+1)
	}
	ok(t, x.Apply(t.Context(), ticketing.IndexChange{Remove: gone}, ticketing.IndexState{Seq: 20}))
	count := func(what string) (n int64) {
		ok(t, (&tx{ctx: t.Context(), conn: x.writer}).get("PRAGMA "+what, nil, &n))
		return n
	}
	if count("freelist_count") < 5 {
		t.Fatal("nothing is free: this test would not see it stay")
	}
	pages := count("page_count")
	must[ticketing.IndexState](t)(x.State(t.Context()))
	if free, now := count("freelist_count"), count("page_count"); free > 0 || now >= pages {
		t.Errorf("of %d pages %d are left, and %d of them are free", pages, now, free)
	}
	same(t, "what it finds", len(findAll(t, x, "word14", 100)) > 0, true)
}
