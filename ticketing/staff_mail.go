package ticketing

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"postdesk/ticketing/mail"
)

// staffMail is what a member of staff sent.
type staffMail struct {
	text    string
	body    Hash // of the body as it came, without white space
	files   []stagedFile
	problem string // why the files cannot go with it
}

// staffMail reads the mail of a member of staff before the transaction that carries it
// out: it costs more than anything else about a mail. Of others nothing is read or kept.
func (d *Desk) staffMail(ctx context.Context, raw []byte, m *mail.Message, auth mail.Authentication) (own staffMail) {
	p, known := d.staff.Load().byAddress(author(m))
	if !known || !p.proven(m, auth) {
		return own
	}
	parsed := mail.Parse(raw)
	own.text = parsed.NewText
	_, body, _ := bytes.Cut(bytes.ReplaceAll(raw, []byte("\r"), nil), []byte("\n\n"))
	own.body = sha256.Sum256(bytes.Join(bytes.Fields(body), nil))
	var files []File
	for _, a := range parsed.Attachments {
		if !isFile(a) {
			continue
		}
		f := File{Name: cmp.Or(mail.FileName(a.Name), "file"), Type: a.Type, Content: a.Content}
		if !mediaTypePattern().MatchString(f.Type) {
			f.Type = "application/octet-stream"
		}
		files = append(files, f)
	}
	var err error
	if own.files, err = d.stageFiles(ctx, p.actor("mail"), files); err != nil {
		d.log.Warn("files of a member of staff cannot go with the answer", "staff", p.Name, "error", err)
		own.problem = "Its files cannot go with it: too many or too large, or they could not be stored."
	}
	return own
}

// isFile says that somebody has attached it: the pictures of a signature and what a mail
// program adds by itself are none of it.
func isFile(a mail.Attachment) bool {
	switch a.Type {
	case "application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-keys", "text/vcard", "text/x-vcard":
		return false
	}
	return !strings.HasPrefix(a.Type, "image/") || !a.Inline && a.ContentID == ""
}

// replayScope is where mail of staff that was carried out is remembered.
const replayScope = "mail of staff"

// replayed notes a mail that was carried out before, and gives the key to remember it by.
// Many signatures do not cover the Message-ID (RFC 6376 section 5.4.1): who has a copy of an
// answer could send it again under another one. Date and body they do cover, but for white
// space (section 3.4).
func replayed(tx Tx, j *job, t *target, by Actor) (key string, err error) {
	date := strings.Join(strings.Fields(first(j.msg.Header("Date"))), " ")
	if date == "" {
		return "", nil
	}
	key = Hash(sha256.Sum256(fmt.Appendf(nil, "%d %q %q %s", t.ticket.ID, by.Name, date, j.own.body))).String()
	_, _, err = tx.Idempotent(replayScope, key)
	switch {
	case err == nil:
		t.again = true
	case errors.Is(err, ErrNotFound):
		err = nil
	}
	return key, err
}
