package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"postdesk/ticketing"
)

// A search by status finds what a list of all messages has, in pages of any size, after changes of
// every kind and in volumes that have none of it.
func TestIndexStatuses(t *testing.T) {
	x := openIndex(t, t.TempDir())
	all := ticketing.Statuses()
	random := rand.New(rand.NewPCG(3, 3))
	has := map[int64]ticketing.Status{}
	var c ticketing.IndexChange
	put := func(id int64, s ticketing.Status) {
		doc := document(id, "word")
		doc.Status, has[id] = s, s
		c.Put = append(c.Put, doc)
	}
	seq := int64(0)
	apply := func() {
		seq++
		ok(t, x.Apply(t.Context(), c, ticketing.IndexState{Seq: seq}))
		c = ticketing.IndexChange{}
	}
	for _, begin := range []int64{1, statusSpan - 20, volumeSize - 20, 3*volumeSize - 20, 5 * volumeSize} {
		for i := range int64(40) {
			put(begin+i, all[random.IntN(4)])
		}
	}
	put(9*volumeSize-1, ticketing.StatusSpam)
	apply()
	check := func(what string) {
		t.Helper()
		for _, statuses := range [][]ticketing.Status{{"new"}, {"open", "waiting"}, {"spam"}, {"closed"}, {"rejected"}, all} {
			var want []int64
			for id, s := range has {
				if slices.Contains(statuses, s) {
					want = append(want, id)
				}
			}
			slices.Sort(want)
			slices.Reverse(want)
			for _, limit := range []int{1, 7, 1000} {
				same(t, fmt.Sprint(what, ": ", statuses, " in pages of ", limit), findOf(t, x, statuses, limit), want)
			}
		}
	}
	check("as put")
	c.Statuses = map[int64]ticketing.Status{}
	for id := range has {
		switch random.IntN(6) {
		case 0:
			c.Statuses[id], has[id] = "closed", "closed"
		case 1:
			put(id, all[random.IntN(len(all))])
		case 2:
			c.Remove = append(c.Remove, id)
			delete(has, id)
		}
	}
	apply()
	check("changed")
	c.Statuses = map[int64]ticketing.Status{}
	for id := range has {
		c.Statuses[id], has[id] = "new", "new"
	}
	apply()
	check("all new")
	ok(t, x.Remake(t.Context()))
	must[ticketing.IndexState](t)(x.State(t.Context()))
	clear(has)
	put(5, "rejected")
	apply()
	check("remade")
}

func findOf(t *testing.T, x *Index, statuses []ticketing.Status, limit int) (all []int64) {
	t.Helper()
	for before := int64(0); ; {
		ids, next, err := x.Find(t.Context(), ticketing.IndexQuery{Terms: []ticketing.SearchTerm{{Words: []string{"word"}}}, Statuses: statuses}, before, limit)
		ok(t, err)
		if len(ids) > limit {
			t.Fatalf("%d of at most %d", len(ids), limit)
		}
		all = append(all, ids...)
		if before = next; next == 0 {
			return all
		}
	}
}

// Statuses take about an octet a message.
func TestIndexStatusSize(t *testing.T) {
	x := openIndex(t, t.TempDir())
	c := ticketing.IndexChange{Statuses: map[int64]ticketing.Status{}}
	for id := range int64(volumeSize) {
		c.Statuses[id] = "open"
	}
	size := func() (n int64) {
		ok(t, (&tx{ctx: t.Context(), conn: x.writer}).get("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()", nil, &n))
		return n
	}
	before := size()
	ok(t, x.Apply(t.Context(), c, ticketing.IndexState{Seq: 1}))
	if each := float64(size()-before) / volumeSize; each > 1.5 {
		t.Errorf("a message takes %.2f octets", each)
	}
}

// A row of statuses that was cut off makes the index anew.
func TestIndexStatusesSpoiled(t *testing.T) {
	for _, what := range []string{"found", "changed"} {
		t.Run(what, func(t *testing.T) {
			x := openIndex(t, t.TempDir())
			doc := document(9, "word")
			doc.Status = ticketing.StatusNew
			ok(t, x.Apply(t.Context(), ticketing.IndexChange{Put: []ticketing.Document{doc}}, ticketing.IndexState{Seq: 1}))
			if _, err := (&tx{ctx: t.Context(), conn: x.writer}).exec("UPDATE status SET octets = substr(octets, 1, 5)"); err != nil {
				t.Fatal(err)
			}
			var err error
			if what == "found" {
				_, _, err = x.Find(t.Context(), ticketing.IndexQuery{Terms: []ticketing.SearchTerm{{Words: []string{"word"}}}, Statuses: []ticketing.Status{"new"}}, 0, 10)
			} else {
				err = x.Apply(t.Context(), ticketing.IndexChange{Statuses: map[int64]ticketing.Status{9: "open"}}, ticketing.IndexState{Seq: 2})
			}
			if err == nil {
				t.Error("no error")
			}
			if state := must[ticketing.IndexState](t)(x.State(t.Context())); state.Seq != 0 {
				t.Errorf("the index goes on with %+v", state)
			}
		})
	}
}
