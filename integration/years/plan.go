package main

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// size is how much a desk has seen.
type size struct{ tickets, messages int }

// queues are those of the desk, the busiest first, each with how many of a hundred tickets
// come to it.
var queues = []struct {
	key   string
	share int
}{{"SUPPORT", 48}, {"SALES", 22}, {"BILLING", 14}, {"RETURNS", 8}, {"PRESS", 4}, {"JOBS", 3}, {"LEGAL", 1}}

// What happens to a ticket.
const (
	opened   = iota
	answered // by its customer
	replied  // by staff
	noted
	closed
)

// step is one thing that happens.
type step struct {
	what   int
	ticket int // from 0, in the order of their opening
	nth    int // message of the ticket, from 0
	at     time.Time
}

// life is a ticket that goes on.
type life struct {
	next     step
	messages int
}

type lives []life

func (l lives) Len() int           { return len(l) }
func (l lives) Less(i, j int) bool { return l[i].next.at.Before(l[j].next.at) }
func (l lives) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *lives) Push(x any)        { *l = append(*l, x.(life)) }
func (l *lives) Pop() any {
	last := (*l)[len(*l)-1]
	*l = (*l)[:len(*l)-1]
	return last
}

const span = 5 * 365 * 24 * time.Hour

// history gives all that happens in the order of its time, tickets beside each other as in
// life. What would happen after now does not: so some tickets are open.
func history(z size, now time.Time, each func(step) bool) {
	random := rand.New(rand.NewPCG(1, 1))
	begin := now.Add(-span)
	var open lives
	messages, wanted := 0, 0
	for i := 0; i < z.tickets || len(open) > 0; {
		at := begin.Add(time.Duration(float64(span) * float64(i) / float64(z.tickets)))
		if len(open) == 0 || i < z.tickets && at.Before(open[0].next.at) {
			// One message in a ticket or five, on the average as many as were asked for.
			target := int(int64(z.messages) * int64(i+1) / int64(z.tickets))
			n := max(1, min(target-wanted+random.IntN(5)-2, 12))
			wanted += n
			heap.Push(&open, life{step{opened, i, 0, at}, n})
			i++
			continue
		}
		l := heap.Pop(&open).(life)
		if l.next.at.After(now) {
			continue
		}
		if l.next.what != closed {
			messages++
		}
		if !each(l.next) {
			return
		}
		if l.next.what == closed {
			continue
		}
		l.next = after(random, l)
		heap.Push(&open, l)
	}
}

func after(random *rand.Rand, l life) step {
	s := step{replied, l.next.ticket, l.next.nth + 1, l.next.at.Add(time.Duration(random.ExpFloat64() * float64(9*time.Hour)))}
	switch {
	case s.nth == l.messages:
		s.what = closed
		s.at = s.at.Add(5 * 24 * time.Hour)
	case l.next.what == replied:
		s.what = answered
	case random.IntN(8) == 0:
		s.what = noted
	}
	return s
}
