package mail

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// hostile are inputs that make careless readers slow: n is about their size in octets.
var hostile = map[string]func(n int) string{
	"nested multiparts": func(n int) string {
		var b strings.Builder
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
		}
		return b.String()
	},
	"one boundary for all": func(n int) string {
		return strings.Repeat("Content-Type: multipart/mixed; boundary=b\n\n--b\n", n/45)
	},
	"messages in messages": func(n int) string { return strings.Repeat("Content-Type: message/rfc822\n\n", n/30) },
	"parts": func(n int) string {
		return "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", n/7)
	},
	"almost boundaries": func(n int) string {
		return "Content-Type: multipart/mixed; boundary=------------------------------\n\n" + strings.Repeat("-", n)
	},
	"fields":          func(n int) string { return strings.Repeat("X-A: b\n", n/7) + "\nx" },
	"one long field":  func(n int) string { return "Subject: " + strings.Repeat("a ", n/2) + "\n\nx" },
	"folded field":    func(n int) string { return "Subject: a" + strings.Repeat("\n b", n/3) + "\n\nx" },
	"blank folds":     func(n int) string { return "Subject: a\n" + strings.Repeat(" \n", n/2) + "\nx" },
	"junk lines":      func(n int) string { return "From: a@b\n" + strings.Repeat("junk\n", n/5) + "To: a@b\n\nx" },
	"comments":        func(n int) string { return "References: " + strings.Repeat("(a(", n/3) + "\n\nx" },
	"open ids":        func(n int) string { return "References: " + strings.Repeat("<", n) + "\n\nx" },
	"ids":             func(n int) string { return "References: " + strings.Repeat("<a@b> ", n/6) + "\n\nx" },
	"from comments":   func(n int) string { return "From: " + strings.Repeat("(a", n/2) + "\n\nx" },
	"from parens":     func(n int) string { return "From: " + strings.Repeat("(a)", n/3) + "\n\nx" },
	"from angles":     func(n int) string { return "From: " + strings.Repeat("<a", n/2) + "\n\nx" },
	"from route":      func(n int) string { return "From: " + strings.Repeat("<@a,", n/4) + "\n\nx" },
	"from quotes":     func(n int) string { return "From: " + strings.Repeat(`"\`, n/2) + "\n\nx" },
	"from closed":     func(n int) string { return "From: " + strings.Repeat(`"a"`, n/3) + "@b\n\nx" },
	"from commas":     func(n int) string { return "From: " + strings.Repeat(",a@b", n/4) + "\n\nx" },
	"from ats":        func(n int) string { return "From: " + strings.Repeat("@ ", n/2) + "\n\nx" },
	"from words":      func(n int) string { return "From: " + strings.Repeat("=?a?q?b ", n/8) + "\n\nx" },
	"open words":      func(n int) string { return "Subject: " + strings.Repeat("=?utf-8?q?", n/10) + "\n\nx" },
	"half words":      func(n int) string { return "Subject: " + strings.Repeat("=?", n/2) + "\n\nx" },
	"words":           func(n int) string { return "Subject: " + strings.Repeat("=?utf-8?b?w7w?=", n/15) + "\n\nx" },
	"word of marks":   func(n int) string { return "Subject: =?utf-8?q?" + strings.Repeat("?=20", n/4) + "\n\nx" },
	"parameters":      func(n int) string { return "Content-Type: text/plain; " + strings.Repeat("a=b; ", n/5) + "\n\nx" },
	"param comments":  func(n int) string { return "Content-Type: text/plain; " + strings.Repeat("(;", n/2) + "\n\nx" },
	"param quotes":    func(n int) string { return "Content-Type: text/plain; " + strings.Repeat(`a="\;`, n/5) + "\n\nx" },
	"pieces":          func(n int) string { return "Content-Type: text/plain" + strings.Repeat("; a*1*=b", n/8) + "\n\nx" },
	"date":            func(n int) string { return "Date: " + strings.Repeat("1-", n/2) + "\n\nx" },
	"one base64 line": func(n int) string { return "Content-Transfer-Encoding: base64\n\n" + strings.Repeat("QUJD", n/4) },
	"quoted-printable": func(n int) string {
		return "Content-Transfer-Encoding: quoted-printable\n\n" + strings.Repeat("=\n", n/2)
	},
	"uuencode":   func(n int) string { return "\n\n" + strings.Repeat("begin 644 a\n", n/12) },
	"uuencode 2": func(n int) string { return "\n\nbegin 644 a\n" + strings.Repeat("#0V%T\n", n/6) + "!" },
	"uuencode 3": func(n int) string { return "\n\n" + strings.Repeat("begin 644 a\n#0V%T\n", n/18) },
	"flowed": func(n int) string {
		return "Content-Type: text/plain; format=flowed\n\n" + strings.Repeat("> a \n", n/5)
	},
	"flowed 2":    func(n int) string { return "Content-Type: text/plain; format=flowed\n\n" + strings.Repeat(">", n) },
	"utf-7":       func(n int) string { return "Content-Type: text/plain; charset=utf-7\n\n" + strings.Repeat("+AGE", n/4) },
	"iso-2022":    func(n int) string { return "\n\n" + strings.Repeat("\x1b$B\x1b(B", n/6) },
	"high octets": func(n int) string { return "Subject: \xff\n\n" + strings.Repeat("\xe4\xb8", n/2) },
	"calendar":    func(n int) string { return "Content-Type: text/calendar\n\n" + strings.Repeat("BEGIN:VEVENT\n", n/13) },
	"tnef": func(n int) string {
		return "Content-Type: application/ms-tnef\n\n\x78\x9f\x3e\x22\x00\x00" + strings.Repeat("\x02\x02\x90\x06\x00\x00\x00\x00\x00\x00\x00", n/11)
	},
	"cms": func(n int) string {
		return "Content-Type: application/pkcs7-mime\n\n" + strings.Repeat("\x30\x80", n/2)
	},
	"html divs":        func(n int) string { return htmlMail(strings.Repeat("<div>", n/5) + "x") },
	"html divs closed": func(n int) string { return htmlMail(strings.Repeat("<b></i>", n/7)) },
	"html quotes":      func(n int) string { return htmlMail(strings.Repeat("<blockquote>x", n/13)) },
	"html quotes br":   func(n int) string { return htmlMail(strings.Repeat("<blockquote>", 25) + strings.Repeat("x<br>", n/5)) },
	"html links":       func(n int) string { return htmlMail(strings.Repeat("<a href=http://x.example>y", n/26)) },
	"html links closed": func(n int) string {
		return htmlMail(strings.Repeat("<a href=http://x>", n/21) + strings.Repeat("y</a>", n/21))
	},
	"html lists":      func(n int) string { return htmlMail(strings.Repeat("<ol><li>", n/8)) },
	"html entities":   func(n int) string { return htmlMail(strings.Repeat("&amp", n/4)) },
	"html comments":   func(n int) string { return htmlMail(strings.Repeat("<!--", n/4)) },
	"html brackets":   func(n int) string { return htmlMail(strings.Repeat("<", n)) },
	"html open tag":   func(n int) string { return htmlMail("<a " + strings.Repeat("b=c ", n/4)) },
	"html attributes": func(n int) string { return htmlMail("<a " + strings.Repeat("b=c ", n/4) + ">x</a>") },
	"html styles":     func(n int) string { return htmlMail("<p style='" + strings.Repeat("a:b;", n/4) + "'>x") },
	"html spaces":     func(n int) string { return htmlMail(strings.Repeat("&nbsp;", n/6)) },
	"html cid":        func(n int) string { return htmlMail(strings.Repeat("cid:", n/4)) },
	"html hidden":     func(n int) string { return htmlMail(strings.Repeat("<p hidden>", n/10)) },
	"html title":      func(n int) string { return htmlMail(strings.Repeat("<title></", n/9)) },
	"html doctype":    func(n int) string { return htmlMail(strings.Repeat("<!DOCTYPE ", n/10)) },
}

func htmlMail(s string) string { return "Content-Type: text/html\n\n" + s }

// fastest is the least CPU that a few runs took: the machine is shared.
func fastest(runs int, fn func()) time.Duration {
	best := time.Hour
	for range runs {
		runtime.GC()
		best = min(best, cpuOf(fn))
	}
	return best
}

// cpuOf is the CPU that fn takes. What other programs take does not count.
func cpuOf(fn func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, after unix.Rusage
	if unix.Getrusage(unix.RUSAGE_THREAD, &before) != nil {
		return 0
	}
	fn()
	if unix.Getrusage(unix.RUSAGE_THREAD, &after) != nil {
		return 0
	}
	return time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
}

func TestHostileInputIsLinear(t *testing.T) {
	for name, make := range hostile {
		// Small inputs are noise: only what takes time can show that it grows too fast.
		small, large := []byte(make(24<<10)), []byte(make(192<<10))
		a := fastest(2, func() { Parse(small) })
		b := fastest(2, func() { Parse(large) }) // the first also pays for the memory
		// Eight times the size: what is quadratic takes 64 times as long.
		if b > 24*a && b > 60*time.Millisecond*slower {
			t.Errorf("%s: 24 KB take %v, 192 KB %v", name, a, b)
		}
		if testing.Verbose() {
			t.Logf("%-20s %10v %10v", name, a, b)
		}
	}
}

func TestHostileHTMLIsSanitizedInLinearTime(t *testing.T) {
	for name, make := range hostile {
		if !strings.HasPrefix(name, "html") {
			continue
		}
		small, large := &Message{HTML: make(32 << 10)}, &Message{HTML: make(128 << 10)}
		a := fastest(2, func() { SafeHTML(small, "") })
		b := fastest(1, func() { SafeHTML(large, "") })
		if b > 9*a && b > 60*time.Millisecond*slower {
			t.Errorf("%s: 32 KB take %v, 128 KB %v", name, a, b)
		}
		if testing.Verbose() {
			t.Logf("%-20s %10v %10v", name, a, b)
		}
	}
}

func TestLargeInputEndsInTime(t *testing.T) {
	for _, name := range []string{"nested multiparts", "parts", "fields", "one long field", "html entities", "one base64 line", "half words", "from parens", "open ids", "html divs"} {
		raw := []byte(hostile[name](25 << 20))
		if took := cpuOf(func() { Parse(raw) }); took > timeMax*slower {
			t.Errorf("%s: 25 MB take %v", name, took)
		} else if testing.Verbose() {
			t.Logf("%-20s %10v", name, took)
		}
	}
}
