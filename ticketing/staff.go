package ticketing

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"postdesk/ticketing/mail"
)

// Person is a member of staff, as the site's configuration has them.
type Person struct {
	Name      string   // short: "jane", as in "!assign jane"
	Display   string   // for customers: "Jane Roe"; the name when it is empty
	Addresses []string // where they write from; the first gets the notifications
	Logins    []string // of our own Postfix that are theirs
	Queues    []string // keys of the queues they work in; none is all
	Admin     bool     // works in every queue
	// Notify says what they are told of, by key of the queue; AllQueues is for those that
	// are not named.
	Notify map[string][]Topic
}

// AllQueues stands for every queue.
const AllQueues = "all"

// Topic is something that staff can be told of.
type Topic string

// The topics.
const (
	TopicNew      Topic = "new"      // tickets that are opened
	TopicAssigned Topic = "assigned" // all that happens in tickets that are theirs
	TopicAnswers  Topic = "answers"  // mail in any ticket
	TopicHeld     Topic = "held"     // mail that waits for staff in any ticket
	TopicAll      Topic = "all"      // all of these, and what colleagues answer and note
)

// Topics are all that there are.
func Topics() []Topic {
	return []Topic{TopicNew, TopicAssigned, TopicAnswers, TopicHeld, TopicAll}
}

// staffName is what a person may be called: it stands in commands and in actors.
var staffName = pattern(`^[a-z][a-z0-9._-]{0,31}$`)

// reservedNames mean something else where a name can stand.
var reservedNames = []string{"me", "nobody", "none", AllQueues}

// roster knows the staff.
type roster struct {
	people []Person
}

// SetStaff changes the staff while the desk runs; a list that is wrong changes nothing.
// What is wrong is a StaffError.
func (d *Desk) SetStaff(ctx context.Context, staff []Person) error {
	if err := CheckStaff(staff, d.Directory(), d.queueKeys()); err != nil {
		return err
	}
	r := &roster{people: slices.Clone(staff)}
	for i := range r.people {
		p := &r.people[i]
		p.Addresses = lowered(p.Addresses)
		if p.Display == "" {
			p.Display = p.Name
		}
	}
	if err := d.enrol(ctx, r.people); err != nil {
		return err
	}
	d.staff.Store(r)
	return nil
}

func (d *Desk) queueKeys() (keys []string) {
	for key := range d.addresses.Load().queues {
		keys = append(keys, key)
	}
	return keys
}

// StaffError is what is wrong with one person, by place in the list and setting.
type StaffError struct {
	Index   int
	Setting string // "name", "address", "login", "queues" or "notify"
	Text    string
}

func (e StaffError) Error() string { return e.Text }

// CheckStaff finds what can be wrong with a list of staff.
func CheckStaff(staff []Person, dir *Directory, queues []string) error {
	seen := map[string]string{} // what must be one person's alone, with its owner
	for i, p := range staff {
		wrong := func(setting, format string, args ...any) error {
			return StaffError{i, setting, fmt.Sprintf(format, args...)}
		}
		if !staffName().MatchString(p.Name) || slices.Contains(reservedNames, p.Name) {
			return wrong("name", "%q: want small letters, digits, dots and dashes, as in jane; not %s", p.Name, strings.Join(reservedNames, ", "))
		}
		own := map[string][]string{"name": {p.Name}, "address": lowered(p.Addresses), "login": p.Logins}
		for _, setting := range []string{"name", "address", "login"} {
			for _, v := range own[setting] {
				if owner, taken := seen[setting+" "+v]; taken {
					return wrong(setting, "%q is that of %s already", v, owner)
				}
				seen[setting+" "+v] = p.Name
			}
		}
		if len(p.Addresses) == 0 {
			return wrong("address", "missing: at least one address that %s writes from", p.Name)
		}
		for _, a := range p.Addresses {
			if _, _, ok := cutAddress(a); !ok || strings.ContainsAny(a, " <>,;") {
				return wrong("address", "%q is no mail address", a)
			}
			if _, err := dir.Lookup(a); err == nil {
				return wrong("address", "%q is an address of the desk itself: it would write to itself", a)
			}
		}
		for _, key := range p.Queues {
			if !slices.Contains(queues, key) {
				return wrong("queues", "there is no queue %q", key)
			}
		}
		if err := checkNotify(p, queues, wrong); err != nil {
			return err
		}
	}
	return nil
}

func checkNotify(p Person, queues []string, wrong func(setting, format string, args ...any) error) error {
	for key, topics := range p.Notify {
		if key != AllQueues && !slices.Contains(queues, key) {
			return wrong("notify", "there is no queue %q; %q is for every queue", key, AllQueues)
		}
		for _, t := range topics {
			if !slices.Contains(Topics(), t) {
				return wrong("notify", "%q is none of %s", t, joined(Topics()))
			}
		}
	}
	return nil
}

func lowered(values []string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = mail.Lower(v)
	}
	return out
}

// byAddress finds who has an address, in lower case.
func (r *roster) byAddress(address string) (Person, bool) {
	if address == "" {
		return Person{}, false
	}
	return r.find(func(p Person) bool { return slices.Contains(p.Addresses, address) })
}

func (r *roster) byName(name string) (Person, bool) {
	return r.find(func(p Person) bool { return p.Name == name })
}

func (r *roster) find(is func(Person) bool) (Person, bool) {
	if i := slices.IndexFunc(r.people, is); i >= 0 {
		return r.people[i], true
	}
	return Person{}, false
}

// worksIn says that a person has to do with a queue.
func (p Person) worksIn(queue string) bool {
	return p.Admin || len(p.Queues) == 0 || slices.Contains(p.Queues, queue)
}

// toldOf says that a person wants to hear of any of these topics in a queue.
func (p Person) toldOf(queue string, topics ...Topic) bool {
	wanted, named := p.Notify[queue]
	if !named {
		wanted = p.Notify[AllQueues]
	}
	return slices.ContainsFunc(wanted, func(t Topic) bool { return t == TopicAll || slices.Contains(topics, t) })
}

// actor is how the person is named in events.
func (p Person) actor(origin string) Actor { return Actor{Kind: "staff", Name: p.Name, Origin: origin} }

// displayName is how customers read the name of an actor.
func (d *Desk) displayName(name string) string {
	if p, known := d.staff.Load().byName(name); known {
		return p.Display
	}
	return name
}

// forCustomers is an actor with the name that customers read.
func (d *Desk) forCustomers(actor string) string {
	if name, staff := strings.CutPrefix(actor, "staff:"); staff {
		return "staff:" + d.displayName(name)
	}
	return actor
}

// Member is what the store remembers of a person.
type Member struct {
	ID    int64 // never means anybody else
	Name  string
	Since int64 // the newest event when the person became known: nobody is told of what was before
}

// enrol gives each person a number.
func (d *Desk) enrol(ctx context.Context, people []Person) error {
	var missing bool
	err := d.store.Read(ctx, func(tx Tx) error {
		members, err := tx.Members()
		for _, p := range people {
			missing = missing || !slices.ContainsFunc(members, func(m Member) bool { return m.Name == p.Name })
		}
		return err
	})
	if err != nil || !missing {
		return err
	}
	return d.store.Write(ctx, func(tx Tx) error {
		seq, err := tx.LastSeq()
		if err != nil {
			return err
		}
		for _, p := range people {
			if err := tx.AddMember(&Member{Name: p.Name, Since: seq}); err != nil {
				return err
			}
		}
		return nil
	})
}
