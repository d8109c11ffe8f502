package ticketing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"postdesk/ticketing/mail"
)

// ErrConflict is for a request that no longer fits what it was made for.
var ErrConflict = errors.New("conflict")

// ErrInvalid is for a request that can never be carried out as it is.
var ErrInvalid = errors.New("invalid")

// ErrPrecondition is for a request that was made for something as it was before.
var ErrPrecondition = errors.New("precondition failed")

// ErrTooLarge is for a request with more in it than the desk takes.
var ErrTooLarge = errors.New("too large")

// Config is what a Desk needs to know of its site.
type Config struct {
	Domain string  // of loop marks; the first domain of the desk
	Queues []Queue // at least one
	// Roles names the domains that are the desk's own: their postmaster@ and abuse@
	// go to the queue with this key.
	Roles map[string]string
	Staff []Person
	// Verify says who wrote a message. It is called outside every transaction and
	// bounds its own time.
	Verify  func(ctx context.Context, raw []byte, m *mail.Message) mail.Authentication
	Now     func() time.Time // nil: the system's clock
	Log     *slog.Logger     // nil: nothing is logged
	Workers int              // that parse and verify at the same time; 0 is 8
	// MaxAttachmentBytes bounds the files of one reply, all together; 0 is 7 MB, which is
	// what fits into a mail by Postfix's default message_size_limit.
	MaxAttachmentBytes int64
	// KeepEvents is for how long events are kept; 0 is for ever.
	KeepEvents time.Duration
	// RetireAfter is how long after the start what is over is first removed; 0 is 10 minutes.
	RetireAfter time.Duration
	Index       Index // of words; nil: nothing can be searched for
}

// Desk owns every rule about tickets.
type Desk struct {
	cfg   Config
	store Store
	now   func() time.Time
	log   *slog.Logger
	keys  *Keyring

	addresses atomic.Pointer[addresses]
	domains   knownDomains
	staff     atomic.Pointer[roster]

	reading, waiting *room // octets of mails: what is read, and what waits for DNS
	composing        *room // octets of the files of answers

	door     crowd         // of messages that are being delivered
	behind   atomic.Int64  // mails of a backlog that wait
	wake     chan struct{} // an arrival may be pending
	wakeOut  chan struct{} // outgoing mail may be due
	mu       sync.Mutex
	appended chan struct{} // closed and replaced when events were appended
	newest   atomic.Int64  // event that is committed; what is after it need not be read
	tail     tail
	filled   atomic.Bool  // the index of words
	erasing  sync.Mutex   // one erasure at a time
	making   sync.RWMutex // mail is made of what was written; an erasure has it alone
	forgets  atomic.Bool  // mail may come that was erased
	tokens   usedTokens
	texts    texts    // for the index of words
	seen     sync.Map // how far our own consumers have come: name, sequence number
}

// addresses are the queues of a desk, as they are at one time.
type addresses struct {
	dir    *Directory
	queues map[string]Queue // by key, also those they once had
	first  string           // queue of last resort
}

// New makes a desk on a store, and the first HMAC key when there is none. Outgoing mail that
// a process of before had claimed is free again.
func New(ctx context.Context, cfg Config, store Store) (*Desk, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Workers == 0 {
		cfg.Workers = 8
	}
	if cfg.MaxAttachmentBytes == 0 {
		cfg.MaxAttachmentBytes = 7_000_000
	}
	if cfg.RetireAfter == 0 {
		cfg.RetireAfter = 10 * time.Minute
	}
	if cfg.Verify == nil {
		return nil, errors.New("a desk without a verifier")
	}
	d := &Desk{
		cfg: cfg, store: store, now: cfg.Now, log: cfg.Log, reading: newRoom(readingRoom), waiting: newRoom(waitingRoom), composing: newRoom(composingRoom),
		wake: make(chan struct{}, 1), wakeOut: make(chan struct{}, 1), appended: make(chan struct{}),
	}
	err := d.SetQueues(cfg.Queues, cfg.Roles)
	if err != nil {
		return nil, err
	}
	if d.keys, err = loadKeys(ctx, store, cfg.Now); err != nil {
		return nil, fmt.Errorf("HMAC keys: %w", err)
	}
	if err := store.Read(ctx, func(tx Tx) error {
		any, err := tx.AnyForgotten()
		d.forgets.Store(any)
		last, err2 := tx.LastSeq()
		d.newest.Store(last)
		return errors.Join(err, err2)
	}); err != nil {
		return nil, err
	}
	if err := d.SetStaff(ctx, cfg.Staff); err != nil {
		return nil, fmt.Errorf("staff: %w", err)
	}
	// Here and not in Run: who submits mail may begin before it, and what he has would be
	// taken for what a process of before had.
	if err := d.releaseLeases(ctx); err != nil {
		return nil, fmt.Errorf("outgoing mail that was on its way: %w", err)
	}
	return d, nil
}

