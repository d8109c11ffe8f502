// Package ticketing is the desk: tickets, messages, events, outgoing mail, and
// every rule about them. It knows neither SQL nor a network: a Store remembers,
// a verifier that is passed in proves who wrote, and others carry the mail.
package ticketing

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"postdesk/ticketing/mail"
)

// Status is where a ticket stands.
type Status string

// The statuses of a ticket.
const (
	StatusNew      Status = "new"      // nobody has answered yet
	StatusOpen     Status = "open"     // being worked on
	StatusWaiting  Status = "waiting"  // waits for the requester
	StatusResolved Status = "resolved" // an answer of the requester reopens it
	StatusClosed   Status = "closed"
	StatusRejected Status = "rejected"
	StatusSpam     Status = "spam"
)

// Ticket is one conversation.
type Ticket struct {
	ID            int64 // internal, never shown
	Queue         string
	Number        int64
	Subject       string
	Status        Status
	Requester     string // addr-spec; empty when the mail names nobody
	RequesterName string
	Assignee      string
	Unverified    bool  // nobody proved who opened it
	Suspicious    bool  // its first mail failed the policy of the author's domain
	Held          int64 // messages that wait for staff to accept or dismiss
	Linked        int64 // ID of the ticket this one follows, 0 for none
	LastSeq       int64 // sequence number of its newest event
	Version       int64 // of its newest event that Tells; the store keeps it, UpdateTicket does not write it
	Created       time.Time
	Updated       time.Time
	Priority      Priority
	Tags          []string  // sorted, each once
	Waiting       time.Time // since when somebody waits for staff; zero when nobody does
	Closed        time.Time // since when it is resolved, closed or turned down; zero while it is in work
}

// Name is how people and mail call the ticket: SUPPORT-7102.
func (t Ticket) Name() string { return t.Queue + "-" + strconv.FormatInt(t.Number, 10) }

// ParseName reads a ticket's name, in any case.
func ParseName(name string) (queue string, number int64, err error) {
	key, digits, ok := strings.Cut(strings.ToUpper(name), "-")
	number, numErr := strconv.ParseInt(digits, 10, 64)
	if !ok || numErr != nil || number < 0 || !keyPattern().MatchString(key) {
		return "", 0, fmt.Errorf("%w: %q is no ticket name; they look like SUPPORT-7102", ErrInvalid, name)
	}
	return key, number, nil
}

// Kind is what a message is.
type Kind string

// The kinds of message.
const (
	KindInbound         Kind = "inbound"  // somebody's mail
	KindReply           Kind = "reply"    // ours to the requester
	KindNote            Kind = "note"     // staff alone see it
	KindQuestion        Kind = "question" // ours to a third party; staff and it alone see it
	KindAcknowledgement Kind = "acknowledgement"
	KindReport          Kind = "report" // a delivery report (RFC 3464)
)

// Visibility is how an inbound message stands in its ticket.
type Visibility string

// The visibilities of a message.
const (
	Shown     Visibility = "shown"
	Held      Visibility = "held"       // waits for staff; its sender learns nothing
	Dismissed Visibility = "dismissed"  // staff turned it down
	Folded    Visibility = "folded"     // automatic mail, kept out of the way
	StaffOnly Visibility = "staff-only" // of a third party whom staff asked: no other participant sees it
)

// Message is one item of a ticket. The words of inbound mail are not in it:
// they are parsed from the raw bytes when they are read.
type Message struct {
	ID             int64
	Ticket         int64
	Kind           Kind
	Visibility     Visibility
	Row            string // the row of the trust table that decided
	Reason         string // why, in words
	From           mail.Address
	Subject        string
	MessageID      string
	Raw            Hash   // of the raw mail; zero for a reply or a note not composed yet
	Arrival        int64  // 0 for what did not come by mail
	Actor          string // who made it: "mail", "staff:NAME", "program:NAME"
	Body           string // Markdown of a reply or note; empty for mail
	Authentication mail.Authentication
	Automatic      bool
	Problems       []string
	Fold           string // recognises the same mail under other bytes; empty for none
	Seq            int64  // of the event that announced it
	Received       time.Time
	Advice         string // what staff should do with it while it is held
	Suppressed     string // why nothing was sent for it by machine; empty when something was, or was not called for
}

// Attachment is a file of a reply or a note. Those of mail that came in are in its raw
// bytes.
type Attachment struct {
	ID        int64
	Message   int64
	Name      string
	Type      string // media type without parameters
	ContentID string // what the text calls it, as ![…](cid:ID); empty when it is no image of the text
	Size      int64  // octets
	Raw       Hash   // of the content
}

// Participant is a person in a ticket.
type Participant struct {
	ID      int64
	Ticket  int64
	Address string // addr-spec in lower case
	Name    string
	Role    string // RoleRequester and so on
	// Generation is part of what each token of theirs says: those of an older one are
	// revoked.
	Generation int64
	Muted      bool // gets no mail of ours
}

