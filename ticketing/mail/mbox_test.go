package mail

import (
	"bytes"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

// readMbox gives the mails of an mbox.
func readMbox(t *testing.T, text string) []string {
	t.Helper()
	box := NewMbox(strings.NewReader(text), int64(len(text)))
	mails := []string{}
	for {
		at, err := box.Next()
		if err == io.EOF {
			return mails
		}
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(iotest.OneByteReader(box.Open(at)))
		if err != nil {
			t.Fatal(err)
		}
		mails = append(mails, string(raw))
	}
}

const fromLine = "From ann@example.org Thu Feb  1 10:20:30 2024\n"

func TestMbox(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	for name, c := range map[string]struct {
		box  string
		want []string
	}{
		"nothing":                   {"", nil},
		"blank lines":               {"\n\r\n\n", nil},
		"two":                       {fromLine + "Subject: a\n\none\n\n" + fromLine + "Subject: b\n\ntwo\n", []string{"Subject: a\n\none\n", "Subject: b\n\ntwo\n"}},
		"CRLF":                      {"From a@b Thu Feb  1 10:20:30 2024\r\nSubject: a\r\n\r\none\r\n\r\nFrom a@b Thu Feb  1 10:20:31 2024\r\nSubject: b\r\n\r\ntwo\r\n", []string{"Subject: a\r\n\r\none\r\n", "Subject: b\r\n\r\ntwo\r\n"}},
		"no line end at the end":    {fromLine + "Subject: a\n\none", []string{"Subject: a\n\none"}},
		"no blank line between":     {fromLine + "Subject: a\n\none\n" + fromLine + "Subject: b\n\ntwo\n", []string{"Subject: a\n\none\n", "Subject: b\n\ntwo\n"}},
		"mboxrd":                    {fromLine + "Subject: a\n\n>From us\n>>From them\n> From you\n", []string{"Subject: a\n\nFrom us\n>From them\n> From you\n"}},
		"no quoting in a header":    {fromLine + ">From old@example.org\nSubject: a\n\none\n", []string{">From old@example.org\nSubject: a\n\none\n"}},
		"a sentence":                {fromLine + "Subject: a\n\nHello.\n\nFrom here on: nothing.\n\nFrom today it is\nlate: yes\n", []string{"Subject: a\n\nHello.\n\nFrom here on: nothing.\n\nFrom today it is\nlate: yes\n"}},
		"a dated sentence":          {fromLine + "Subject: a\n\nIt was\nFrom Thu Feb 1 10:20:30 2024 on\nlike that.\n", []string{"Subject: a\n\nIt was\nFrom Thu Feb 1 10:20:30 2024 on\nlike that.\n"}},
		"From_ without a date":      {"From ann@example.org\nSubject: a\n\none\n\nFrom bob@example.org\nSubject: b\n\ntwo\n", []string{"Subject: a\n\none\n", "Subject: b\n\ntwo\n"}},
		"Thunderbird":               {"From - Thu Feb 01 10:20:30 2024\nSubject: a\n\none\n\nFrom - Thu Feb 01 10:20:31 2024\nSubject: b\n\ntwo\n", []string{"Subject: a\n\none\n", "Subject: b\n\ntwo\n"}},
		"Gmail, with a zone":        {"From 123@xxx Thu Feb 01 10:20:30 +0000 2024\nSubject: a\n\none\n\nFrom 124@xxx Thu Feb 01 10:20:30 +0000 2024\nSubject: b\n\ntwo\n", []string{"Subject: a\n\none\n", "Subject: b\n\ntwo\n"}},
		"archives hide the address": {"From ann at example.org  Thu Feb  1 10:20:30 2024\nSubject: a\n\none\n\nFrom bob at example.org  Thu Feb  1 10:20:31 2024\nSubject: b\n\ntwo\n", []string{"Subject: a\n\none\n", "Subject: b\n\ntwo\n"}},
		"mboxcl2":                   {fromLine + "Content-Length: 57\n\none\n\n" + fromLine + ">From\n\n" + fromLine + "Subject: b\n\ntwo\n", []string{"Content-Length: 57\n\none\n\n" + fromLine + ">From\n", "Subject: b\n\ntwo\n"}},
		"mboxcl":                    {fromLine + "Content-Length: 12\n\n>From a@b c\n\n" + fromLine + "Subject: b\n\ntwo\n", []string{"Content-Length: 12\n\nFrom a@b c\n", "Subject: b\n\ntwo\n"}},
		"a length that lies":        {fromLine + "Content-Length: 40\n\none\n\n" + fromLine + "Subject: b\n\ntwo\n", []string{"Content-Length: 40\n\none\n", "Subject: b\n\ntwo\n"}},
		"a length beyond the end":   {fromLine + "Content-Length: 9223372036854775807\n\none\n\n" + fromLine + "Subject: b\n\ntwo\n", []string{"Content-Length: 9223372036854775807\n\none\n", "Subject: b\n\ntwo\n"}},
		"a long line":               {fromLine + "Subject: a\n\n" + long + "\n>From\n>From b\n\n" + fromLine + "\ntwo\n", []string{"Subject: a\n\n" + long + "\n>From\nFrom b\n", "\ntwo\n"}},
		"a blank line at the end":   {fromLine + "Subject: a\n\none\n\n\n", []string{"Subject: a\n\none\n\n"}},
		"a mail alone":              {"Subject: a\n\none\n", []string{"Subject: a\n\none\n"}},
		"text above":                {"garbage\n\n" + fromLine + "Subject: a\n\none\n", []string{"garbage\n", "Subject: a\n\none\n"}},
		"an empty mail":             {fromLine + "\n" + fromLine + "Subject: b\n\ntwo\n", []string{"", "Subject: b\n\ntwo\n"}},
	} {
		if c.want == nil {
			c.want = []string{}
		}
		if got := readMbox(t, c.box); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %.300q\nwant %.300q", name, got, c.want)
		}
	}
}

