package mail

import "strings"

// innerTextMax is how much of the text of an attached message is kept with it.
const innerTextMax = 256 << 10

// messageText is an attached message to read: its author, date and subject, and its text.
// What is attached to that message stays in its file.
func (r *bodyReader) messageText(e *entity) string {
	if r.inner > 0 || r.p.timeUp() {
		return "" // of messages in messages the outermost is read
	}
	inner := &bodyReader{p: r.p, inner: r.inner + 1, texts: r.texts}
	inner.read(e, "", true)
	r.texts = inner.texts
	var b strings.Builder
	for _, name := range []string{"From", "To", "Date", "Subject"} {
		if v := DecodeHeader(e.first(name)); v != "" {
			b.WriteString(name + ": " + clipTo(v, 500) + "\n")
		}
	}
	text := joinPlain(inner.plain)
	if strings.TrimSpace(text) == "" {
		text = joinPlain(inner.rich)
	}
	b.WriteString("\n" + clipTo(text, innerTextMax))
	return strings.TrimSpace(b.String())
}

func clipTo(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}

// showForwarded shows the attached message as the text of a mail that has no text of its
// own, as "forward as attachment" makes them.
func (m *Message) showForwarded() {
	if m.Report != nil || strings.TrimSpace(m.Text) != "" || strings.TrimSpace(m.HTMLText) != "" {
		return
	}
	for _, a := range m.Attachments {
		if a.Text != "" {
			m.Text = "Attached message:\n" + a.Text + "\n"
			return
		}
	}
}

const (
	pgpSigned    = "-----BEGIN PGP SIGNED MESSAGE-----"
	pgpSignature = "-----BEGIN PGP SIGNATURE-----"
	pgpEnd       = "-----END PGP SIGNATURE-----"
	pgpMessage   = "-----BEGIN PGP MESSAGE-----"
)

// readable is the text that a person reads of a part. A text that is signed in itself
// (RFC 9580 section 7) is kept whole as a file, and shown without what is for a program.
func (r *bodyReader) readable(e *entity, text string) string {
	switch {
	case atLineStart(text, pgpMessage):
		r.p.problem("a text is encrypted (PGP)")
	case atLineStart(text, pgpSigned+"\n"):
		shown, ok := withoutArmor(text)
		if ok {
			r.add(Attachment{Name: "signed.asc", Type: "text/plain", Content: e.body})
			return shown
		}
	case atLineStart(text, "=ybegin "):
		r.p.problem("a file in yEnc stands in the text as it came")
	}
	return text
}

func atLineStart(text, s string) bool {
	return strings.HasPrefix(text, s) || strings.Contains(text, "\n"+s)
}

// withoutArmor takes the signature and its marks from a signed text, and undoes the dashes
// that it has in front of dashes (RFC 9580 section 7.1).
func withoutArmor(text string) (string, bool) {
	before, rest, ok := strings.Cut(text, pgpSigned+"\n")
	if !ok {
		return text, false
	}
	_, rest, ok = strings.Cut("\n"+rest, "\n\n") // behind the Hash fields
	signed, rest, ok2 := strings.Cut(rest, pgpSignature)
	_, after, ok3 := strings.Cut(rest, pgpEnd)
	if !ok || !ok2 || !ok3 {
		return text, false
	}
	var b strings.Builder
	b.WriteString(before)
	for line := range strings.Lines(signed) {
		b.WriteString(strings.TrimPrefix(line, "- "))
	}
	b.WriteString(strings.TrimLeft(after, " \t\n"))
	return b.String(), true
}
