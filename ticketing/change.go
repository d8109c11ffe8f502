package ticketing

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"postdesk/ticketing/mail"
)

// Priority is how urgent a ticket is.
type Priority string

// The priorities.
const (
	PriorityLow    Priority = "low"
	PriorityNormal Priority = "normal"
	PriorityHigh   Priority = "high"
	PriorityUrgent Priority = "urgent"
)

func priorities() []Priority {
	return []Priority{PriorityLow, PriorityNormal, PriorityHigh, PriorityUrgent}
}

// Change is what is to be different about a ticket; nil and empty stay as they are.
type Change struct {
	Status     *Status
	Assignee   *string // the name of a member of staff, "me", or empty for nobody
	Priority   *Priority
	Requester  *string // address of the customer, who takes the place of the one before
	AddTags    []string
	RemoveTags []string
}

// tagsMax is how many tags a ticket can have.
const tagsMax = 50

const tagRule = "a tag is letters, digits and . _ : - in one word of at most 50"

var tagPattern = pattern(`^[\pL\pN][\pL\pN\pM._:-]*$`)

// cleanTag gives the one form of a tag.
func cleanTag(tag string) (string, error) {
	tag = strings.ToLower(strings.TrimSpace(tag))
	if !tagPattern().MatchString(tag) || len([]rune(tag)) > 50 {
		return "", fmt.Errorf("%w: tag %q: %s", ErrInvalid, tag, tagRule)
	}
	return tag, nil
}

// check completes a change and says what can never be done: nothing is written yet.
func (d *Desk) checkChange(by Actor, t Ticket, c *Change) error {
	if c.Status != nil {
		if err := checkStatus(*c.Status); err != nil {
			return err
		}
	}
	if c.Priority != nil && !slices.Contains(priorities(), *c.Priority) {
		return fmt.Errorf("%w: priority %q is none of %s", ErrInvalid, *c.Priority, joined(priorities()))
	}
	if c.Requester != nil {
		address := mail.Lower(strings.TrimSpace(*c.Requester))
		if err := d.checkParticipant(address); err != nil {
			return err
		}
		c.Requester = &address
	}
	for _, list := range []*[]string{&c.AddTags, &c.RemoveTags} {
		clean := make([]string, len(*list))
		for i, tag := range *list {
			var err error
			if clean[i], err = cleanTag(tag); err != nil {
				return err
			}
		}
		*list = clean
	}
	if n := len(tagsAfter(t.Tags, *c)); n > tagsMax {
		return fmt.Errorf("%w: %d tags; a ticket can have %d", ErrInvalid, n, tagsMax)
	}
	return d.checkAssignee(by, t, c)
}

// checkAssignee reads "me", and wants somebody who works in the queue. A desk without
// staff in its configuration takes any name.
func (d *Desk) checkAssignee(by Actor, t Ticket, c *Change) error {
	if c.Assignee == nil || *c.Assignee == "" {
		return nil
	}
	name := strings.TrimSpace(*c.Assignee)
	if strings.EqualFold(name, "me") {
		name = by.Name
	}
	people := d.staff.Load().people
	if len(people) > 0 {
		p, known := d.staff.Load().byName(strings.ToLower(name))
		if !known || !p.worksIn(t.Queue) {
			return fmt.Errorf("%w: nobody called %q works in queue %s; there are: %s", ErrInvalid, name, t.Queue, strings.Join(namesIn(people, t.Queue), " "))
		}
		name = p.Name
	}
	if name == "" || len(name) > 100 || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("%w: %q is no name", ErrInvalid, name)
	}
	c.Assignee = &name
	return nil
}

func namesIn(people []Person, queue string) (names []string) {
	for _, p := range people {
		if p.worksIn(queue) {
			names = append(names, p.Name)
		}
	}
	return names
}

func tagsAfter(tags []string, c Change) []string {
	out := slices.Concat(tags, c.AddTags)
	out = slices.DeleteFunc(out, func(tag string) bool { return slices.Contains(c.RemoveTags, tag) })
	slices.Sort(out)
	return slices.Compact(out)
}

// Change changes a ticket: all of it, or nothing.
func (d *Desk) Change(ctx context.Context, by Actor, ticket string, c Change) (t Ticket, err error) {
	return d.ChangeIf(ctx, by, ticket, nil, c)
}

// ChangeIf is Change for a ticket that is at one of these versions, none for any; else
// ErrPrecondition.
func (d *Desk) ChangeIf(ctx context.Context, by Actor, ticket string, versions []int64, c Change) (t Ticket, err error) {
	err = d.write(ctx, func(tx Tx) error {
		var err error
		if t, err = d.ticketByName(tx, ticket); err != nil {
			return err
		}
		if err := t.matches(versions); err != nil {
			return err
		}
		c := c // the transaction may run again
		if err := d.checkChange(by, t, &c); err != nil {
			return err
		}
		if err := d.change(tx, t, by, c); err != nil {
			return err
		}
		t, err = tx.Ticket(t.ID)
		return err
	})
	return t, err
}

// change carries out what checkChange has let through. One event tells what is different,
// one more the status, as for everybody who moves a ticket.
func (d *Desk) change(tx Tx, t Ticket, by Actor, c Change) error {
	facts := map[string]string{}
	if c.Assignee != nil && *c.Assignee != t.Assignee {
		facts["assignee"], facts["was_assignee"] = *c.Assignee, t.Assignee
		t.Assignee = *c.Assignee
	}
	if c.Priority != nil && *c.Priority != t.Priority {
		facts["priority"], facts["was_priority"] = string(*c.Priority), string(t.Priority)
		t.Priority = *c.Priority
	}
	if tags := tagsAfter(t.Tags, c); !slices.Equal(tags, t.Tags) {
		facts["tags"] = strings.Join(tags, " ")
		t.Tags = tags
	}
	if c.Requester != nil && *c.Requester != t.Requester {
		if err := replaceRequester(tx, &t, *c.Requester); err != nil {
			return err
		}
		facts["requester"] = "changed" // who it is stands in the ticket, and can be forgotten there
	}
	if len(facts) > 0 {
		t.Updated = d.now()
		if err := tx.UpdateTicket(t); err != nil {
			return err
		}
		if err := tx.Append(&Event{Time: t.Updated, Type: TicketUpdated, Ticket: t.ID, Actor: by.String(), Origin: by.Origin, Facts: facts}); err != nil {
			return err
		}
	}
	if c.Status == nil || *c.Status == t.Status {
		return nil
	}
	t, err := tx.Ticket(t.ID)
	if err != nil {
		return err
	}
	return d.changeStatus(tx, t, *c.Status, by.String(), by.Origin)
}

// replaceRequester makes somebody else the customer. The one before gets nothing any
// more, and their tokens are worth nothing: they were a colleague who wrote in for them,
// or a mistake.
func replaceRequester(tx Tx, t *Ticket, address string) error {
	people, err := tx.Participants(t.ID)
	if err != nil {
		return err
	}
	known := false
	for _, p := range people {
		switch {
		case p.Address == address:
			known, p.Role, p.Muted = true, RoleRequester, false
			t.RequesterName = p.Name
		case p.Role == RoleRequester:
			p.Role = RoleRemoved
			p.Generation++
		default:
			continue
		}
		if err := tx.UpdateParticipant(p); err != nil {
			return err
		}
	}
	t.Requester = address
	if known {
		return nil
	}
	t.RequesterName = ""
	return tx.AddParticipant(&Participant{Ticket: t.ID, Address: address, Role: RoleRequester})
}
