package mail

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestReplySubject(t *testing.T) {
	for in, want := range map[string]string{
		"I can't login!":           "RE: I can't login!",
		"Re: x":                    "RE: x",
		"RE: x":                    "RE: x",
		"re : x":                   "RE: x",
		"AW: x":                    "RE: x",
		"Antw: x":                  "RE: x",
		"SV: x":                    "RE: x",
		"RE: RE: x":                "RE: x",
		"Re: AW: Re[2]: x":         "RE: x",
		"Re^3: x":                  "RE: x",
		"RES: x":                   "RE: x",
		"Res: Re: x":               "RE: x",
		"ΑΠ: x":                    "RE: x",
		"Відп: x":                  "RE: x",
		"返信: x":                    "RE: x",
		"답장: x":                    "RE: x",
		"رد: مرحبا":                "RE: مرحبا",
		"תגובה: שלום":              "RE: שלום",
		"Response: x":              "RE: Response: x",
		"回复：登录":                    "RE: 登录",
		"Re:登录":                    "RE: 登录",
		"Отв: вход":                "RE: вход",
		"":                         "RE:",
		" \r\n ":                   "RE:",
		"Re:":                      "RE:",
		"FW: x":                    "RE: FW: x",
		"Re: FW: Re: x":            "RE: FW: Re: x", // what was forwarded is the subject
		"re:Invent tickets":        "RE: re:Invent tickets",
		"Ref: 4711":                "RE: Ref: 4711",
		"R: how to read a table":   "RE: R: how to read a table",
		"Re-install: fails":        "RE: Re-install: fails",
		"Reset: x":                 "RE: Reset: x",
		"[list] Re: x":             "RE: [list] Re: x",
		"a\r\nBcc: x@y.example":    "RE: a Bcc: x@y.example",
		"Re: =?utf-8?q?x?= typed":  "RE: =?utf-8?q?x?= typed",
		"  spaces  inside remain ": "RE: spaces  inside remain",
	} {
		got := ReplySubject(in)
		if got != want {
			t.Errorf("ReplySubject(%q) = %q, want %q", in, got, want)
		}
		if base := BaseSubject(in); strings.TrimRight("RE: "+base, " ") != want {
			t.Errorf("BaseSubject(%q) = %q", in, base)
		}
		if again := ReplySubject(got); again != got {
			t.Errorf("the answer to the answer %q is %q", got, again)
		}
	}
}

func TestCapReferences(t *testing.T) {
	var long []string
	for i := range 100 {
		long = append(long, fmt.Sprintf("%04d@%s.example", i, strings.Repeat("h", 20)))
	}
	got := capReferences(long, false)
	if got[0] != long[0] || got[len(got)-1] != long[99] || len(got) < 20 {
		t.Errorf("not the first and the last: %q", got)
	}
	if !slices.Equal(got[1:], long[100-len(got)+1:]) {
		t.Errorf("not the newest: %q", got)
	}
	line := "References: <" + strings.Join(got, "> <") + ">"
	if len(line) > lineMax || len(line) < lineMax-40 {
		t.Errorf("a field of %d octets", len(line))
	}
	huge := strings.Repeat("a", 600)
	if got := capReferences([]string{huge + "@1.example", "b@2.example", huge + "@3.example"}, false); !slices.Equal(got, []string{huge + "@3.example"}) {
		t.Errorf("when two do not fit the parent stays, not %q", got)
	}
	if got := capReferences([]string{"a b@x", "<c@x", "é@x", "d@x\r\n", "", "ok@x.example"}, false); !slices.Equal(got, []string{"ok@x.example"}) {
		t.Errorf("malformed ids stay: %q", got)
	}
	if got := capReferences(nil, true); got != nil {
		t.Errorf("%q from none", got)
	}
}

// An index is a header of 22 octets and 5 for each answer (MS-OXOMSG section 2.2.1.3).
func TestChildThreadIndex(t *testing.T) {
	began := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	header := binary.BigEndian.AppendUint64(nil, uint64(fileTime(began)))[:6]
	header = append(header, []byte("0123456789abcdef")...)
	parent := base64.StdEncoding.EncodeToString(header)
	for _, c := range []struct {
		later time.Duration
		late  bool
		unit  uint // bits of 100 ns
	}{{time.Minute, false, 18}, {600 * 24 * time.Hour, false, 18}, {700 * 24 * time.Hour, true, 23}, {-time.Minute, false, 18}} {
		child, err := base64.StdEncoding.DecodeString(childThreadIndex(parent, began.Add(c.later), "seed"))
		if err != nil || len(child) != 27 || string(child[:22]) != string(header) {
			t.Fatalf("%v: %x, %v", c.later, child, err)
		}
		step := binary.BigEndian.Uint32(child[22:])
		if step>>31 == 1 != c.late {
			t.Errorf("%v: the unit bit is %d", c.later, step>>31)
		}
		got := time.Duration(int64(step&0x7fffffff)<<c.unit) * 100
		// The header has lost its lower 16 bits, the step its lower 18 or 23.
		if d := (got - c.later.Abs()).Abs(); d > time.Duration(100<<c.unit) {
			t.Errorf("%v came back as %v", c.later, got)
		}
		if child[26]&0x0f != 0 {
			t.Errorf("the response count is %d", child[26]&0x0f)
		}
	}
	if got := childThreadIndex(parent[:20]+"\r\n "+parent[20:], began, "seed"); got == "" {
		t.Error("a folded index is not understood")
	}
	deep := base64.StdEncoding.EncodeToString(append(header, make([]byte, 5*200)...))
	if got := childThreadIndex(deep, began, "seed"); len(got) != base64.StdEncoding.EncodedLen(27) {
		t.Errorf("an index without end grows: %d", len(got))
	}
	first := NewThreadIndex(began, "SUPPORT-7102@desk.example")
	if raw, err := base64.StdEncoding.DecodeString(first); err != nil || len(raw) != 22 || raw[0] != 1 || string(raw[:6]) != string(header[:6]) {
		t.Errorf("the index of a new thread is %x, %v", raw, err)
	}
	if child := childThreadIndex(first, began, "seed"); !strings.HasPrefix(child, first[:len(first)-3]) || NewThreadIndex(began, "SUPPORT-7103@desk.example") == first {
		t.Errorf("a thread of its own: %s, its child %s", first, child)
	}
	for _, bad := range []string{"", "!", "AAAA", base64.StdEncoding.EncodeToString(append(header, 1))} {
		if got := childThreadIndex(bad, began, "seed"); got != "" {
			t.Errorf("childThreadIndex(%q) = %q", bad, got)
		}
	}
}
