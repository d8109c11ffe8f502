package mail

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// mutationsPerMail times the mails of testdata are tried; the seed makes a failure come again.
const mutationsPerMail = 150

// mutate damages a mail as careless programs and careful attackers do.
func mutate(r *rand.Rand, raw []byte, others [][]byte) []byte {
	out := append([]byte(nil), raw...)
	at := func() int { return r.IntN(len(out) + 1) }
	for range 1 + r.IntN(4) {
		if len(out) == 0 {
			return raw
		}
		i, j := at(), at()
		if i > j {
			i, j = j, i
		}
		switch r.IntN(9) {
		case 0: // cut off
			out = out[:i]
		case 1: // a piece is lost
			out = append(out[:i:i], out[min(j, i+200):]...)
		case 2: // a piece comes twice
			out = append(out[:j:j], out[i:]...)
		case 3: // a piece of another mail
			o := others[r.IntN(len(others))]
			k := r.IntN(len(o))
			out = append(out[:i:i], append(append([]byte(nil), o[k:min(len(o), k+300)]...), out[i:]...)...)
		case 4: // one octet
			out[min(i, len(out)-1)] = byte(r.IntN(256))
		case 5: // other line ends
			out = []byte(strings.ReplaceAll(string(out), "\n", []string{"\r\n", "\r", "\n\n", " \n"}[r.IntN(4)]))
		case 6: // a word that parsers act on
			word := []string{"--cut\n", "=?utf-8?q?", "?=", "<", ">", "\"", "(", ";", "\x00", "\xff\xfe", "\x1b$B", "+", "%", "boundary=", "begin 644 a\n", "\n\n", "=", "&#x", "<!--",
				"Content-Type: message/rfc822\n\n", "Content-Transfer-Encoding: base64\n", "Content-Type: multipart/mixed; boundary=cut\n", "charset=utf-7", "charset=iso-2022-jp"}
			out = append(out[:i:i], append([]byte(word[r.IntN(len(word))]), out[i:]...)...)
		case 7: // the high bits are lost
			for k := range out {
				out[k] &= 0x7f
			}
		case 8: // lines in another order
			lines := strings.SplitAfter(string(out), "\n")
			r.Shuffle(len(lines), func(a, b int) { lines[a], lines[b] = lines[b], lines[a] })
			out = []byte(strings.Join(lines, ""))
		}
		out = out[:min(len(out), 1<<20)]
	}
	return out
}

// TestMutations: damaged mail is a message all the same, clean, and without a stage that
// gave up.
func TestMutations(t *testing.T) {
	names, _ := filepath.Glob("testdata/*/*.eml")
	var mails [][]byte
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		mails = append(mails, raw)
	}
	if len(mails) < 20 {
		t.Fatalf("%d mails", len(mails))
	}
	for i, raw := range mails {
		r := rand.New(rand.NewPCG(7, uint64(i)))
		for n := range mutationsPerMail {
			damaged := mutate(r, raw, mails)
			m := Parse(damaged)
			for _, p := range m.Problems {
				if strings.Contains(p, "could not be understood") {
					t.Errorf("%s, mutation %d: %s", names[i], n, p)
				}
			}
			checkClean(t, m)
			SafeHTML(m, "")
			if t.Failed() {
				t.Fatalf("%s, mutation %d: %q", names[i], n, damaged)
			}
		}
	}
}
