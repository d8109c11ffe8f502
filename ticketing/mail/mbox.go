package mail

import (
	"bufio"
	"bytes"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Mbox finds the mails of an mbox file (RFC 4155) in one pass, a few KB at a time. It
// takes what the world writes under that name: From_ lines quoted once (mboxo) or each
// time (mboxrd), or with a Content-Length (mboxcl, mboxcl2), with any line end.
type Mbox struct {
	r    io.ReaderAt
	size int64
	in   *bufio.Reader
	pos  int64 // of what in gives next
	from mboxLine
	any  bool // a mail was given
}

// MboxMail is where a mail lies in its file.
type MboxMail struct {
	Start, End int64     // without the From_ line above and the blank line below
	Date       time.Time // of the From_ line; zero when it has none
	Verbatim   bool      // its lines are not quoted (mboxcl2)
}

// mboxLine is the begin of a line, as much as is looked at.
type mboxLine struct {
	text       []byte
	start, end int64
}

// mboxPeek is how much of a line is looked at.
const mboxPeek = 512

// NewMbox reads from the begin of a file.
func NewMbox(r io.ReaderAt, size int64) *Mbox {
	return &Mbox{r: r, size: size, in: bufio.NewReaderSize(io.NewSectionReader(r, 0, size), 64<<10)}
}

// Next gives the next mail, io.EOF after the last. Text above the first From_ line is a
// mail too: nothing is lost.
func (m *Mbox) Next() (MboxMail, error) {
	if !m.any {
		if err := m.begin(); err != nil {
			return MboxMail{}, err
		}
	}
	if m.from.text == nil {
		return MboxMail{}, io.EOF
	}
	found := MboxMail{Start: m.from.end, Date: fromLineDate(m.from.text)}
	m.from = mboxLine{}
	err := m.scan(&found)
	return found, err
}

// begin reads up to the first From_ line.
func (m *Mbox) begin() error {
	for {
		l, err := m.line()
		if err != nil {
			return err
		}
		if blank(l.text) {
			continue
		}
		m.any = true
		if m.from = l; !m.separates(l, true) {
			m.from.end = l.start // a mail without a From_ line
			m.rewind(l.start)
		}
		return nil
	}
}

func (m *Mbox) rewind(pos int64) {
	m.in.Reset(io.NewSectionReader(m.r, pos, m.size-pos))
	m.pos = pos
}

// scan reads to the From_ line behind a mail, or to the end of the file.
func (m *Mbox) scan(found *MboxMail) error {
	header, length, last := true, int64(-1), int64(0)
	blankAbove, blankAt := false, int64(0)
	for {
		l, err := m.line()
		if err != nil && err != io.EOF {
			return err
		}
		starts := bytes.HasPrefix(l.text, []byte("From "))
		switch {
		case err == io.EOF || starts && l.start >= last && m.separates(l, blankAbove):
			found.End, m.from = l.start, l
			if blankAbove {
				found.End = blankAt
			}
			return nil
		case l.start < last:
			found.Verbatim = found.Verbatim || starts
		case header && blank(l.text):
			header = false
			if end := l.end + length; length > 0 && m.endsAt(end) {
				last = end
			}
		case header && length < 0:
			length = contentLength(l.text)
		}
		blankAbove, blankAt = blank(l.text), l.start
	}
}

// line reads a line, however long, and keeps its begin.
func (m *Mbox) line() (mboxLine, error) {
	l := mboxLine{start: m.pos}
	for {
		piece, err := m.in.ReadSlice('\n')
		m.pos += int64(len(piece))
		if room := mboxPeek - len(l.text); room > 0 {
			l.text = append(l.text, piece[:min(room, len(piece))]...)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if err == io.EOF && m.pos > l.start {
			err = nil
		}
		l.end = m.pos
		return l, err
	}
}

func blank(line []byte) bool { return len(bytes.TrimRight(line, "\r\n")) == 0 }

// separates says whether a line that begins with "From " is a From_ line and not a
// sentence: there are writers that quote nothing. It has a date or at least an address,
// a blank line above, and a field below; of the latter two one is enough beside a date.
func (m *Mbox) separates(l mboxLine, blankAbove bool) bool {
	if !bytes.HasPrefix(l.text, []byte("From ")) {
		return false
	}
	next, _ := m.in.Peek(100)
	field := startsField(next)
	if !fromLineDate(l.text).IsZero() {
		return blankAbove || field
	}
	sender, _, _ := bytes.Cut(bytes.TrimRight(l.text[5:], "\r\n"), []byte(" "))
	return blankAbove && field && (bytes.IndexByte(sender, '@') > 0 || string(sender) == "MAILER-DAEMON" || string(sender) == "-")
}

// startsField says whether text begins with the name of a header field.
func startsField(text []byte) bool {
	for i, c := range text {
		if c == ':' {
			return i > 0
		}
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return false
}

// fromLineDate is the date of a From_ line, as asctime wrote it: it begins with the day
// of the week. The sender before it may hold spaces.
func fromLineDate(line []byte) time.Time {
	words := strings.Fields(string(line))
	for i, w := range words {
		if i > 0 && len(words)-i >= 5 && slices.Contains([]string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}, strings.TrimSuffix(w, ",")) {
			return parseDate(strings.Join(words[i+1:], " "))
		}
	}
	return time.Time{}
}

// contentLength reads the field of that name, -1 for any other.
func contentLength(line []byte) int64 {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok || !equalFold(string(name), "Content-Length") {
		return -1
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// endsAt believes a Content-Length only when a mail or the file does end there: editors
// change the text and not the number.
func (m *Mbox) endsAt(end int64) bool {
	if end < m.pos || end > m.size {
		return false
	}
	buf := make([]byte, 64)
	n, err := m.r.ReadAt(buf, end)
	if err != nil && err != io.EOF {
		return false
	}
	rest := bytes.TrimLeft(buf[:n], "\r\n")
	return len(rest) == 0 && end+int64(n) == m.size || n > len(rest) && bytes.HasPrefix(rest, []byte("From "))
}

// Open gives the octets of a mail, without the quoting of From_ lines. Any number may
// be open at a time.
func (m *Mbox) Open(at MboxMail) io.Reader {
	section := io.NewSectionReader(m.r, at.Start, at.End-at.Start)
	if at.Verbatim {
		return section
	}
	return &unquoter{in: bufio.NewReaderSize(section, int(min(32<<10, at.End-at.Start))), fresh: true}
}

// unquoter takes one '>' off lines of a body that read ">From ", ">>From " and so on.
type unquoter struct {
	in     *bufio.Reader
	body   bool
	fresh  bool   // a line begins
	rest   []byte // still to be given
	failed error
}

func (u *unquoter) Read(p []byte) (int, error) {
	for len(u.rest) == 0 && u.failed == nil {
		piece, err := u.in.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			u.failed = err
		}
		if u.fresh && blank(piece) {
			u.body = true
		}
		if u.fresh && u.body && bytes.HasPrefix(piece, []byte(">")) && bytes.HasPrefix(bytes.TrimLeft(piece, ">"), []byte("From ")) {
			piece = piece[1:]
		}
		u.fresh, u.rest = err != bufio.ErrBufferFull, piece
	}
	if len(u.rest) == 0 {
		return 0, u.failed
	}
	n := copy(p, u.rest)
	u.rest = u.rest[n:]
	return n, nil
}
