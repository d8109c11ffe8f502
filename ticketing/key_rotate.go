package ticketing

import (
	"context"
	"fmt"
	"time"
)

// KeyInfo is an HMAC key without its secret.
type KeyInfo struct {
	ID      int64
	Created time.Time
	Until   time.Time // it goes on verifying until then; zero for the one that signs
}

// RotateKey makes a new key, which signs from now on. The one before goes on verifying for
// 180 days, so that answers to older mail go on working; those whose time is over go away.
func (d *Desk) RotateKey(ctx context.Context, by Actor) (KeyInfo, error) {
	var keys []Key
	made, again, err := d.once(ctx, by, by.Key, requested("rotate"), func(tx Tx) (int64, error) {
		have, err := tx.Keys()
		if err != nil {
			return 0, err
		}
		now := d.now()
		// The newest is first, so that none behind one whose time is over verifies.
		for n := len(have) - 1; n > 0 && now.Sub(have[n-1].Created) > keyLife; n-- {
			if err := tx.RemoveKey(have[n].ID); err != nil {
				return 0, err
			}
			have = have[:n]
		}
		id, ok := freeKeyID(have)
		if !ok {
			return 0, fmt.Errorf("%w: all %d key ids are in use; the oldest is free when its 180 days are over", ErrConflict, len(crockford))
		}
		// The newest is the one that was made last, also when the clock went back.
		if !now.After(have[0].Created) {
			now = have[0].Created.Add(time.Microsecond)
		}
		fresh := NewKey(id, now)
		keys = append([]Key{fresh}, have...)
		return fresh.ID + 1, tx.AddKey(fresh) // the first key is 0, which stands for nothing
	})
	if err != nil {
		return KeyInfo{}, err
	}
	if again {
		for _, k := range d.Keys() {
			if k.ID == made-1 {
				return k, nil
			}
		}
		return KeyInfo{}, fmt.Errorf("the key of that request: %w", ErrNotFound)
	}
	d.keys.set(keys)
	d.log.Info("HMAC key rotated", "key", keys[0].ID, "keys", len(keys))
	return KeyInfo{ID: keys[0].ID, Created: keys[0].Created}, nil
}

// freeKeyID is the one after the newest that nobody has.
func freeKeyID(keys []Key) (int64, bool) {
	used := map[int64]bool{}
	for _, k := range keys {
		used[k.ID] = true
	}
	for i := range int64(len(crockford)) {
		if id := (keys[0].ID + 1 + i) % int64(len(crockford)); !used[id] {
			return id, true
		}
	}
	return 0, false
}

// Keys lists the HMAC keys, the one that signs first.
func (d *Desk) Keys() (out []KeyInfo) {
	keys := d.keys.all()
	for i, k := range keys {
		info := KeyInfo{ID: k.ID, Created: k.Created}
		if i > 0 {
			info.Until = keys[i-1].Created.Add(keyLife)
		}
		out = append(out, info)
	}
	return out
}
