package submission

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"postdesk/ticketing"
)

// Source is the outgoing queue of a desk.
type Source interface {
	ClaimOutgoing(ctx context.Context, limit int, lease time.Duration) ([]ticketing.Outgoing, error)
	Raw(ctx context.Context, h ticketing.Hash) ([]byte, error)
	SettleOutgoing(ctx context.Context, id int64, s ticketing.Settlement) error
	WaitOutgoing(ctx context.Context) error
}

// Queue runs the outgoing queue.
type Queue struct {
	client  *Client
	source  Source
	workers int
	log     *slog.Logger
	lease   time.Duration

	mu    sync.Mutex
	fault error // ours, while it lasts
	pause time.Duration
}

// NewQueue makes a queue; Run runs it.
func NewQueue(c *Client, s Source, workers int, log *slog.Logger) *Queue {
	if workers <= 0 {
		workers = 4
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	// The lease outlasts a submission in which every command takes its time.
	return &Queue{client: c, source: s, workers: workers, log: log, lease: 10 * c.cfg.Timeout}
}

// Err is why nothing can be submitted at the moment, nil when all is well.
func (q *Queue) Err() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.fault
}

// Run submits what is due until ctx ends, and lets what is on its way end first.
func (q *Queue) Run(ctx context.Context) error {
	defer q.client.Close()
	for ctx.Err() == nil {
		limit := 16 * q.workers
		if q.Err() != nil {
			limit = 1 // one mail finds out whether the trouble is over
		}
		until := time.Now().Add(q.lease)
		claimed, err := q.source.ClaimOutgoing(ctx, limit, q.lease)
		if err != nil && ctx.Err() == nil {
			q.log.Error("the outgoing queue cannot be read; trying again", "error", err)
			sleep(ctx, time.Second)
			continue
		}
		if len(claimed) == 0 {
			q.source.WaitOutgoing(ctx)
			continue
		}
		q.submitAll(ctx, claimed, until)
		if q.Err() != nil {
			sleep(ctx, q.backoff())
		}
	}
	return nil
}

// submitAll keeps the order within a ticket: its mails go to one worker. When one is put
// back, so are those behind it.
func (q *Queue) submitAll(ctx context.Context, claimed []ticketing.Outgoing, until time.Time) {
	healthy := q.Err() == nil
	var order []int64
	byTicket := map[int64][]ticketing.Outgoing{}
	for _, o := range claimed {
		if byTicket[o.Ticket] == nil {
			order = append(order, o.Ticket)
		}
		byTicket[o.Ticket] = append(byTicket[o.Ticket], o)
	}
	work := make(chan []ticketing.Outgoing)
	var wg sync.WaitGroup
	for range min(q.workers, len(order)) {
		wg.Go(func() {
			for list := range work {
				back := false
				for _, o := range list {
					back = back || ctx.Err() != nil || time.Until(until) < q.lease/2 || healthy && q.Err() != nil
					q.submit(ctx, o, back)
				}
			}
		})
	}
	for _, t := range order {
		work <- byTicket[t]
	}
	close(work)
	wg.Wait()
}

// submit sends one mail and records how it ended, also when ctx ends meanwhile: what
// the server has taken must not go out again. A mail is put back instead when the desk
// stops, when the trouble of another one would be its own, and when too little is left of
// the lease: after it somebody may take the mail back, and it must not go out then.
func (q *Queue) submit(ctx context.Context, o ticketing.Outgoing, back bool) {
	s := ticketing.Settlement{State: ticketing.OutQueued, Untried: true}
	if !back {
		s = q.attempt(ctx, o)
	}
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	for {
		err := q.source.SettleOutgoing(settle, o.ID, s)
		if err == nil {
			return
		}
		q.log.Error("the outcome of a submission is not recorded yet; trying again", "outgoing", o.ID, "state", s.State, "queue_id", s.QueueID, "error", err)
		if !sleep(settle, time.Second) {
			return // the lease runs out, and the same bytes with the same Message-ID go again
		}
	}
}

func (q *Queue) attempt(ctx context.Context, o ticketing.Outgoing) ticketing.Settlement {
	raw, err := q.source.Raw(ctx, o.Raw)
	if err != nil {
		return q.failed(o, &Failure{Kind: Ours, Stage: "store", Err: err})
	}
	// A stop lets a mail that is on its way end.
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), q.lease/2)
	defer cancel()
	out, err := q.client.Submit(work, o, raw)
	if err != nil {
		return q.failed(o, err)
	}
	q.mu.Lock()
	if q.fault != nil {
		q.log.Info("submission works again")
	}
	q.fault, q.pause = nil, 0
	q.mu.Unlock()
	q.log.Info("mail submitted", "outgoing", o.ID, "message", o.Message, "message_id", o.MessageID, "recipient", o.Recipient, "queue_id", out.QueueID)
	return ticketing.Settlement{State: ticketing.OutSubmitted, Reply: out.Reply, QueueID: out.QueueID}
}

func (q *Queue) failed(o ticketing.Outgoing, err error) ticketing.Settlement {
	var f *Failure
	if !errors.As(err, &f) {
		f = &Failure{Kind: Ours, Stage: "connect", Err: err}
	}
	s := ticketing.Settlement{State: ticketing.OutQueued, Reply: f.Error(), NextAttempt: time.Now().Add(retryAfter(o.Attempts))}
	switch f.Kind {
	case Ours:
		s.NextAttempt = time.Now() // the breaker sets the pace
		q.mu.Lock()
		if q.fault == nil {
			q.log.Error("outgoing mail waits: the submission server does not take it; check [submission] in the configuration, its login and its TLS name",
				"server", q.client.cfg.Server, "stage", f.Stage, "error", f.Err)
		}
		q.fault = fmt.Errorf("outgoing mail waits: %w", f)
		q.mu.Unlock()
	case Temporary:
		q.log.Warn("mail is tried again", "outgoing", o.ID, "recipient", o.Recipient, "next", s.NextAttempt, "error", f)
	default:
		s.State = ticketing.OutFailed
		q.log.Warn("mail failed", "outgoing", o.ID, "recipient", o.Recipient, "error", f)
	}
	return s
}

// retryAfter doubles from 30 seconds to 30 minutes, with a quarter of chance so that
// mails that failed together do not come back together.
func retryAfter(attempts int) time.Duration {
	d := 30 * time.Second << min(max(attempts-1, 0), 6)
	return min(d, 30*time.Minute) + time.Duration(rand.Int64N(int64(d)/4+1))
}

// backoff grows from a quarter of a second to 15 seconds while the trouble lasts.
func (q *Queue) backoff() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pause = min(max(2*q.pause, 250*time.Millisecond), 15*time.Second)
	return q.pause
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
