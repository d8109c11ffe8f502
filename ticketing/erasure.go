package ticketing

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// Erasure is what somebody has asked to be taken away for good. It names nobody: who it is
// about stands in it as a digest with a key that is kept beside the data alone.
type Erasure struct {
	ID     string    `json:"id"`
	Kind   string    `json:"kind"` // ErasePerson or RedactMessage
	Digest Hash      `json:"-"`
	At     time.Time `json:"at"` // what came later is not meant
	// Of a redaction: the message, the place of the attachment from 1 (0 is all of the
	// message), whether its subject goes too, who wanted it and why.
	Message int64  `json:"message,omitempty"`
	Part    int    `json:"part,omitempty"`
	Subject bool   `json:"subject,omitempty"`
	By      string `json:"by,omitempty"`
	Origin  string `json:"origin,omitempty"`
	Why     string `json:"why,omitempty"`
	Done    bool   `json:"-"`
}

// The kinds of erasure.
const (
	ErasePerson   = "person"
	RedactMessage = "message"
)

// ReasonErased is the reason of a message whose author, or whose reader, was erased.
const ReasonErased = "erased"

// Erasures remembers what was to be taken away, in a place that a backup which is older does
// not take back.
type Erasures interface {
	// Erasures gives all that were noted, the oldest first.
	Erasures() ([]Erasure, error)
	// NoteErasure makes one durable before its work begins, and once more when it is done.
	NoteErasure(Erasure) error
	// KeyedDigest is a digest that nobody can make who has not the key of this desk.
	KeyedDigest(purpose, value string) Hash
	// Clean takes away what deleted rows have left on the disk: files of raw mail, copies of
	// the database from before upgrades, and what is left in pages and in the log. It says
	// whether the database was written anew, which a large one is by Compact alone.
	Clean(rewrite bool) (Cleaned, error)
	// DropFiles removes the files of raw mail whose rows are gone.
	DropFiles(ctx context.Context) (int, error)
}

// Cleaned is what Clean has done.
type Cleaned struct {
	Files   int  `json:"files"`   // of raw mail
	Copies  int  `json:"copies"`  // of the database, from before upgrades
	Written bool `json:"written"` // the database was written anew: no deleted page has anything
}

// Removed counts what an erasure has taken away. It holds nothing of a person.
type Removed struct {
	Tickets     []string `json:"tickets"`     // names of those that something was taken from
	Messages    []int64  `json:"messages"`    // whose words are gone
	Changed     []int64  `json:"changed"`     // of others, in which a trace of the person was
	Outgoing    []int64  `json:"outgoing"`    // mails that went or were to go to the person
	Raw         []string `json:"raw"`         // SHA-256 of the bytes that were removed
	Attachments int      `json:"attachments"` // files of replies
	Uploads     int      `json:"uploads"`
	Cancelled   int      `json:"cancelled"` // mails that had not gone out
	Events      int64    `json:"events"`    // marked as erased
	Imported    int      `json:"imported"`  // import keys
	Arrivals    int      `json:"arrivals"`  // records of how mail came
	Domains     int      `json:"domains"`   // known to sign, of nobody else here
}

// Certificate says what an erasure has done. It names nobody.
type Certificate struct {
	Erasure  string    `json:"erasure"`
	Kind     string    `json:"kind"`
	Digest   string    `json:"digest"` // of the address, with the key of this desk
	Asked    time.Time `json:"asked"`
	Finished time.Time `json:"finished"`
	Removed  Removed   `json:"removed"`
	Disk     Cleaned   `json:"disk"`
	Left     []string  `json:"left"` // what this desk cannot reach, or leaves
}

// ImportedKey of a message names the mail in its mailbox.
type ImportedKey struct {
	Queue string
	Key   Hash
}

// Forgetting are the verbs of a Tx that take away for good.
type Forgetting interface {
	// Addresses gives every address that is kept, each once, as it is written.
	Addresses() ([]string, error)
	// TicketsOf gives tickets that were made until a time and with which one of these
	// addresses has to do, by ID.
	TicketsOf(addresses []string, until time.Time) ([]int64, error)
	OutgoingOfTicket(ticket int64) ([]Outgoing, error) // by ID, mail to staff too
	// StrayOutgoing gives mail to these addresses that is of no ticket.
	StrayOutgoing(addresses []string) ([]Outgoing, error)
	ImportedOf(message int64) ([]ImportedKey, error)
	Uploads() ([]Upload, error)
	RemoveUpload(id int64) error
	RemoveAttachment(id int64) error
	// EraseReversePaths takes these away from mail that was processed and came until a time.
	EraseReversePaths(addresses []string, until time.Time) (int64, error)
	// StripMessage takes from a message its files, Message-IDs, import keys and arrival, and
	// the arrival too when no other message is of it.
	StripMessage(id int64) error
	RemoveMessage(id int64) error // that was stripped and has no outgoing mail
	RemoveMessageID(msgID string, ticket int64) error
	RemoveArrival(id int64) error // that no message is of
	RemoveOutgoing(id int64) error
	// EraseParticipant takes away who a participant is; its number stays.
	EraseParticipant(id int64) error
	// EraseEvents empties the events of a ticket that are about messages with ReasonErased, and
	// about mails to nobody.
	EraseEvents(ticket int64) (int64, error)
	// RemoveTicket takes a ticket away that has no messages any more; its events are emptied.
	RemoveTicket(id int64) error
	// DropRaw takes away the bytes that nothing refers to any more, and says which.
	DropRaw(hashes []Hash) ([]Hash, error)
	Forget(digest Hash) error
	Forgotten(digest Hash) (bool, error)
	AnyForgotten() (bool, error)
	RemoveDomain(name string) error
	// ClosedBefore gives tickets of a queue that were closed before a time and have nothing
	// that waits, those first that were closed first; CountClosed counts them.
	ClosedBefore(queue string, before time.Time, limit int) ([]Ticket, error)
	CountClosed(queue string, before time.Time) (Expired, error)
	// ForgetEventsOf empties the events about a message that is to be removed.
	ForgetEventsOf(ticket, message int64) error
	// TruncateEvents takes away all events up to one.
	TruncateEvents(until int64) error
	// Removed is what an erasure has removed so far, and whether its event was appended.
	Removed(erasure string) (r Removed, told bool, err error)
	PutRemoved(erasure string, r Removed, told bool) error
}

// unique adds to a list what is not in it.
func unique[T comparable](list []T, more ...T) []T {
	for _, v := range more {
		found := false
		for _, have := range list {
			found = found || have == v
		}
		if !found {
			list = append(list, v)
		}
	}
	return list
}

func (e Erasure) actor() string  { return cmp.Or(e.By, "system") }
func (e Erasure) origin() string { return cmp.Or(e.Origin, "system") }

// label names an erasure in the log.
func (e Erasure) label() string { return fmt.Sprintf("%s %s", e.Kind, e.ID) }
