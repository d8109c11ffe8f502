package mail

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Draft is a message of ours before it becomes bytes. Text may hold anything:
// what cannot stand in a header is cleaned from text for people, and refused in
// what machines read (addresses, ids, field names).
type Draft struct {
	From, To   Address
	ReplyTo    Address // none when its Address is empty
	Cc         []Address
	Subject    string // as it shall be read, UTF-8
	Date       time.Time
	MessageID  string   // without angle brackets
	InReplyTo  string   // without angle brackets; left out when it cannot be written
	References []string // without angle brackets, oldest first; capped at the first and the last

	Body      string // Markdown: as it is in text/plain, rendered in text/html
	QuoteHead string // the attribution line above Quote
	Quote     string // plain text that is quoted below Body
	Signature string // plain text, stands after "-- "

	AutoSubmitted string // "auto-replied", "auto-generated", or empty when a person wrote (RFC 3834 section 5)
	Suppress      bool   // ask Exchange for no automatic answers (MS-OXCMAIL, X-Auto-Response-Suppress)
	SuppressAll   bool   // and for no reports either: for mail with the null reverse-path
	ThreadIndex   string // Thread-Index of the message that is answered; it is continued
	ThreadTopic   string
	Headers       []HeaderField // other fields, not those that Compose writes itself
	// Attachments need their Content. One that is Inline, has a ContentID and is shown by
	// Body, as ![…](cid:ID), belongs to the HTML. An ID without "@" is made unique here.
	Attachments []Attachment
}

// HeaderField is a header field with a value in UTF-8.
type HeaderField struct{ Name, Value string }

// Compose makes the message: lines end in CRLF and have at most 998 octets
// (RFC 5322 section 2.1.1), and the same Draft always gives the same bytes, so
// that a message that is sent again is the same message.
func Compose(d Draft) ([]byte, error) {
	w := headerWriter{utf8: d.international()}
	if err := d.writeHeader(&w); err != nil {
		return nil, fmt.Errorf("compose: %w", err)
	}
	w.line("MIME-Version: 1.0")
	root, err := d.structure()
	if err != nil {
		return nil, fmt.Errorf("compose: %w", err)
	}
	root.write(&w.buf)
	return w.buf.Bytes(), nil
}