// SetQueues changes the queues while the desk runs; queues that are wrong change
// nothing.
func (d *Desk) SetQueues(queues []Queue, roles map[string]string) error {
	dir, err := NewDirectory(queues)
	if err != nil {
		return err
	}
	a := &addresses{dir: dir, queues: map[string]Queue{}, first: queues[0].Key}
	for _, q := range queues {
		for _, key := range append([]string{q.Key}, q.OldKeys...) {
			a.queues[key] = q
		}
	}
	for domain, queue := range roles {
		if _, known := a.queues[queue]; !known {
			return fmt.Errorf("postmaster@%s goes to queue %q, which is not configured", domain, queue)
		}
		dir.AddRole(domain, queue)
	}
	d.addresses.Store(a)
	return nil
}

// Domain is the first domain of the desk.
func (d *Desk) Domain() string { return d.cfg.Domain }

// MaxAttachmentBytes bounds the files of one reply, all together.
func (d *Desk) MaxAttachmentBytes() int64 { return d.cfg.MaxAttachmentBytes }

// Directory gives the desk's addresses, for the table that Postfix asks.
func (d *Desk) Directory() *Directory { return d.addresses.Load().dir }

func loadKeys(ctx context.Context, store Store, now func() time.Time) (*Keyring, error) {
	var keys []Key
	err := store.Write(ctx, func(tx Tx) (err error) {
		if keys, err = tx.Keys(); err != nil || len(keys) > 0 {
			return err
		}
		keys = []Key{NewKey(0, now())}
		return tx.AddKey(keys[0])
	})
	if err != nil {
		return nil, err
	}
	return NewKeyring(keys, now)
}

// Recipient says whether mail to this address can be ours: nil or NoRecipient.
func (d *Desk) Recipient(_ context.Context, address string) error {
	dest, err := d.Directory().Lookup(address)
	if err != nil {
		return err
	}
	if dest.Bounce {
		_, answer := d.bounceID(dest.Token)
		_, notice := d.bouncedNotice(dest.Token)
		if !answer && !notice {
			return NoRecipient{address}
		}
	}
	return nil
}

// Deliver makes mail durable, and no more: what becomes of it is decided later.
// Its nil Err is the promise that the mail is safe.
func (d *Desk) Deliver(ctx context.Context, env mail.Envelope, body io.Reader) []mail.Result {
	d.door.enter()
	defer d.door.leave()
	results := make([]mail.Result, len(env.Recipients))
	id, fresh, err := d.accept(ctx, env, body)
	for i := range results {
		results[i] = mail.Result{Err: err, Text: fmt.Sprintf("arrival %d", id)}
	}
	if err != nil {
		d.log.Error("mail deferred: it cannot be stored", "reverse_path", env.ReversePath, "error", err)
		return results
	}
	d.log.Info("mail accepted", "arrival", id, "reverse_path", env.ReversePath, "recipients", len(env.Recipients), "again", !fresh)
	if fresh {
		signal(d.wake)
	}
	return results
}

func (d *Desk) accept(ctx context.Context, env mail.Envelope, body io.Reader) (id int64, fresh bool, err error) {
	staged, err := d.store.Stage(ctx, body)
	if err != nil {
		return 0, false, err
	}
	at := d.now()
	err = d.store.Write(ctx, func(tx Tx) error {
		if err := tx.PutRaw(staged); err != nil {
			return err
		}
		id, fresh, err = tx.Arrive(staged.Hash, env, at)
		return err
	})
	return id, fresh, err
}

// Run processes what was delivered and answers what is to be answered, until ctx ends.
func (d *Desk) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { d.process(ctx) })
	wg.Go(func() { d.consume(ctx, follower{responder, d.respond, answeredBeside}) })
	wg.Go(func() { d.consume(ctx, follower{name: notifier, handle: d.notify}) })
	wg.Go(func() { d.verifyLate(ctx) })
	wg.Go(func() { d.index(ctx) })
	wg.Go(func() { d.finishErasures(ctx) })
	wg.Go(func() { d.retire(ctx) })
	wg.Wait()
	return nil
}

// write is Store.Write for what appends events: their followers are told.
func (d *Desk) write(ctx context.Context, fn func(Tx) error) error {
	var last int64
	err := d.store.Write(ctx, func(tx Tx) (err error) {
		if err = fn(tx); err == nil {
			last, err = tx.LastSeq()
		}
		return err
	})
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if last > d.newest.Load() { // or who shared the commit has told of it
		d.newest.Store(last)
		close(d.appended)
		d.appended = make(chan struct{})
	}
	return nil
}

// signal leaves one note in a channel of capacity one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// pause waits, and says whether to go on.
func pause(ctx context.Context, t time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(t):
		return true
	}
}
