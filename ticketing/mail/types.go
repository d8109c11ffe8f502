// Package mail is Internet mail in and out: parsing that never refuses
// (RFC 5322, 2045-2047, 2231), what the author wrote, who must not be answered
// (RFC 3834), delivery reports (RFC 3464), and composing.
//
// It also holds the types that the LMTP server, the verifier and the desk
// share. It knows neither tickets nor a network.
package mail

import (
	"slices"
	"time"
)

// Address is a mailbox of RFC 5322 section 3.4, decoded.
type Address struct {
	Name    string `json:"name,omitempty"` // display name in UTF-8, empty when there is none
	Address string `json:"address"`        // addr-spec, the domain in lower case
}

// Envelope is what an LMTP transaction said before DATA (RFC 5321 section 3.3).
type Envelope struct {
	ReversePath string   // without angle brackets; empty is the null reverse-path
	Recipients  []string // in the order of RCPT; duplicates are kept
	Peer        string   // the name given at LHLO
	SMTPUTF8    bool     // the SMTPUTF8 parameter of MAIL (RFC 6531)
	Size        int64    // the SIZE parameter of MAIL, 0 when absent
}

// Result is the outcome of one recipient after the message was taken.
type Result struct {
	Err  error  // nil: delivered (250). Any error is a temporary one to Postfix.
	Text string // the text of the 250, which Postfix writes into its log; ASCII, may be empty
}

// AuthResult is a result code of RFC 8601 section 2.7.1.
type AuthResult string

// The results of RFC 8601 that the verifier gives.
const (
	AuthPass      AuthResult = "pass"
	AuthFail      AuthResult = "fail"
	AuthNone      AuthResult = "none"
	AuthNeutral   AuthResult = "neutral"
	AuthTempError AuthResult = "temperror"
	AuthPermError AuthResult = "permerror"
)

// Signature is what became of one DKIM signature (RFC 6376).
type Signature struct {
	Domain   string     `json:"domain"`   // d=, the SigningDomain, lower case
	Selector string     `json:"selector"` // s=
	Result   AuthResult `json:"result"`
	Reason   string     `json:"reason,omitempty"`  // why it is no pass, in words
	Aligned  bool       `json:"aligned,omitempty"` // d= is aligned with the From domain (RFC 9989)
	Testing  bool       `json:"testing,omitempty"` // the key record says t=y: it counts as unsigned (RFC 6376 section 3.6.1)
}

// SPF is what the reverse-path's domain says of the server that sent the mail (RFC 7208).
type SPF struct {
	Domain  string     `json:"domain"` // of the reverse-path
	Client  string     `json:"client"` // address that our own Postfix took the mail from
	Result  AuthResult `json:"result"`
	Reason  string     `json:"reason,omitempty"`
	Aligned bool       `json:"aligned,omitempty"` // Domain is aligned with the From domain (RFC 9989)
}

// Authentication is the verdict on who wrote a message. The zero value is
// "nothing is proven".
type Authentication struct {
	DKIM []Signature `json:"dkim,omitempty"`
	SPF  *SPF        `json:"spf,omitempty"` // nil: not evaluated
	// Server is what the trusted Authentication-Results fields say, as "dkim=pass".
	Server []string `json:"server,omitempty"`
	Author string   `json:"author,omitempty"` // the proven author address; empty when From is not single or nothing aligned passed
	// Method is how Author was proven: "dkim" by a signature that we verified, "authserv"
	// by one that the trusted server verified, "spf" by the sending server's address alone,
	// whoever evaluated it (never enough for staff: many share one server), or empty.
	Method string `json:"method,omitempty"`
	// Unsigned are the fields, in lower case, that no signature covers by which Author was
	// proven: anybody who has such a mail may have put them in.
	Unsigned []string `json:"unsigned,omitempty"`
	// Policy is what the author's domain asks for mail that fails (RFC 9989):
	// "none", "quarantine", "reject", or empty when it publishes nothing.
	Policy string     `json:"policy,omitempty"`
	DMARC  AuthResult `json:"dmarc,omitempty"`
	// Login is the user that our own Postfix says has logged in and sent this. Who it is,
	// and whether that is the author, is for whoever knows the logins to say.
	Login string `json:"login,omitempty"`
	// Spam says that the site's own filter takes it for spam.
	Spam bool `json:"spam,omitempty"`
	// Temporary says that DNS could not answer: ask again later.
	Temporary bool   `json:"temporary,omitempty"`
	Reason    string `json:"reason,omitempty"` // the verdict in one sentence
}

// Covers says that the proof of the author is one of this field too (lower case).
func (a Authentication) Covers(field string) bool {
	return a.Author != "" && !slices.Contains(a.Unsigned, field)
}

