package submission

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"postdesk/ticketing"
)

const (
	// claimed is how many mails a worker has claimed for it at once, and as many may be waiting
	// for it: a claim is a commit, and none stands between two mails.
	claimed = 8
	// settleEvery is how soon after a commit of outcomes the next one follows, unless all who have
	// a mail wait for it before. What ends in between shares it: a commit, and what others read
	// because of it, costs as much as to send a mail.
	settleEvery = 20 * time.Millisecond
	// settleTime is how long the outcomes are tried to be recorded.
	settleTime = 30 * time.Second
)

// claim is a mail that this process has alone until then.
type claim struct {
	ticketing.Outgoing
	until time.Time
}

// outcome is one that a worker waits for to be recorded before it hands over another mail: what
// is sent and not recorded goes out again after a crash, with its Message-ID, and that is no more
// than a mail for each worker.
type outcome struct {
	ticketing.Settlement
	ticket int64
	done   chan<- struct{}
}

// flow submits what is due until ctx ends or something of ours fails, and then puts back what
// it had claimed: when it returns, the outcome of each mail is recorded. While there is a fault
// one mail finds out whether it is over, and that is all.
func (q *Queue) flow(ctx context.Context) {
	on, stop := context.WithCancel(ctx)
	defer stop()
	claims, work := make(chan []claim), make(chan claim, q.workers)
	outcomes := make(chan outcome, q.workers) // the next mail is begun while others are recorded
	// Tickets whose mail has ended: of a worker one mail may wait to be recorded, one is under way,
	// and one is waiting.
	ended := make(chan int64, 3*q.workers)
	go q.claim(on, claims)
	var workers, settling sync.WaitGroup
	var busy atomic.Int64 // workers that send a mail, or whose outcome is not recorded
	settling.Go(func() { q.settleAll(ctx, outcomes, ended, &busy) })
	for range q.workers {
		workers.Go(func() {
			done := make(chan struct{}, 1)
			done <- struct{}{}
			for c := range work {
				t, err := q.begin(ctx, on, c)
				<-done // of the mail before
				busy.Add(1)
				s, well := q.end(ctx, on, c, t, err)
				if !well {
					// Before the outcome is recorded, or the mail is claimed again at once. From here on
					// all is put back, so that none goes out before an older one of its ticket.
					stop()
				}
				outcomes <- outcome{s, c.Ticket, done}
			}
		})
	}
	q.handOut(claims, work, ended)
	close(work)
	workers.Wait()
	close(outcomes)
	settling.Wait()
}

// claim gives mail that is due until ctx ends; while there is a fault it gives one.
func (q *Queue) claim(ctx context.Context, claims chan<- []claim) {
	defer close(claims)
	probe, limit := q.Err() != nil, claimed*q.workers
	if probe {
		limit = 1
	}
	for given := false; ctx.Err() == nil && !(probe && given); {
		until := time.Now().Add(q.lease)
		due, err := q.source.ClaimOutgoing(ctx, limit, q.lease)
		if err != nil && ctx.Err() == nil {
			q.log.Error("the outgoing queue cannot be read; trying again", "error", err)
			sleep(ctx, time.Second)
			continue
		}
		if given = len(due) > 0; !given {
			_ = q.source.WaitOutgoing(ctx) // its error is that of ctx
			continue
		}
		list := make([]claim, len(due))
		for i, o := range due {
			list[i] = claim{o, until}
		}
		claims <- list
	}
}

// handOut gives the workers what is claimed, until there is no more and all has ended. The
// mails of a ticket go out one after the other, in their order.
func (q *Queue) handOut(claims <-chan []claim, work chan<- claim, ended <-chan int64) {
	l := line{mails: map[int64][]claim{}}
	out := 0
	for claims != nil || len(l.mails) > 0 {
		from, to, next := claims, work, claim{}
		if l.waiting >= claimed*q.workers {
			from = nil
		}
		if out == cap(ended) || len(l.ready) == 0 {
			to = nil
		} else {
			next = l.first()
		}
		select {
		case list, more := <-from:
			if l.add(list); !more {
				claims = nil
			}
		case to <- next:
			l.take()
			out++
		case ticket := <-ended:
			l.ended(ticket)
			out--
		}
	}
}

