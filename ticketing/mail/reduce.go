package mail

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Reduction is what is to be taken out of a mail.
type Reduction struct {
	Traces  *Traces
	Instead string // stands in the place of each, as "[erased]"
	Whole   bool   // none of its text and files stays
	Subject string // as BaseSubject gives it: one that goes; empty is none
	File    int    // place of an attachment from 1 that is taken out; 0 is none
}

// Needs says whether there is something to be taken out of a mail.
func (r Reduction) Needs(m *Message, raw []byte) bool {
	if r.Whole || r.File > 0 {
		return true
	}
	head, _, _ := strings.Cut(string(raw), "\r\n\r\n")
	if r.Traces.In(head) || r.Traces.In(m.Text) || r.Traces.In(m.HTMLText) || r.Traces.In(m.HTML) || r.Traces.In(m.Subject) {
		return true
	}
	if r.HitsSubject(m.Subject) {
		return true
	}
	for _, list := range [][]Address{m.From, m.Sender, m.ReplyTo, m.To, m.Cc} {
		if slices.ContainsFunc(list, r.hits) {
			return true
		}
	}
	return slices.ContainsFunc(m.Attachments, r.inFile) || slices.ContainsFunc(slices.Concat(m.References, m.InReplyTo), r.Traces.HasID)
}

// HitsSubject says that a subject is the one that goes.
func (r Reduction) HitsSubject(subject string) bool {
	return r.Subject != "" && BaseSubject(subject) == r.Subject
}

func (r Reduction) hits(a Address) bool { return r.Traces.HasAddress(a.Address) || r.Traces.In(a.Name) }

// inFile says that an attachment has to go: it is known, shows a trace as text, or is a mail
// in itself, in which there may be anything.
func (r Reduction) inFile(a Attachment) bool {
	return r.Traces.HasFile(a.SHA256) || strings.HasPrefix(a.Type, "message/") && r.Traces.In(a.Text) ||
		r.Traces.In(a.Name) || r.Traces.In(string(a.Content))
}

// Reduce writes a mail anew with what is left of it: who wrote when to whom, what holds the
// thread together, what the author wrote without quotes and signature, and the files. What a
// signature proved of the mail before it does not prove of this one.
func (r Reduction) Reduce(m *Message) []byte {
	w := headerWriter{utf8: true}
	for _, f := range []struct {
		name string
		list []Address
	}{{"From", m.From}, {"Reply-To", m.ReplyTo}, {"To", m.To}, {"Cc", m.Cc}} {
		r.addresses(&w, f.name, f.list)
	}
	if !m.Date.IsZero() {
		w.line("Date: " + m.Date.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	}
	switch {
	case r.HitsSubject(m.Subject):
		w.text("Subject", r.Instead)
	default:
		w.text("Subject", r.Traces.Cut(m.Subject, r.Instead))
	}
	if validMsgID(m.MessageID, true) && !r.Traces.HasID(m.MessageID) {
		w.line("Message-ID: <" + m.MessageID + ">")
	}
	r.ids(&w, "In-Reply-To", m.InReplyTo)
	r.ids(&w, "References", m.References)
	if auto := m.Header("Auto-Submitted"); len(auto) > 0 && !r.Traces.In(auto[0]) {
		w.text("Auto-Submitted", auto[0])
	}
	w.line("MIME-Version: 1.0")
	r.structure(m).write(&w.buf)
	return w.buf.Bytes()
}

// addresses leaves out who is not to be named, and what cannot be written.
func (r Reduction) addresses(w *headerWriter, name string, list []Address) {
	var left []Address
	for _, a := range list {
		if _, err := addrSpec(a.Address); err == nil && !r.hits(a) {
			left = append(left, a)
		}
	}
	if len(left) > 0 {
		_ = w.addresses(name, left) // each was tried
	}
}

func (r Reduction) ids(w *headerWriter, name string, ids []string) {
	left := slices.DeleteFunc(slices.Clone(ids), r.Traces.HasID)
	if refs := capReferences(left, true); len(refs) > 0 {
		w.line(name + ": <" + strings.Join(refs, "> <") + ">")
	}
}

func (r Reduction) structure(m *Message) *part {
	text := r.Instead
	if !r.Whole {
		text = r.Traces.Cut(m.NewText, r.Instead)
	}
	root := textPart("text/plain; charset=utf-8", text)
	parts := []*part{root}
	for i, a := range m.Attachments {
		if r.Whole || i+1 == r.File || r.inFile(a) {
			parts = append(parts, textPart(`text/plain; charset=utf-8; name="`+fmt.Sprintf("%s-%d.txt", strings.Trim(r.Instead, "[]"), i+1)+`"`+"\r\nContent-Disposition: attachment", r.Instead))
			continue
		}
		a.ContentID = "" // nothing shows it any more
		if p, err := filePart(a); err == nil {
			parts = append(parts, p)
		}
	}
	if len(parts) == 1 {
		return root
	}
	sum := sha256.Sum256([]byte(m.MessageID + text))
	return multipart("mixed", "=_"+hex.EncodeToString(sum[:15]), parts)
}
