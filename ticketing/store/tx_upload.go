package store

import (
	"time"

	"postdesk/ticketing"
)

func (t *tx) AddUpload(u *ticketing.Upload) error {
	raw, err := t.rawID(u.Raw)
	if err != nil {
		return err
	}
	return t.get("INSERT INTO upload (secret, owner, raw, name, type, created) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
		[]any{u.Secret, u.Owner, raw, u.Name, u.Type, u.Created}, &u.ID)
}

const selectUpload = "SELECT u.id, u.secret, u.owner, u.name, u.type, r.size, r.hash, u.created FROM upload u JOIN raw r ON r.id = u.raw"

func scanUpload(r row, u *ticketing.Upload) error {
	return r.Scan(&u.ID, &u.Secret, &u.Owner, &u.Name, &u.Type, &u.Size, hashCol{&u.Raw}, timeCol{&u.Created})
}

func (t *tx) Upload(id int64) (ticketing.Upload, error) {
	return one(t, scanUpload, selectUpload+" WHERE u.id = $1", id)
}

func (t *tx) UploadBySecret(secret string) (ticketing.Upload, error) {
	return one(t, scanUpload, selectUpload+" WHERE u.secret = $1", secret)
}

func (t *tx) UploadsBefore(before time.Time, limit int) ([]ticketing.Upload, error) {
	return list(t, scanUpload, selectUpload+" WHERE u.created < $1 ORDER BY u.created LIMIT $2", before, atMost(limit))
}