// Message is a parsed message. Parse always gives one.
type Message struct {
	ReversePath string // of the envelope; whoever knows it sets it, Parse does not

	Subject    string
	From       []Address // all mailboxes of all From fields, in order
	FromFields int       // how many From fields there are; 1 is right (RFC 5322 section 3.6)
	FromGroup  bool      // From uses the group syntax
	Sender     []Address
	ReplyTo    []Address
	To, Cc     []Address
	Date       time.Time // zero when missing or not understood
	MessageID  string    // without angle brackets
	InReplyTo  []string  // msg-ids without angle brackets
	References []string  // msg-ids without angle brackets, oldest first
	Received   int       // how many Received fields there are
	Duplicates []string  // names of singleton fields that occur more than once

	Text        string // all inline text/plain parts joined
	HTML        string // the decoded HTML body as sent, unsafe
	HTMLText    string // the visible text of HTML
	NewText     string // what the author wrote, without quotes and signature
	Attachments []Attachment

	Automatic Automatic
	Report    *Report // nil when the message is no delivery report
	Calendar  []Invitation
	Problems  []string

	fields    []field    // header fields in order, for Header
	htmlMarks []htmlNote // what the elements of HTML say of the lines of HTMLText
}

// Attachment is a part that is not part of the text.
type Attachment struct {
	Name      string `json:"name,omitempty"` // decoded, without directories and control characters
	Type      string `json:"type"`           // media type in lower case, without parameters
	Size      int64  `json:"size"`           // octets after decoding
	SHA256    string `json:"sha256"`         // of the decoded octets, lower-case hex
	Inline    bool   `json:"inline"`
	ContentID string `json:"content_id,omitempty"` // without angle brackets
	Location  string `json:"location,omitempty"`   // Content-Location, without white space
	Text      string `json:"text,omitempty"`       // of an attached message: who wrote what, to read
	Content   []byte `json:"-"`                    // decoded octets
}

// Automatic says whether a machine wrote a message, and whether it may be answered.
type Automatic struct {
	Automatic bool   `json:"automatic"`
	Suppress  bool   `json:"suppress"` // we must not answer it automatically (RFC 3834 section 2)
	Why       string `json:"why,omitempty"`
}

// Report is a delivery report (RFC 3464), whatever shape it came in.
type Report struct {
	Recipients         []ReportRecipient `json:"recipients"`
	OriginalEnvelopeID string            `json:"original_envelope_id,omitempty"`
	OriginalMessageID  string            `json:"original_message_id,omitempty"` // Message-ID of the returned message or header
}

// ReportRecipient is the fate of one recipient in a Report.
type ReportRecipient struct {
	Address    string `json:"address"`
	Original   string `json:"original,omitempty"` // the address that was written to, when the mail was sent on from there (Original-Recipient)
	Action     string `json:"action"`             // failed delayed delivered relayed expanded (RFC 3464 section 2.3.3), or the reporter's own word
	Status     string `json:"status"`             // enhanced status code (RFC 3463), by the words when no code is given; empty when none is known
	ReplyCode  int    `json:"reply_code,omitempty"`
	Diagnostic string `json:"diagnostic,omitempty"`
	Permanent  bool   `json:"permanent"`
}

// field is one header field as it stood, unfolded and not decoded.
type field struct{ name, value string }

// Header gives the raw, unfolded values of all fields called name (any case), in order.
func (m *Message) Header(name string) []string {
	var out []string
	for _, f := range m.fields {
		if equalFold(f.name, name) {
			out = append(out, f.value)
		}
	}
	return out
}

// Field is one header field: its name as it stood, its value unfolded and not decoded.
type Field struct{ Name, Value string }

// Trace gives all header fields in order down to the second Received field: what our own
// Postfix and its filters wrote stands there, and below it what came from outside.
func (m *Message) Trace() []Field {
	var out []Field
	received := 0
	for _, f := range m.fields {
		if equalFold(f.name, "Received") {
			if received++; received > 1 {
				break
			}
		}
		out = append(out, Field{f.name, f.value})
	}
	return out
}

func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		x, y := a[i], b[i]
		if 'A' <= x && x <= 'Z' {
			x += 'a' - 'A'
		}
		if 'A' <= y && y <= 'Z' {
			y += 'a' - 'A'
		}
		if x != y {
			return false
		}
	}
	return true
}

// SoleAuthor is the one mailbox of the one From field, false when there is no such
// thing or a singleton field is doubled: such mail proves nobody (RFC 9989 section 5.3).
func (m *Message) SoleAuthor() (Address, bool) {
	if m.FromFields != 1 || len(m.From) != 1 || m.FromGroup || len(m.Duplicates) > 0 {
		return Address{}, false
	}
	return m.From[0], true
}