// line is mail that waits for a worker.
type line struct {
	mails   map[int64][]claim // by ticket; one of which a mail is out has its place here, too
	ready   []int64           // the tickets of which none is out
	waiting int               // mails
}

func (l *line) add(list []claim) {
	for _, c := range list {
		if _, known := l.mails[c.Ticket]; !known {
			l.ready = append(l.ready, c.Ticket)
		}
		l.mails[c.Ticket] = append(l.mails[c.Ticket], c)
	}
	l.waiting += len(list)
}

// first is the mail that is next. There must be one.
func (l *line) first() claim { return l.mails[l.ready[0]][0] }

// take takes out the mail that first gave.
func (l *line) take() {
	ticket := l.ready[0]
	l.mails[ticket], l.ready = l.mails[ticket][1:], l.ready[1:]
	l.waiting--
}

// ended says that the mail of a ticket that was out is no more.
func (l *line) ended(ticket int64) {
	if len(l.mails[ticket]) > 0 {
		l.ready = append(l.ready, ticket)
	} else {
		delete(l.mails, ticket)
	}
}

// begin brings a mail to where only its text is missing, while the outcome of the one before it
// is recorded. It gives neither for a mail that must not go.
func (q *Queue) begin(ctx, on context.Context, c claim) (*Transaction, error) {
	if !q.mayGo(on, c) {
		return nil, nil
	}
	raw, err := q.source.Raw(ctx, c.Raw)
	if err != nil {
		return nil, &Failure{Kind: Ours, Stage: "store", Err: err}
	}
	work, cancel := q.time(ctx)
	defer cancel()
	return q.client.Begin(work, c.Outgoing, raw)
}

// end sends a mail that was begun and says how it ended, also when ctx ends meanwhile, and
// whether those behind it can go.
func (q *Queue) end(ctx, on context.Context, c claim, t *Transaction, err error) (s ticketing.Settlement, well bool) {
	switch {
	case err != nil:
		s, well = q.failed(c.Outgoing, err)
	case t != nil && q.mayGo(on, c):
		work, cancel := q.time(ctx)
		defer cancel()
		s, well = q.send(work, c.Outgoing, t)
	default:
		if t != nil {
			t.Abandon()
		}
		s = ticketing.Settlement{State: ticketing.OutQueued, Untried: true}
	}
	s.Outgoing = c.ID
	return s, well
}

// mayGo is false when the desk stops, when the trouble of another mail would be that of this one,
// both of which end on, and when too little is left of the lease: after it somebody may take the
// mail back, and it must not go out then.
func (q *Queue) mayGo(on context.Context, c claim) bool {
	return on.Err() == nil && time.Until(c.until) >= q.lease/2
}

// time is what a mail has that is on its way; a stop lets it end.
func (q *Queue) time(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), q.lease/2)
}

// settleAll records outcomes, also after ctx: what the server has taken must not go out again.
func (q *Queue) settleAll(ctx context.Context, outcomes <-chan outcome, ended chan<- int64, busy *atomic.Int64) {
	for last := (time.Time{}); ; last = time.Now() {
		o, more := <-outcomes
		if !more {
			return
		}
		all := []outcome{o}
		for due := time.After(settleEvery - time.Since(last)); due != nil && int64(len(all)) < busy.Load(); {
			select {
			case o := <-outcomes: // as long as somebody is busy it is open, or has more
				all = append(all, o)
			case <-due:
				due = nil
			}
		}
		q.settle(ctx, all)
		busy.Add(-int64(len(all)))
		for _, o := range all {
			o.done <- struct{}{}
			ended <- o.ticket
		}
	}
}

func (q *Queue) settle(ctx context.Context, outcomes []outcome) {
	all := make([]ticketing.Settlement, len(outcomes))
	for i, o := range outcomes {
		all[i] = o.Settlement
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if len(all) > 1 && q.source.SettleOutgoing(ctx, all...) == nil {
		return
	}
	for _, s := range all { // one of them may be what cannot be recorded
		for {
			err := q.source.SettleOutgoing(ctx, s)
			if err == nil {
				break
			}
			q.log.Error("the outcome of a submission is not recorded yet; trying again", "outgoing", s.Outgoing, "state", s.State, "queue_id", s.QueueID, "error", err)
			if !sleep(ctx, time.Second) {
				return // the lease runs out, and the same bytes with the same Message-ID go again
			}
		}
	}
}
