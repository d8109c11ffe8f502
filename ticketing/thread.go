package ticketing

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"slices"
)

// ThreadMail is what threading needs to know of a mail. Words are kept as digests, so
// that a million mails fit into memory; 0 is none.
type ThreadMail struct {
	ID      uint64   // of its Message-ID
	Refs    []uint64 // of the mails it answers, the one before it last
	Subject uint64   // of its base subject
	Tag     uint64   // of the old ticket number in its subject
	Reply   bool     // its subject has a reply prefix
	People  []uint64 // on it who are not the desk itself
	Date    int64    // in seconds since 1970
}

// Place is where a mail stands in its history.
type Place struct {
	Index  int // of the mail in what was given
	Thread int // index of the first mail of its thread
	Parent int // index of the mail that it answers, which stands before it; -1 for none
}

// subjectWindow is how long after a mail an answer is known by its subject alone: the
// same words a year later are about something else.
const subjectWindow = int64(180 * 24 * 3600)

// Thread sorts mails into threads and gives them in order of time, an answer never
// before what it answers, whatever the clocks said. Mails belong together when one refers
// to the other (RFC 5322 section 3.6.4), or both to one that is missing and they share
// their subject or a person; and when a mail that refers to none that is here has a reply
// prefix, and the base subject of an earlier one with which it shares a person.
func Thread(mails []ThreadMail) []Place {
	t := threader{mails: mails, set: make([]int32, len(mails)), parent: make([]int32, len(mails)), eff: make([]int64, len(mails)), depth: make([]int32, len(mails))}
	for i := range mails {
		t.set[i], t.parent[i], t.depth[i] = int32(i), -1, -1
	}
	t.byID()
	t.byReference()
	t.bySubject()
	return t.places()
}

type threader struct {
	mails  []ThreadMail
	ids    map[uint64]int32 // the mail with this id; -1 when several different ones have it
	set    []int32          // union-find: the threads
	parent []int32
	eff    []int64 // date, or the parent's when that is later
	depth  []int32 // below the first ancestor; -1: not known yet
}

func (t *threader) find(i int32) int32 {
	for t.set[i] != i {
		t.set[i] = t.set[t.set[i]]
		i = t.set[i]
	}
	return i
}

func (t *threader) join(a, b int32) {
	if a, b = t.find(a), t.find(b); a != b {
		t.set[max(a, b)] = min(a, b)
	}
}

// byID finds the mail of each Message-ID. Copies of one mail share it, and so does what
// programs send that give every mail the same one: that id says nothing.
func (t *threader) byID() {
	t.ids = make(map[uint64]int32, len(t.mails))
	for i, m := range t.mails {
		if m.ID == 0 {
			continue
		}
		first, known := t.ids[m.ID]
		switch {
		case !known:
			t.ids[m.ID] = int32(i)
		case first >= 0 && t.mails[first].Subject != m.Subject:
			t.ids[m.ID] = -1
		}
	}
	for i, m := range t.mails {
		if first, known := t.ids[m.ID]; known && first >= 0 {
			t.join(first, int32(i))
		}
	}
}

func (t *threader) byReference() {
	missing := map[uint64]int32{}
	for i, m := range t.mails {
		for _, ref := range m.Refs {
			switch at, known := t.ids[ref]; {
			case known && at >= 0 && t.mails[at].ID != m.ID:
				t.join(at, int32(i))
				t.parent[i] = at // the last one stays
			case !known:
				t.bySibling(missing, int32(i), ref)
			}
		}
	}
}

// bySibling joins mails that refer to the same missing one.
func (t *threader) bySibling(missing map[uint64]int32, i int32, ref uint64) {
	m := t.mails[i]
	for _, what := range append([]uint64{m.Subject}, m.People...) {
		if what == 0 {
			continue
		}
		key := mix(ref, what)
		if first, known := missing[key]; known {
			t.join(first, i)
		} else {
			missing[key] = i
		}
	}
}

// bySubject finds the parents of answers whose program has left out the references, or
// whose parent's answer is missing.
func (t *threader) bySubject() {
	order := make([]int32, len(t.mails))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(t.mails[a].Date, t.mails[b].Date) })
	const anyTag = ^uint64(0)
	newest := map[uint64]int32{}
	for _, i := range order {
		m := t.mails[i]
		if m.Subject == 0 {
			continue
		}
		best := int32(-1)
		for _, person := range m.People {
			key := mix(m.Subject, person)
			if m.Reply && t.parent[i] < 0 {
				tags := []uint64{m.Tag, 0}
				if m.Tag == 0 {
					tags = []uint64{anyTag}
				}
				for _, tag := range tags {
					at, known := newest[mix(key, tag)]
					if known && m.Date-t.mails[at].Date <= subjectWindow && (best < 0 || t.mails[at].Date > t.mails[best].Date) {
						best = at
					}
				}
			}
			newest[mix(key, m.Tag)], newest[mix(key, anyTag)] = i, i
		}
		if best >= 0 && best != i {
			t.join(best, i)
			t.parent[i] = best
		}
	}
}

// places orders the mails.
func (t *threader) places() []Place {
	for i := range t.mails {
		t.settle(int32(i))
	}
	out := make([]Place, len(t.mails))
	for i := range out {
		out[i] = Place{Index: i, Parent: int(t.parent[i])}
	}
	slices.SortFunc(out, func(a, b Place) int {
		return cmp.Or(cmp.Compare(t.eff[a.Index], t.eff[b.Index]), cmp.Compare(t.depth[a.Index], t.depth[b.Index]), cmp.Compare(a.Index, b.Index))
	})
	first := map[int32]int{}
	for n, p := range out {
		root := t.find(int32(p.Index))
		if _, known := first[root]; !known {
			first[root] = p.Index
		}
		out[n].Thread = first[root]
	}
	return out
}

// settle computes depth and effective date of a mail from its ancestors.
func (t *threader) settle(i int32) {
	var path []int32
	on := map[int32]bool{}
	for at := i; at >= 0 && t.depth[at] < 0; at = t.parent[at] {
		if on[at] {
			t.cut(at)
			t.settle(i)
			return
		}
		path, on[at] = append(path, at), true
	}
	for n := len(path) - 1; n >= 0; n-- {
		at := path[n]
		t.eff[at], t.depth[at] = t.mails[at].Date, 0
		if up := t.parent[at]; up >= 0 {
			t.eff[at], t.depth[at] = max(t.eff[at], t.eff[up]), t.depth[up]+1
		}
	}
}

// cut ends a circle of references above its oldest mail.
func (t *threader) cut(i int32) {
	oldest := i
	for at := t.parent[i]; at != i; at = t.parent[at] {
		if c := cmp.Compare(t.mails[at].Date, t.mails[oldest].Date); c < 0 || c == 0 && at < oldest {
			oldest = at
		}
	}
	t.parent[oldest] = -1
}

// mix makes one digest of two.
func mix(a, b uint64) uint64 {
	h := fnv.New64a()
	var buf [16]byte
	binary.LittleEndian.PutUint64(buf[:], a)
	binary.LittleEndian.PutUint64(buf[8:], b)
	h.Write(buf[:])
	return h.Sum64()
}

func digest64(s string) uint64 {
	if s == "" {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}
