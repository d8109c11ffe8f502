package ticketing

import (
	"fmt"
	"slices"
)

// EventType describes the events of one type. A description only grows: what an event
// has it will go on to have, with the same meaning; there may be more facts, more values
// and more types, so that who follows the feed passes over what it does not know.
type EventType struct {
	Type  string
	Doc   string
	Has   []string // of "ticket", "message" and "outgoing", what is always there
	Facts []Fact
}

// Fact is one of the facts of an event.
type Fact struct {
	Name   string
	Doc    string
	Values []string // that it can have; none: any text
	Always bool     // it is never missing
}

// Origins are where an event can come from.
func Origins() []string { return []string{"mail", "api", "cli", "system", OriginImport} }

// fact is one that is always there; maybe one that need not be.
func fact(name, doc string, values ...string) Fact  { return Fact{name, doc, values, true} }
func maybe(name, doc string, values ...string) Fact { return Fact{name, doc, values, false} }

func values[T ~string](list []T) (out []string) {
	for _, v := range list {
		out = append(out, string(v))
	}
	return out
}

// EventTypes are all types of event, in the order of a ticket's life.
func EventTypes() []EventType {
	ofTicket, ofMessage, ofMail := []string{"ticket"}, []string{"ticket", "message"}, []string{"ticket", "message", "outgoing"}
	row := fact("row", "of the trust table, which says why the mail was taken so")
	visibility := fact("visibility", "how the message stands in its ticket", values(visibilities())...)
	proven := maybe("author_proven", "how the author was proven; absent where nothing proves them", "dkim", "spf", "authserv", "login")
	acknowledge := maybe(acknowledgeFact, "an acknowledgement is to go out", acknowledgeDue)
	silent := maybe("not_acknowledged", "why no acknowledgement goes out, in a word")
	erasure, changed := fact("erasure", "its id, as the certificate has it"), fact("messages", "numbers of messages that are others than before, with spaces between")
	automatic := fact("automatic", "a machine wrote it", "true", "false")
	return slices.Concat([]EventType{
		{TicketCreated, "A ticket was opened, by a mail (which message names) or by us.", ofTicket, []Fact{
			fact("status", "of the ticket", values(Statuses())...), maybe("row", row.Doc), acknowledge, silent}},
		{TicketUpdated, "Something about a ticket is different: each fact is what it is now, and was_… what it was.", ofTicket, ticketFacts()},
		{MessageReceived, "A mail has come and is in its ticket.", ofMessage, []Fact{row, visibility, automatic, proven}},
		{MessageHeld, "A mail has come and waits for somebody to accept or dismiss it.", ofMessage, []Fact{row, visibility, automatic, proven}},
		{MessageAccepted, "A held message was taken into its ticket.", ofMessage, nil},
		{MessageDismissed, "A held message was turned down.", ofMessage, nil},
		{MessageVerified, "DNS has said late who wrote a mail.", ofMessage, []Fact{row, visibility, fact("was", "its visibility before", values(visibilities())...), proven, acknowledge, silent}},
		{MessageSuppressed, "Nothing was sent for a message by machine.", ofMessage, []Fact{fact("what", "would have been sent"), fact("why", "in a word")}},
		{ReplyAdded, "Somebody has answered the requester; the mail is made next.", ofMessage, importFacts()},
		{NoteAdded, "Somebody has added a note that staff alone see.", ofMessage, nil},
		{QuestionAdded, "Somebody asks a third party by mail.", ofMessage, []Fact{fact(questionFact, "number of the participant who is asked")}},
	}, outgoingTypes(ofMail), []EventType{
		{StaffActed, "The mail of a member of staff was carried out, or not.", ofMessage, []Fact{
			fact("outcome", "what became of it", actDone, actRefused, actMovedOn, actHelp, actAgain), fact("commands", "it had commands", "true", "false"), fact("seen", "the event that it answered")}},
		{MessageRedacted, "Words or a file of a message were taken away for good, by whoever acted.", ofMessage, []Fact{
			erasure, fact("what", "was redacted", "message", "attachment"), fact("why", "in the words of who did it"), changed}},
		{PersonErased, "A person was erased from a ticket, or from what is of none: forget what you keep of these messages, and read them again if you must.", nil, []Fact{erasure, changed}},
		{TicketRemoved, "A ticket was removed when its time was over, with these messages; a large one goes in several steps.", nil, []Fact{fact("name", "of the ticket"), fact("queue", "its key"), fact("messages", "numbers of its messages, with spaces between"), fact("whole", "nothing is left of the ticket", "true", "false")}},
		{EventErased, "What this event was about is gone; its number stays.", nil, []Fact{fact("was", "its type")}},
		{ConsumerFailed, "A consumer of the feed could not handle an event, and has passed over it.", nil, []Fact{fact("consumer", "its name"), fact("event", "number of the event")}},
	})
}

