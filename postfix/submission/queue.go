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
	// SettleOutgoing records how submissions ended: all of them, or none when it fails.
	SettleOutgoing(ctx context.Context, all ...ticketing.Settlement) error
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
		q.flow(ctx)
		if q.Err() != nil {
			sleep(ctx, q.backoff())
		}
	}
	return nil
}

// send hands a mail over, and says how it ended and whether all is well on our side.
func (q *Queue) send(ctx context.Context, o ticketing.Outgoing, t *Transaction) (s ticketing.Settlement, well bool) {
	out, err := t.Send(ctx)
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
	return ticketing.Settlement{State: ticketing.OutSubmitted, Reply: out.Reply, QueueID: out.QueueID}, true
}

func (q *Queue) failed(o ticketing.Outgoing, err error) (s ticketing.Settlement, well bool) {
	var f *Failure
	if !errors.As(err, &f) {
		f = &Failure{Kind: Ours, Stage: "connect", Err: err}
	}
	s = ticketing.Settlement{State: ticketing.OutQueued, Reply: f.Error(), NextAttempt: time.Now().Add(retryAfter(o.Attempts))}
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
	return s, f.Kind != Ours
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
