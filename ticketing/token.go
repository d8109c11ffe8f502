package ticketing

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Verb is something that a token lets its bearer do.
type Verb string

// The verbs. A scope is one or several of them, with spaces between; ScopeWrite stands for
// all but VerbAdmin.
const (
	VerbRead    Verb = "read"    // tickets, messages, the feed
	VerbOpen    Verb = "open"    // begin a conversation
	VerbReply   Verb = "reply"   // answer requesters, ask third parties
	VerbNote    Verb = "note"    // add notes
	VerbChange  Verb = "change"  // status, assignee, priority, tags, requester, references
	VerbJudge   Verb = "judge"   // accept and dismiss what is held
	VerbPeople  Verb = "people"  // who takes part in a ticket
	VerbConsume Verb = "consume" // named consumers of the feed
	VerbSend    Verb = "send"    // outgoing mail: retry, cancel
	VerbRedact  Verb = "redact"  // take words or a file of a message away for good
	VerbAdmin   Verb = "admin"   // everything, tokens and keys too

	ScopeRead  = string(VerbRead)
	ScopeWrite = "write"
	ScopeAdmin = string(VerbAdmin)
)

// Verbs are all that there are.
func Verbs() []Verb {
	return []Verb{VerbRead, VerbOpen, VerbReply, VerbNote, VerbChange, VerbJudge, VerbPeople, VerbConsume, VerbSend, VerbRedact, VerbAdmin}
}

// May says whether the token lets its bearer do something.
func (t Token) May(v Verb) bool {
	return slices.ContainsFunc(strings.Fields(t.Scope), func(have string) bool {
		return have == string(v) || have == ScopeAdmin || have == ScopeWrite && v != VerbAdmin
	})
}

func checkScope(scope string) error {
	words := strings.Fields(scope)
	for _, w := range words {
		if w != ScopeWrite && !slices.Contains(Verbs(), Verb(w)) {
			return fmt.Errorf("%w: scope %q: a token may %s or %s", ErrInvalid, w, joined(Verbs()), ScopeWrite)
		}
	}
	if len(words) == 0 {
		return fmt.Errorf("%w: a token needs a scope: %s or %s", ErrInvalid, joined(Verbs()), ScopeWrite)
	}
	return nil
}

// checkToken completes a token that is to be made, and refuses what can never be right.
func (d *Desk) checkToken(t *Token) error {
	if strings.TrimSpace(t.Name) == "" || strings.ContainsFunc(t.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("%w: a token needs a name", ErrInvalid)
	}
	if err := checkScope(t.Scope); err != nil {
		return err
	}
	queues := slices.Clone(t.Queues)
	for i, q := range queues {
		known, ok := d.addresses.Load().queues[strings.ToUpper(q)]
		if !ok {
			return fmt.Errorf("%w: there is no queue %q", ErrInvalid, q)
		}
		queues[i] = known.Key
	}
	if len(queues) > 0 && t.May(VerbAdmin) {
		return fmt.Errorf("%w: an admin token is for every queue; name no queue, or another scope", ErrInvalid)
	}
	slices.Sort(queues)
	t.Queues, t.Scope = slices.Compact(queues), strings.Join(strings.Fields(t.Scope), " ")
	return nil
}

// CreateToken makes an API token of a name, a scope, a kind and queues (none is all). The
// secret is given once; only its hash is kept. Where by asks again with the same key the
// token comes without its secret.
func (d *Desk) CreateToken(ctx context.Context, by Actor, t Token) (_ Token, secret string, err error) {
	if err := d.checkToken(&t); err != nil {
		return t, "", err
	}
	secret = "pd_" + rand.Text() // 128 bits or more
	t.Hash, t.Created = sha256.Sum256([]byte(secret)), d.now()
	id, again, err := d.once(ctx, by, by.Key, requested("token", t.Name, t.Scope, t.Program, t.Queues), func(tx Tx) (int64, error) {
		t.ID = 0
		err := tx.AddToken(&t)
		return t.ID, err
	})
	if err != nil || !again {
		d.log.Info("token made", "token", t.ID, "name", t.Name, "scope", t.Scope, "actor", by.String())
		return t, secret, err
	}
	t.ID = id
	return t, "", nil
}

// Tokens lists the API tokens.
func (d *Desk) Tokens(ctx context.Context) (tokens []Token, err error) {
	err = d.store.Read(ctx, func(tx Tx) (err error) {
		tokens, err = tx.Tokens()
		return err
	})
	return tokens, err
}

