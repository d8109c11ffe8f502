package ticketing

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
)

// The scopes of an API token.
const (
	ScopeRead  = "read"
	ScopeWrite = "write"
)

// CreateToken makes an API token. The secret is given once; only its hash is kept.
func (d *Desk) CreateToken(ctx context.Context, name, scope string, program bool) (t Token, secret string, err error) {
	if name == "" || scope != ScopeRead && scope != ScopeWrite {
		return t, "", fmt.Errorf("%w: a token needs a name and the scope %q or %q", ErrInvalid, ScopeRead, ScopeWrite)
	}
	secret = "pd_" + rand.Text() // 128 bits or more
	t = Token{Name: name, Hash: sha256.Sum256([]byte(secret)), Program: program, Scope: scope, Created: d.now()}
	err = d.store.Write(ctx, func(tx Tx) error {
		t.ID = 0
		return tx.AddToken(&t)
	})
	return t, secret, err
}

// Tokens lists the API tokens.
func (d *Desk) Tokens(ctx context.Context) (tokens []Token, err error) {
	err = d.store.Read(ctx, func(tx Tx) (err error) {
		tokens, err = tx.Tokens()
		return err
	})
	return tokens, err
}

// RemoveToken ends an API token.
func (d *Desk) RemoveToken(ctx context.Context, id int64) error {
	return d.store.Write(ctx, func(tx Tx) error { return tx.RemoveToken(id) })
}

// TokenBySecret finds the token of a request, ErrNotFound for none. The look-up is by
// hash, so that its time tells nothing about the secret.
func (d *Desk) TokenBySecret(ctx context.Context, secret string) (t Token, err error) {
	err = d.store.Read(ctx, func(tx Tx) (err error) {
		t, err = tx.TokenByHash(sha256.Sum256([]byte(secret)))
		return err
	})
	return t, err
}
