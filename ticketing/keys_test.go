package ticketing

import (
	"strings"
	"testing"
	"time"
)

func TestKeyring(t *testing.T) {
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	now := start
	old := NewKey(0, start)
	ring := func(keys ...Key) *Keyring {
		k, err := NewKeyring(keys, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	first := ring(old)
	mac := first.sign(macReply, "SUPPORT-7102", "jo@customer.example")
	if len(mac) != 17 {
		t.Fatalf("a token has %d characters, want 17", len(mac))
	}
	good := func(k *Keyring, mac string) bool {
		return k.verify(mac, macReply, "SUPPORT-7102", "jo@customer.example")
	}
	if !good(first, mac) || !good(first, strings.ToUpper(mac)) {
		t.Error("our own token is refused")
	}
	for name, bad := range map[string]bool{
		"another ticket":      first.verify(mac, macReply, "SUPPORT-7103", "jo@customer.example"),
		"another person":      first.verify(mac, macReply, "SUPPORT-7102", "eve@customer.example"),
		"another purpose":     first.verify(mac, macMsgID, "SUPPORT-7102", "jo@customer.example"),
		"facts run together":  first.verify(mac, macReply, "SUPPORT-7102jo", "@customer.example"),
		"cut short":           good(first, mac[:16]),
		"empty":               good(first, ""),
		"another desk's keys": good(ring(NewKey(0, start)), mac),
	} {
		if bad {
			t.Errorf("%s: verifies", name)
		}
	}
	// An older key goes on verifying for 180 days after its successor came.
	rotated := ring(NewKey(1, start.Add(24*time.Hour)), old)
	now = start.Add(24*time.Hour + keyLife)
	if !good(rotated, mac) {
		t.Error("a rotated key is refused too early")
	}
	now = now.Add(time.Second)
	if good(rotated, mac) {
		t.Error("a rotated key verifies for ever")
	}
}

func TestNewKeyringRefuses(t *testing.T) {
	for name, keys := range map[string][]Key{
		"no key":       nil,
		"id over 31":   {{ID: 32, Secret: make([]byte, 32)}},
		"short secret": {{Secret: make([]byte, 16)}},
	} {
		if _, err := NewKeyring(keys, time.Now); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