// RemoveToken ends an API token.
func (d *Desk) RemoveToken(ctx context.Context, id int64) error {
	// Also after an error, which does not say that it was not removed.
	defer d.tokens.forget()
	return d.store.Write(ctx, func(tx Tx) error { return tx.RemoveToken(id) })
}

// TokenBySecret finds the token of a request, ErrNotFound for none. The look-up is by
// hash, so that its time tells nothing about the secret.
func (d *Desk) TokenBySecret(ctx context.Context, secret string) (t Token, err error) {
	hash := Hash(sha256.Sum256([]byte(secret)))
	t, known, removals := d.tokens.get(hash)
	if known {
		return t, nil
	}
	err = d.store.Read(ctx, func(tx Tx) (err error) {
		t, err = tx.TokenByHash(hash)
		return err
	})
	if err == nil {
		d.tokens.put(hash, t, removals)
	}
	return t, err
}

// usedTokens are the tokens that were used since one was removed: each request asks for its
// own, and a stream does so with each page.
type usedTokens struct {
	mu       sync.Mutex
	all      map[Hash]Token
	removals int
}

func (u *usedTokens) get(h Hash) (t Token, known bool, removals int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	t, known = u.all[h]
	return t, known, u.removals
}

// put takes a token that was read, unless one was removed meanwhile: it may be this one.
func (u *usedTokens) put(h Hash, t Token, removals int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if removals != u.removals {
		return
	}
	if u.all == nil {
		u.all = map[Hash]Token{}
	}
	u.all[h] = t
}

func (u *usedTokens) forget() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all, u.removals = nil, u.removals+1
}

// Bearer is who acts with a token.
func (d *Desk) Bearer(t Token) Actor {
	a := Actor{Kind: "staff", Name: t.Name, Origin: "api"}
	if t.Program {
		a.Kind = "program"
	}
	if len(t.Queues) > 0 {
		a.Queues = d.keysOf(t.Queues)
	}
	return a
}

// keysOf gives the keys that tickets of these queues have: those of today, and those that
// the queues had before.
func (d *Desk) keysOf(queues []string) []string {
	keys := slices.Clone(queues)
	for key, q := range d.addresses.Load().queues {
		if slices.Contains(queues, q.Key) || slices.ContainsFunc(q.OldKeys, func(old string) bool { return slices.Contains(queues, old) }) {
			keys = append(keys, key)
		}
	}
	return keys
}

// Sees says whether an actor has to do with a queue. What is in none is for those who see
// all.
func (a Actor) Sees(queue string) bool { return a.Queues == nil || slices.Contains(a.Queues, queue) }

// hides gives ErrNotFound for a queue that is not to be seen, as if nothing were there.
func (a Actor) hides(queue string) error {
	if a.Sees(queue) {
		return nil
	}
	return ErrNotFound
}

// See says whether an actor may see a ticket by name; ErrNotFound also where it is not there.
func (d *Desk) See(ctx context.Context, by Actor, ticket string) error {
	return d.store.Read(ctx, func(tx Tx) error {
		t, err := d.ticketByName(tx, ticket)
		if err != nil {
			return err
		}
		return by.hides(t.Queue)
	})
}

// SeeMessage is See for a message.
func (d *Desk) SeeMessage(ctx context.Context, by Actor, id int64) error {
	_, t, err := d.Message(ctx, id)
	if err != nil {
		return err
	}
	return by.hides(t.Queue)
}

// SeeOutgoing is See for a mail that goes out.
func (d *Desk) SeeOutgoing(ctx context.Context, by Actor, id int64) error {
	return d.store.Read(ctx, func(tx Tx) error {
		o, err := tx.Outgoing(id)
		if err != nil {
			return err
		}
		return seesOutgoing(tx, by, o)
	})
}

func seesOutgoing(tx Tx, by Actor, o Outgoing) error {
	if by.Queues == nil {
		return nil
	}
	if o.Ticket == 0 {
		return ErrNotFound
	}
	t, err := tx.Ticket(o.Ticket)
	if err != nil {
		return err
	}
	return by.hides(t.Queue)
}

// SeeConsumer is See for a consumer: whose filter lets only queues pass that the actor sees.
func (d *Desk) SeeConsumer(ctx context.Context, by Actor, name string) error {
	return d.store.Read(ctx, func(tx Tx) error {
		c, err := tx.Consumer(name)
		if err != nil {
			return err
		}
		if !c.Filter.within(by) {
			return ErrNotFound
		}
		return nil
	})
}

// within says that a filter lets nothing pass but what the actor sees.
func (f Filter) within(by Actor) bool {
	return by.Queues == nil || len(f.Queues) > 0 && !slices.ContainsFunc(f.Queues, func(q string) bool { return !by.Sees(q) })
}
