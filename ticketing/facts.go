package ticketing

import (
	"slices"
	"strings"

	"postdesk/ticketing/mail"
)

// facts gathers what Decide asks for.
func (d *Desk) facts(a Arrival, j *job, t target, queue string) Facts {
	from := author(j.msg)
	f := Facts{
		Loop:      d.looped(j.msg),
		Automatic: j.msg.Automatic.Automatic || a.ReversePath == "",
		List:      listed(j.msg),
		Temporary: j.auth.Temporary && j.auth.Author == "",
		AtTicket:  t.addressed,
		Thread:    t.thread,
		Third:     t.thread && t.holder.Role == RoleThird,
		Author:    j.auth.Author != "" && strings.EqualFold(j.auth.Author, from),
		Fails:     j.auth.DMARC == mail.AuthFail && (j.auth.Policy == "reject" || j.auth.Policy == "quarantine"),
		Follows:   t.foreign,
		Form:      slices.ContainsFunc(d.queueOf(queue).Forms, func(form string) bool { return strings.EqualFold(form, from) }),
		Ended:     d.ended(t.ticket),
		Signed:    j.signed,
		Spam:      j.auth.Spam,
	}
	f.Staff, f.StaffToken, f.StaffProof = d.staffFacts(j, t)
	for _, p := range t.people {
		if from != "" && p.Address == from {
			f.FromKnown = true
			f.FromHolder = t.thread && p.ID == t.holder.ID
			f.Third = f.Third || p.Role == RoleThird
		}
	}
	return f
}

// queueOf is the configuration of a queue by a key that it has or once had.
func (d *Desk) queueOf(key string) Queue { return d.addresses.Load().queues[key] }

// ended says that a ticket was closed so long ago that an answer opens another one.
func (d *Desk) ended(t Ticket) bool {
	after := d.queueOf(t.Queue).ends()
	return !t.Closed.IsZero() && after >= 0 && d.now().Sub(t.Closed) > after
}

// listed says that a mailing list passed the mail on (RFC 2919, RFC 2369).
func listed(m *mail.Message) bool {
	if len(m.Header("List-Id")) > 0 || len(m.Header("List-Post")) > 0 {
		return true
	}
	for _, v := range m.Header("Precedence") {
		if strings.EqualFold(strings.TrimSpace(v), "list") {
			return true
		}
	}
	return false
}

// looped says that the mail bears our mark, or has gone through too many servers
// (RFC 5321 section 6.3).
func (d *Desk) looped(m *mail.Message) bool {
	for _, v := range m.Header(loopField) {
		if strings.EqualFold(strings.TrimSpace(v), d.cfg.Domain) {
			return true
		}
	}
	return m.Received > 50
}

// loopField marks mail of ours.
const loopField = "X-Loop"

// author is the one From address in the form that participants have; empty when
// From names nobody or several. Whether it is proven is another question.
func author(m *mail.Message) string {
	if m.FromFields == 1 && len(m.From) == 1 && !m.FromGroup {
		return mail.Lower(m.From[0].Address)
	}
	return ""
}
