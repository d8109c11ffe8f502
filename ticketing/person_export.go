package ticketing

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"time"

	"postdesk/ticketing/mail"
)

// ExportRule says what is in an export.
const ExportRule = "What the desk holds of one address: the tickets that it takes part in, the messages that it wrote as they came, " +
	"with their files, what was sent to it as it went out, and the events of both. Not in it: notes of staff, their questions to others, and what others wrote, unless it was sent to this address."

// The files of an export, as JSON.
type (
	exportInfo struct {
		Address string    `json:"address"`
		Made    time.Time `json:"made"`
		Rule    string    `json:"rule"`
	}
	exportTicket struct {
		Name    string    `json:"name"`
		Subject string    `json:"subject"`
		Status  Status    `json:"status"`
		Roles   []string  `json:"roles"`
		Names   []string  `json:"names"` // what the person is called there
		Created time.Time `json:"created"`
		Updated time.Time `json:"updated"`
	}
	exportMessage struct {
		ID             int64               `json:"id"`
		Ticket         string              `json:"ticket"`
		From           mail.Address        `json:"from"`
		Subject        string              `json:"subject"`
		MessageID      string              `json:"message_id"`
		Received       time.Time           `json:"received"`
		Visibility     Visibility          `json:"visibility"`
		Reason         string              `json:"reason"` // why it was taken so
		Authentication mail.Authentication `json:"authentication"`
		Text           string              `json:"text"`
		Mail           string              `json:"mail"`  // path in the archive
		Files          []string            `json:"files"` // paths
	}
	exportOutgoing struct {
		ID        int64         `json:"id"`
		Ticket    string        `json:"ticket"`
		State     OutgoingState `json:"state"`
		MessageID string        `json:"message_id"`
		Created   time.Time     `json:"created"`
		Mail      string        `json:"mail"`
	}
)

// exporter writes one archive.
type exporter struct {
	d        *Desk
	zip      *zip.Writer
	now      time.Time
	tickets  []exportTicket
	messages []exportMessage
	outgoing []exportOutgoing
	events   []Event
}

// ExportPerson writes a zip archive of what the desk holds of a person: see ExportRule.
func (d *Desk) ExportPerson(ctx context.Context, address string, to io.Writer) error {
	w, err := d.wantedPerson(ctx, address)
	if err != nil {
		return err
	}
	x := exporter{d: d, zip: zip.NewWriter(to), now: d.now().UTC(), tickets: []exportTicket{}, messages: []exportMessage{}, outgoing: []exportOutgoing{}, events: []Event{}}
	for _, id := range w.tickets {
		p, err := d.eraser().readPlan(ctx, w, id)
		if err == nil {
			err = x.ticket(ctx, w, p)
		}
		if err != nil {
			return err
		}
	}
	for name, v := range map[string]any{"export.json": exportInfo{mail.Lower(address), x.now, ExportRule}, "tickets.json": x.tickets,
		"messages.json": x.messages, "outgoing.json": x.outgoing, "events.json": x.events} {
		text, err := json.MarshalIndent(v, "", "  ")
		if err == nil {
			err = x.file(name, bytes.NewReader(append(text, '\n')))
		}
		if err != nil {
			return err
		}
	}
	return x.zip.Close()
}

func (d *Desk) wantedPerson(ctx context.Context, address string) (wanted, error) {
	e, err := d.personErasure(address)
	if err != nil {
		return wanted{}, err
	}
	return d.eraser().find(ctx, e)
}

func (x *exporter) file(name string, from io.Reader) error {
	w, err := x.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: x.now})
	if err != nil {
		return err
	}
	_, err = io.Copy(w, from)
	return err
}

// raw writes bytes as they are kept; none is no file.
func (x *exporter) raw(ctx context.Context, name string, h Hash) (string, error) {
	if h.IsZero() {
		return "", nil
	}
	r, _, err := x.d.store.OpenRaw(ctx, h)
	if err != nil {
		return "", err
	}
	defer r.Close()
	return name, x.file(name, r)
}

func (x *exporter) ticket(ctx context.Context, w wanted, p ticketPlan) error {
	t := exportTicket{Name: p.ticket.Name(), Subject: p.ticket.Subject, Status: p.ticket.Status, Roles: []string{}, Names: []string{}, Created: p.ticket.Created, Updated: p.ticket.Updated}
	for _, who := range p.people {
		if w.is(who.Address) {
			t.Roles, t.Names = append(t.Roles, who.Role), append(t.Names, who.Name)
		}
	}
	x.tickets = append(x.tickets, t)
	messages, outgoing := map[int64]bool{}, map[int64]bool{}
	for _, m := range p.theirs {
		if m.Kind != KindInbound {
			continue // what was written to them is among the mails that went out
		}
		messages[m.ID] = true
		if err := x.message(ctx, t.Name, m); err != nil {
			return err
		}
	}
	for _, o := range p.outgoing {
		if !w.is(o.Recipient) {
			continue
		}
		outgoing[o.ID] = true
		path, err := x.raw(ctx, fmt.Sprintf("outgoing/%s-%d.eml", t.Name, o.ID), o.Raw)
		if err != nil {
			return err
		}
		x.outgoing = append(x.outgoing, exportOutgoing{o.ID, t.Name, o.State, o.MessageID, o.Created, path})
	}
	return x.d.store.Read(ctx, func(tx Tx) error {
		all, err := tx.EventsOf(p.ticket.ID, 0, 0)
		for _, e := range all {
			if messages[e.Message] || outgoing[e.Outgoing] {
				x.events = append(x.events, e)
			}
		}
		return err
	})
}

func (x *exporter) message(ctx context.Context, ticket string, m Message) (err error) {
	v := exportMessage{ID: m.ID, Ticket: ticket, From: m.From, Subject: m.Subject, MessageID: m.MessageID, Received: m.Received,
		Visibility: m.Visibility, Reason: m.Reason, Authentication: m.Authentication, Files: []string{}}
	if v.Mail, err = x.raw(ctx, fmt.Sprintf("mail/%s-%d.eml", ticket, m.ID), m.Raw); err != nil {
		return err
	}
	c, err := x.d.Content(ctx, m)
	if err != nil {
		return err
	}
	if v.Text = c.Text; v.Text == "" {
		v.Text = c.HTMLText
	}
	for i, a := range c.Attachments {
		name := fmt.Sprintf("files/%s-%d/%d-%s", ticket, m.ID, i+1, path.Base("/"+mail.FileName(a.Name)))
		if err := x.file(name, bytes.NewReader(a.Content)); err != nil {
			return err
		}
		v.Files = append(v.Files, name)
	}
	x.messages = append(x.messages, v)
	return nil
}
