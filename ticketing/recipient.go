package ticketing

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Queue is a place where mail becomes tickets.
type Queue struct {
	Key         string   // SUPPORT: tickets are SUPPORT-<n>
	Name        string   // for people
	Addresses   []string // mail to these opens a ticket
	Domain      string   // ticket addresses are KEY-<n>@Domain
	FirstNumber int64    // of the first ticket
	OldKeys     []string // keys the queue once had; their ticket addresses stay valid for ever

	Forms           []string // addresses of contact forms: their Reply-To is the requester
	Automatic       string   // what automatic mail becomes: AutomaticTicket (default), AutomaticFold or AutomaticGroup + a field
	Acknowledge     string   // AcknowledgeProven (default) or AcknowledgeOff
	Acknowledgement Template // Markdown; the zero value is the desk's own text

	Retention time.Duration // after which a closed ticket is removed; 0 is never
	EndsAfter time.Duration // after which an answer to a closed ticket opens a linked one; 0 is 14 days, below 0 is never

	Reply     Template // what stands around an answer's Text; the zero value is the Text alone
	Signature Template // below an answer, after "-- "
	Quote     string   // what an answer quotes: QuoteLast (default), QuoteFull or QuoteNone
	QuoteHead Template // the line above a quote; the zero value is "On {{.Date}}, {{.Author}} wrote:"
}

// What an answer quotes. It is never more than its recipient has seen.
const (
	QuoteLast = "last" // the mail that is answered
	QuoteFull = "full" // what went to and fro between the recipient and the desk
	QuoteNone = "none"
)

// What automatic mail at a queue becomes.
const (
	AutomaticTicket = "ticket" // a ticket each
	AutomaticFold   = "fold"   // folded into one ticket a day
	AutomaticGroup  = "group:" // into one open ticket for each value of a header field, as "group:Subject"
)

// ends is when a closed ticket is not reopened any more.
func (q Queue) ends() time.Duration {
	if q.EndsAfter == 0 {
		return 14 * 24 * time.Hour
	}
	return q.EndsAfter
}

// Destination is what an address of ours means.
type Destination struct {
	Queue  string // key of the queue
	Key    string // of the ticket: the queue's, or one that it once had; empty for the queue itself
	Number int64  // of the ticket, 0 for the queue itself
	Token  string // what stood after '+', not verified
	Bounce bool   // the reverse-path of one mail of ours; Token holds its id and MAC
}

// NoRecipient is the error for an address that can never be ours.
type NoRecipient struct{ Address string }

func (e NoRecipient) Error() string { return fmt.Sprintf("no such recipient: %s", e.Address) }

// NoSuchRecipient tells the LMTP server that 550 5.1.1 is right.
func (e NoRecipient) NoSuchRecipient() bool { return true }

// rule ties a pattern of addresses to what it means. The pattern is POSIX extended
// syntax, so that the very same text stands in Postfix's table (regexp_table(5)).
type rule struct {
	pattern string
	re      *regexp.Regexp
	queue   string
	key     string // of a ticket's name
	kind    ruleKind
}

type ruleKind int

const (
	toQueue ruleKind = iota
	toTicket
	toBounce
)

// Directory knows every address of the desk. It is a matter of syntax alone: a
// ticket that does not exist is accepted like one that does, so that nobody can
// find out which exist, and Postfix can answer at port 25 without us.
type Directory struct{ rules []rule }

// keyPattern is what a queue may be called; the dash is what joins key and number.
var keyPattern = pattern(`^[A-Z][A-Z0-9]{0,31}$`)

// NewDirectory takes the queues in order; the first one with an address has it.
func NewDirectory(queues []Queue) (*Directory, error) {
	if len(queues) == 0 {
		return nil, fmt.Errorf("no queue is configured")
	}
	d := &Directory{}
	seen := map[string]bool{}
	for _, q := range queues {
		for _, key := range append([]string{q.Key}, q.OldKeys...) {
			if !keyPattern().MatchString(key) {
				return nil, fmt.Errorf("queue key %q: want a capital letter, then capital letters and digits", key)
			}
			if seen[key] {
				return nil, fmt.Errorf("queue key %q is used twice", key)
			}
			seen[key] = true
			k, at := strings.ToLower(key), "@"+regexp.QuoteMeta(strings.ToLower(q.Domain))
			d.add(`^`+k+`-([0-9]{1,18})(\+(.*))?`+at+`$`, q.Key, key, toTicket)
			d.add(`^`+k+`-bounces\+(()(.*))`+at+`$`, q.Key, key, toBounce)
		}
		for _, a := range q.Addresses {
			local, domain, ok := cutAddress(strings.ToLower(a))
			if !ok {
				return nil, fmt.Errorf("queue %s: %q is no mail address", q.Key, a)
			}
			if seen[local+"@"+domain] {
				return nil, fmt.Errorf("address %q stands in two queues", a)
			}
			seen[local+"@"+domain] = true
			d.add(`^`+regexp.QuoteMeta(local)+`()(\+(.*))?@`+regexp.QuoteMeta(domain)+`$`, q.Key, q.Key, toQueue)
		}
	}
	return d, nil
}

// AddRole accepts postmaster@ (RFC 5321 section 4.5.1) and abuse@ (RFC 2142) of a
// domain that is the desk's own, into a queue.
func (d *Directory) AddRole(domain, queue string) {
	d.add(`^(postmaster|abuse)(\+(.*))?@`+regexp.QuoteMeta(strings.ToLower(domain))+`$`, queue, queue, toQueue)
}

func (d *Directory) add(pattern, queue, key string, kind ruleKind) {
	// (?i) because a local-part is folded by half the world, as regexp tables do.
	d.rules = append(d.rules, rule{pattern, regexp.MustCompile(`(?is)` + pattern), queue, key, kind})
}

// Patterns are the POSIX extended regular expressions of all our addresses, for
// the table by which Postfix refuses the others.
func (d *Directory) Patterns() []string {
	out := make([]string, len(d.rules))
	for i, r := range d.rules {
		out[i] = r.pattern
	}
	return out
}

// Lookup says what an address means, or gives NoRecipient.
func (d *Directory) Lookup(address string) (Destination, error) {
	for _, r := range d.rules {
		m := r.re.FindStringSubmatch(address)
		if m == nil {
			continue
		}
		dest := Destination{Queue: r.queue, Token: m[3], Bounce: r.kind == toBounce}
		if r.kind == toTicket {
			dest.Key = r.key
			// At most 18 digits: it fits.
			dest.Number, _ = strconv.ParseInt(m[1], 10, 64)
		}
		return dest, nil
	}
	return Destination{}, NoRecipient{address}
}

// cutAddress splits at the last '@': a quoted local-part may hold others.
func cutAddress(a string) (local, domain string, ok bool) {
	i := strings.LastIndexByte(a, '@')
	if i < 1 || i == len(a)-1 {
		return "", "", false
	}
	return a[:i], a[i+1:], true
}
