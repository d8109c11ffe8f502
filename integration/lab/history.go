package lab

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"regexp"
	"slices"
	"strings"
	"time"
)

// OldMail is a mail of a history that a desk had before.
type OldMail struct {
	Raw    []byte
	At     time.Time
	Thread int  // which conversation it belongs to
	Own    bool // the desk wrote it
	Number int  // of the ticket in the other desk, 0 for none
}

// tongue is how people of one language write.
type tongue struct{ topic, reply, body string }

var tongues = []tongue{
	{"The printer does not print", "Re: ", "It is broken.\nFrom here on nothing works.\n"},
	{"Rechnung fehlt für Müller & Söhne", "AW: ", "Bitte prüfen Sie das.\n\nMit freundlichen Grüßen\n"},
	{"Facture erronée n°", "RE: ", "Bonjour,\n\n>From déjà cité\nMerci\n"},
	{"Skrivaren fungerar inte", "SV: ", "Hej!\n"},
	{"プリンターが動きません", "Re: ", "お世話になっております。\n"},
	{"打印机坏了", "回复：", "你好\n\nFrom 2024\n"},
	{"Принтер не печатает", "Re[2]: ", "Здравствуйте!\n"},
	{"الطابعة لا تعمل", "RE: ", "مرحبا\n"},
}

// The shapes of a conversation.
const (
	chain    = iota // each answers the one before it, with all references
	star            // all answer the first
	lastOnly        // In-Reply-To alone
	nothing         // no ids at all: a reply prefix and the people
	halfGone        // what the desk wrote is not there
	shapes
)

// History makes n mails: conversations of several languages and shapes, mixed with each
// other, some answers before what they answer, some mails twice, and some that are none.
func History(rnd *rand.Rand, domain string, n int) []OldMail {
	var all []OldMail
	for thread := 0; len(all) < n; thread++ {
		if thread%200 == 17 {
			all = append(all, OldMail{Raw: fmt.Appendf(nil, "this is no mail: %d\n\nnor is this\x00\xff\n", thread), At: oldTime(thread, 0), Thread: thread})
			continue
		}
		talk := conversation(rnd, domain, thread)
		all = append(all, talk[:min(len(talk), n-len(all))]...)
	}
	slices.SortStableFunc(all, func(a, b OldMail) int { return a.At.Compare(b.At) })
	for i := range all {
		if rnd.IntN(10) == 0 {
			j := min(len(all)-1, i+rnd.IntN(400))
			all[i], all[j] = all[j], all[i]
		}
	}
	for i := 40; i < len(all) && n > 100; i += 50 {
		all[i] = again(all[i-1-rnd.IntN(30)])
	}
	return all
}

// again is a mail as it lies in another folder.
func again(m OldMail) OldMail {
	if bytes.HasPrefix(m.Raw, []byte("From:")) {
		m.Raw = append([]byte("Status: RO\nX-Keywords: kept\n"), m.Raw...)
	}
	return m
}

func oldTime(thread, n int) time.Time {
	return time.Date(2023, 1, 1, 8, 0, 0, 0, time.UTC).Add(time.Duration(thread)*7*time.Minute + time.Duration(n)*151*time.Minute)
}

func conversation(rnd *rand.Rand, domain string, thread int) []OldMail {
	shape, length := rnd.IntN(shapes), 1+rnd.IntN(4)*rnd.IntN(4)
	t := tongues[rnd.IntN(len(tongues))]
	customer := fmt.Sprintf("customer%d@%s", rnd.IntN(400), []string{SignedDomain, UnsignedDomain, "example.net"}[rnd.IntN(3)])
	number := 0
	if thread%3 == 0 {
		number = 40_000 + thread
	}
	var out []OldMail
	var ids []string
	for n := range length {
		id := fmt.Sprintf("%d.%d.old@%s", thread, n, domain)
		m := OldMail{At: oldTime(thread, n), Thread: thread, Own: n%2 == 1, Number: number}
		subject := fmt.Sprintf("%s %d", t.topic, thread)
		if number != 0 && n > 0 {
			subject = fmt.Sprintf("[Ticket #%d] %s", number, subject)
		}
		if n > 0 {
			subject = t.reply + subject
		}
		m.Raw = oldRaw(m, domain, customer, subject, oldRefs(shape, ids, id), t.body)
		ids = append(ids, id)
		if shape != halfGone || !m.Own {
			out = append(out, m)
		}
	}
	return out
}

// oldRefs are the fields by which a mail says what it answers.
func oldRefs(shape int, ids []string, id string) string {
	if shape == nothing {
		return ""
	}
	own := fmt.Sprintf("Message-ID: <%s>\n", id)
	if len(ids) == 0 {
		return own
	}
	last := ids[len(ids)-1]
	switch shape {
	case star:
		return fmt.Sprintf("%sReferences: <%s>\n", own, ids[0])
	case lastOnly, halfGone:
		return fmt.Sprintf("%sIn-Reply-To: <%s>\n", own, last)
	}
	return fmt.Sprintf("%sIn-Reply-To: <%s>\nReferences: <%s>\n", own, last, strings.Join(ids, ">\n <"))
}

func oldRaw(m OldMail, domain, customer, subject, refs, body string) []byte {
	from, to := customer, "support@"+domain
	if m.Own {
		from, to = to, from
	}
	return fmt.Appendf(nil, "From: %s\nTo: %s\nSubject: %s\nDate: %s\n%sMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n%s\n%s",
		from, to, mime.BEncoding.Encode("utf-8", subject), m.At.Format(time.RFC1123Z), refs, body, strings.Repeat("A line of an old mail.\n", 1+m.Thread%60))
}

var fromLine = regexp.MustCompile(`(?m)^(>*From )`)

// WriteMbox writes mails as mboxrd does.
func WriteMbox(w io.Writer, mails []OldMail) error {
	for _, m := range mails {
		head, body, _ := bytes.Cut(m.Raw, []byte("\n\n"))
		if _, err := fmt.Fprintf(w, "From sender@example.org %s\n%s\n\n%s\n", m.At.Format(time.ANSIC), head, fromLine.ReplaceAll(body, []byte(">$1"))); err != nil {
			return err
		}
	}
	return nil
}
