package mail

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

func calendarOf(lines ...string) string {
	return "BEGIN:VCALENDAR\n" + strings.Join(lines, "\n") + "\nEND:VCALENDAR\n"
}

func TestCalendar(t *testing.T) {
	for want, in := range map[string]string{
		"Invitation: Repair, at last, 2026-03-05 10:00 to 11:30 (Europe/Berlin), Room 4, by Jo": calendarOf("METHOD:REQUEST",
			"BEGIN:VTIMEZONE", "TZID:Europe/Berlin", "BEGIN:STANDARD", "DTSTART:16010101T030000", "RRULE:FREQ=YEARLY", "END:STANDARD", "END:VTIMEZONE",
			"BEGIN:VEVENT", "BEGIN:VALARM", "SUMMARY:no", "END:VALARM", "SUMMARY;LANGUAGE=en:Repair\\, at", "  last", `DTSTART;TZID="Europe/Berlin":20260305T100000`,
			"DTEND;TZID=Europe/Berlin:20260305T113000", "LOCATION:Room 4", `ORGANIZER;CN="Jo":mailto:jo@x.example`, "END:VEVENT"),
		"Cancelled: Talk, 2026-03-05 23:00 to 2026-03-06 01:00 (UTC)": calendarOf("METHOD:CANCEL", "BEGIN:VEVENT", "SUMMARY:Talk",
			"DTSTART:20260305T230000Z", "DTEND:20260306T010000Z", "END:VEVENT"),
		"Answer to an invitation, Ann: x declined: Talk, 2026-03-05 (all day)": calendarOf("METHOD:REPLY", "BEGIN:VEVENT", "SUMMARY:Talk",
			`ATTENDEE;PARTSTAT=DECLINED;CN="Ann: x":mailto:ann@x.example`, "DTSTART;VALUE=DATE:20260305", "DTEND;VALUE=DATE:20260306", "END:VEVENT"),
		"Event: Fair, 2026-03-05 to 2026-03-07 (all day), every 2 weeks on Mon, the last Fri, 5 times": calendarOf("BEGIN:VEVENT", "SUMMARY:Fair",
			"DTSTART;VALUE=DATE:20260305", "DTEND;VALUE=DATE:20260308", "RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,-1FR;COUNT=5", "END:VEVENT"),
		"Event: Call, 2026-03-05 09:00 to 10:30, every day until 2026-04-01": calendarOf("BEGIN:VEVENT", "SUMMARY:Call",
			"DTSTART:20260305T090000", "DURATION:PT1H30M", "RRULE:FREQ=DAILY;UNTIL=20260401T000000Z", "END:VEVENT"),
		"Cancelled: Late, soon":                     calendarOf("METHOD:PUBLISH", "BEGIN:VEVENT", "SUMMARY:Late", "DTSTART:soon", "STATUS:CANCELLED", "END:VEVENT"),
		"Invitation: Cut off, 2026-03-05 (all day)": "METHOD:REQUEST\nBEGIN:VEVENT\nSUMMARY:Cut off\nDTSTART:20260305",
	} {
		v, ok := readCalendar(in, "")
		if !ok || v.Line != want {
			t.Errorf("got  %q\nwant %q", v.Line, want)
		}
	}
	if _, ok := readCalendar("BEGIN:VCALENDAR\nEND:VCALENDAR", ""); ok {
		t.Error("an event out of nothing")
	}
}

// TestInvitationBesideHTML: the line does not take the place of the text.
func TestInvitationBesideHTML(t *testing.T) {
	ics := "Content-Type: text/calendar; method=REPLY\n\n" +
		calendarOf("BEGIN:VEVENT", "SUMMARY:Talk", "DTSTART:20260305T090000", "DESCRIPTION:about\\nthings", "ATTENDEE;PARTSTAT=ACCEPTED:mailto:a@x.example", "END:VEVENT")
	m := Parse([]byte("Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>Do come\n--b\n" + ics + "--b--\n"))
	line := "Answer to an invitation, a@x.example accepted: Talk, 2026-03-05 09:00\n"
	if m.Text != line+"\nDo come" || len(m.Calendar) != 1 || !strings.HasPrefix(m.NewText, line) {
		t.Errorf("%q, %q", m.Text, m.NewText)
	}
	if m := Parse([]byte(ics)); m.Text != line+"\nabout\nthings" {
		t.Errorf("%q", m.Text)
	}
}

