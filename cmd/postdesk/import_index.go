package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
)

// headMax is how much of a header is read to sort a mail.
const headMax = 256 << 10

// importMax is the largest mail that is brought in.
const importMax = 200 << 20

// history is all mails to be brought in, sorted. It holds their places and digests, and
// none of their words.
type history struct {
	sources []source
	mails   []historyMail
	threads []ticketing.ThreadMail
	twice   int // mails that lie there more than once
	large   []string
	order   []ticketing.Place
}

type historyMail struct {
	source int
	at     mail.MboxMail
	key    ticketing.Hash
	date   time.Time
	known  bool // in the desk already
}

// indexer reads all mails once.
type indexer struct {
	h       history
	aliases ticketing.Aliases
	ours    func(address string) bool
	now     time.Time
	seen    map[ticketing.Hash]bool
	before  time.Time
	read    int64
	report  func(read int64, mails int)
}

// index reads every mail once, and sorts them into threads.
func (x *indexer) index(ctx context.Context, files []source) (*history, error) {
	x.h.sources, x.seen = files, map[ticketing.Hash]bool{}
	for n, s := range files {
		if err := x.source(ctx, n, s); err != nil {
			return nil, fmt.Errorf("%s: %w", s.path, err)
		}
	}
	x.seen = nil
	x.h.order = ticketing.Thread(x.h.threads)
	x.h.threads = nil
	return &x.h, nil
}

func (x *indexer) source(ctx context.Context, n int, s source) error {
	o, err := s.open()
	if err != nil {
		return err
	}
	defer o.f.Close()
	start := x.read
	err = o.each(func(at mail.MboxMail) error {
		if err := x.mail(o, n, at); err != nil {
			return err
		}
		x.read = start + at.End
		x.report(x.read, len(x.h.mails))
		return ctx.Err()
	})
	x.read = start + s.size
	return err
}

func (x *indexer) mail(o *opened, n int, at mail.MboxMail) error {
	if at.End-at.Start > importMax {
		x.h.large = append(x.h.large, fmt.Sprintf("%s, at octet %d: %d MB", o.path, at.Start, (at.End-at.Start)>>20))
		return nil
	}
	m, key, err := readKey(o.mail(at))
	if err != nil {
		return err
	}
	if x.seen[key] {
		x.h.twice++
		return nil
	}
	x.seen[key] = true
	if isReport(m) && at.End-at.Start < 1<<20 { // which mail it is about stands in its body
		raw, err := io.ReadAll(o.mail(at))
		if err != nil {
			return err
		}
		m = mail.Intake(raw)
	}
	date := ticketing.MailDate(m, at.Date, x.before, x.now)
	x.before = date
	x.h.mails = append(x.h.mails, historyMail{source: n, at: at, key: key, date: date})
	x.h.threads = append(x.h.threads, ticketing.NewThreadMail(m, x.aliases, x.ours, date))
	return nil
}

// readKey reads a mail to its end, and gives its header and its key.
func readKey(r io.Reader) (*mail.Message, ticketing.Hash, error) {
	in := bufio.NewReader(r)
	head, err := readHead(in)
	if err != nil {
		return nil, ticketing.Hash{}, err
	}
	m := mail.Intake(head)
	key, err := ticketing.ImportKey(m, head, in)
	return m, key, err
}

// readHead reads up to the blank line below the header. Blank lines above it are passed
// over, as Parse does.
func readHead(in *bufio.Reader) ([]byte, error) {
	var head []byte
	fresh, begun := true, false
	for len(head) < headMax {
		line, err := in.ReadSlice('\n')
		head = append(head, line...)
		if err == io.EOF {
			break
		}
		if err != nil && err != bufio.ErrBufferFull {
			return nil, err
		}
		empty := len(bytes.TrimRight(line, "\r\n")) == 0
		if fresh && empty && begun {
			break
		}
		fresh, begun = err == nil, begun || !empty
	}
	return head, nil
}

// isReport is for delivery reports (RFC 3464), and for what says that it is one by its
// sender alone.
func isReport(m *mail.Message) bool {
	for _, v := range m.Header("Content-Type") {
		if strings.Contains(strings.ToLower(v), "multipart/report") {
			return true
		}
	}
	return len(m.From) > 0 && strings.HasPrefix(strings.ToLower(m.From[0].Address), "mailer-daemon@")
}

// anchor names a mail that is in the same thread and in the desk already, or comes
// before: the parent, else one that is there, else the first. The first of a thread that
// is new has none.
func (h *history) anchors() []ticketing.Hash {
	there := map[int]int{} // thread to a mail that is in the desk
	for _, p := range h.order {
		if _, found := there[p.Thread]; !found && h.mails[p.Index].known {
			there[p.Thread] = p.Index
		}
	}
	out := make([]ticketing.Hash, len(h.mails))
	for _, p := range h.order {
		switch at, found := there[p.Thread]; {
		case p.Parent >= 0:
			out[p.Index] = h.mails[p.Parent].key
		case found && at != p.Index:
			out[p.Index] = h.mails[at].key
		case p.Thread != p.Index:
			out[p.Index] = h.mails[p.Thread].key
		}
	}
	return out
}
