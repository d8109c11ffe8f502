package mail

import (
	"bytes"
	"flag"
	"fmt"
	"mime"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var updateCompose = flag.Bool("update-compose", false, "write the golden files of composing anew")

func sample() Draft {
	return Draft{
		From:       Address{Name: "Jane at Support", Address: "SUPPORT-7102@support-ticket.example"},
		ReplyTo:    Address{Address: "SUPPORT-7102+k1abcdef@support-ticket.example"},
		To:         Address{Name: "Jürgen Groß", Address: "jo@customer.example"},
		Subject:    ReplySubject("printer on fire"),
		Date:       time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
		MessageID:  "7102.1.abc@support-ticket.example",
		InReplyTo:  "a1@customer.example",
		References: []string{"a0@customer.example", "a1@customer.example"},
		Body:       "Hello Jürgen,\n\nplease use `lpr -r` and **stop** <your name>.\n\nKind regards\n--\nJane",
		QuoteHead:  "On 3 March 2026, Jürgen Groß wrote:",
		Quote:      "My printer is on fire.\n> earlier",
		Signature:  "Jane\nSupport",
	}
}

func goldens() map[string]Draft {
	files := sample()
	files.Body = "See ![the light](cid:light@support-ticket.example) and the files."
	files.Attachments = []Attachment{
		{Name: "report.txt", Type: "text/plain", Content: []byte("Ünïcode\n")},
		{Name: `C:\Users\jane\Übersicht über alle Drucker der Abteilung Nord 2026.pdf`, Type: "Application/PDF", Content: bytes.Repeat([]byte{0, 1, 2, 255}, 40)},
		{Name: "=?utf-8?q?typed?=.txt", Type: "text/plain; x=y\r\nBcc: z@z.example", Content: []byte("x")},
		{Name: "mail.eml", Type: "message/rfc822", Content: []byte("From: a@b.example\r\n\r\nx")},
		{Name: "light.png", Type: "image/png", Inline: true, ContentID: "light@support-ticket.example", Content: []byte("\x89PNG")},
	}
	outlook := sample()
	outlook.AutoSubmitted, outlook.Suppress = "auto-replied", true
	outlook.ThreadTopic = "printer on fire"
	outlook.ThreadIndex = "Adx0" + strings.Repeat("AAAA", 6) + "AA=="
	outlook.Cc = []Address{{Name: `"Bob" <b>, and others of the department with a name that goes on`, Address: "bob@customer.example"}, {Address: "two words@customer.example"}}
	outlook.Headers = []HeaderField{{"X-Desk-Loop", "support-ticket.example"}, {"List-Unsubscribe", "<https://support-ticket.example/" + strings.Repeat("u", 120) + ">"}}
	flowed := sample()
	flowed.Subject = ReplySubject("Поломка принтера в отделе продаж: бумага застревает каждый раз, когда кто-то печатает")
	flowed.Body = "From here on every line that is longer than a screen is wide is broken, and a reader may join what was broken again.\n" +
		"> quoted by hand, and so long that it must be broken as well, which keeps the mark of the quote on each of the lines\n" +
		"my answer to it\n indented\n\n-- \nnot the signature"
	flowed.Quote = "> > deep and long enough that the line has to be broken into two, since it has more than seventy-two characters\nFrom me\n"
	international := sample()
	international.To.Address = "jürgen@kunde.example"
	international.References = []string{"größe@kunde.example"}
	return map[string]Draft{"plain": sample(), "files": files, "outlook": outlook, "flowed": flowed, "smtputf8": international,
		"inline": withImages(), "references": longThread(), "injection": injecting(), "bare": bare()}
}

// withImages shows one image twice, names one that it does not show, and one that is not there.
func withImages() Draft {
	d := sample()
	d.Body = "![the light](cid:light) and again ![](cid:light), but not ![gone](cid:gone)"
	d.Attachments = []Attachment{
		{Name: "Licht.png", Type: "image/png", Inline: true, ContentID: "light", Content: []byte("\x89PNG light")},
		{Name: "dark.png", Type: "image/png", Inline: true, ContentID: "dark", Content: []byte("\x89PNG dark")},
	}
	return d
}

// longThread has more ids before it than a line holds, and begins Outlook's thread anew.
func longThread() Draft {
	d := sample()
	d.References = nil
	for i := range 60 {
		d.References = append(d.References, fmt.Sprintf("%03d.thread@mail.customer.example", i))
	}
	d.InReplyTo = d.References[59]
	d.Subject = ReplySubject("AW: Re: 回复: printer on fire")
	d.ThreadTopic, d.ThreadIndex = BaseSubject("AW: Re: printer on fire"), NewThreadIndex(d.Date.Add(-time.Hour), "SUPPORT-7102@support-ticket.example")
	return d
}

// injecting tries to get out of every field.
func injecting() Draft {
	d := sample()
	const evil = "x\r\nBcc: eve@evil.example\r\n\r\n<b>\x00\x1b[2J\u2028end"
	d.Subject, d.From.Name, d.ReplyTo.Name, d.To.Name, d.ThreadTopic = evil, evil, evil, evil, evil
	d.Cc = []Address{{Name: evil, Address: "cc@customer.example"}}
	d.InReplyTo, d.References, d.ThreadIndex = evil, []string{evil, "a0@customer.example", "a1@customer.example>\r\nBcc: <eve@evil.example"}, evil
	d.Headers = []HeaderField{{"X-Evil", evil}}
	d.Body, d.QuoteHead, d.Quote, d.Signature = evil, evil, evil, evil
	d.Attachments = []Attachment{{Name: evil, Type: "text/" + evil, Content: []byte(evil)}, {Name: "a\"; x=\"y.txt", Content: []byte("x")}}
	return d
}

// bare is the least that a message has: an acknowledgement of a thread of its own.
func bare() Draft {
	d := sample()
	return Draft{From: d.From, To: Address{Address: "jo@customer.example"}, Date: d.Date, MessageID: d.MessageID, Subject: "x", Body: "Hello"}
}

func TestComposeGolden(t *testing.T) {
	for name, d := range goldens() {
		raw, err := Compose(d)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		file := filepath.Join("testdata", "compose", name+".eml")
		if *updateCompose {
			if err := os.WriteFile(file, raw, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(raw, want) {
			t.Errorf("%s is not what is composed (go test -update-compose writes it):\n%s", file, raw)
		}
	}
}

// Few words of ours are wide: nothing that may be folded is over 78 (RFC 5322 section 2.1.1).
func TestComposeFolds(t *testing.T) {
	for name, d := range goldens() {
		raw, err := Compose(d)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(string(raw), "\r\n") {
			if len(line) > 78 && !strings.HasPrefix(line, " <https:") && !strings.HasPrefix(line, "List-Unsubscribe:") {
				t.Errorf("%s: %d octets: %s", name, len(line), line)
			}
		}
	}
}

// A name of usual length is one encoded-word in each field: some readers show a space
// between two of them.
func TestNamesAreOneWord(t *testing.T) {
	for _, name := range []string{"Γιώργος Παπαδόπουλος", "Jürgen von und zu Hohenstein-Bärenburg", "ნინო ბერიძე", "アレクサンドラ山田"} {
		d := sample()
		d.From.Name, d.ReplyTo.Name, d.To.Name, d.Cc = name, name, name, []Address{{name, "cc@customer.example"}}
		raw, err := Compose(d)
		if err != nil {
			t.Fatal(err)
		}
		header, _, _ := strings.Cut(string(raw), "\r\nSubject:")
		if n := strings.Count(header, "=?utf-8"); n != 4 {
			t.Errorf("%s is %d words in 4 fields:\n%s", name, n, header)
		}
	}
}

// An image that the text shows is beside the HTML, under an id that no other mail has;
// another one is a file, and what is not there stays as it was typed.
func TestComposeImages(t *testing.T) {
	raw, err := Compose(withImages())
	if err != nil {
		t.Fatal(err)
	}
	m := Parse(raw)
	if len(m.Attachments) != 2 || !m.Attachments[0].Inline || m.Attachments[1].Inline || m.Attachments[0].Name != "Licht.png" {
		t.Fatalf("%+v", m.Attachments)
	}
	id := m.Attachments[0].ContentID
	if !strings.HasPrefix(id, "light.") || !strings.HasSuffix(id, "@support-ticket.example") {
		t.Errorf("Content-ID %s", id)
	}
	if strings.Count(m.HTML, `src="cid:`+id+`"`) != 2 || !strings.Contains(m.HTML, "![gone](cid:gone)") || strings.Count(m.HTML, "<img") != 2 {
		t.Errorf("HTML: %s", m.HTML)
	}
	other := withImages()
	other.MessageID = "7103.1.abc@support-ticket.example"
	if raw, err = Compose(other); err != nil || strings.Contains(string(raw), id) {
		t.Errorf("another mail has the same Content-ID %s (%v)", id, err)
	}
	twice := withImages()
	twice.Attachments[1].ContentID = "light"
	if _, err := Compose(twice); err == nil {
		t.Error("two images of one name were composed")
	}
}

func TestComposeHeaderLines(t *testing.T) {
	raw, err := Compose(sample())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Date: Wed, 04 Mar 2026 05:06:07 +0000\r\n",
		"From: \"Jane at Support\" <SUPPORT-7102@support-ticket.example>\r\n",
		"Reply-To: SUPPORT-7102+k1abcdef@support-ticket.example\r\n",
		"To: =?utf-8?b?SsO8cmdlbiBHcm/Dnw==?= <jo@customer.example>\r\n",
		"Subject: RE: printer on fire\r\n",
		"Message-ID: <7102.1.abc@support-ticket.example>\r\n",
		"In-Reply-To: <a1@customer.example>\r\n",
		"References: <a0@customer.example> <a1@customer.example>\r\n",
		"MIME-Version: 1.0\r\n",
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("no %q in\n%s", want, raw)
		}
	}
}

func TestSubjectsComeBack(t *testing.T) {
	for _, s := range []string{
		"I can't login!", "=?utf-8?q?not_encoded?=", "=?iso-8859-1?b?!!!?= and more", "Größe", "日本語の件名がとても長いので折り返される必要があります。日本語の件名がとても長いので",
		"مرحبا بالعالم", "שלום", "👩‍👩‍👧 family", "a  b   c", strings.Repeat("word ", 300) + "end", strings.Repeat("x", 3000), `"quoted" \ back`, "=", "?=", "_", "=41",
	} {
		d := sample()
		d.Subject = s
		raw, err := Compose(d)
		if err != nil {
			t.Fatal(err)
		}
		m, err := netmail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil || got != s {
			t.Errorf("%q came back as %q, %v", s, got, err)
		}
	}
}

// What machines read is refused, not cleaned: a cleaned address is somebody else's.
func TestComposeRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*Draft){
		"no From":               func(d *Draft) { d.From.Address = "" },
		"no To":                 func(d *Draft) { d.To.Address = "" },
		"line end in From":      func(d *Draft) { d.From.Address = "a@b.example\r\nBcc: c@d.example" },
		"line end in local":     func(d *Draft) { d.To.Address = "a\nb@c.example" },
		"NUL in Cc":             func(d *Draft) { d.Cc = []Address{{Address: "a\x00@b.example"}} },
		"comment in domain":     func(d *Draft) { d.To.Address = "a@b.example(x)" },
		"no domain":             func(d *Draft) { d.To.Address = "a@" },
		"no UTF-8":              func(d *Draft) { d.To.Address = "\xff@b.example" },
		"long address":          func(d *Draft) { d.To.Address = strings.Repeat("a", 400) + "@b.example" },
		"bad literal":           func(d *Draft) { d.To.Address = "a@[1.2.3.4]\\]" },
		"line end in Reply-To":  func(d *Draft) { d.ReplyTo.Address = "a@b.example\r\n" },
		"Message-ID empty":      func(d *Draft) { d.MessageID = "" },
		"Message-ID two lines":  func(d *Draft) { d.MessageID = "a@b\r\nX: y" },
		"Message-ID in angles":  func(d *Draft) { d.MessageID = "<a@b>" },
		"Message-ID without @":  func(d *Draft) { d.MessageID = "a" },
		"Auto-Submitted":        func(d *Draft) { d.AutoSubmitted = "no\r\nX: y" },
		"no date":               func(d *Draft) { d.Date = time.Time{} },
		"year 10000":            func(d *Draft) { d.Date = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"field of ours":         func(d *Draft) { d.Headers = []HeaderField{{"SUBJECT", "x"}} },
		"field of MIME":         func(d *Draft) { d.Headers = []HeaderField{{"Content-Type", "text/html"}} },
		"field of the way":      func(d *Draft) { d.Headers = []HeaderField{{"Authentication-Results", "x"}} },
		"field name two lines":  func(d *Draft) { d.Headers = []HeaderField{{"X-A\r\nBcc", "x"}} },
		"field name with colon": func(d *Draft) { d.Headers = []HeaderField{{"X-A: b\r\nBcc", "x"}} },
		"field without name":    func(d *Draft) { d.Headers = []HeaderField{{"", "x"}} },
		"field name ü":          func(d *Draft) { d.Headers = []HeaderField{{"X-ü", "x"}} },
		"Content-ID":            func(d *Draft) { d.Attachments = []Attachment{{ContentID: "a>\r\nX: y"}} },
		"content not loaded":    func(d *Draft) { d.Attachments = []Attachment{{Name: "a", Size: 3}} },
	} {
		d := sample()
		spoil(&d)
		if raw, err := Compose(d); err == nil {
			t.Errorf("%s: composed\n%s", name, raw)
		}
	}
}

// Postfix hands quoted local-parts over without their quotes.
func TestAddressesAreQuotedAgain(t *testing.T) {
	for in, want := range map[string]string{
		`two words@x.example`:       `"two words"@x.example`,
		`"two words"@x.example`:     `"two words"@x.example`,
		`a@b@x.example`:             `"a@b"@x.example`,
		`a"b@x.example`:             `"a\"b"@x.example`,
		`"a"b"@x.example`:           `"\"a\"b\""@x.example`,
		`a@b.example, c@d.example`:  `"a@b.example, c"@d.example`,
		`a@b.example> <c@d.example`: `"a@b.example> <c"@d.example`,
		`.a@x.example`:              `".a"@x.example`,
		`o'neil+x/y=z@x.example`:    `o'neil+x/y=z@x.example`,
		`a@[192.0.2.1]`:             `a@[192.0.2.1]`,
		`a@[IPv6:2001:db8::1]`:      `a@[IPv6:2001:db8::1]`,
		`jürgen@bücher.example`:     `jürgen@bücher.example`,
		`SUPPORT-7102+k1@x.example`: `SUPPORT-7102+k1@x.example`,
	} {
		if got, err := addrSpec(in); err != nil || got != want {
			t.Errorf("addrSpec(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}
