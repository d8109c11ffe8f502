package store

import (
	"time"

	"postdesk/ticketing"
)

func (t *tx) DomainSigned(name string, at time.Time) error {
	_, err := t.exec(`INSERT INTO domain (name, first_signed, last_signed) VALUES ($1, $2, $2)
		ON CONFLICT (name) DO UPDATE SET last_signed = $2 WHERE domain.last_signed < $2`, name, at)
	return err
}

func (t *tx) SigningDomain(name string) (ticketing.SigningDomain, error) {
	return one(t, func(r row, d *ticketing.SigningDomain) error {
		return r.Scan(&d.Name, timeCol{&d.First}, timeCol{&d.Last})
	}, "SELECT name, first_signed, last_signed FROM domain WHERE name = $1", name)
}
