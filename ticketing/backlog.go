package ticketing

import (
	"context"
	"hash/maphash"
	"io"
	"math"
	"time"

	"postdesk/ticketing/mail"
)

const (
	// backlogAge and backlogFrom are how long the oldest mail has waited, and how much mail
	// waits, where what comes now is no longer made to wait behind it.
	backlogAge  = 10 * time.Second
	backlogFrom = 2000
	// besideBacklog is the part of the window that is kept for what comes meanwhile.
	besideBacklog = 64
	backlogTell   = 10 * time.Second
	// headerRead is the beginning of a mail that its msg-ids are looked for in.
	headerRead = 512 << 10
)

// backlog is the mail that had waited for long when that was noticed. What comes later is
// decided beside it, unless it is tied to mail that still waits. The zero value is none.
type backlog struct {
	until  int64 // its last arrival
	newest int64 // of it that was fetched
	ties   *ties // of all of it; nil while they are read

	mails, left int64
	began, told time.Time
}

// lane is 0 for what is processed in order of arrival, 1 for what comes beside a backlog.
func (b *backlog) lane(j *job) int {
	if b.until == 0 || j.arrival.ID <= b.until {
		return 0
	}
	return 1
}

// frontier is the first arrival of the backlog that is not decided. jobs are by ID.
func (b *backlog) frontier(jobs []*job) int64 {
	if len(jobs) > 0 && b.lane(jobs[0]) == 0 {
		return jobs[0].arrival.ID
	}
	return b.newest + 1
}

// holds says that mail may belong to what is in the backlog from the frontier on. While that
// is still read, it does where it names other mail: what begins a conversation can as well
// be decided before its answers.
func (b *backlog) holds(j *job, frontier int64) bool {
	if b.ties == nil {
		return j.follows
	}
	for _, k := range j.keys {
		if b.ties.last(k) >= frontier {
			return true
		}
	}
	return false
}

// look is called once a second. It notices a backlog, and tells how far one has come.
func (d *Desk) look(ctx context.Context, b *backlog, jobs []*job, reports chan func()) {
	now := d.now()
	if b.until != 0 {
		if now.Sub(b.told) >= backlogTell {
			b.told = now
			rate := float64(b.mails-b.left) / max(now.Sub(b.began).Seconds(), 0.001)
			about := "unknown"
			if rate > 0 {
				about = time.Duration(float64(b.left) / rate * float64(time.Second)).Round(time.Second).String()
			}
			d.log.Info("mail that had waited is processed", "left", b.left, "mails_a_second", math.Round(rate), "about", about)
		}
		return
	}
	if len(jobs) <= inFlight/2 || now.Sub(jobs[0].arrival.Received) < backlogAge {
		return
	}
	var waits, last int64
	if err := d.store.Read(ctx, func(tx Tx) (err error) {
		if waits, err = tx.CountPending(); err == nil {
			last, err = tx.LastPending()
		}
		return err
	}); err != nil || waits < backlogFrom {
		return
	}
	*b = backlog{until: last, newest: jobs[len(jobs)-1].arrival.ID, mails: waits, left: waits, began: now, told: now.Add(time.Second - backlogTell)}
	d.behind.Store(waits)
	d.log.Warn("mail has waited for long; new mail is processed beside it", "waiting", waits, "oldest", now.Sub(jobs[0].arrival.Received).Round(time.Second))
	go func() {
		t, err := d.readTies(ctx, last)
		if err != nil {
			if ctx.Err() == nil {
				d.log.Error("the mail that waits cannot be looked through: new mail waits for it", "error", err)
			}
			return
		}
		select {
		case reports <- func() {
			if b.until == last {
				b.ties = t
			}
		}:
		case <-ctx.Done():
		}
	}()
}

// decided counts what of the backlog is done.
func (d *Desk) decided(b *backlog, ready []*job) {
	for _, j := range ready {
		if b.until != 0 && b.lane(j) == 0 {
			b.left = max(b.left-1, 0)
		}
	}
	d.behind.Store(b.left)
}

