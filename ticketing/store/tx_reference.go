package store

func (t *tx) PutReference(ref string, ticket int64) (owner int64, err error) {
	// The update changes nothing; it makes RETURNING give the row that is there.
	err = t.get("INSERT INTO reference (ref, ticket) VALUES ($1, $2) ON CONFLICT (ref) DO UPDATE SET ref = excluded.ref RETURNING ticket",
		[]any{ref, ticket}, &owner)
	return owner, err
}

func (t *tx) RemoveReference(ref string, ticket int64) error {
	return t.change("DELETE FROM reference WHERE ref = $1 AND ticket = $2", ref, ticket)
}

func (t *tx) ReferencesOf(ticket int64) ([]string, error) {
	return list(t, scanText, "SELECT ref FROM reference WHERE ticket = $1 ORDER BY ref", ticket)
}
