package web

import (
	"context"
	"time"

	"postdesk/ticketing"
	"postdesk/ticketing/mail"
)

// Ticket is a ticket as the API shows it.
type Ticket struct {
	Name          string    `json:"name" example:"SUPPORT-7102"`
	Queue         string    `json:"queue"`
	Subject       string    `json:"subject"`
	Status        string    `json:"status" enum:"new,open,waiting,resolved,closed,rejected,spam"`
	Requester     string    `json:"requester" doc:"address; empty when the mail names nobody"`
	RequesterName string    `json:"requester_name"`
	Assignee      string    `json:"assignee"`
	Priority      string    `json:"priority" enum:"low,normal,high,urgent"`
	Tags          []string  `json:"tags"`
	Unverified    bool      `json:"unverified" doc:"nobody proved who opened it"`
	Suspicious    bool      `json:"suspicious" doc:"its first mail failed the policy of the author's domain"`
	Held          int64     `json:"held" doc:"messages that wait to be accepted or dismissed"`
	Seq           int64     `json:"seq" doc:"its newest event"`
	Created       time.Time `json:"created"`
	Updated       time.Time `json:"updated"`
	Waiting       time.Time `json:"waiting_since,omitzero" doc:"since when somebody waits for staff; absent when nobody does"`
}

func viewTicket(t ticketing.Ticket) Ticket {
	return Ticket{t.Name(), t.Queue, t.Subject, string(t.Status), t.Requester, t.RequesterName, t.Assignee, string(t.Priority), append([]string{}, t.Tags...), t.Unverified,
		t.Suspicious, t.Held, t.LastSeq, t.Created.UTC(), t.Updated.UTC(), t.Waiting}
}

// TicketDetail is a ticket with its participants.
type TicketDetail struct {
	Ticket
	Follows      string         `json:"follows,omitempty" doc:"the ticket that this one is linked to"`
	Participants []Person       `json:"participants"`
	SuggestedCc  []mail.Address `json:"suggested_cc" doc:"whom the requester put into Cc: preselect them in the next answer, where they can be seen"`
	References   []string       `json:"references" doc:"what it is called in other systems" example:"github:owner/repo#12"`
	Aliases      []string       `json:"aliases" doc:"numbers that it had in other desks; they find it too" example:"#1234"`
}

// Outgoing is one mail to one recipient.
type Outgoing struct {
	ID          int64     `json:"id"`
	Message     int64     `json:"message"`
	Recipient   string    `json:"recipient"`
	State       string    `json:"state" enum:"queued,submitted,relayed,delivered,delayed,failed,cancelled"`
	Attempts    int       `json:"attempts"`
	NextAttempt time.Time `json:"next_attempt,omitzero"`
	LastReply   string    `json:"last_reply,omitempty" doc:"what the server said last, or the fault"`
	Status      string    `json:"status,omitempty" example:"5.1.1" doc:"enhanced status code of what was said last"`
	Permanent   bool      `json:"permanent" doc:"a hard failure: it is no use to try again"`
	Resubmitted int       `json:"resubmitted,omitempty" doc:"how often it went out again after a report of failure"`
	QueueID     string    `json:"queue_id,omitempty" doc:"Postfix's"`
	MessageID   string    `json:"message_id"`
	Created     time.Time `json:"created"`
}

func viewOutgoing(o ticketing.Outgoing) Outgoing {
	v := Outgoing{ID: o.ID, Message: o.Message, Recipient: o.Recipient, State: string(o.State), Attempts: o.Attempts,
		LastReply: o.LastReply, Status: o.Status, Permanent: o.Permanent, Resubmitted: o.Resubmitted, QueueID: o.QueueID, MessageID: o.MessageID, Created: o.Created.UTC()}
	if o.State == ticketing.OutQueued {
		v.NextAttempt = o.NextAttempt.UTC()
	}
	return v
}

