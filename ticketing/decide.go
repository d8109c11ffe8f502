package ticketing

// Facts are all that the decision on one inbound message depends on. Names and
// subjects are not among them: what a header claims gives no rights.
type Facts struct {
	Loop       bool // bears our own loop mark, or more than 50 Received fields
	Report     bool // a report on a mail of ours, proven by reverse-path or Message-ID
	Automatic  bool // a machine wrote it (RFC 3834)
	Temporary  bool // DNS could not say who wrote it
	AtTicket   bool // came to the address of a ticket that exists
	Thread     bool // somebody showed a token or Message-ID that we gave to a participant of the ticket
	FromHolder bool // and From is that participant
	FromKnown  bool // From is some participant of the ticket
	Author     bool // From is proven
	Fails      bool // the author's domain asks for quarantine or reject, and the message fails
	Follows    bool // answers a foreign Message-ID that a ticket holds
}

// Effect is what becomes of an inbound message.
type Effect string

// The effects of a decision.
const (
	Append    Effect = "append"     // to the ticket, shown
	AppendNew Effect = "append-new" // shown, from one who is not a participant yet
	Hold      Effect = "hold"       // beside the ticket, for staff
	Fold      Effect = "fold"       // at the ticket, out of the way; nothing moves
	Open      Effect = "open"       // a new ticket
	OpenLink  Effect = "open-link"  // a new ticket that follows another one
)

// Decision is one row of the trust table.
type Decision struct {
	Row        string
	Effect     Effect
	Unverified bool // shown as "nobody proved who wrote this"
	Reopens    bool
	Reason     string
}

// Decide is the trust table. The rows are tried in this order, and each message
// ends in exactly one.
func Decide(f Facts) Decision {
	known := f.AtTicket || f.Thread
	switch {
	case f.Loop && known:
		return Decision{Row: "14", Effect: Fold, Unverified: !f.Author, Reason: "the mail has gone in a circle"}
	case f.Loop:
		return Decision{Row: "14", Effect: Open, Unverified: !f.Author, Reason: "the mail has gone in a circle"}
	case f.Report:
		return Decision{Row: "12", Effect: Fold, Reason: "a report on a mail of ours"}
	case f.Automatic && known:
		return Decision{Row: "11", Effect: Fold, Unverified: !f.Author, Reason: "automatic mail"}
	case f.Automatic:
		return Decision{Row: "11a", Effect: Open, Unverified: !f.Author, Reason: "automatic mail opens a ticket and is never answered by itself"}
	case known:
		return decideAtTicket(f)
	}
	return decideAtQueue(f)
}

func decideAtTicket(f Facts) Decision {
	switch {
	case f.Temporary && f.Thread && f.FromHolder:
		return Decision{Row: "7", Effect: Append, Unverified: true, Reason: "DNS could not say who wrote this; it has no rights"}
	case f.Thread && f.FromHolder && f.Author:
		return Decision{Row: "1", Effect: Append, Reopens: true, Reason: "the participant's own thread, and the author is proven"}
	case f.Thread && f.FromHolder && f.Fails:
		return Decision{Row: "3", Effect: Hold, Unverified: true, Reason: "the author's domain asks to distrust mail that fails its policy, and this fails"}
	case f.Thread && f.FromHolder:
		return Decision{Row: "2", Effect: Append, Unverified: true, Reopens: true, Reason: "the participant's own thread, but nothing proves the author"}
	case f.Thread:
		return Decision{Row: "4", Effect: AppendNew, Unverified: !f.Author, Reopens: true, Reason: "a participant's thread, written by somebody who is not yet a participant"}
	case f.FromKnown && f.Author:
		return Decision{Row: "5", Effect: Append, Reopens: true, Reason: "a participant, and the author is proven"}
	case f.Temporary:
		return Decision{Row: "7", Effect: Hold, Unverified: true, Reason: "DNS could not say who wrote this, and nothing else ties it to the ticket"}
	}
	return Decision{Row: "6", Effect: Hold, Unverified: !f.Author, Reason: "only the ticket's address ties this to it, and that can be guessed"}
}

func decideAtQueue(f Facts) Decision {
	switch {
	case f.Temporary:
		return Decision{Row: "7", Effect: Open, Unverified: true, Reason: "DNS could not say who wrote this; it has no rights"}
	case f.Follows && f.FromKnown && f.Author:
		return Decision{Row: "8a", Effect: Append, Reopens: true, Reason: "answers a mail of the ticket, from a participant who is proven"}
	case f.Fails:
		return Decision{Row: "10", Effect: Open, Unverified: true, Reason: "the author's domain asks to distrust mail that fails its policy, and this fails"}
	case f.Follows:
		return Decision{Row: "8a", Effect: OpenLink, Unverified: !f.Author, Reason: "answers a mail of another ticket, without proof that it may continue it"}
	case f.Author:
		return Decision{Row: "8", Effect: Open, Reason: "a new conversation, and the author is proven"}
	}
	return Decision{Row: "9", Effect: Open, Unverified: true, Reason: "a new conversation; nothing proves the author"}
}
