package store

import "postdesk/ticketing"

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

func (t *tx) Attachments(message int64) ([]ticketing.Attachment, error) {
	return list(t, scanAttachment, `SELECT a.id, a.message, a.name, a.type, a.content_id, r.size, r.hash
		FROM attachment a JOIN raw r ON r.id = a.raw WHERE a.message = $1 ORDER BY a.id`, message)
}
