package store

import (
	"strings"
	"testing"

	"postdesk/ticketing"
)

// The bytes that are kept for who reads a message first are its own: the buffers that it
// came in go from one message to the next.
func TestRecentBytesAreTheirOwn(t *testing.T) {
	d := open(t, t.TempDir())
	for _, size := range []int{1000, inlineLimit, inlineLimit + 1, 3*inlineLimit + 7, recentMessage + 1} {
		kept := map[string]ticketing.Hash{}
		for _, letter := range []string{"a", "b", "c"} {
			kept[letter] = staged(t, d, strings.Repeat(letter, size)).Hash
		}
		for letter, h := range kept {
			want := strings.Repeat(letter, size)
			if size > recentMessage {
				want = "" // too large to be kept
			}
			if got := string(d.recent.take(h)); got != want {
				t.Errorf("of %d octets %q, %d others are kept", size, letter, len(got))
			}
		}
	}
	if d.recent.size != 0 || len(d.recent.raws) != 0 {
		t.Errorf("%d octets of %d messages are left", d.recent.size, len(d.recent.raws))
	}
}