func TestForwardedAsAttachment(t *testing.T) {
	inner := "Content-Type: message/rfc822\n\nFrom: =?utf-8?q?J=C3=B6?= <jo@x.example>\nSubject: =?utf-8?q?Bro=C3=9Fken?=\n" +
		"Content-Type: multipart/mixed; boundary=c\n\n--c\nContent-Type: text/html; charset=iso-8859-1\n\n<p>It is kap\xfctt\n--c\nContent-Type: image/png; name=a.png\n\nx\n--c--\n"
	m := Parse([]byte("Subject: Fwd\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n \n--b\n" + inner + "--b--\n"))
	const want = "From: Jö <jo@x.example>\nSubject: Broßken\n\nIt is kapütt"
	if len(m.Attachments) != 1 || m.Attachments[0].Name != "Broßken.eml" || m.Attachments[0].Text != want {
		t.Errorf("%+v", m.Attachments)
	}
	if m.Text != "Attached message:\n"+want+"\n" {
		t.Errorf("%q", m.Text)
	}
	m = Parse([]byte("Subject: Fwd\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nsee below\n--b\n" + inner + "--b--\n"))
	if strings.TrimSpace(m.Text) != "see below" || m.Attachments[0].Text != want {
		t.Errorf("%q", m.Text)
	}
}

func TestSignedTexts(t *testing.T) {
	m := Parse([]byte("\nHi\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n- -- \nthe text\n- - a list\n-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\nfooter\n"))
	if m.Text != "Hi\n-- \nthe text\n- a list\nfooter\n" || len(m.Attachments) != 1 || !strings.Contains(string(m.Attachments[0].Content), "iQ==") {
		t.Errorf("%q %+v", m.Text, m.Attachments)
	}
	m = Parse([]byte("\n> -----BEGIN PGP SIGNED MESSAGE-----\n\nit was signed\n"))
	if !strings.Contains(m.Text, "BEGIN PGP") || len(m.Attachments) != 0 {
		t.Errorf("%q", m.Text)
	}
	m = Parse([]byte("\n-----BEGIN PGP MESSAGE-----\n\nhQ==\n-----END PGP MESSAGE-----\n"))
	if !slices.Contains(m.Problems, "a text is encrypted (PGP)") {
		t.Errorf("%q", m.Problems)
	}
	m = Parse([]byte("Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b\n\n--b\nContent-Type: text/plain\n\nclear\n--b\n" +
		"Content-Type: application/pkcs7-signature; name=smime.p7s\nContent-Transfer-Encoding: base64\n\nMIAG\n--b--\n"))
	if m.Text != "clear" || len(m.Attachments) != 1 || m.Attachments[0].Name != "smime.p7s" || len(m.Problems) != 1 {
		t.Errorf("%q %+v %q", m.Text, m.Attachments, m.Problems)
	}
	m = Parse([]byte("\ntext\n=ybegin line=128 size=3 name=a.bin\n\xab\xcd\n=yend size=3\n"))
	if len(m.Attachments) != 0 || !strings.Contains(m.Text, "=ybegin") || !slices.Contains(m.Problems, "a file in yEnc stands in the text as it came") {
		t.Errorf("%q %q", m.Text, m.Problems)
	}
}

// TestInlineByReference: what the HTML shows is inline, whatever the disposition says.
func TestInlineByReference(t *testing.T) {
	m := Parse([]byte("Content-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html\n\n" +
		`<img src="CID:one%40x"><img src='http://x.example/two.png?a=1&amp;b=2'><img src="cid:three.png">` +
		"\n--b\nContent-Type: image/png; name=1.png\nContent-ID: <one@x>\nContent-Disposition: attachment\n\n1\n" +
		"--b\nContent-Type: image/png; name=2.png\nContent-Location: http://x.example/two.png\n ?a=1&b=2\nContent-Disposition: attachment\n\n2\n" +
		"--b\nContent-Type: image/png; name=three.png\n\n3\n--b\nContent-Type: image/png; name=4.png\nContent-ID: <four@x>\n\n4\n--b--\n"))
	var got []bool
	for _, a := range m.Attachments {
		got = append(got, a.Inline)
	}
	if !slices.Equal(got, []bool{true, true, true, false}) {
		t.Errorf("%v", got)
	}
}

