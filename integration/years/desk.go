package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
	"postdesk/ticketing/store"
)

// desk is a desk that runs on a store of its own.
type desk struct {
	*ticketing.Desk
	db    *store.DB
	index *store.Index
	stop  func()
}

func openDesk(ctx context.Context, dir, synchronous string) (*desk, error) {
	db, err := store.Open(ctx, dir, store.Options{Synchronous: synchronous})
	if err != nil {
		return nil, err
	}
	d := &desk{db: db, index: store.OpenIndex(dir, nil)}
	cfg := ticketing.Config{Domain: "desk.example", Index: d.index, Verify: func(_ context.Context, _ []byte, m *mail.Message) (a mail.Authentication) {
		if from, sole := m.SoleAuthor(); sole {
			a.Author, a.Method, a.DMARC = from.Address, "dkim", mail.AuthPass
		}
		return a
	}}
	for _, q := range queues {
		cfg.Queues = append(cfg.Queues, ticketing.Queue{Key: q.key, Name: q.key, Addresses: []string{strings.ToLower(q.key) + "@desk.example"}, Domain: "desk.example", Acknowledge: ticketing.AcknowledgeOff})
	}
	if d.Desk, err = ticketing.New(ctx, cfg, db); err != nil {
		return nil, errors.Join(err, d.index.Close(), db.Close())
	}
	running, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); d.Run(running) }()
	d.stop = func() { cancel(); <-done }
	return d, nil
}

func (d *desk) close() error {
	d.stop()
	return errors.Join(d.index.Close(), d.db.Close())
}

// indexed waits until the index has everything.
func (d *desk) indexed(ctx context.Context) error {
	return until(ctx, d.SearchFilled)
}

// idle waits until nothing is left to do.
func (d *desk) idle(ctx context.Context) (err error) {
	return errors.Join(until(ctx, func() bool {
		var pending int64
		pending, err = d.Backlog(ctx)
		return err != nil || pending == 0
	}), err)
}

func until(ctx context.Context, is func() bool) error {
	for !is() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

// deliver hands in n mails by 16 at a time, and waits until they are tickets.
func (d *desk) deliver(ctx context.Context, n, serial int) (time.Duration, error) {
	mails := newMails(n, serial)
	begun, faults := time.Now(), make(chan error, 16)
	for worker := range 16 {
		go func() {
			var err error
			for i := worker; i < n && err == nil; i += 16 {
				from := fmt.Sprintf("r%d-%d@customer.example", serial, i)
				err = d.Deliver(ctx, mail.Envelope{ReversePath: from, Recipients: []string{"support@desk.example"}}, strings.NewReader(mails[i]))[0].Err
			}
			faults <- err
		}()
	}
	var err error
	for range 16 {
		err = errors.Join(err, <-faults)
	}
	err = errors.Join(err, d.idle(ctx))
	return time.Since(begun), err
}
