package ticketing

import "context"

// The consumers of our own.
const (
	responder = "responder"
	notifier  = "notifier"
	indexer   = "indexer" // its place is kept in the index of words
)

// Idle says that the desk has nothing left to do by itself: every mail is decided, every
// event was looked at for an answer and for who is to be told, and no mail is due or on
// its way out. What is to be tried again later is not waited for.
func (d *Desk) Idle(ctx context.Context) (idle bool, err error) {
	err = d.store.Read(ctx, func(tx Tx) error {
		idle = false
		waiting, err := tx.CountPending()
		if err != nil || waiting > 0 {
			return err
		}
		last, err := tx.LastSeq()
		if err != nil {
			return err
		}
		for _, name := range []string{responder, notifier} {
			if seen, _ := d.seen.Load(name); seen != last {
				return nil
			}
		}
		for after, now := int64(0), d.now(); ; {
			out, err := tx.OutgoingList([]OutgoingState{OutQueued}, nil, after, 500)
			if err != nil {
				return err
			}
			for _, o := range out {
				if after = o.ID; !o.NextAttempt.After(now) || o.Lease.After(now) {
					return nil
				}
			}
			if idle = len(out) == 0; idle {
				return nil
			}
		}
	})
	return idle, err
}
