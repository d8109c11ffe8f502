package main

import (
	"errors"
	"fmt"
	"slices"

	"postdesk/ticketing"
)

const (
	roleAgent = "agent"
	roleAdmin = "admin"
)

// staffDefaults is for who says nothing: they are told what waits for somebody.
func staffDefaults() staffConfig {
	return staffConfig{Notify: map[string][]string{
		ticketing.AllQueues: {string(ticketing.TopicNew), string(ticketing.TopicAssigned), string(ticketing.TopicHeld)},
	}}
}

func (c *config) staff() []ticketing.Person {
	out := make([]ticketing.Person, len(c.Staff))
	for i, s := range c.Staff {
		p := ticketing.Person{Name: s.Name, Display: s.DisplayName, Addresses: s.Address, Logins: s.Login, Queues: s.Queues,
			Admin: slices.Contains(s.Roles, roleAdmin), Notify: map[string][]ticketing.Topic{}}
		if slices.Contains(s.Queues, ticketing.AllQueues) {
			p.Queues = nil
		}
		for queue, topics := range s.Notify {
			for _, t := range topics {
				p.Notify[queue] = append(p.Notify[queue], ticketing.Topic(t))
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
