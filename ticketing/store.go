package ticketing

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"time"

	"postdesk/ticketing/mail"
)

// Hash is a SHA-256.
type Hash [32]byte

// IsZero says that there is no hash.
func (h Hash) IsZero() bool { return h == Hash{} }

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ErrNotFound is what a Tx gives for a row that is not there.
var ErrNotFound = errors.New("not found")

// Store remembers. It has no rules.
type Store interface {
	// Read runs fn on a snapshot.
	Read(ctx context.Context, fn func(Tx) error) error
	// Write runs fn in the one writer and returns after its COMMIT is synced. Many
	// Writes may share a commit; an error of fn undoes fn alone. fn must not wait,
	// parse or do I/O, and may be called again when the batch had to be repeated.
	Write(ctx context.Context, fn func(Tx) error) error
	// Stage reads a message to its end, compresses it, and makes a large one durable,
	// all outside the writer. Tx.PutRaw then makes it known.
	Stage(ctx context.Context, body io.Reader) (Staged, error)
	// Raw gives the bytes of a message.
	Raw(ctx context.Context, h Hash) ([]byte, error)
	// OpenRaw is Raw as a stream, with its length. Where the bytes are not what was stored,
	// reading ends with an error before the last of them.
	OpenRaw(ctx context.Context, h Hash) (io.ReadCloser, int64, error)
	Erasures
	Close() error
}

// Staged is a message on its way into the store.
type Staged struct {
	Hash     Hash
	Size     int64  // octets of the message
	Encoded  []byte // compressed bytes; nil when they are in a file
	Encoding string // how Encoded is written: "zstd", "none" or "file"
}

