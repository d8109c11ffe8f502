package store

import (
	"testing"

	"postdesk/ticketing"
)

func TestSigningDomain(t *testing.T) {
	inTx(t, func(t *testing.T, _ *DB, tx ticketing.Tx) {
		missing[ticketing.SigningDomain](t, "domain")(tx.SigningDomain("a.example"))
		ok(t, tx.DomainSigned("a.example", at(2)))
		ok(t, tx.DomainSigned("a.example", at(5)))
		ok(t, tx.DomainSigned("a.example", at(3))) // late mail
		ok(t, tx.DomainSigned("b.example", at(4)))
		same(t, "domain", must[ticketing.SigningDomain](t)(tx.SigningDomain("a.example")),
			ticketing.SigningDomain{Name: "a.example", First: at(2), Last: at(5)})
	})
}