// The roles of a participant.
const (
	RoleRequester = "requester"
	RoleCc        = "cc"
	RoleThird     = "third"   // asked by staff: sees what staff ask, and its answers are for staff alone
	RoleRemoved   = "removed" // the row stays, so that its number never means somebody else
)

// Arrival is one transaction's mail as Postfix handed it over.
type Arrival struct {
	ID          int64
	Raw         Hash
	Row         int64 // where the store has Raw, 0 when that is not known
	Size        int64 // octets of it
	ReversePath string
	Recipients  []string // all that ever came with these bytes, in order
	Received    time.Time
	Pending     bool // to be processed, or processed again for a recipient that came later
	Attempts    int  // how often processing began without an end
}

// Event is one line of the feed. It carries ids and facts, never a person's words.
type Event struct {
	Seq      int64             `json:"seq"`
	Time     time.Time         `json:"time"`
	Type     string            `json:"type"`
	Ticket   int64             `json:"-"`
	Message  int64             `json:"message,omitempty"`
	Outgoing int64             `json:"outgoing,omitempty"`
	Actor    string            `json:"actor"`
	Origin   string            `json:"origin,omitempty"` // "mail", "api", "cli", "system", or OriginImport: long past
	Facts    map[string]string `json:"facts,omitempty"`
	// Name and Queue are joined from the ticket when the event is read.
	Name  string `json:"ticket,omitempty"`
	Queue string `json:"queue,omitempty"`
}

// Tells says that somebody who works at the ticket must know of the event before they
// answer or change it. What becomes of our own mail is none of that, nor what machines and
// strangers can cause at will.
func (e Event) Tells() bool {
	switch e.Type {
	case TicketCreated, TicketUpdated, MessageAccepted, ReplyAdded, NoteAdded, QuestionAdded:
		return true
	case MessageReceived:
		return e.Facts["visibility"] != string(Folded) && e.Facts["automatic"] != "true"
	case MessageVerified:
		return released(e)
	}
	return false
}

// The types of event.
const (
	TicketCreated    = "ticket.created"
	TicketUpdated    = "ticket.updated"
	MessageReceived  = "message.received"
	MessageHeld      = "message.held"
	MessageAccepted  = "message.accepted"
	MessageDismissed = "message.dismissed"
	MessageVerified  = "message.verified"
	// MessageSuppressed says that nothing was sent for a message by machine, and why.
	MessageSuppressed = "message.suppressed"
	ReplyAdded        = "reply.added"
	NoteAdded         = "note.added"
	QuestionAdded     = "question.added"
	MessageQueued     = "message.queued"
	MessageSubmitted  = "message.submitted"
	MessageDelayed    = "message.delayed"
	MessageRelayed    = "message.relayed"
	MessageDelivered  = "message.delivered"
	MessageFailed     = "message.failed"
	ConsumerFailed    = "consumer.failed"
	// EventErased is what becomes of an event whose message or ticket is gone.
	EventErased     = "event.erased"
	PersonErased    = "person.erased"
	MessageRedacted = "message.redacted"
	TicketRemoved   = "ticket.removed"
)

// OutgoingState is how far an outgoing mail has come.
type OutgoingState string

// The states of an outgoing mail.
const (
	OutQueued    OutgoingState = "queued"    // to be submitted when NextAttempt comes
	OutSubmitted OutgoingState = "submitted" // Postfix has it
	OutRelayed   OutgoingState = "relayed"
	OutDelivered OutgoingState = "delivered"
	OutDelayed   OutgoingState = "delayed" // the next server reports trouble and goes on trying
	OutFailed    OutgoingState = "failed"
	OutCancelled OutgoingState = "cancelled"
)

// Outgoing is one mail to one recipient. Its bytes are fixed when it is queued,
// so that a resend after a crash carries the same Message-ID.
type Outgoing struct {
	ID          int64
	Ticket      int64
	Message     int64 // the reply it carries
	Recipient   string
	ReversePath string // empty: the null reverse-path
	MessageID   string
	EnvelopeID  string // ENVID (RFC 3461)
	Raw         Hash
	State       OutgoingState
	Attempts    int
	NextAttempt time.Time
	Lease       time.Time // claimed by a runner until then
	LastReply   string    // what the server said last, or the fault
	Status      string    // enhanced status code of that (RFC 3463), empty for none
	Permanent   bool      // it is no use to try again (RFC 3463 section 2, class 5)
	Resubmitted int       // how often it went out again after a report of failure
	QueueID     string    // Postfix's
	Created     time.Time
}

// Token is an API token. Its secret is shown once and kept as a hash.
type Token struct {
	ID      int64
	Name    string
	Hash    Hash     // SHA-256 of the secret
	Program bool     // a program's replies are automatic mail
	Scope   string   // verbs, with spaces between
	Queues  []string // keys of the queues that it is for; none is all
	Created time.Time
}

// Key is an HMAC key for reply tokens, Message-IDs and reverse-paths.
type Key struct {
	ID      int64 // 0..31, written as one character
	Secret  []byte
	Created time.Time
}
