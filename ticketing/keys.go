package ticketing

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"strings"
	"sync"
	"time"
)

// keyLife is how long a key goes on verifying after a newer one took its place.
const keyLife = 180 * 24 * time.Hour

// crockford is base32 without the letters that people confuse; mail programs
// that fold case or spell an address aloud do it no harm.
const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

// macPurpose separates what a MAC is for, so that one can never serve as another.
type macPurpose string

const (
	macReply   macPurpose = "reply-token"
	macMsgID   macPurpose = "message-id"
	macReverse macPurpose = "reverse-path"
)

// Keyring makes and verifies the MACs by which mail of ours is known again.
type Keyring struct {
	mu   sync.RWMutex
	keys []Key // newest first
	now  func() time.Time
}

// all gives the keys as they are at this moment; nobody changes the slice.
func (k *Keyring) all() []Key {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.keys
}

func (k *Keyring) set(keys []Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.keys = keys
}

// NewKeyring takes keys with the newest first, and a clock.
func NewKeyring(keys []Key, now func() time.Time) (*Keyring, error) {
	if len(keys) == 0 {
		return nil, fmt.Errorf("no HMAC key")
	}
	for _, k := range keys {
		if k.ID < 0 || k.ID >= int64(len(crockford)) || len(k.Secret) < 32 {
			return nil, fmt.Errorf("HMAC key %d: the id must be 0..31 and the secret at least 32 octets", k.ID)
		}
	}
	return &Keyring{keys: keys, now: now}, nil
}

// NewKey makes a fresh key.
func NewKey(id int64, now time.Time) Key {
	secret := make([]byte, 32)
	rand.Read(secret) // never fails: crypto/rand ends the program instead
	return Key{ID: id, Secret: secret, Created: now}
}

// sign gives 17 characters: the key id and 80 bits of HMAC-SHA256.
func (k *Keyring) sign(p macPurpose, facts ...string) string {
	return tag(k.all()[0], p, facts)
}

// verify says whether mac is ours for these facts. Case does not matter.
func (k *Keyring) verify(mac string, p macPurpose, facts ...string) bool {
	mac = strings.ToLower(mac)
	keys := k.all()
	for i, key := range keys {
		// A key is retired when the one after it was made.
		if i > 0 && k.now().Sub(keys[i-1].Created) > keyLife {
			return false
		}
		if subtle.ConstantTimeCompare([]byte(mac), []byte(tag(key, p, facts))) == 1 {
			return true
		}
	}
	return false
}

func tag(key Key, p macPurpose, facts []string) string {
	h := hmac.New(sha256.New, key.Secret)
	// Length before text, so that no two lists of facts look alike.
	for _, f := range append([]string{string(p)}, facts...) {
		fmt.Fprintf(h, "%d:%s", len(f), f)
	}
	enc := base32.NewEncoding(crockford).WithPadding(base32.NoPadding)
	return crockford[key.ID:key.ID+1] + enc.EncodeToString(h.Sum(nil)[:10])
}
