package ticketing

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"postdesk/ticketing/mail"
)

// SigningDomain is an author's domain whose mail was proven by a signature, and when
// first and last, to the day.
type SigningDomain struct {
	Name        string
	First, Last time.Time
}

// rewriteAfter is how old the last signature that is written down may be: once a day is
// enough, and costs nothing.
const rewriteAfter = 24 * time.Hour

// knownDomains is what this process has written down lately.
type knownDomains struct {
	mu   sync.Mutex
	last map[string]time.Time
}

const knownDomainsMax = 10_000

func (k *knownDomains) fresh(domain string, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	at, ok := k.last[domain]
	return ok && now.Sub(at) < rewriteAfter
}

func (k *knownDomains) keep(domain string, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.last == nil || len(k.last) >= knownDomainsMax {
		k.last = map[string]time.Time{}
	}
	k.last[domain] = now
}

// signedBy is the author's domain of a mail that a signature proves; empty for any other.
func signedBy(j *job) string {
	if j.auth.Method != "dkim" && j.auth.Method != "authserv" {
		return ""
	}
	return domainOf(j.auth.Author)
}

func domainOf(address string) string {
	_, domain, _ := strings.Cut(address[max(0, strings.LastIndexByte(address, '@')):], "@")
	return mail.Lower(domain)
}

// noteSigned writes down that the author's domain signs its mail, unless that is known.
func (d *Desk) noteSigned(tx Tx, j *job) error {
	domain := signedBy(j)
	if now := d.now(); domain != "" && !d.domains.fresh(domain, now) {
		return tx.DomainSigned(domain, now)
	}
	return nil
}

// keepSigned remembers what has been committed.
func (d *Desk) keepSigned(jobs ...*job) {
	for _, j := range jobs {
		if domain := signedBy(j); domain != "" && !d.domains.fresh(domain, d.now()) {
			d.domains.keep(domain, d.now())
		}
	}
}

// hasSigned says whether the domain of an author whom nothing proves has signed before.
// That the store does not answer makes nobody suspicious.
func (d *Desk) hasSigned(ctx context.Context, j *job) bool {
	domain := domainOf(author(j.msg))
	if domain == "" || j.auth.Author != "" {
		return false
	}
	if d.domains.fresh(domain, d.now()) {
		return true
	}
	err := d.store.Read(ctx, func(tx Tx) error {
		_, err := tx.SigningDomain(domain)
		return err
	})
	if err != nil && !errors.Is(err, ErrNotFound) && ctx.Err() == nil {
		d.log.Error("whether a domain has signed before cannot be read", "domain", domain, "error", err)
	}
	return err == nil
}

// lookAlikes warns of an author whose domain could be taken for one of the desk's or of a
// participant's.
func (d *Desk) lookAlikes(j *job, t target) []string {
	known := []string{d.cfg.Domain}
	for _, q := range d.addresses.Load().queues {
		known = append(known, q.Domain)
	}
	for _, p := range t.people {
		known = append(known, domainOf(p.Address))
	}
	return mail.LookAlikes(j.msg, known)
}
