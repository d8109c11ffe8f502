package ticketing_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"postdesk/ticketing"
	desk "postdesk/ticketing/mail"
)

// The index takes what was read when the mail came in, and memory keeps nothing of what was
// taken, redacted, or is too much.
func TestSearchTexts(t *testing.T) {
	w, _ := searchWorld(t)
	w.KeepText(ticketing.Hash{1}, desk.Message{Text: "comes from memory"})
	if w.TextsKept() != 1 {
		t.Fatal("nothing is kept")
	}
	w.send("jo@customer.example", "new@desk.example", "first", "", "alpaca")
	w.indexed("alpaca")
	if n := w.TextsKept(); n != 1 {
		t.Errorf("%d are kept after one was indexed, want the other one", n)
	}
	found, _, err := w.Search(w.ctx, jane, "alpaca", 0, 1)
	w.must(nil, err)
	_, err = w.Redact(w.ctx, jane, ticketing.Redaction{Message: found[0].Message.ID, Why: "a password"})
	w.must(nil, err)
	if n := w.TextsKept(); n != 0 {
		t.Errorf("%d are kept after a redaction", n)
	}
	if got := w.find(jane, "alpaca"); len(got) != 0 {
		t.Errorf("%q is found after its redaction", got)
	}
	for i := range 200 {
		w.KeepText(ticketing.Hash{2, byte(i)}, desk.Message{Text: strings.Repeat("x", 200<<10)})
	}
	if n := w.TextsKept(); n < 17 || n > 22 { // of 4 MB
		t.Errorf("%d texts of 200 KB are kept", n)
	}
	w.send("jo@customer.example", "new@desk.example", "overflow", "", "beaver") // no room: it is read again
	w.indexed("beaver")
}

// What comes in is kept until the index takes it: an index that cannot begin takes nothing.
func TestSearchTextsAreKept(t *testing.T) {
	w := newWorldOf(t, func(c *ticketing.Config) { c.Index = noIndex{} })
	w.send("jo@customer.example", "new@desk.example", "first", "", "alpaca")
	if n := w.TextsKept(); n != 1 {
		t.Errorf("%d are kept, want that of the mail", n)
	}
}

type noIndex struct{ ticketing.Index }

func (noIndex) State(context.Context) (ticketing.IndexState, error) {
	return ticketing.IndexState{}, errors.New("no index")
}

// Words of plain text are made by a short way, and are those of the long one.
func TestSearchWordsPlain(t *testing.T) {
	for i, text := range []string{"", " ", "One two,THREE", "a", "it's x@y.example", strings.Repeat("Long", 40) + " end", "1\x002\r\n\t3_4~", "z{`[@/:"} {
		long := ticketing.SearchWords(text + " é")
		if short := ticketing.SearchWords(text); !reflect.DeepEqual(append([]string{}, short...), long[:len(long)-1]) {
			t.Errorf("%d: %q, want %q", i, short, long)
		}
	}
	var all strings.Builder
	for c := range rune(128) {
		fmt.Fprintf(&all, "%c%cx ", c, c)
	}
	if long := ticketing.SearchWords(all.String() + "é"); !reflect.DeepEqual(ticketing.SearchWords(all.String()), long[:len(long)-1]) {
		t.Error("of all characters of ASCII")
	}
}