// Tx is a set of small verbs. Times are kept in microseconds, UTC.
type Tx interface {
	// PutRaw records a staged message; known bytes are no error.
	PutRaw(Staged) error
	// Arrive records bytes that came for these recipients. It makes one Arrival per
	// hash. A recipient seen before changes nothing; fresh says that at least one
	// is new, and then the arrival is pending (again).
	Arrive(h Hash, env mail.Envelope, at time.Time) (id int64, fresh bool, err error)
	Arrival(id int64) (Arrival, error)
	// PendingArrivals gives pending arrivals with an id above after, by id.
	PendingArrivals(after int64, limit int) ([]Arrival, error)
	// TakeArrival ends an arrival that is pending as it was read: with the same recipients.
	// Else it says false and changes nothing.
	TakeArrival(Arrival) (bool, error)
	// UpdateArrival writes Pending and Attempts.
	UpdateArrival(Arrival) error
	CountPending() (int64, error)
	LastPending() (id int64, err error) // 0 when none is

	// NextNumber gives the queue's next ticket number, first when it has none.
	NextNumber(queue string, first int64) (int64, error)
	AddTicket(*Ticket) error // sets ID; LastSeq and Version are those of events that come next, or 0
	UpdateTicket(Ticket) error
	Ticket(id int64) (Ticket, error)
	TicketByName(queue string, number int64) (Ticket, error)
	Tickets(TicketQuery) ([]Ticket, error)

	AddMessage(*Message) error // sets ID
	UpdateMessage(Message) error
	Suppress(message int64, why string) error // writes Suppressed alone
	Message(id int64) (Message, error)
	Messages(ticket int64) ([]Message, error) // by ID
	MessageIDs(ticket int64) ([]int64, error)
	// MessagesOf and MessagesBefore give messages of a ticket with an ID above after, and the last
	// with one below before, by ID; NewestShown the last mails and replies of it that are shown.
	MessagesOf(ticket, after int64, limit int) ([]Message, error)
	MessagesBefore(ticket, before int64, limit int) ([]Message, error)
	NewestShown(ticket int64, limit int) ([]Message, error)
	FirstMessage(ticket int64) (id int64, err error) // 0 when there is none
	// MessagesAfter gives messages of all tickets with an ID above after, by ID; LastMessage
	// is the highest there is, 0 for none.
	MessagesAfter(after int64, limit int) ([]Message, error)
	LastMessage() (int64, error)
	// Found gives those of these messages whose tickets have one of the statuses (any when
	// none), the highest ID first, each with its ticket and what a list shows of it: ID, Kind,
	// Visibility, Row, Reason, Advice, From, Actor, Subject and Received.
	Found(ids []int64, statuses []Status) ([]Found, error)
	MessagesByArrival(arrival int64) ([]Message, error)
	AddUpload(*Upload) error // sets ID; its bytes are put before
	Upload(id int64) (Upload, error)
	UploadBySecret(secret string) (Upload, error)
	UploadsBefore(before time.Time, limit int) ([]Upload, error) // those that were brought before then, the oldest first
	AddAttachment(*Attachment) error                             // sets ID; its bytes are put before
	Attachments(message int64) ([]Attachment, error)             // by ID
	// AttachmentsOfMessages gives those of a ticket's messages with IDs from first to last, by ID.
	AttachmentsOfMessages(ticket, first, last int64) ([]Attachment, error)
	// MessagesByFold gives what is the same mail as one with this Message-ID.
	MessagesByFold(msgID, fold string) ([]Message, error)
	// HeldMessages gives messages that wait for staff in these queues (any for nil), by ID above
	// after, as Found does.
	HeldMessages(queues []string, after int64, limit int) ([]Found, error)
	CountHeld() (int64, error)
	// Undecided gives messages of row 7 of the trust table, by ID above after: DNS could
	// not say who wrote them.
	Undecided(after int64, limit int) ([]Message, error)
	// AddMessageID ties a msg-id (without angle brackets) to a ticket.
	AddMessageID(msgID string, ticket, message int64) error
	// TicketsByMessageID gives the distinct tickets that hold any of these msg-ids, by ID.
	TicketsByMessageID(msgIDs []string) ([]int64, error)

	AddParticipant(*Participant) error   // sets ID; the same address of a ticket again is no error
	UpdateParticipant(Participant) error // writes Name, Role, Generation and Muted
	Participant(id int64) (Participant, error)
	Participants(ticket int64) ([]Participant, error)

	// Append gives the event the next number of the one sequence, and writes it and
	// the LastSeq of its ticket.
	Append(*Event) error
	// Events gives events with Seq above after, in order, with Name and Queue joined.
	Events(after int64, limit int) ([]Event, error)
	EventsOf(ticket int64, after int64, limit int) ([]Event, error)
	LastSeq() (int64, error)
	// NextSeq is the number that the next event of this transaction will have.
	NextSeq() (int64, error)
	// Cursor is how far a consumer has come, 0 for a new one.
	Cursor(consumer string) (int64, error)
	SetCursor(consumer string, seq int64) error

	// AddAlias gives a ticket a number that it had in another desk; again is no error.
	AddAlias(name string, ticket int64) error
	AliasesOf(ticket int64) ([]string, error)
	// AddImported records that the mail with this key is in a queue's history.
	AddImported(queue string, key Hash, message int64) error
	// Imported gives the message of a key, ErrNotFound for none.
	Imported(queue string, key Hash) (message int64, err error)

	// PutReference ties a reference to another system to a ticket, and gives the ticket that
	// has it: another one keeps it.
	PutReference(ref string, ticket int64) (owner int64, err error)
	RemoveReference(ref string, ticket int64) error
	ReferencesOf(ticket int64) ([]string, error)

	PutConsumer(Consumer) error // makes it, or writes Seq and Filter
	Consumer(name string) (Consumer, error)
	Consumers() ([]Consumer, error) // by name
	RemoveConsumer(name string) error
	PutDeadLetter(DeadLetter) error // again: Reason, Tries and At are written
	// DeadLetters gives those of a consumer with Seq above after, by Seq.
	DeadLetters(consumer string, after int64, limit int) ([]DeadLetter, error)
	RemoveDeadLetter(consumer string, seq int64) error

	// Hold says that outgoing mail is to wait until staff let it go.
	Hold() (bool, error)
	SetHold(on bool) error
	AddOutgoing(*Outgoing) error // sets ID
	UpdateOutgoing(Outgoing) error
	// LeaseOutgoing writes Attempts and Lease, MoveOutgoing all that changes on the way of a
	// mail: State, Attempts, NextAttempt, Lease, LastReply, QueueID, Status and Permanent. They
	// cost a part of what the whole row and its indexes do.
	LeaseOutgoing(Outgoing) error
	MoveOutgoing(Outgoing) error
	Outgoing(id int64) (Outgoing, error)
	// DueOutgoing gives queued mail whose NextAttempt has come and that nobody has on lease, by NextAttempt, ID.
	DueOutgoing(now time.Time, limit int) ([]Outgoing, error)
	OutgoingOf(message int64) ([]Outgoing, error)
	// OutgoingOfMessages gives those of a ticket's messages with IDs from first to last, by ID.
	OutgoingOfMessages(ticket, first, last int64) ([]Outgoing, error)
	// OutgoingList gives outgoing mail in these states (all when none) about tickets of these
	// queues (any mail for nil), by ID, with ID above after.
	OutgoingList(states []OutgoingState, queues []string, after int64, limit int) ([]Outgoing, error)
	// CountOutgoing counts mail to recipient (any when empty) of kind since then.
	CountOutgoing(kind Kind, recipient string, since time.Time) (int64, error)
	// CountAutomatic counts mail that went out by machine since then: to recipient, and
	// about ticket.
	CountAutomatic(recipient string, ticket int64, since time.Time) (to, about Share, err error)

	// Idempotent gives what PutIdempotent kept under scope and key, ErrNotFound for nothing.
	Idempotent(scope, key string) (request Hash, result int64, err error)
	PutIdempotent(scope, key string, request Hash, result int64, at time.Time) error

	// AddMember remembers a person of staff; one that is known stays as it is.
	AddMember(*Member) error // sets ID
	Members() ([]Member, error)
	// SetMute keeps a person from being told of a ticket, or ends that.
	SetMute(member, ticket int64, mute bool) error
	Muted(ticket int64) ([]int64, error) // members
	// NoticeByEnvelope gives the mail to staff with this ENVID; CountNotices counts mail to a
	// member of staff since then.
	NoticeByEnvelope(envelopeID string) (Outgoing, error)
	CountNotices(recipient string, since time.Time) (int64, error)

	AddToken(*Token) error // sets ID
	Tokens() ([]Token, error)
	TokenByHash(Hash) (Token, error)
	RemoveToken(id int64) error

	// DomainSigned notes that an author's domain was proven by a signature.
	DomainSigned(name string, at time.Time) error
	SigningDomain(name string) (SigningDomain, error)

	AddKey(Key) error
	RemoveKey(id int64) error
	Keys() ([]Key, error) // newest first

	Forgetting
}

// Share is how much mail went out since some time, and when the first of it did.
type Share struct {
	Mails  int64
	Oldest time.Time // zero when there is none
}

// TicketQuery selects tickets, newest update first. Zero fields select all.
type TicketQuery struct {
	Queue     string
	Statuses  []Status
	Held      bool     // only tickets with held messages
	Alias     string   // only tickets that had this number in another desk, in canonical form
	Ref       string   // only the ticket with this reference to another system
	MessageID string   // only tickets that hold this msg-id, without angle brackets
	Queues    []string // only of these; nil is all, and empty is none
	// Before is the keyset: only tickets after this place in the order.
	BeforeUpdated time.Time
	BeforeID      int64
	Limit         int
}