func visibilities() []Visibility { return []Visibility{Shown, Held, Dismissed, Folded, StaffOnly} }

func importFacts() []Fact {
	return []Fact{maybe("row", "of what was imported"), maybe("visibility", "of what was imported"), maybe("automatic", "of what was imported", "true", "false")}
}

func ticketFacts() []Fact {
	return []Fact{
		maybe("status", "of the ticket", values(Statuses())...), maybe("was", "the status before", values(Statuses())...),
		maybe("assignee", "who works at it; empty is nobody"), maybe("was_assignee", ""),
		maybe("priority", "", values(priorities())...), maybe("was_priority", "", values(priorities())...),
		maybe("tags", "all of them, with spaces between"),
		maybe("requester", "somebody else is the customer now", "changed"),
		maybe("change", "what became of the participant or the reference that is named", "added", "removed", "muted", "unmuted", "revoked", "referenced", "unreferenced"),
		maybe("participant", "number of a participant"),
		maybe("reference", "what the ticket is called in another system"),
	}
}

// outgoingTypes are the events in the life of a mail that goes out.
func outgoingTypes(ofMail []string) []EventType {
	ofNotice := []string{"ticket", "outgoing"} // a mail to staff carries no message
	report := []Fact{maybe("action", "as the report has it (RFC 3464)"), maybe("status", "enhanced status code (RFC 3463)"), maybe("permanent", "it is of no use to try again", "true", "false")}
	return []EventType{
		{MessageQueued, "A mail to one recipient is made and waits to be submitted.", ofMail, nil},
		{MessageSubmitted, "Postfix has it.", ofMail, []Fact{fact("queue_id", "Postfix's")}},
		{MessageDelayed, "It did not go on for now, and is tried again.", ofMail, append(report, maybe("again", "when we submit it again, RFC 3339"))},
		{MessageRelayed, "It went to a server that reports no more.", ofMail, report},
		{MessageDelivered, "It was delivered.", ofMail, report},
		{MessageFailed, "It failed.", ofNotice, append(report, maybe("stage", "where", "submission"))},
	}
}

// Check says what an event has that its description does not say, or lacks.
func (t EventType) Check(e Event) error {
	there := map[string]bool{"ticket": e.Ticket != 0, "message": e.Message != 0, "outgoing": e.Outgoing != 0}
	for _, name := range t.Has {
		if !there[name] {
			return fmt.Errorf("%s %d names no %s", e.Type, e.Seq, name)
		}
	}
	if e.Actor == "" || e.Origin != "" && !slices.Contains(Origins(), e.Origin) {
		return fmt.Errorf("%s %d: actor %q, origin %q", e.Type, e.Seq, e.Actor, e.Origin)
	}
	known := map[string]Fact{}
	for _, f := range t.Facts {
		known[f.Name] = f
		if _, has := e.Facts[f.Name]; f.Always && !has {
			return fmt.Errorf("%s %d lacks the fact %s", e.Type, e.Seq, f.Name)
		}
	}
	for name, value := range e.Facts {
		f, ok := known[name]
		if !ok || len(f.Values) > 0 && !slices.Contains(f.Values, value) {
			return fmt.Errorf("%s %d has the fact %s %q, which its description does not know", e.Type, e.Seq, name, value)
		}
	}
	return nil
}
