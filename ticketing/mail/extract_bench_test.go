package mail

import (
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mailWith is a mail of a person, with an answer and a history as long as is asked.
func mailWith(size int) []byte {
	head := "From: Jo <jo@customer.example>\r\nTo: new@desk.example\r\nSubject: Re: Printer\r\nMessage-ID: <a@customer.example>\r\n" +
		"In-Reply-To: <b@desk.example>\r\nDate: Tue, 3 Mar 2026 10:00:00 +0100\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
	top := "It works now, thank you.\r\nOne thing is left: the second tray.\r\n\r\nOn Tue, Mar 3, 2026 at 9:00 AM Jane Desk <support@desk.example> wrote:\r\n\r\n"
	line := "> A line of text as people write it: not too long, at 10:00.\r\n"
	return []byte(head + top + strings.Repeat(line, (size-len(head)-len(top))/len(line)))
}

func htmlMailWith(size int) []byte {
	head := "From: Jo <jo@customer.example>\r\nTo: new@desk.example\r\nSubject: Re: Printer\r\nMessage-ID: <a@customer.example>\r\n" +
		"Date: Tue, 3 Mar 2026 10:00:00 +0100\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
	top := `<div dir="ltr">It works now, <b>thank you</b>.</div><div class="gmail_quote"><div class="gmail_attr">On Tue, Mar 3, 2026 Jane wrote:</div><blockquote class="gmail_quote">` + "\r\n"
	line := `<p class="MsoNormal" style="margin:0cm;font-size:11pt"><span lang="EN">A line of text as people write it, with <a href="https://desk.example/a">a link</a>.</span></p>` + "\r\n"
	return []byte(head + top + strings.Repeat(line, (size-len(head)-len(top))/len(line)) + "</blockquote></div>\r\n")
}

// BenchmarkParse is a mail with its text, what its author wrote, and who wrote it.
func BenchmarkParse(b *testing.B) {
	for name, raw := range map[string][]byte{"2KB": mailWith(2 << 10), "20KB-html": htmlMailWith(20 << 10)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if m := Parse(raw); !strings.HasPrefix(m.NewText, "It works now") {
					b.Fatal(m.NewText)
				}
			}
		})
	}
}

// BenchmarkExtract is the extraction alone, of a text in which nothing is quoted and of
// one made to be slow.
func BenchmarkExtract(b *testing.B) {
	for name, text := range map[string]string{
		"prose":   strings.Repeat("A line of text as people write it, not too long, and then some.\n", 30),
		"hostile": strings.Repeat("On 3 March 2026 <a@b.example and\n", 60),
	} {
		b.Run(name, func(b *testing.B) {
			m := &Message{InReplyTo: []string{"a@desk.example"}, Text: text}
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				extractNew(m)
			}
		})
	}
}

// TestExtractLinear: a text costs as much as its quarters, whatever it is made of. What grows
// with the square would cost four times as much; the bound is between the two.
func TestExtractLinear(t *testing.T) {
	var pieces []string
	for _, file := range []string{"attribution", "header", "author", "signature"} {
		raw, err := os.ReadFile("testdata/reply/" + file + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		pieces = append(pieces, string(raw))
	}
	pieces = append(pieces, "On 3 March 2026 <a@b.example and\n", "From: a@b.example\n", "```\n", "> a\nb\n", "-- \n", "Sent from my iPhone\n",
		"________________\n", "\n", "<", "On 3.3.2026 10:00 x\n\n<\n", "| a\n", "a: b\n", "1:23 ", "@.", "-----Original Message\n", strings.Repeat("a", 299)+"@\n",
		"On 3 March 2026 10:00 a@b.example wrote:\n> a\n| b\n\n")
	for _, piece := range pieces {
		small := strings.Repeat(piece, 1+(64<<10)/len(piece))
		large := strings.Repeat(small, 4)
		var four, one time.Duration // four small texts, and one of that size
		for range 6 {
			four, one = extractTime(small, 4), extractTime(large, 1)
			if one < 5*four/2+10*time.Millisecond {
				break
			}
		}
		if one >= 5*four/2+10*time.Millisecond {
			t.Errorf("%.40q…: four times %d octets take %v, all in one %v", piece, len(small), four, one)
		}
	}
}

// extractTime is the CPU time of this thread: other load costs none of it.
func extractTime(text string, times int) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start := threadClock()
	for range times {
		extractNew(&Message{InReplyTo: []string{"a@desk.example"}, Text: text})
	}
	return threadClock() - start
}

func threadClock() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_THREAD, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