// fetchAll fills the window: all of it in order of arrival, or a part beside a backlog.
func (d *Desk) fetchAll(ctx context.Context, jobs []*job, b *backlog, newest int64, slots chan struct{}, reports chan func()) []*job {
	if b.until == 0 {
		return d.fetch(ctx, jobs, newest, math.MaxInt64, inFlight-len(jobs), slots, reports)
	}
	all := b.newest == 0
	jobs = d.fetch(ctx, jobs, b.newest, b.until, inFlight-besideBacklog-b.count(jobs), slots, reports)
	n := b.count(jobs)
	if n > 0 {
		b.newest = max(b.newest, jobs[n-1].arrival.ID)
	} else if all {
		d.log.Info("all mail that had waited is processed", "mails", b.mails, "took", d.now().Sub(b.began).Round(time.Millisecond))
		newest, *b = max(newest, b.until), backlog{}
		d.behind.Store(0)
		return d.fetch(ctx, jobs, newest, math.MaxInt64, inFlight-len(jobs), slots, reports)
	}
	return d.fetch(ctx, jobs, max(newest, b.until), math.MaxInt64, besideBacklog-(len(jobs)-n), slots, reports)
}

// count is how many of jobs, which are by ID, are of the backlog.
func (b *backlog) count(jobs []*job) (n int) {
	for n < len(jobs) && b.lane(jobs[n]) == 0 {
		n++
	}
	return n
}

// readTies reads by what other mail can be tied to the arrivals that are pending up to one.
func (d *Desk) readTies(ctx context.Context, until int64) (*ties, error) {
	t := newTies()
	for after := int64(0); ; {
		var pending []Arrival
		err := d.store.Read(ctx, func(tx Tx) (err error) {
			pending, err = tx.PendingArrivals(after, 500)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, a := range pending {
			if after = a.ID; after > until {
				return t, nil
			}
			m, err := d.readHeader(ctx, a)
			if err != nil {
				return nil, err
			}
			keys, _ := d.orderKeys(a, m)
			for _, k := range keys {
				t.add(k, a.ID)
			}
		}
		if len(pending) == 0 {
			return t, nil
		}
	}
}

// readHeader reads no more of a mail than is needed for its msg-ids.
func (d *Desk) readHeader(ctx context.Context, a Arrival) (*mail.Message, error) {
	if a.Size <= smallMail {
		raw, err := d.store.Raw(ctx, a.Raw)
		if err != nil {
			return &mail.Message{}, ctx.Err() // what cannot be read is not understood either
		}
		return mail.ReadHeader(raw), nil
	}
	r, _, err := d.store.OpenRaw(ctx, a.Raw)
	if err != nil {
		return &mail.Message{}, ctx.Err()
	}
	defer r.Close()
	raw, err := io.ReadAll(io.LimitReader(r, headerRead))
	if err != nil {
		return &mail.Message{}, ctx.Err()
	}
	return mail.ReadHeader(raw), nil
}

// ties keeps the last arrival that has a key, in a fixed room: where others share all places
// of a key it may say a later one, never an earlier one.
type ties struct {
	seed  maphash.Seed
	first int64
	at    []uint32 // arrivals from first on, counted from 1
}

const (
	tiesRoom   = 1 << 22 // places; of 300,000 keys 4 in a thousand are taken for others
	tiesPlaces = 4       // of one key
)

func newTies() *ties { return &ties{seed: maphash.MakeSeed(), at: make([]uint32, tiesRoom)} }

func (t *ties) places(key string) (all [tiesPlaces]uint64) {
	h := maphash.String(t.seed, key)
	for i := range all {
		all[i] = (h + uint64(i)*(h>>32|1)) % tiesRoom
	}
	return all
}

// add is called with growing arrivals.
func (t *ties) add(key string, arrival int64) {
	if t.first == 0 {
		t.first = arrival
	}
	n := uint32(min(arrival-t.first+1, math.MaxUint32))
	for _, i := range t.places(key) {
		t.at[i] = n
	}
}

// last is 0 where no arrival has the key.
func (t *ties) last(key string) int64 {
	least := uint32(math.MaxUint32)
	for _, i := range t.places(key) {
		least = min(least, t.at[i])
	}
	if least == 0 {
		return 0
	}
	return t.first + int64(least) - 1
}
