package ticketing

// Facts are all that the decision on one inbound message depends on. Names and
// subjects are not among them: what a header claims gives no rights.
type Facts struct {
	Loop       bool `json:"loop"`        // bears our own loop mark, or more than 50 Received fields
	Report     bool `json:"report"`      // a report on a mail of ours, proven by reverse-path or Message-ID
	Automatic  bool `json:"automatic"`   // a machine wrote it (RFC 3834)
	List       bool `json:"list"`        // a mailing list passed it on; a person may have written it
	Temporary  bool `json:"temporary"`   // DNS could not say who wrote it
	AtTicket   bool `json:"at_ticket"`   // came to the address of a ticket that exists
	Thread     bool `json:"thread"`      // shows a token or Message-ID that we gave to a participant of the ticket
	FromHolder bool `json:"from_holder"` // and From is that participant
	FromKnown  bool `json:"from_known"`  // From is some participant of the ticket
	Third      bool `json:"third"`       // that participant, or else the holder, is a third party that staff asked
	Author     bool `json:"author"`      // From is proven
	Fails      bool `json:"fails"`       // the author's domain asks for quarantine or reject, and the message fails
	Signed     bool `json:"signed"`      // the author's domain has signed its mail before
	Follows    bool `json:"follows"`     // answers a foreign Message-ID that a ticket holds
	Form       bool `json:"form"`        // From is a contact form of the queue
	Ended      bool `json:"ended"`       // the ticket was closed so long ago that it is not reopened
	Spam       bool `json:"spam"`        // a filter that we trust calls it spam

	Staff      bool `json:"staff"`       // From is the address of a member of staff
	StaffToken bool `json:"staff_token"` // and the token is one that we gave to that person
	StaffProof bool `json:"staff_proof"` // and From is proven by DKIM or by a login that is mapped to that person
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
	Collect   Effect = "collect"    // as the queue has it for automatic mail: a ticket, or folded with others
	Act       Effect = "act"        // what a member of staff wrote is carried out
)

// Decision is one row of the trust table.
type Decision struct {
	Row         string
	Effect      Effect
	Unverified  bool // shown as "nobody proved who wrote this"
	Reopens     bool
	Acknowledge bool // when the queue has it on
	Suspicious  bool // the new ticket stands in the suspicious view
	Spam        bool // the new ticket stands in the spam view: no acknowledgement, no notification
	StaffOnly   bool // what a third party wrote is for staff alone
	Warning     string
	Reason      string
	Advice      string // what staff should do with it, for what is held
}

// Decide is the trust table. The rows are tried in this order: 14, 12, 11 and 11a, 13,
// 7, 1 to 6, 8 to 10, and each message ends in exactly one.
func Decide(f Facts) Decision {
	d := row(f)
	// The visitor's address is as they typed it, though the form itself is proven.
	d.Unverified = !f.Author && d.Row != "12" && d.Row != "13" || d.Row == "8b"
	opens := d.Effect == Open || d.Effect == OpenLink
	d.Spam = f.Spam && opens
	d.Acknowledge = d.Acknowledge && opens && f.Author && !f.Spam && !f.List
	return d
}

func row(f Facts) Decision {
	ticket := f.AtTicket || f.Thread
	// A list passes on what people write. It is a machine's mail where nothing else says
	// that a participant wrote it.
	participant := f.Thread && f.FromHolder || f.FromKnown && f.Author
	switch {
	case f.Loop && ticket:
		return Decision{Row: "14", Effect: Fold, Reason: "the mail has gone in a circle"}
	case f.Loop:
		return Decision{Row: "14", Effect: Collect, Reason: "the mail has gone in a circle"}
	case f.Report:
		return Decision{Row: "12", Effect: Fold, Reason: "a report on a mail of ours"}
	case ticket && (f.Automatic || f.List && !participant):
		return Decision{Row: "11", Effect: Fold, Reason: "automatic mail moves nothing and is never answered by itself"}
	case f.Automatic:
		return Decision{Row: "11a", Effect: Collect, Reason: "automatic mail is never answered by itself"}
	case f.Staff && f.StaffToken && f.StaffProof:
		return Decision{Row: "13", Effect: Act, Reason: "a member of staff, with the token of that person, and proven"}
	case f.Temporary:
		return undecided(f)
	case ticket:
		return atTicket(f)
	}
	return atQueue(f)
}

// undecided is row 7: stored and shown at once, without rights.
func undecided(f Facts) Decision {
	d := Decision{Row: "7", Effect: Open, Reason: "DNS could not say who wrote this; it has no rights until DNS answers"}
	switch {
	case f.Thread:
		d.Effect, d.StaffOnly = Append, f.Third
	case f.AtTicket:
		d.Effect = Hold
		d.Advice = "Wait: it is decided by itself when DNS answers, at the latest after a day. Accept it now if you know that the author wrote it."
	}
	return d
}

