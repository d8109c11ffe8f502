package ticketing

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Aliases are the patterns of ticket numbers that other desks have put into subjects.
type Aliases []*regexp.Regexp

// aliasPatterns are what is known when nobody says otherwise: a number in brackets, after
// # or a word for it: [#1234], [Ticket 1234], [example.org #1234], [Ticket#2024010112000034],
// [Request ID: 1234], (Case 1234).
var aliasPatterns = []string{
	`(?i)\[[^\[\]]{0,60}?(?:#|\b(?:ticket|case|request|issue|incident|id|no|nr|vorgang|anfrage|demande|caso|solicitud|chamado))\s*(?:#|id|no\.?|nr\.?|:|-)*\s*([0-9]{1,20})\s*\]`,
	`(?i)\(\s*(?:ticket|case|request|issue|incident)\s*(?:#|id|no\.?|nr\.?|:|-)*\s*([0-9]{1,20})\s*\)`,
}

// NewAliases compiles patterns; none are the usual ones. The first group of a pattern is
// the number, without a group all that it matches.
func NewAliases(patterns []string) (Aliases, error) {
	if len(patterns) == 0 {
		patterns = aliasPatterns
	}
	var out Aliases
	for _, p := range patterns {
		re, err := regexp.Compile(p)
		if err != nil {
			return nil, fmt.Errorf("%w: alias pattern: %w", ErrInvalid, err)
		}
		out = append(out, re)
	}
	return out, nil
}

// Split gives a subject without the old numbers, and these in their canonical form.
func (a Aliases) Split(subject string) (rest string, found []string) {
	for _, re := range a {
		for _, m := range re.FindAllStringSubmatchIndex(subject, 8) {
			from, to := m[0], m[1]
			if len(m) > 3 && m[2] >= 0 {
				from, to = m[2], m[3]
			}
			if name := CanonicalAlias(subject[from:to]); name != "" && !slices.Contains(found, name) {
				found = append(found, name)
			}
		}
		subject = re.ReplaceAllString(subject, " ")
	}
	return subject, found
}

var (
	aliasNumber = pattern(`^(?:.*#)?\s*([0-9]+)$`)
	aliasWorded = pattern(`^\pL+[\s.:#]*(?i:id|no|nr)?[\s.:#]*\s([0-9]+)$`)
)

// CanonicalAlias is the one form under which an old number is kept, so that #1234, 1234,
// [Ticket 1234] and [example.org #1234] are the same. What is no plain number is kept in
// capitals.
func CanonicalAlias(name string) string {
	name = strings.TrimSpace(strings.Trim(strings.TrimSpace(name), "[]()"))
	for _, re := range []*regexp.Regexp{aliasNumber(), aliasWorded()} {
		if m := re.FindStringSubmatch(name); m != nil {
			return "#" + m[1]
		}
	}
	return strings.ToUpper(name)
}

// ticketByAlias finds the ticket of an old number, for people who ask for it. Mail is
// never tied to a ticket by one: anybody can write a number.
func ticketByAlias(tx Tx, name string) (Ticket, error) {
	alias := CanonicalAlias(name)
	found, err := tx.Tickets(TicketQuery{Alias: alias, Limit: 10})
	switch {
	case err != nil:
		return Ticket{}, err
	case len(found) == 0:
		return Ticket{}, ErrNotFound
	case len(found) > 1:
		var names []string
		for _, t := range found {
			names = append(names, t.Name())
		}
		slices.Sort(names)
		return Ticket{}, fmt.Errorf("%w: %s is the old number of several tickets: %s", ErrConflict, alias, strings.Join(names, ", "))
	}
	return found[0], nil
}

// ticketByName reads SUPPORT-7102 in any case, and else takes the name for an old number.
func (d *Desk) ticketByName(tx Tx, name string) (Ticket, error) {
	key, number, invalid := ParseName(name)
	if invalid == nil {
		if t, err := tx.TicketByName(key, number); !errors.Is(err, ErrNotFound) {
			return t, err
		}
	}
	t, err := ticketByAlias(tx, name)
	switch {
	case !errors.Is(err, ErrNotFound):
		return t, err
	case invalid != nil && !strings.ContainsAny(name, "0123456789"):
		return t, invalid
	}
	return t, fmt.Errorf("ticket %s: %w", name, ErrNotFound)
}
