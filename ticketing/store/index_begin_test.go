package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"postdesk/ticketing"
)

// A beginning that much has is looked for as its words, and finds what they have: in each
// volume, also where it must not be, and in an author.
func TestIndexBeginnings(t *testing.T) {
	x := openIndex(t, t.TempDir())
	words := []string{"print", "printer", "printers"}
	var docs []ticketing.Document
	for i := range 3 * int64(200) {
		id := i%3*volumeSize + i/3 + 1
		text := "other " + words[i%3]
		if i%5 == 0 {
			text = "other prince"
		}
		if i%7 == 0 {
			text = "other"
		}
		d := document(id, text)
		d.From = []string{text[:5], "printworks"}
		docs = append(docs, d)
	}
	slices.SortFunc(docs, func(a, b ticketing.Document) int { return int(b.Message - a.Message) })
	ok(t, x.Apply(t.Context(), ticketing.IndexChange{Put: docs}, ticketing.IndexState{Seq: 1}))
	other := ticketing.SearchTerm{Words: []string{"other"}}
	for name, c := range map[string]struct {
		terms []ticketing.SearchTerm
		want  func(d ticketing.Document) bool
	}{
		"beginning": {[]ticketing.SearchTerm{{Words: []string{"print"}, Prefix: true}}, func(d ticketing.Document) bool {
			return slices.ContainsFunc(append(d.Text, d.From...), func(w string) bool { return strings.HasPrefix(w, "print") })
		}},
		"without": {[]ticketing.SearchTerm{other, {Words: []string{"prin"}, Prefix: true, Not: true}}, func(d ticketing.Document) bool { return false }},
		"without, rarer": {[]ticketing.SearchTerm{other, {Words: []string{"princ"}, Prefix: true, Not: true}}, func(d ticketing.Document) bool {
			return !slices.Contains(d.Text, "prince")
		}},
		"author": {[]ticketing.SearchTerm{{Words: []string{"othe"}, Prefix: true, From: true}}, func(ticketing.Document) bool { return true }},
		"nobody": {[]ticketing.SearchTerm{{Words: []string{"printerx"}, Prefix: true}}, func(ticketing.Document) bool { return false }},
	} {
		var want, got []int64
		for _, d := range docs {
			if c.want(d) {
				want = append(want, d.Message)
			}
		}
		for before := int64(0); ; {
			ids, next, err := x.Find(t.Context(), ticketing.IndexQuery{Terms: c.terms}, before, 70)
			ok(t, err)
			if got, before = append(got, ids...), next; next == 0 {
				break
			}
		}
		same(t, name, got, want)
	}
}

// What is read to name the words is bounded, and where none is common the beginning stays.
func TestIndexBeginningsAreFew(t *testing.T) {
	x := openIndex(t, t.TempDir())
	var docs []ticketing.Document
	for i := range int64(1000) {
		docs = append(docs, document(i+1, fmt.Sprintf("common rare%d", i)))
	}
	ok(t, x.Apply(t.Context(), ticketing.IndexChange{Put: docs}, ticketing.IndexState{Seq: 1}))
	c := <-x.readers
	defer func() { x.readers <- c }()
	y := &tx{ctx: t.Context(), conn: c}
	for begin, want := range map[string]string{"comm": `("common")`, "rare": `"rare" *`, "rare99": `"rare99" *`} {
		term := ticketing.SearchTerm{Words: []string{begin}, Prefix: true}
		q := ticketing.IndexQuery{Terms: []ticketing.SearchTerm{term}}
		b := beginnings{t: y}
		words := must[map[string][]string](t)(b.words(0, q))
		same(t, begin, matchOf(q, words), want)
		same(t, begin+" in the next volume", b.wanted(q), want != `"`+begin+`" *`)
	}
}
