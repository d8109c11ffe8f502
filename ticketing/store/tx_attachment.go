package store

import (
	"cmp"
	"slices"

	"postdesk/ticketing"
)

func (t *tx) AddAttachment(a *ticketing.Attachment) error {
	raw, err := t.rawID(a.Raw)
	if err != nil {
		return err
	}
	return t.get("INSERT INTO attachment (message, raw, name, type, content_id) VALUES ($1, $2, $3, $4, $5) RETURNING id",
		[]any{a.Message, raw, a.Name, a.Type, a.ContentID}, &a.ID)
}

func scanAttachment(r row, a *ticketing.Attachment) error {
	return r.Scan(&a.ID, &a.Message, &a.Name, &a.Type, &a.ContentID, &a.Size, hashCol{&a.Raw})
}

const selectAttachment = `SELECT a.id, a.message, a.name, a.type, a.content_id, r.size, r.hash
	FROM attachment a JOIN raw r ON r.id = a.raw`

func (t *tx) Attachments(message int64) ([]ticketing.Attachment, error) {
	return list(t, scanAttachment, selectAttachment+" WHERE a.message = $1 ORDER BY a.id", message)
}

func (t *tx) AttachmentsOfMessages(ticket, first, last int64) ([]ticketing.Attachment, error) {
	found, err := list(t, scanAttachment, selectAttachment+" WHERE a.message IN (SELECT id FROM message WHERE ticket = $1 AND id BETWEEN $2 AND $3)", ticket, first, last)
	slices.SortFunc(found, func(a, b ticketing.Attachment) int { return cmp.Compare(a.ID, b.ID) })
	return found, err
}
