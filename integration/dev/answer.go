package dev

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"mime"
	"strings"
	"time"

	"postdesk/ticketing/mail"
)

// AnswerTo is what the mail program of its recipient makes of a mail of the desk and of what
// they type: it goes to Reply-To, into the thread, and quotes the mail.
func AnswerTo(raw []byte, text string) (Delivery, error) {
	m := mail.Parse(raw)
	to := append(m.ReplyTo, m.From...)
	if len(to) == 0 || len(m.To) == 0 {
		return Delivery{}, errors.New("the mail names nobody who could be answered, or nobody who could answer")
	}
	from, subject := m.To[0].Address, m.Subject
	if !strings.HasPrefix(strings.ToLower(subject), "re: ") {
		subject = "Re: " + subject
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: <%s>\nTo: <%s>\nSubject: %s\nDate: %s\nMessage-ID: <%s@%s>\n", from, to[0].Address,
		mime.QEncoding.Encode("utf-8", subject), time.Now().Format(time.RFC1123Z), rand.Text(), domainOf(from))
	if m.MessageID != "" { // RFC 5322 section 3.6.4
		fmt.Fprintf(&b, "In-Reply-To: <%s>\nReferences:", m.MessageID)
		for _, id := range append(m.References, m.MessageID) {
			fmt.Fprintf(&b, "\n <%s>", id)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n%s\n\nOn %s, %s wrote:\n",
		strings.TrimRight(text, "\n"), m.Date.Format("2 Jan 2006, at 15:04"), to[0].Address)
	for line := range strings.Lines(m.Text) {
		fmt.Fprintf(&b, "> %s\n", strings.TrimRight(line, "\r\n"))
	}
	return Delivery{ReversePath: from, To: []string{to[0].Address}, Raw: b.Bytes()}, nil
}