func TestMboxDate(t *testing.T) {
	for line, want := range map[string]string{
		"From ann@example.org Thu Feb  1 10:20:30 2024\n":      "2024-02-01T10:20:30Z",
		"From - Thu Feb 01 10:20:30 2024\r\n":                  "2024-02-01T10:20:30Z",
		"From 1@xxx Thu Feb 01 10:20:30 +0200 2024\n":          "2024-02-01T08:20:30Z",
		"From ann at example.org  Thu Feb  1 10:20:30 2024":    "2024-02-01T10:20:30Z",
		"From ann@example.org\n":                               "",
		"From Mon to Fri we work":                              "",
		"From the day Thu we are open until at least six, sir": "",
	} {
		got := fromLineDate([]byte(line))
		text := ""
		if !got.IsZero() {
			text = got.UTC().Format("2006-01-02T15:04:05Z")
		}
		if text != want {
			t.Errorf("%q: %q, want %q", line, text, want)
		}
	}
}

// Whatever an mbox holds, no octet is given twice, and each that is no From_ line, no
// blank line before one and no quote sign is given once, in order.
func FuzzMbox(f *testing.F) {
	f.Add(fromLine + "Subject: a\n\none\n>From x\n\n" + fromLine + "Content-Length: 3\n\nabc\n" + fromLine + "\n")
	f.Add("x\nFrom \n\nFrom a@b\nc:")
	f.Add(fromLine + "Content-Length: 57\n\none\n\n" + fromLine + ">From\n\n" + fromLine + "Subject: b\n\ntwo\n")
	f.Fuzz(func(t *testing.T, text string) {
		box := NewMbox(strings.NewReader(text), int64(len(text)))
		var last int64
		var given int
		for n := 0; ; n++ {
			at, err := box.Next()
			if err == io.EOF {
				break
			}
			if err != nil || n > len(text) {
				t.Fatal(n, err)
			}
			if at.Start < last || at.End < at.Start || at.End > int64(len(text)) {
				t.Fatalf("mail %d lies at %d..%d after %d", n, at.Start, at.End, last)
			}
			if between := text[last:at.Start]; n > 0 && !strings.HasPrefix(strings.TrimLeft(between, "\r\n"), "From ") {
				t.Fatalf("%q between two mails", between)
			}
			last = at.End
			raw, err := io.ReadAll(box.Open(at))
			if err != nil {
				t.Fatal(err)
			}
			lines := bytes.Count([]byte(text[at.Start:at.End]), []byte("From "))
			if lost := int(at.End-at.Start) - len(raw); lost < 0 || lost > lines {
				t.Fatalf("%d octets lost in %q", lost, text[at.Start:at.End])
			}
			given++
		}
		if rest := strings.Trim(text[last:], "\r\n"); rest != "" && !(strings.HasPrefix(rest, "From ") && !strings.Contains(rest, "\n")) {
			t.Fatalf("%q is in none of %d mails", rest, given)
		}
	})
}
