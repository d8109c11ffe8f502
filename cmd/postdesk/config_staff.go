package main

import (
	"errors"
	"fmt"
	"slices"

	"postdesk/ticketing"
)

// staffConfig is a person who works at the desk.
type staffConfig struct {
	Name        string              `toml:"name"`         // short, as in !assign jane
	DisplayName string              `toml:"display_name"` // for customers
	Address     []string            `toml:"address"`      // where they write from; the first gets the notifications
	Login       []string            `toml:"login"`        // SASL logins of Postfix's submission port that are theirs
	Queues      []string            `toml:"queues"`       // keys; all, or nothing at all, is every queue
	Roles       []string            `toml:"roles"`        // agent or admin
	Notify      map[string][]string `toml:"notify"`       // by key of the queue or all: new assigned answers held all
}

const (
	roleAgent = "agent"
	roleAdmin = "admin"
)

// defaultNotify is for who says nothing: what waits for somebody.
func defaultNotify() map[string][]ticketing.Topic {
	return map[string][]ticketing.Topic{ticketing.AllQueues: {ticketing.TopicNew, ticketing.TopicAssigned, ticketing.TopicHeld}}
}

func (c *config) staff() []ticketing.Person {
	out := make([]ticketing.Person, len(c.Staff))
	for i, s := range c.Staff {
		p := ticketing.Person{Name: s.Name, Display: s.DisplayName, Addresses: s.Address, Logins: s.Login, Queues: s.Queues,
			Admin: slices.Contains(s.Roles, roleAdmin), Notify: defaultNotify()}
		if slices.Contains(s.Queues, ticketing.AllQueues) {
			p.Queues = nil
		}
		if s.Notify != nil {
			p.Notify = map[string][]ticketing.Topic{}
			for queue, topics := range s.Notify {
				for _, t := range topics {
					p.Notify[queue] = append(p.Notify[queue], ticketing.Topic(t))
				}
			}
		}
		out[i] = p
	}
	return out
}

func (c *config) checkStaff() error {
	for i, s := range c.Staff {
		for _, role := range s.Roles {
			if role != roleAgent && role != roleAdmin {
				return wrong(fmt.Sprintf("staff[%d].roles", i), "%q is neither %s nor %s", role, roleAgent, roleAdmin)
			}
		}
	}
	dir, err := c.directory()
	if err != nil {
		return err
	}
	var keys []string
	for _, q := range c.Queues {
		keys = append(append(keys, q.Key), q.OldKeys...)
	}
	err = ticketing.CheckStaff(c.staff(), dir, keys)
	var e ticketing.StaffError
	if errors.As(err, &e) {
		return wrong(fmt.Sprintf("staff[%d].%s", e.Index, e.Setting), "%s", e.Text)
	}
	return err
}