// atTicket are the rows 1 to 6.
func atTicket(f Facts) Decision {
	d := Decision{Effect: Append, Reopens: true, StaffOnly: f.Third}
	switch {
	case f.Thread && f.FromHolder && f.Author:
		d.Row, d.Reason = "1", "the participant's own thread, and the author is proven"
	case f.Thread && f.FromHolder && f.Fails:
		return hold(f, "3", "the author's domain asks to distrust mail that fails its policy, and this fails",
			"Something on the way may have changed an honest mail: a forwarder, a list, a gateway that adds a footer. Accept it if the words fit the conversation; ask the customer by another way if they want money, passwords or a new address.")
	case f.Thread && f.FromHolder:
		d.Row, d.Reason = "2", "the participant's own thread, but nothing proves the author"
		if f.Signed {
			d.Warning = "this domain has signed its mail before, and this mail has no signature that verifies"
		}
	case f.Thread:
		d.Row, d.Effect, d.Reason = "4", AppendNew, "a participant's thread, written by somebody who is not yet a participant; nothing goes to that person until staff confirm"
	case f.FromKnown && f.Author:
		d.Row, d.Reason = "5", "a participant, and the author is proven"
	default:
		return bare(f)
	}
	if f.Ended {
		// Under the same proof, in a ticket of its own.
		d.Effect, d.Acknowledge, d.Reopens = OpenLink, true, false
		d.Reason += "; the old ticket was closed long ago"
		if f.Third {
			d.Effect = Append // a supplier's late answer belongs where it was asked for
		}
	}
	return d
}

// bare is row 6: only the ticket's address, which can be guessed. Each reason says what
// to do, so that honest mail does not wait for somebody who wonders.
func bare(f Facts) Decision {
	switch {
	case f.Staff:
		return hold(f, "6", "the address of a member of staff, without the token of that person or without proof: staff are never known by From alone",
			"If a colleague wrote it: answer to the notification itself, from a mail account that signs or logs in. Dismiss it if nobody did.")
	case f.FromKnown && f.Fails:
		return hold(f, "6", "a participant's address, but the mail fails the policy of its domain and shows no token",
			"Do not believe the name. Accept it only if the customer confirms it by another way.")
	case f.FromKnown:
		return hold(f, "6", "a participant's address, but nothing proves the author, and only the ticket's address ties it to this ticket",
			"Most likely the customer typed the address by hand. Accept it if the words fit the conversation; their answer to your next mail will show a token.")
	case f.Author:
		return hold(f, "6", "the author is proven but is no participant, and only the ticket's address ties it to this ticket",
			"A colleague or a second account of the customer? Accept it and add the author as a participant. If it is another matter, dismiss it and ask them to write to the queue.")
	}
	return hold(f, "6", "only the ticket's address ties this to it, and that can be guessed; nothing proves the author",
		"Dismiss it unless the words show that the author knows the conversation; then accept it, and ask before you add the author as a participant.")
}

func hold(f Facts, row, reason, advice string) Decision {
	return Decision{Row: row, Effect: Hold, StaffOnly: f.Third, Reason: reason, Advice: advice}
}

// atQueue are the rows 8 to 10, the special before the general.
func atQueue(f Facts) Decision {
	switch {
	case f.Form && f.Author:
		return Decision{Row: "8b", Effect: Open, Reason: "a contact form, which is proven; the visitor's address is as they typed it"}
	case f.Follows && f.FromKnown && f.Author && f.Ended:
		return Decision{Row: "8a", Effect: OpenLink, Acknowledge: true, Reason: "answers a mail of the ticket, from a participant who is proven; the old ticket was closed long ago"}
	case f.Follows && f.FromKnown && f.Author:
		return Decision{Row: "8a", Effect: Append, Reopens: true, StaffOnly: f.Third, Reason: "answers a mail of the ticket, from a participant who is proven"}
	case f.Fails && f.Follows:
		return Decision{Row: "10", Effect: OpenLink, Suspicious: true, Reason: "the author's domain asks to distrust mail that fails its policy, and this fails; it answers a mail of another ticket"}
	case f.Fails:
		return Decision{Row: "10", Effect: Open, Suspicious: true, Reason: "the author's domain asks to distrust mail that fails its policy, and this fails"}
	case f.Follows:
		return Decision{Row: "8a", Effect: OpenLink, Acknowledge: true, Reason: "answers a mail of another ticket, without proof that it may continue it"}
	case f.Author:
		return Decision{Row: "8", Effect: Open, Acknowledge: true, Reason: "a new conversation, and the author is proven"}
	}
	return Decision{Row: "9", Effect: Open, Reason: "a new conversation; nothing proves the author"}
}
