package store

import (
	"time"

	"postdesk/ticketing"
)

func (t *tx) Idempotent(scope, key string) (request ticketing.Hash, result int64, err error) {
	err = t.get("SELECT request, result FROM idempotent WHERE scope = $1 AND key = $2", []any{scope, key}, hashCol{&request}, &result)
	return request, result, err
}

func (t *tx) PutIdempotent(scope, key string, request ticketing.Hash, result int64, at time.Time) error {
	_, err := t.exec("INSERT INTO idempotent (scope, key, request, result, at) VALUES ($1, $2, $3, $4, $5)"+
		" ON CONFLICT (scope, key) DO UPDATE SET request = excluded.request, result = excluded.result, at = excluded.at", scope, key, request, result, at)
	return err
}

func (t *tx) AddToken(k *ticketing.Token) error {
	queues, err := toJSON(k.Queues)
	if err != nil {
		return err
	}
	return t.get("INSERT INTO token (name, hash, program, scope, queues, created) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
		[]any{k.Name, k.Hash, k.Program, k.Scope, queues, k.Created}, &k.ID)
}

const selectToken = "SELECT id, name, hash, program, scope, queues, created FROM token"

func scanToken(r row, k *ticketing.Token) error {
	return r.Scan(&k.ID, &k.Name, hashCol{&k.Hash}, &k.Program, &k.Scope, jsonCol{&k.Queues}, timeCol{&k.Created})
}

func (t *tx) Tokens() ([]ticketing.Token, error) {
	return list(t, scanToken, selectToken+" ORDER BY id")
}

func (t *tx) TokenByHash(h ticketing.Hash) (ticketing.Token, error) {
	return one(t, scanToken, selectToken+" WHERE hash = $1", h)
}

func (t *tx) RemoveToken(id int64) error {
	return t.change("DELETE FROM token WHERE id = $1", id)
}

func (t *tx) AddKey(k ticketing.Key) error {
	_, err := t.exec("INSERT INTO hmac_key (id, secret, created) VALUES ($1, $2, $3)", k.ID, k.Secret, k.Created)
	return err
}

func (t *tx) RemoveKey(id int64) error {
	return t.change("DELETE FROM hmac_key WHERE id = $1", id)
}

func (t *tx) Keys() ([]ticketing.Key, error) {
	return list(t, func(r row, k *ticketing.Key) error {
		return r.Scan(&k.ID, &k.Secret, timeCol{&k.Created})
	}, "SELECT id, secret, created FROM hmac_key ORDER BY created DESC, id DESC")
}