func TestFlowedText(t *testing.T) {
	for in, want := range map[string]string{
		"a \nb\n":              "a b\n",
		"a \n> b \n> c\nd\n":   "a \n> b c\nd\n",
		" > no quote\n From\n": " > no quote\nFrom\n",
		"x\n-- \nJo\n":         "x\n-- \nJo\n",
		">> a \n> b\n":         ">> a \n> b\n",
	} {
		if got := unflow(in, false); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	m := Parse([]byte("Content-Type: text/plain; format=\"Flowed\"; DelSp=Yes; charset=utf-8\n\n日本 \n語 \n文\n"))
	if m.Text != "日本語文\n" {
		t.Errorf("%q", m.Text)
	}
}

func TestRTF(t *testing.T) {
	for in, want := range map[string]string{
		`{\rtf1\ansi\ansicpg1251{\fonttbl{\f0 Arial;}}{\*\generator x;}\f0 \'cf\'f0\'e8 a\~b\par {\b bold}\tab c\line\{d\}\'}`: "При a b\nbold\tc\n{d}",
		`{\rtf1\ansi\uc1 \u8364?\u-10179?\u-8704? x\u228\'e4y}`:                                                                "€😀 xäy",
		`{\rtf1\ansi\ansicpg932 \'82\'b1\'82\'f1 {\pict 0102}{\info{\title no}}end`:                                            "こん end",
		`no rtf`: "",
	} {
		if got, page := readRTF([]byte(in)); page || strings.TrimSpace(got) != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	in := `{\rtf1\ansi\ansicpg1252\fromhtml1 \deff0{\*\htmltag64 <p>}\htmlrtf \par\b \htmlrtf0 Gr\'fc\'dfe {\*\htmltag84 <b>}\htmlrtf {\b \htmlrtf0 x{\*\htmltag92 </b>}\htmlrtf }\htmlrtf0 {\*\mhtmltag no}}`
	if got, page := readRTF([]byte(in)); !page || strings.TrimSpace(got) != "<p>Grüße <b>x</b>" {
		t.Errorf("%q", got)
	}
}

// tnefAttr and tnefProp write the pieces of a winmail.dat.
func tnefAttr(level byte, id uint32, data []byte) []byte {
	out := append([]byte{level}, binary.LittleEndian.AppendUint32(nil, id)...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(data)))
	return append(append(out, data...), 0, 0)
}

func tnefProp(id, kind uint16, value []byte) []byte {
	out := binary.LittleEndian.AppendUint32(nil, uint32(id)<<16|uint32(kind))
	out = binary.LittleEndian.AppendUint32(out, 1)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(value)))
	return append(append(out, value...), make([]byte, (4-len(value)%4)%4)...)
}

func tnefPropList(props ...[]byte) []byte {
	out := binary.LittleEndian.AppendUint32(nil, uint32(len(props)))
	return append(out, slices.Concat(props...)...)
}

func winmail(attrs ...[]byte) []byte {
	return append([]byte("\x78\x9f\x3e\x22\x01\x00"), slices.Concat(attrs...)...)
}

func rtfRaw(s string) []byte {
	out := binary.LittleEndian.AppendUint32(nil, uint32(len(s)+12))
	out = binary.LittleEndian.AppendUint32(out, uint32(len(s)))
	return append(append(out, "MELA\x00\x00\x00\x00"...), s...)
}

func winmailMail(b []byte) *Message {
	return Parse([]byte("From: a@x.example\nContent-Type: application/ms-tnef; name=winmail.dat\nContent-Transfer-Encoding: base64\n\n" +
		base64.StdEncoding.EncodeToString(b) + "\n"))
}

func TestWinmail(t *testing.T) {
	long := strings.Repeat("a very long name ", 6) + "ü.txt"
	var wide []byte
	for _, r := range long + "\x00" {
		wide = binary.LittleEndian.AppendUint16(wide, uint16(r))
	}
	codepage := tnefAttr(1, 0x00069007, binary.LittleEndian.AppendUint32(nil, 1251))
	file := slices.Concat(tnefAttr(2, 0x00069002, make([]byte, 14)), tnefAttr(2, 0x00018010, []byte("AVERYL~1.TXT\x00")),
		tnefAttr(2, 0x0006800f, []byte("content")), tnefAttr(2, 0x00069005, tnefPropList(tnefProp(propLongName, mapiUnicode, wide))))
	body := tnefAttr(1, 0x00069003, tnefPropList(tnefProp(propRTF, mapiBinary, rtfRaw(`{\rtf1\ansi\ansicpg1252 Gr\'fc\'dfe\par}`))))
	m := winmailMail(winmail(codepage, body, file))
	if strings.TrimSpace(m.Text) != "Grüße" {
		t.Errorf("text %q", m.Text)
	}
	var names []string
	for _, a := range m.Attachments {
		names = append(names, a.Name)
	}
	if !slices.Equal(names, []string{"winmail.dat", long, "message.rtf"}) || string(m.Attachments[1].Content) != "content" {
		t.Errorf("%q", names)
	}
	m = winmailMail(winmail(tnefAttr(1, 0x00069003, tnefPropList(tnefProp(propRTF, mapiBinary,
		rtfRaw(`{\rtf1\ansi\fromhtml1 {\*\htmltag64 <p>}hello{\*\htmltag1 <script>no</script>}}`))))))
	if m.HTMLText != "hello" {
		t.Errorf("html text %q", m.HTMLText)
	}
	m = winmailMail(winmail(codepage, tnefAttr(2, 0x00069002, make([]byte, 14)), tnefAttr(2, 0x00018010, []byte("\xcf\xf0\xe8.txt\x00")))[:60])
	if !slices.Contains(m.Problems, "a winmail.dat is damaged") {
		t.Errorf("%q", m.Problems)
	}
}