// Message is one item of a ticket.
type Message struct {
	ID             int64               `json:"id"`
	Ticket         string              `json:"ticket"`
	Kind           string              `json:"kind" enum:"inbound,reply,note,question,acknowledgement,report"`
	Visibility     string              `json:"visibility" enum:"shown,held,dismissed,folded,staff-only"`
	Row            string              `json:"row,omitempty" doc:"of the trust table"`
	Reason         string              `json:"reason,omitempty" doc:"why it was decided so"`
	Advice         string              `json:"advice,omitempty" doc:"what to do with it while it is held"`
	Suppressed     string              `json:"suppressed,omitempty" doc:"why nothing was sent for it by machine"`
	From           mail.Address        `json:"from"`
	Subject        string              `json:"subject"`
	MessageID      string              `json:"message_id,omitempty"`
	Actor          string              `json:"actor"`
	Text           string              `json:"text" doc:"all of the text; a reply's is Markdown"`
	NewText        string              `json:"new_text" doc:"what the author wrote, without quotes and signature"`
	Authentication mail.Authentication `json:"authentication"`
	Automatic      bool                `json:"automatic"`
	Problems       []string            `json:"problems"`
	Attachments    []mail.Attachment   `json:"attachments"`
	Report         *mail.Report        `json:"report,omitempty"`
	Outgoing       []Outgoing          `json:"outgoing" doc:"the mails that carry a reply, and their fate"`
	Seq            int64               `json:"seq" doc:"the event that announced it"`
	Received       time.Time           `json:"received"`
}

// viewNew is viewMessage for one that was written just now.
func (s *Server) viewNew(ctx context.Context, ticket string, m ticketing.Message) (Message, error) {
	files, err := s.desk.Attachments(ctx, m.ID)
	if err != nil {
		return Message{}, err
	}
	return s.viewMessage(ctx, ticket, m, nil, files)
}

// viewSingle is viewMessage for one without its neighbours.
func (s *Server) viewSingle(ctx context.Context, m ticketing.Single) (Message, error) {
	v, err := s.viewMessage(ctx, m.Ticket.Name(), m.Message, m.Outgoing, m.Files)
	if err == nil {
		s.withoutLearnt(ctx, &v, m.Message, m.Before, learnt{})
	}
	return v, err
}

// viewMessage joins the words of a mail from its raw bytes, and what belongs to it.
func (s *Server) viewMessage(ctx context.Context, ticket string, m ticketing.Message, out []ticketing.Outgoing, files []ticketing.Attachment) (Message, error) {
	v := Message{
		ID: m.ID, Ticket: ticket, Kind: string(m.Kind), Visibility: string(m.Visibility), Row: m.Row, Reason: m.Reason, From: m.From,
		Subject: m.Subject, MessageID: m.MessageID, Actor: m.Actor, Text: m.Body, NewText: m.Body, Authentication: m.Authentication,
		Automatic: m.Automatic, Problems: append([]string{}, m.Problems...), Attachments: []mail.Attachment{}, Outgoing: []Outgoing{},
		Seq: m.Seq, Received: m.Received.UTC(), Advice: m.Advice, Suppressed: m.Suppressed,
	}
	for _, o := range out {
		v.Outgoing = append(v.Outgoing, viewOutgoing(o))
	}
	if m.Raw.IsZero() {
		for _, f := range files {
			v.Attachments = append(v.Attachments, mail.Attachment{
				Name: f.Name, Type: f.Type, Size: f.Size, SHA256: f.Raw.String(), Inline: f.ContentID != "", ContentID: f.ContentID,
			})
		}
		return v, nil
	}
	c, err := s.desk.Content(ctx, m)
	if err != nil {
		return v, err
	}
	v.Text, v.NewText, v.Report = c.Text, c.NewText, c.Report
	if v.Report != nil {
		v.Report.Recipients = append([]mail.ReportRecipient{}, v.Report.Recipients...)
	}
	if v.Text == "" {
		v.Text = c.HTMLText
	}
	v.Attachments = append(v.Attachments, c.Attachments...)
	return v, nil
}