func (d Draft) writeHeader(w *headerWriter) error {
	// Four digits of a year are what RFC 5322 section 3.3 can say.
	if y := d.Date.Year(); y < 1900 || y > 9999 {
		return errors.New("no date, or one out of range")
	}
	w.line("Date: " + d.Date.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	if err := d.writeAddresses(w); err != nil {
		return err
	}
	w.text("Subject", d.Subject)
	if err := d.writeThread(w); err != nil {
		return err
	}
	switch d.AutoSubmitted {
	case "":
	case "auto-replied", "auto-generated":
		w.line("Auto-Submitted: " + d.AutoSubmitted)
	default:
		return fmt.Errorf("Auto-Submitted: %q is neither auto-replied nor auto-generated", d.AutoSubmitted)
	}
	switch {
	case d.SuppressAll:
		w.line("X-Auto-Response-Suppress: All")
	case d.Suppress:
		// Not "All": that means delivery reports too (NDR), and we want to know of failures.
		w.line("X-Auto-Response-Suppress: DR, RN, NRN, OOF, AutoReply")
	}
	for _, h := range d.Headers {
		if err := w.extra(h); err != nil {
			return err
		}
	}
	return nil
}

func (d Draft) writeAddresses(w *headerWriter) error {
	if err := w.addresses("From", []Address{d.From}); err != nil {
		return err
	}
	if d.ReplyTo.Address != "" {
		if err := w.addresses("Reply-To", []Address{d.ReplyTo}); err != nil {
			return err
		}
	}
	if err := w.addresses("To", []Address{d.To}); err != nil {
		return err
	}
	if len(d.Cc) == 0 {
		return nil
	}
	return w.addresses("Cc", d.Cc)
}

// writeThread writes what ties the message to its thread, for clients that follow
// RFC 5322 section 3.6.4 and for Outlook.
func (d Draft) writeThread(w *headerWriter) error {
	at := strings.IndexByte(d.MessageID, '@')
	if !validMsgID(d.MessageID, false) || at < 1 || at == len(d.MessageID)-1 {
		return fmt.Errorf("Message-ID: %q is no msg-id", d.MessageID)
	}
	w.line("Message-ID: <" + d.MessageID + ">")
	// Foreign ids are copied from mail that came in. One that is malformed is left
	// out: a thread with a gap is better than an answer that cannot be sent.
	if validMsgID(d.InReplyTo, w.utf8) {
		w.line("In-Reply-To: <" + d.InReplyTo + ">")
	}
	if refs := capReferences(d.References, w.utf8); len(refs) > 0 {
		w.line("References: <" + strings.Join(refs, "> <") + ">")
	}
	w.text("Thread-Topic", d.ThreadTopic)
	if index := childThreadIndex(d.ThreadIndex, d.Date, d.MessageID); index != "" {
		w.line("Thread-Index: " + index)
	}
	return nil
}

// international says whether the message needs SMTPUTF8 anyway, because an address
// in its header is not ASCII (RFC 6532). Else nothing raw may make it need that:
// it would be refused by a server that lacks the extension.
func (d Draft) international() bool {
	for _, a := range append([]Address{d.From, d.ReplyTo, d.To}, d.Cc...) {
		if !isASCII(a.Address) {
			return true
		}
	}
	return false
}

// boundary is unique to a message and a level of it. "=_" occurs in neither
// quoted-printable nor base64 (RFC 2045 section 6.7), so no body can contain it.
func boundary(messageID, level string) string {
	return "=_" + hex.EncodeToString(digest(level, messageID)[:15])
}

func digest(purpose, messageID string) []byte {
	sum := sha256.Sum256([]byte(purpose + "\x00" + messageID))
	return sum[:]
}

// structure is the tree of parts: mixed(alternative(plain, related(html, images)), files),
// each level left out when it would hold one part.
func (d Draft) structure() (*part, error) {
	plain := textPart("text/plain; charset=utf-8; format=flowed", d.plainText())
	rich, shown, err := d.htmlText()
	if err != nil {
		return nil, err
	}
	html := textPart("text/html; charset=utf-8", rich)
	var images, files []*part
	used := map[string]bool{}
	for i, a := range d.Attachments {
		if a.ContentID != "" && used[a.ContentID] {
			return nil, fmt.Errorf("attachment %d: Content-ID %q is used twice", i+1, a.ContentID)
		}
		used[a.ContentID] = true
		// A file that no text shows would be seen by nobody in there.
		a.Inline = a.Inline && shown[a.ContentID]
		if a.ContentID != "" {
			a.ContentID = d.contentID(a.ContentID)
		}
		p, err := filePart(a)
		if err != nil {
			return nil, fmt.Errorf("attachment %d: %w", i+1, err)
		}
		if a.Inline {
			images = append(images, p)
		} else {
			files = append(files, p)
		}
	}
	if len(images) > 0 {
		// type= is mandatory (RFC 2387 section 3.1).
		html = multipart(`related; type="text/html"`, boundary(d.MessageID, "related"), append([]*part{html}, images...))
	}
	root := multipart("alternative", boundary(d.MessageID, "alternative"), []*part{plain, html})
	if len(files) > 0 {
		root = multipart("mixed", boundary(d.MessageID, "mixed"), append([]*part{root}, files...))
	}
	return root, nil
}

// contentIDs are the images that the mail carries, by what the text calls them.
func (d Draft) contentIDs() map[string]string {
	ids := map[string]string{}
	for _, a := range d.Attachments {
		if a.Inline && a.ContentID != "" {
			ids[a.ContentID] = d.contentID(a.ContentID)
		}
	}
	return ids
}

// contentID makes an id of the world's out of one of the text's (RFC 2045 section 7): a
// reader that knows it from another mail would show the image of that one.
func (d Draft) contentID(id string) string {
	if strings.Contains(id, "@") {
		return id
	}
	_, domain, _ := strings.Cut(d.MessageID, "@")
	return id + "." + hex.EncodeToString(digest("image", d.MessageID)[:8]) + "@" + domain
}

// part is a MIME entity: header lines without CRLF, then children or an encoded body.
type part struct {
	header   []string
	boundary string
	children []*part
	body     []byte
}

func multipart(subtype, boundary string, children []*part) *part {
	return &part{
		header:   []string{"Content-Type: multipart/" + subtype + `;` + "\r\n" + ` boundary="` + boundary + `"`},
		boundary: boundary, children: children,
	}
}

func (p *part) write(b *bytes.Buffer) {
	for _, h := range p.header {
		b.WriteString(h + "\r\n")
	}
	b.WriteString("\r\n")
	b.Write(p.body)
	for _, c := range p.children {
		b.WriteString("\r\n--" + p.boundary + "\r\n")
		c.write(b)
	}
	if p.children != nil {
		b.WriteString("\r\n--" + p.boundary + "--\r\n")
	}
}
